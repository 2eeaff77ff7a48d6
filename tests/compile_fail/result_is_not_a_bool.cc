// SPDX-License-Identifier: Apache-2.0
// `bool valid = Check();` would read "no error" as "true"; only an explicit question is answered.
// expect: cannot convert
#include "base/result.h"

millrace::Result<bool> Check();

bool Caller() {
#ifdef WRONG
  const bool valid = Check();
#else
  const bool valid = Check().ok();
#endif
  return valid;
}
