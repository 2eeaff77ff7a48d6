# SPDX-License-Identifier: Apache-2.0
# Compiler flags of our own code; third-party headers are SYSTEM and stay silent.
add_library(millrace_flags INTERFACE)
target_compile_options(millrace_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
# One rounding per operation on every machine: fused multiply-add would change the last bit of a model.
target_compile_options(millrace_flags INTERFACE -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these inside its own inlined string and vector code (GCC bugs 105329, 105651, 104336).
  target_compile_options(millrace_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds
                                                  -Wno-stringop-overread)
endif()
target_include_directories(millrace_flags INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/src)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_link_options(millrace_flags INTERFACE -fuse-ld=mold)
else()
  target_link_options(millrace_flags INTERFACE -Wl,-rpath-link,${CMAKE_BINARY_DIR}/lib)
endif()
