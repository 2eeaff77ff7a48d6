# SPDX-License-Identifier: Apache-2.0
# Sanitizers for our own code; the prebuilt libraries are not instrumented, see tests/support/*_suppressions.txt.
if(MILLRACE_SANITIZE)
  string(REPLACE ";" "," sanitizers "${MILLRACE_SANITIZE}")
  target_compile_options(millrace_flags INTERFACE -fsanitize=${sanitizers} -fno-sanitize-recover=all)
  target_link_options(millrace_flags INTERFACE -fsanitize=${sanitizers})
  # With sanitizers GCC's flow analysis sees paths that cannot be taken and warns about them.
  target_compile_options(millrace_flags INTERFACE -Wno-maybe-uninitialized)
endif()
