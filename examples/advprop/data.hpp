// The data sets that the program knows, and how each is augmented.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <advprop/data/augment.hpp>
#include <advprop/data/dataset.hpp>

#include "runner_options.hpp"
#include "settings.hpp"

namespace advprop::program {

struct data_sets {
  dataset train, test;
};

/// Reads the data set from `--data-dir`, as far as `--train-images` and `--test-images` say. Throws `file_error`.
data_sets load_data(const settings& s);
dataset load_test_data(const settings& s);

normalization_numbers normalization(const settings& s);

using augment_function = std::function<void(single_image, random_stream&)>;

/// Pad-crop and, where left and right do not matter, flip. `strong`: and cutout of half the side, for a domain that is
/// fed with augmented images instead of attacked ones.
augment_function augmentation(const settings& s, bool strong);

}  // namespace advprop::program
