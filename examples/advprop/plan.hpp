// What a run will take, before it begins.
#pragma once

#include <string>

#include "data.hpp"
#include "runner.hpp"
#include "settings.hpp"

namespace advprop::program {

/// Of settings that are `resolved`; that many test images are evaluated while training and attacked after it.
run_plan plan_run(const settings& s, const described_images& images, int evaluated, int attacked);

/// One line on the memory of a run.
std::string memory_of(const run_plan& p);

/// Throws `memory_error` where the CPU's memory can never hold that.
void check_memory(const settings& s, const run_plan& p);

}  // namespace advprop::program
