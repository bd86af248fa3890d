// The training methods, all.
#pragma once

#include <advprop/training/adversarial_propagation.hpp>
#include <advprop/training/adversarial_training.hpp>
#include <advprop/training/clean_training.hpp>
