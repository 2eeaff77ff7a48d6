// SPDX-License-Identifier: Apache-2.0
// The same for a Result without a value.
// expect: ignoring returned value of type
#include "base/result.h"

millrace::Result<void> Save();

bool Caller() {
#ifdef WRONG
  Save();
  return true;
#else
  return Save().ok();
#endif
}
