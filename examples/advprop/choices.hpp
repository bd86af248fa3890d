// From settings to what the library takes.
#pragma once

#include <string>
#include <vector>

#include <advprop/data/resize.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/io/dialect.hpp>
#include <advprop/training/schedule.hpp>

#include "attack.hpp"
#include "method.hpp"
#include "optimizer.hpp"
#include "runner_options.hpp"
#include "settings.hpp"

namespace advprop::program {

/// The attack of that name, the other numbers from the settings. Throws `argument_error` for a name that there is not.
chosen_attack attack_of(const settings& s, const std::string& name, float epsilon, float step, int steps);

/// The network for images of that shape.
runner_options network_of(const settings& s, data_shape shape);

chosen_method method_of(const settings& s);
/// The augmentation of each data stream that the method reads: the main one, then those of auxiliary domains that see
/// images augmented otherwise, or that see images without attack.
std::vector<std::string> streams_of(const settings& s);

std::vector<layer_rate> layer_rates_of(const settings& s);
chosen_optimizer optimizer_of(const settings& s);
resampling filter_of(const settings& s);
dialect dialect_of(const settings& s);
/// Says on stderr where a file has torchvision's names, and the EfficientNet is not torchvision's.
void tell_of_names(const std::string& file, const std::string& model, dialect names);
convolution_policy convolutions_of(const settings& s);
/// Domain 0 for "main", k + 1 for "k".
int domain_of(const settings& s);
schedule schedule_of(const settings& s);

}  // namespace advprop::program
