// Finding a network by name.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "runner.hpp"

namespace advprop::program {

struct registered_network {
  const char* name;
  std::unique_ptr<runner> (*make)(any_device&, const runner_options&);  // null for what it was not compiled for
};

/// What CMake has to be told for such images.
inline std::string definitions_for(const data_shape& shape, const std::string& data) {
  if (shape.channels == 1) return "-D ADVPROP_PROGRAM_DATA=fashion-mnist";
  const std::string folders = data.find("folder") == data.npos ? "-D ADVPROP_PROGRAM_DATA=folder " : "";
  return folders + "-D ADVPROP_PROGRAM_CLASSES=" + std::to_string(shape.classes);
}

/// The errors name what the program was built with.
inline std::unique_ptr<runner> make_registered(std::span<const registered_network> all, const char* data,
                                               int auxiliaries, any_device& device, const runner_options& o) {
  std::string names;
  for (const auto& n : all) {
    names += (names.empty() ? "" : ", ") + std::string(n.name);
    if (o.model != n.name) continue;
    if (o.auxiliaries > auxiliaries)
      fail<argument_error>("this program was built for up to ", auxiliaries, " auxiliary domains, not ", o.auxiliaries,
                           ": configure it with -D ADVPROP_PROGRAM_AUXILIARY=", o.auxiliaries);
    if (auto made = n.make(device, o)) return made;
    fail<argument_error>("this program was built for the images of ", data, ", not for ", o.shape.classes,
                         " classes of images with ", o.shape.channels, " channels: configure it with ",
                         definitions_for(o.shape, data));
  }
  fail<argument_error>("--model is ", o.model, "; this program was built with ", names);
}

}  // namespace advprop::program
