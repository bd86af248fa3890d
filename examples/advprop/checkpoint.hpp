// What a checkpoint tells before a network is made for it.
#pragma once

#include <string>

namespace advprop::program {

/// How many auxiliary sets of batch norms it has. Throws `file_error`, also for the state of a training run.
int auxiliaries_in(const std::string& path);

}  // namespace advprop::program
