// The optimizers, all.
#pragma once

#include <advprop/training/adamw.hpp>
#include <advprop/training/rmsprop.hpp>
#include <advprop/training/sgd.hpp>
