# The library advprop::cuda: the GPU's operations, compiled once, by nvcc, in the build that uses it. It needs the CUDA
# toolkit and cuDNN 9; cuDNN may come from the system, from CUDA's folder, or from the PyPI package nvidia-cudnn-cu13.
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
if(NOT ADVPROP_CUDNN_INCLUDE OR NOT ADVPROP_CUDNN_LIBRARY)
  find_program(ADVPROP_CUDNN_PYTHON NAMES python3 python DOC "Python that has the package nvidia-cudnn-cu13")
  if(ADVPROP_CUDNN_PYTHON)
    execute_process(COMMAND ${ADVPROP_CUDNN_PYTHON} -c "import nvidia.cudnn as c; print(list(c.__path__)[0])"
      OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    find_path(ADVPROP_CUDNN_INCLUDE cudnn_graph.h HINTS "${folder}/include")
    find_library(ADVPROP_CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS "${folder}/lib")
  endif()
endif()
if(NOT ADVPROP_CUDNN_INCLUDE OR NOT ADVPROP_CUDNN_LIBRARY)
  message(FATAL_ERROR "advprop: cuDNN 9 was not found in the system, in CUDA's folder or in Python's package "
    "nvidia-cudnn-cu13: install one, or set ADVPROP_CUDNN_INCLUDE and ADVPROP_CUDNN_LIBRARY.")
endif()

add_library(advprop_cuda STATIC EXCLUDE_FROM_ALL ${ADVPROP_CUDA_SOURCE})
add_library(advprop::cuda ALIAS advprop_cuda)
target_link_libraries(advprop_cuda PUBLIC advprop::advprop
  PRIVATE CUDA::cudart_static CUDA::cublasLt ${ADVPROP_CUDNN_LIBRARY})
target_include_directories(advprop_cuda SYSTEM PRIVATE ${ADVPROP_CUDNN_INCLUDE})
# What a user's own .cu files need, too. 554: nvcc does not know constraints on conversion functions. The standard is an
# option, because CMake 3.25 does not know what nvcc 13 can.
target_compile_options(advprop_cuda PUBLIC
  $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --extended-lambda --expt-relaxed-constexpr --diag-suppress=554>)
set_target_properties(advprop_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON)
# cuDNN from a Python package lies outside the loader's path.
cmake_path(GET ADVPROP_CUDNN_LIBRARY PARENT_PATH advprop_cudnn_folder)
target_link_options(advprop_cuda INTERFACE "LINKER:-rpath,${advprop_cudnn_folder}")
