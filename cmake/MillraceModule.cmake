# SPDX-License-Identifier: Apache-2.0
# millrace_module: one call per folder under src/ makes its library, its tests and its benchmarks, and checks its arrows.

# The layer table of DESIGN section 4: each module with its layer.
set(MILLRACE_LAYERS
    base=0
    net=1 data=1 store=1 stream=1
    quality=2 features=2 models=2 metrics=2 plots=2
    learners=3 tracking=3 explain=3
    automl=4 evaluation=4 serving=4
    monitoring=5 pipelines=5
    api=6 cli=6
    app=7)
# Inside layer 1 an arrow may point to the left.
set(MILLRACE_LAYER1_ORDER net data store stream)

define_property(GLOBAL PROPERTY MILLRACE_BUILT_MODULES BRIEF_DOCS "modules in the order of their calls")

function(millrace_layer_of module out)
  foreach(entry IN LISTS MILLRACE_LAYERS)
    if(entry MATCHES "^${module}=([0-9])$")
      set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "module \"${module}\" is not in the layer table of cmake/MillraceModule.cmake (DESIGN section 4)")
endfunction()

# Stops the configure step unless DESIGN section 4 allows the arrow from module (of that layer) to dep.
function(millrace_check_arrow module layer dep)
  millrace_layer_of(${dep} dep_layer)
  set(allowed FALSE)
  if(dep_layer LESS layer)
    set(allowed TRUE)
  elseif(layer EQUAL 1 AND dep_layer EQUAL 1)
    list(FIND MILLRACE_LAYER1_ORDER ${module} own_place)
    list(FIND MILLRACE_LAYER1_ORDER ${dep} dep_place)
    if(dep_place LESS own_place)
      set(allowed TRUE)
    endif()
  endif()
  if(NOT allowed)
    message(FATAL_ERROR "module ${module} (layer ${layer}) may not depend on ${dep} (layer ${dep_layer}): arrows point "
                        "to a lower layer, inside layer 1 to the left (${MILLRACE_LAYER1_ORDER})")
  endif()
  if(dep STREQUAL "net" AND layer GREATER_EQUAL 2 AND layer LESS_EQUAL 5)
    message(FATAL_ERROR "module ${module} may not depend on net: no domain module knows HTTP; declare an interface "
                        "that app fulfils")
  endif()
endfunction()

# All modules that a module reaches through its DEPS.
function(millrace_reachable module out)
  get_property(deps GLOBAL PROPERTY MILLRACE_DEPS_${module})
  set(all ${deps})
  foreach(dep IN LISTS deps)
    millrace_reachable(${dep} deeper)
    list(APPEND all ${deeper})
  endforeach()
  list(REMOVE_DUPLICATES all)
  set(${out} ${all} PARENT_SCOPE)
endfunction()

# millrace_module(NAME LAYER n SRCS ... [MAIN main.cc] [TESTS ...] [BENCHES ...] [DEPS modules] [LIBS dep::...]
#                 [TEST_DEPS modules] [TEST_LIBS dep::...])
#
# SRCS       sources of the static library millrace_NAME, by hand
# MAIN       a source with main(): makes the executable millrace
# TESTS      sources of the one test executable tests/NAME_test
# BENCHES    sources of the one benchmark executable benches/NAME_bench (target bench_NAME)
# DEPS       our own modules; TEST_DEPS those that only the tests use (same rules of layer)
# LIBS       third-party targets, private to this module; TEST_LIBS those that only the tests use
function(millrace_module NAME)
  cmake_parse_arguments(M "" "LAYER;MAIN" "SRCS;TESTS;BENCHES;DEPS;LIBS;TEST_DEPS;TEST_LIBS" ${ARGN})
  if(M_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "millrace_module(${NAME}): unknown words ${M_UNPARSED_ARGUMENTS}")
  endif()
  millrace_layer_of(${NAME} table_layer)
  if(NOT "${M_LAYER}" STREQUAL "${table_layer}")
    message(FATAL_ERROR "millrace_module(${NAME}): LAYER ${M_LAYER}, but DESIGN section 4 says ${table_layer}")
  endif()
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  if(NOT folder STREQUAL NAME)
    message(FATAL_ERROR "millrace_module(${NAME}) is called in the folder ${folder}; the names must be equal")
  endif()
  foreach(dep IN LISTS M_DEPS M_TEST_DEPS)
    millrace_check_arrow(${NAME} ${M_LAYER} ${dep})
    if(NOT TARGET millrace_${dep})
      message(FATAL_ERROR "millrace_module(${NAME}): DEPS names ${dep}, which src/${dep}/CMakeLists.txt does not make")
    endif()
  endforeach()
  foreach(file IN LISTS M_SRCS M_MAIN M_TESTS M_BENCHES)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "millrace_module(${NAME}): src/${NAME}/${file} does not exist")
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY MILLRACE_DEPS_${NAME} ${M_DEPS})
  set_property(GLOBAL APPEND PROPERTY MILLRACE_BUILT_MODULES ${NAME})

  set(own_deps ${M_DEPS})
  list(TRANSFORM own_deps PREPEND millrace_)
  add_library(millrace_${NAME} STATIC ${M_SRCS})
  target_link_libraries(millrace_${NAME} PUBLIC millrace_flags ${own_deps} PRIVATE ${M_LIBS} Threads::Threads)

  if(M_MAIN)
    add_executable(millrace ${M_MAIN})
    target_link_libraries(millrace PRIVATE millrace_${NAME} ${M_LIBS})
    set_target_properties(millrace PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  endif()
  set(test_deps ${M_TEST_DEPS})
  list(TRANSFORM test_deps PREPEND millrace_)
  if(M_TESTS)
    add_executable(${NAME}_test ${M_TESTS})
    target_link_libraries(${NAME}_test PRIVATE millrace_${NAME} ${test_deps} ${M_LIBS} ${M_TEST_LIBS} GTest::gmock
                                               GTest::gtest_main)
    target_compile_definitions(${NAME}_test PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                                    MILLRACE_BINARY_DIR="${CMAKE_BINARY_DIR}")
    if(CMAKE_BUILD_TYPE STREQUAL "Release")
      # Test code runs once: optimising it costs a third of its compile time (8.3 s to 5.6 s) and buys nothing.
      target_compile_options(${NAME}_test PRIVATE -O0)
    endif()
    set_target_properties(${NAME}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    set_property(GLOBAL APPEND PROPERTY MILLRACE_TESTS ${NAME}_test)
  endif()
  if(M_BENCHES)
    add_executable(${NAME}_bench EXCLUDE_FROM_ALL ${M_BENCHES})
    target_link_libraries(${NAME}_bench PRIVATE millrace_${NAME} ${test_deps} ${M_LIBS} ${M_TEST_LIBS}
                                                benchmark::benchmark_main)
    set_target_properties(${NAME}_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benches)
    set_property(GLOBAL APPEND PROPERTY MILLRACE_BENCHES ${NAME}_bench)
  endif()
endfunction()

# Checks that need the whole graph, and the files that scripts read about it.
function(millrace_finish)
  get_property(modules GLOBAL PROPERTY MILLRACE_BUILT_MODULES)
  foreach(module IN LISTS modules)
    millrace_reachable(${module} reachable)
    if(module STREQUAL "serving" AND "learners" IN_LIST reachable)
      message(FATAL_ERROR "serving reaches learners through its DEPS: an endpoint must not link training code")
    endif()
  endforeach()
  get_property(tests GLOBAL PROPERTY MILLRACE_TESTS)
  list(JOIN tests "\n" lines)
  # scripts/run_tests.py runs exactly these, so an executable left over from a removed module is not counted.
  file(WRITE ${CMAKE_BINARY_DIR}/tests/list.txt "${lines}\n")
  add_custom_target(tests DEPENDS ${tests})
  get_property(benches GLOBAL PROPERTY MILLRACE_BENCHES)
  list(JOIN benches "\n" lines)
  file(WRITE ${CMAKE_BINARY_DIR}/benches/list.txt "${lines}\n")
  add_custom_target(benches DEPENDS ${benches})
endfunction()
