// SPDX-License-Identifier: Apache-2.0
// The version of this program; the same as in CMakeLists.txt, which passes it.
#pragma once

namespace millrace::app {

inline constexpr const char* kVersion = MILLRACE_VERSION;

}  // namespace millrace::app
