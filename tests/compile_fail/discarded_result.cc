// SPDX-License-Identifier: Apache-2.0
// A failure cannot be overlooked: the compiler refuses a call whose Result is dropped.
// expect: ignoring returned value of type
#include "base/result.h"

millrace::Result<int> Answer();

void Caller() {
#ifdef WRONG
  Answer();
#else
  (void)Answer().ok();
#endif
}
