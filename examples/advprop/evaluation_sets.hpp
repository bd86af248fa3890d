// The sets of images that an evaluation looks at: clean, corrupted, published ones.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <advprop/robustness/corruption.hpp>

#include "scored_images.hpp"
#include "settings.hpp"

namespace advprop::program {

/// Opened when its turn comes.
struct viewed_set {
  enum class kind { clean, corruption, shift, cues };

  kind which = kind::clean;
  std::string key;   // what its result depends on, besides network and settings
  std::string name;  // such as "fog 3"
  robustness::corruption corruption{};
  int severity = 0;
  int images = 0;
  std::function<question()> open;
};

/// All that the settings ask for. Throws for what is missing: frost pictures, files of corruptions, folders, classes.
std::vector<viewed_set> sets_of(const settings& s, const image_source& test);

/// Those that `--corruptions` names; "all" are the 15 that count, "all-but-frost" those of them that need no pictures,
/// "extra" the other four. Throws `argument_error`.
std::vector<robustness::corruption> corruptions_of(const settings& s);
robustness::severity_scale scale_of(const settings& s);

}  // namespace advprop::program
