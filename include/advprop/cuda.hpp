// The CUDA device for programs that link advprop::cuda: no file of theirs needs nvcc, unless it has loops over
// functions of its own (`transform`).
#pragma once

#include <advprop/advprop.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/ops/cuda.hpp>
