// From settings to what the library takes.
#pragma once

#include <string>
#include <vector>

#include <advprop/training/optimizers.hpp>
#include <advprop/training/schedule.hpp>

#include "attack.hpp"
#include "method.hpp"
#include "settings.hpp"

namespace advprop::program {

/// The attack of that name, the other numbers from the settings. Throws `argument_error` for a name that there is not.
chosen_attack attack_of(const settings& s, const std::string& name, float epsilon, float step, int steps);

chosen_method method_of(const settings& s);
/// How many data streams with stronger augmentation the method reads beside the main one.
int strong_streams(const settings& s);

sgd optimizer_of(const settings& s);
schedule schedule_of(const settings& s);

}  // namespace advprop::program
