// Every operation of the CPU device: the table that a new device has to fill.
#pragma once

#include <advprop/ops/cpu/activation.hpp>
#include <advprop/ops/cpu/conv.hpp>
#include <advprop/ops/cpu/elementwise.hpp>
#include <advprop/ops/cpu/linear.hpp>
#include <advprop/ops/cpu/loss.hpp>
#include <advprop/ops/cpu/memory.hpp>
#include <advprop/ops/cpu/norm.hpp>
#include <advprop/ops/cpu/pool.hpp>
#include <advprop/ops/cpu/update.hpp>
