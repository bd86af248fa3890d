// The subcommands, one per file. Each throws `advprop::error` where it cannot go on.
#pragma once

#include "settings.hpp"

namespace advprop::program {

void train(const settings& s);
void evaluate(const settings& s);
void compare(const settings& s);
void corrupt(const settings& s);
void export_onnx(const settings& s);
void convert(const settings& s);
void predict(const settings& s);
void plan(const settings& s);

}  // namespace advprop::program
