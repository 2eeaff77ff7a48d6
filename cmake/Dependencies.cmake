# SPDX-License-Identifier: Apache-2.0
# Imported targets dep::* for everything that is linked: prebuilt libraries of scripts/native.lock and Debian packages.
set(third_party ${CMAKE_CURRENT_SOURCE_DIR}/third_party)
set(library_dir ${CMAKE_BINARY_DIR}/lib)

foreach(folder IN ITEMS arrow duckdb lightgbm xgboost onnxruntime)
  if(NOT EXISTS ${third_party}/${folder}/.complete)
    message(FATAL_ERROR "third_party/${folder} is missing or incomplete; run scripts/setup.sh")
  endif()
endforeach()

# millrace_prebuilt(file [subfolder]): puts a prebuilt library beside the binary, where RUNPATH $ORIGIN/lib finds it.
function(millrace_prebuilt source place)
  get_filename_component(name ${source} NAME)
  get_filename_component(real ${source} REALPATH)
  file(MAKE_DIRECTORY ${library_dir}/${place})
  set(target ${library_dir}/${place}/${name})
  if(NOT EXISTS ${target} OR ${real} IS_NEWER_THAN ${target})
    # A hard link where the file system allows it: build folders then cost no disk.
    file(REMOVE ${target})
    file(CREATE_LINK ${real} ${target} COPY_ON_ERROR)
  endif()
endfunction()

set(arrow_files libarrow.so.2600 libarrow_compute.so.2600 libarrow_acero.so.2600 libarrow_dataset.so.2600
                libparquet.so.2600 libarrow_s3.so.2600)
foreach(file IN LISTS arrow_files)
  millrace_prebuilt(${third_party}/arrow/lib/${file} .)
endforeach()
millrace_prebuilt(${third_party}/duckdb/lib/libduckdb.so .)
millrace_prebuilt(${third_party}/lightgbm/lib/lib_lightgbm.so .)
millrace_prebuilt(${third_party}/onnxruntime/lib/libonnxruntime.so.1 .)
# libxgboost finds its own OpenMP runtime by a compiled-in relative path, so both keep their places to each other.
millrace_prebuilt(${third_party}/xgboost/xgboost/lib/libxgboost.so.3 xgboost/lib)
file(GLOB gomp ${third_party}/xgboost/xgboost_cpu.libs/libgomp-*)
millrace_prebuilt(${gomp} xgboost_cpu.libs)

# Binaries find the prebuilt libraries relative to themselves: millrace in the build folder, tests one folder below.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN/lib" "$ORIGIN/lib/xgboost/lib" "$ORIGIN/../lib" "$ORIGIN/../lib/xgboost/lib")
target_link_options(millrace_flags INTERFACE -Wl,--enable-new-dtags)
# libparquet exports parts of an OpenSSL of its own. With the system's libcrypto in front of it in every program, libssl and
# libpq use one library for all of it; half of each would crash.
target_link_options(millrace_flags INTERFACE -Wl,--push-state,--no-as-needed,-lcrypto,--pop-state)

# millrace_imported(name library include): one shared library with its headers as dep::name.
function(millrace_imported name library include)
  add_library(dep::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(dep::${name} PROPERTIES IMPORTED_LOCATION ${library})
  target_include_directories(dep::${name} SYSTEM INTERFACE ${include})
endfunction()

foreach(part IN ITEMS arrow arrow_compute arrow_acero arrow_dataset parquet)
  add_library(dep_${part} SHARED IMPORTED GLOBAL)
  set_target_properties(dep_${part} PROPERTIES IMPORTED_LOCATION ${library_dir}/lib${part}.so.2600)
endforeach()
add_library(dep::arrow INTERFACE IMPORTED GLOBAL)
target_include_directories(dep::arrow SYSTEM INTERFACE ${third_party}/arrow/include)
target_link_libraries(dep::arrow INTERFACE dep_arrow_dataset dep_arrow_acero dep_arrow_compute dep_parquet dep_arrow)

millrace_imported(duckdb ${library_dir}/libduckdb.so ${third_party}/duckdb/include)
millrace_imported(lightgbm ${library_dir}/lib_lightgbm.so ${third_party}/lightgbm/include)
millrace_imported(xgboost ${library_dir}/xgboost/lib/libxgboost.so.3 ${third_party}/xgboost/include)
# No header: the C ABI is declared by slot where it is used.
add_library(dep::onnxruntime SHARED IMPORTED GLOBAL)
set_target_properties(dep::onnxruntime PROPERTIES IMPORTED_LOCATION ${library_dir}/libonnxruntime.so.1)

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# millrace_debian(name library [definitions...]): a Debian library whose headers lie in /usr/include.
function(millrace_debian name)
  add_library(dep::${name} INTERFACE IMPORTED GLOBAL)
  foreach(library IN LISTS ARGN)
    find_library(millrace_lib_${library} ${library})
    if(NOT millrace_lib_${library})
      message(FATAL_ERROR "lib${library} is missing (needed for dep::${name}); run scripts/setup.sh")
    endif()
    target_link_libraries(dep::${name} INTERFACE ${millrace_lib_${library}})
  endforeach()
endfunction()

millrace_debian(boost)
find_path(millrace_beast boost/beast/version.hpp)
if(NOT millrace_beast)
  message(FATAL_ERROR "boost/beast/version.hpp is missing (package libboost1.81-dev); run scripts/setup.sh")
endif()
target_link_libraries(dep::boost INTERFACE Threads::Threads)
millrace_debian(openssl ssl crypto)
millrace_debian(json)
millrace_debian(cli11)
millrace_debian(yaml yaml-cpp)
millrace_debian(sqlite sqlite3)
millrace_debian(postgres pq)
millrace_debian(rocksdb rocksdb)
millrace_debian(onnx onnx_proto protobuf)
target_compile_definitions(dep::onnx INTERFACE ONNX_ML=1 ONNX_NAMESPACE=onnx)
millrace_debian(pcre2 pcre2-8)
millrace_debian(cairo cairo)
target_include_directories(dep::cairo SYSTEM INTERFACE /usr/include/cairo)

find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
