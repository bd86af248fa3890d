// The CPU library, whole.
#pragma once

#include <advprop/core/error.hpp>  // what a compiler must be told, first

#include <advprop/ops/cpu.hpp>

// Before what includes them: a compiler's message about a layer is then some lines shorter.
#include <advprop/layers/layer.hpp>
#include <advprop/layers/residual.hpp>
#include <advprop/layers/sequential.hpp>

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/gradient_descent.hpp>
#include <advprop/attacks/momentum.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/attacks/strongest.hpp>
#include <advprop/core/uncertainty.hpp>
#include <advprop/data/augment.hpp>
#include <advprop/data/auto_augment.hpp>
#include <advprop/data/cifar.hpp>
#include <advprop/data/color_jitter.hpp>
#include <advprop/data/crops.hpp>
#include <advprop/data/hold_out.hpp>
#include <advprop/data/idx.hpp>
#include <advprop/data/image_folder.hpp>
#include <advprop/data/loader.hpp>
#include <advprop/data/mix.hpp>
#include <advprop/data/rand_augment.hpp>
#include <advprop/data/random_erasing.hpp>
#include <advprop/io/checkpoint.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/predict.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/training/evaluate.hpp>
#include <advprop/training/fit.hpp>
#include <advprop/training/plan.hpp>
