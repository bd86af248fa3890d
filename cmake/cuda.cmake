# The library advprop::cuda: the GPU's operations, compiled once, by nvcc, in the build that uses it. It needs the CUDA
# toolkit and cuDNN 9; cuDNN may come from the system, from CUDA's folder, or from the PyPI package nvidia-cudnn-cu13, and
# cuBLASLt, where the toolkit has none, from nvidia-cublas.
# Included by this project with ADVPROP_CUDA and by find_package(advprop COMPONENTS cuda).
find_package(CUDAToolkit 13.0 QUIET)
if(NOT CUDAToolkit_FOUND)
  message(FATAL_ERROR "advprop: no CUDA toolkit 13 was found: put nvcc on PATH or set CUDAToolkit_ROOT.")
endif()
if(NOT DEFINED CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
endif()
if(NOT DEFINED CMAKE_CUDA_HOST_COMPILER)
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # A100, H100 and H200; PTX for what follows
endif()
enable_language(CUDA)

find_path(ADVPROP_CUDNN_INCLUDE cudnn_graph.h HINTS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder of cuDNN's headers")
find_library(ADVPROP_CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${CUDAToolkit_LIBRARY_DIR} DOC "cuDNN 9")
find_path(ADVPROP_CUBLASLT_INCLUDE cublasLt.h HINTS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder of cuBLASLt's header")
find_library(ADVPROP_CUBLASLT_LIBRARY NAMES cublasLt libcublasLt.so.13 HINTS ${CUDAToolkit_LIBRARY_DIR} DOC "cuBLASLt 13")
if(NOT ADVPROP_CUDNN_INCLUDE OR NOT ADVPROP_CUDNN_LIBRARY OR NOT ADVPROP_CUBLASLT_INCLUDE OR NOT ADVPROP_CUBLASLT_LIBRARY)
  find_program(ADVPROP_CUDNN_PYTHON NAMES python3 python
    DOC "Python that has the packages nvidia-cudnn-cu13 and nvidia-cublas")
  if(ADVPROP_CUDNN_PYTHON)
    execute_process(COMMAND ${ADVPROP_CUDNN_PYTHON} -c "import nvidia; print(*nvidia.__path__, sep=';')"
      OUTPUT_VARIABLE packages OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    foreach(folder IN LISTS packages)
      find_path(ADVPROP_CUDNN_INCLUDE cudnn_graph.h HINTS "${folder}/cudnn/include")
      find_library(ADVPROP_CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS "${folder}/cudnn/lib")
      find_library(ADVPROP_CUBLASLT_LIBRARY NAMES cublasLt libcublasLt.so.13 HINTS "${folder}/cu13/lib")
      # Its headers lie among those of a toolkit that may not be this one.
      if(NOT ADVPROP_CUBLASLT_INCLUDE AND EXISTS "${folder}/cu13/include/cublasLt.h")
        file(GLOB headers "${folder}/cu13/include/cublas*.h")
        file(COPY ${headers} DESTINATION ${CMAKE_CURRENT_BINARY_DIR}/cublas)
        find_path(ADVPROP_CUBLASLT_INCLUDE cublasLt.h HINTS ${CMAKE_CURRENT_BINARY_DIR}/cublas)
      endif()
    endforeach()
  endif()
endif()
if(NOT ADVPROP_CUDNN_INCLUDE OR NOT ADVPROP_CUDNN_LIBRARY)
  message(FATAL_ERROR "advprop: cuDNN 9 was not found in the system, in CUDA's folder or in Python's package "
    "nvidia-cudnn-cu13: install one, or set ADVPROP_CUDNN_INCLUDE and ADVPROP_CUDNN_LIBRARY.")
endif()
if(NOT ADVPROP_CUBLASLT_INCLUDE OR NOT ADVPROP_CUBLASLT_LIBRARY)
  message(FATAL_ERROR "advprop: cuBLASLt 13 was not found in CUDA's folder or in Python's package nvidia-cublas: install "
    "one, or set ADVPROP_CUBLASLT_INCLUDE and ADVPROP_CUBLASLT_LIBRARY.")
endif()

add_library(advprop_cuda STATIC EXCLUDE_FROM_ALL ${ADVPROP_CUDA_SOURCE})
add_library(advprop::cuda ALIAS advprop_cuda)
target_link_libraries(advprop_cuda PUBLIC advprop::advprop
  PRIVATE CUDA::cudart_static ${ADVPROP_CUBLASLT_LIBRARY} ${ADVPROP_CUDNN_LIBRARY})
target_include_directories(advprop_cuda SYSTEM PRIVATE ${ADVPROP_CUDNN_INCLUDE} ${ADVPROP_CUBLASLT_INCLUDE})
# What a user's own .cu files need, too. 554: nvcc does not know constraints on conversion functions. The standard is an
# option, because CMake 3.25 does not know what nvcc 13 can.
target_compile_options(advprop_cuda PUBLIC
  $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --extended-lambda --expt-relaxed-constexpr --diag-suppress=554>)
set_target_properties(advprop_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON)
# What comes from a Python package lies outside the loader's path.
foreach(library IN ITEMS ${ADVPROP_CUDNN_LIBRARY} ${ADVPROP_CUBLASLT_LIBRARY})
  cmake_path(GET library PARENT_PATH folder)
  target_link_options(advprop_cuda INTERFACE "LINKER:-rpath,${folder}")
endforeach()
