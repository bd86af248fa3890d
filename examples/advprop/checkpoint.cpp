// Reading a checkpoint's names and metadata, beside what the options say.
#include "checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <type_traits>

#include <advprop/core/error.hpp>
#include <advprop/io/safetensors.hpp>

#include "choices.hpp"
#include "data.hpp"

namespace advprop::program {

checkpoint_facts facts_of(const std::string& path) {
  constexpr std::string_view level = ".aux_bn.";
  const safetensors file = safetensors::read(path);
  checkpoint_facts facts{path, 0, metadata_of(file)};
  for (const auto& name : file.names()) {
    if (name.starts_with("training."))
      fail<file_error>(path, ": is the state of a training run; its network is in model.safetensors beside it");
    const auto at = name.find(level);
    if (at == name.npos) continue;
    int k = -1;
    std::from_chars(name.data() + at + level.size(), name.data() + name.size(), k);
    facts.auxiliaries = std::max(facts.auxiliaries, std::min(k, 1000) + 1);
  }
  return facts;
}

settings completed(settings s, const checkpoint_facts& file) {
  const auto take = [&](const char* option, auto& value, const auto& recorded) {
    if (recorded == std::remove_cvref_t<decltype(recorded)>{}) return;
    if (s.given.contains(option) && value != recorded)
      fail<argument_error>(option, " is ", value, ", but ", file.path, " records ", recorded);
    value = recorded;
  };
  take("--model", s.model, file.metadata.model);
  take("--channels", s.channels, file.metadata.channels);
  take("--classes", s.classes, file.metadata.classes);
  return s;
}

settings seen_as_recorded(settings s, std::span<const checkpoint_facts> files) {
  const auto agree = [&](const char* option, auto& value, auto member) {
    if (s.given.contains(option) && value != std::remove_cvref_t<decltype(value)>{}) return;  // --image-size 0: its own
    const checkpoint_facts* from = nullptr;
    for (const auto& file : files) {
      const auto& recorded = file.metadata.*member;
      if (recorded == std::remove_cvref_t<decltype(recorded)>{}) continue;
      if (from && value != recorded)
        fail<argument_error>(option, " is needed: ", from->path, " records ", value, ", ", file.path, " ", recorded);
      value = recorded;
      from = &file;
    }
  };
  agree("--image-size", s.image_size, &checkpoint_metadata::image_size);
  agree("--crop-fraction", s.crop_fraction, &checkpoint_metadata::crop_fraction);
  agree("--interpolation", s.interpolation, &checkpoint_metadata::interpolation);
  return s;
}

channel_statistics required_normalization(const settings& s, const checkpoint_facts& file) {
  const channel_statistics& recorded = file.metadata.normalization;
  if (!s.given.contains("--normalization")) {
    if (recorded.mean.empty()) fail<argument_error>("--normalization is needed: ", file.path, " records none");
    return recorded;
  }
  const channel_statistics chosen = normalization(s);
  if (!recorded.mean.empty() && !nearly_equal(chosen, recorded))
    fail<argument_error>("--normalization is ", s.normalization, " (", description(chosen), "), but ", file.path,
                         " records ", description(recorded));
  return chosen;
}

int domain_in(const settings& s, const checkpoint_facts& file) {
  const int domain = domain_of(s);
  if (domain > file.auxiliaries)
    fail<argument_error>("--domain ", s.domain, " is out of range: ", file.path, " has ", file.auxiliaries,
                         " auxiliary domains");
  return domain;
}

namespace {

/// What is not recorded fits.
void check_shape(const std::string& path, const checkpoint_metadata& recorded, const image_source& images) {
  const int channels = images.image().channels;
  const bool seen = recorded.channels == 0 || recorded.channels == channels;
  if (seen && (recorded.classes == 0 || recorded.classes == images.classes)) return;
  std::string told;
  if (recorded.channels > 0)
    told = "images of " + std::to_string(recorded.channels) + (recorded.channels == 1 ? " channel" : " channels");
  if (recorded.classes > 0) told += (told.empty() ? "" : " and ") + std::to_string(recorded.classes) + " classes";
  fail<argument_error>(path, ": is for ", told, "; ", images.name, " has ", channels, " and ", images.classes);
}

}  // namespace

void check_images(const std::string& path, const checkpoint_metadata& recorded, const image_source& images) {
  check_shape(path, recorded, images);
  const auto &there = recorded.class_names, &here = images.class_names;
  // Other names may be other words for the same classes; one at another place may not.
  for (std::size_t k = 0; k < std::min(there.size(), here.size()); ++k)
    if (there[k] != here[k] && std::find(there.begin(), there.end(), here[k]) != there.end())
      fail<argument_error>(path, " records '", there[k], "' as class ", k, ", but that of ", images.name, " is '",
                           here[k], "'");
}

void tell_of_classes(const std::string& path, const checkpoint_metadata& recorded, const image_source& images) {
  const auto &there = recorded.class_names, &here = images.class_names;
  if (there.empty() || here.empty()) return;
  if (std::find_first_of(there.begin(), there.end(), here.begin(), here.end()) != there.end()) return;
  std::fprintf(stderr, "%s: was trained to tell %s; %s has %s: classes count by their places, whatever their names\n",
               path.c_str(), first_of(there).c_str(), images.name.c_str(), first_of(here).c_str());
}

std::unique_ptr<runner> load_network(any_device& device, const settings& s, const checkpoint_facts& file,
                                     data_shape shape, int auxiliaries, const channel_statistics& normalization) {
  runner_options network;
  network.model = s.model;
  network.shape = shape;
  network.auxiliaries = auxiliaries;
  network.normalization = normalization;
  auto net = make_runner(device, network);
  tell_of_names(file.path, s.model, net->load(file.path).dialect);
  return net;
}

void load_initial(runner& net, const settings& s, const image_source& train) {
  const checkpoint_metadata file = read_metadata(s.initial);
  const channel_statistics &recorded = file.normalization, own = normalization(s);
  if (!s.given.contains("--normalization") && recorded.mean.empty())
    fail<argument_error>("--normalization is needed: ", s.initial, " records none; dataset is ", description(own));
  if (!s.given.contains("--normalization") && !recorded.mean.empty() && !nearly_equal(recorded, own))
    fail<argument_error>("--normalization is needed: ", s.initial, " records ", description(recorded),
                         ", that of the data set is ", description(own));
  checkpoint_metadata kept = file;
  if (!s.keep_classifier) kept.classes = 0, kept.class_names.clear();  // of the layer that is left out
  check_images(s.initial, kept, train);
  const load_options options{.classifier = s.keep_classifier, .same_normalization = false};
  try {
    const load_report found = net.load(s.initial, options);
    tell_of_names(s.initial, s.model, found.dialect);
    if (found.auxiliary_ignored > 0)
      std::fprintf(stderr, "%s: has more auxiliary batch norms than there are domains here: %d tensors are left out\n",
                   s.initial.c_str(), found.auxiliary_ignored);
  } catch (const file_error& e) {
    std::string text = e.what();  // the library's name for it is a member
    if (const std::size_t at = text.find("load everything else with {.classifier = false}"); at != text.npos)
      fail<file_error>(text.substr(0, at), "--new-classifier loads everything else");
    throw;
  }
}

}  // namespace advprop::program
