// What the documents' snippets stand in: the library whole, and the names that they take for granted.
#pragma once

#include <cstdio>
#include <vector>

#include <advprop/advprop.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/io/onnx.hpp>
#include <advprop/ops/cuda.hpp>
#include <advprop/robustness/corrupted_source.hpp>
#include <advprop/robustness/ensemble.hpp>

namespace documents {

using namespace advprop;

using network = model<resnet20<10>, domains<3>, cpu>;
extern network net;
extern dataset train, test;
extern loader batches;

}  // namespace documents
