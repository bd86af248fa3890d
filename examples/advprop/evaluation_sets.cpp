// From options to sets.
#include "evaluation_sets.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/data/cifar10_1.hpp>
#include <advprop/data/class_list.hpp>
#include <advprop/io/file.hpp>
#include <advprop/robustness/cifar_c.hpp>
#include <advprop/robustness/corrupted_source.hpp>
#include <advprop/robustness/imagenet_c.hpp>

#include "content_hash.hpp"
#include "data.hpp"

namespace advprop::program {

namespace {

using kind = viewed_set::kind;
using robustness::corruption;

viewed_set corrupted_set(corruption c, int severity, int images) {
  viewed_set v;
  v.which = kind::corruption;
  v.corruption = c;
  v.severity = severity;
  v.name = std::string(to_string(c)) + " " + std::to_string(severity);
  v.key = "corruption/" + std::string(to_string(c)) + "/" + std::to_string(severity);
  v.images = images;
  return v;
}

question plain(image_source images) {
  question q;
  q.images = std::move(images);
  return q;
}

/// Corrupted as they are read.
void add_made(const settings& s, const image_source& test, std::vector<viewed_set>& sets) {
  const auto kinds = corruptions_of(s);
  if (kinds.empty()) return;
  std::shared_ptr<const robustness::frost_pictures> frost;
  const std::string frost_at = s.frost.empty() ? "" : place_and_time(s.frost);
  if (std::find(kinds.begin(), kinds.end(), corruption::frost) != kinds.end()) {
    if (s.frost.empty())
      fail<argument_error>("--frost is needed: the folder with the pictures of the corruption frost");
    frost = std::make_shared<const robustness::frost_pictures>(s.frost);
  }
  for (const corruption c : kinds)
    for (const int severity : s.severities) {
      viewed_set v = corrupted_set(c, severity, test.size());
      if (c == corruption::frost) v.key += "@" + frost_at;
      v.open = [c, severity, frost, test, chosen = seed(s.seed), scale = scale_of(s)] {
        // The pictures live in the closure, which its question does not outlive.
        return plain({test.name, robustness::corrupted_source(test, c, severity, chosen, {scale, frost.get()})});
      };
      sets.push_back(std::move(v));
    }
}

/// Corrupted by somebody else.
void add_published(const settings& s, const image_source& test, std::vector<viewed_set>& sets) {
  const auto kinds = corruptions_of(s);
  if (s.data == "folder") {
    const robustness::imagenet_c all(s.corrupted, folder_options_of(s));
    all.require(kinds, s.severities);
    for (const corruption c : kinds)
      for (const int severity : s.severities) {
        viewed_set v = corrupted_set(c, severity, test.size());
        v.key += "@" + place_and_time(all.path(c, severity));
        v.open = [s, all, c, severity, names = test.class_names, most = test.size()] {
          const image_folder f = all.at(c, severity);
          if (f.class_names != names)
            fail<file_error>(all.path(c, severity), ": its ", f.classes, " classes are not the ", names.size(),
                             " of the test images");
          return plain(looked_at(s, some_of(f, s.test_images == 0 ? 0 : most).readable(reading_threads(s)), s.corrupted,
                                 look::whole));
        };
        sets.push_back(std::move(v));
      }
    return;
  }
  if (s.data != "cifar10" && s.data != "cifar100")
    fail<argument_error>("--corrupted is for --data cifar10, cifar100 and folder");
  const robustness::cifar_c all(s.corrupted, test.classes);
  all.require(kinds);
  const std::string at = "@" + place_and_time(s.corrupted);
  for (const corruption c : kinds)
    for (const int severity : s.severities) {
      viewed_set v = corrupted_set(c, severity, test.size());
      v.key += at;
      v.open = [all, c, severity, folder = s.corrupted, most = test.size()] {
        npy_images images = all.at(c, severity);
        if (images.size() < most)
          fail<file_error>(folder, "/", to_string(c), ".npy: has ", images.size(),
                           " images for a severity, the test set ", most, ": --test-images ", images.size(),
                           " looks at as many of both");
        images = images.subset(0, most);
        return plain({"corrupted", std::move(images)});
      };
      sets.push_back(std::move(v));
    }
}

std::string classes_of(const settings& s) { return s.class_list.empty() ? "" : ":" + place_and_time(s.class_list); }

/// A folder of some or all of the network's classes.
viewed_set folder_set(const settings& s, const image_source& test, const std::string& name, const std::string& path,
                      look how, bool only_those) {
  const image_folder f = some_of(image_folder(path, folder_options_of(s)), s.test_images).readable(reading_threads(s));
  viewed_set v;
  v.which = kind::shift;
  v.name = name;
  v.key = "set/" + name + "@" + place_and_time(path) + classes_of(s);
  v.images = f.size();
  question q = plain(looked_at(s, f, name, how));
  q.logit_of = logits_of(f.class_names, logit_names(s, test), path);
  q.only_those = only_those;
  v.open = [q] { return q; };
  return v;
}

viewed_set cue_set(const settings& s, const image_source& test) {
  viewed_set v;
  v.which = kind::cues;
  v.name = "cue conflict";
  v.key = "set/cue conflict@" + place_and_time(s.cue_conflict) + classes_of(s);
  question q;
  q.choice =
      test.classes == 1000 ? robustness::cue_classes::imagenet() : robustness::cue_classes::of(logit_names(s, test));
  const image_folder f(s.cue_conflict, folder_options_of(s));
  q.cues = robustness::cues_of(f, q.choice.names);
  q.images = looked_at(s, f, v.name, look::whole);
  v.images = f.size();
  v.open = [q] { return q; };
  return v;
}

viewed_set cifar10_1_set(const settings& s) {
  const char* version = file_exists(s.cifar10_1 + "/cifar10.1_v6_data.npy")   ? "v6"
                        : file_exists(s.cifar10_1 + "/cifar10.1_v4_data.npy") ? "v4"
                                                                              : "v6";
  npy_images images = load_cifar10_1(s.cifar10_1, version);
  viewed_set v;
  v.which = kind::shift;
  v.name = std::string("CIFAR-10.1 ") + version;
  v.key = "set/" + v.name + "@" + place_and_time(s.cifar10_1);
  v.images = images.size();
  question q = plain({v.name, std::move(images)});
  v.open = [q] { return q; };
  return v;
}

}  // namespace

std::vector<corruption> corruptions_of(const settings& s) {
  std::vector<corruption> kinds;
  const auto add = [&](corruption c) {
    if (std::find(kinds.begin(), kinds.end(), c) == kinds.end()) kinds.push_back(c);
  };
  for (const auto& name : s.corruptions) {
    if (name == "all" || name == "all-but-frost")
      for (const corruption c : robustness::benchmark_corruptions) {
        if (name == "all" || c != corruption::frost) add(c);
      }
    else if (name == "extra")
      for (const corruption c : robustness::all_corruptions.subspan(15)) add(c);
    else
      add(robustness::corruption_named(name));
  }
  std::sort(kinds.begin(), kinds.end());
  return kinds;
}

robustness::severity_scale scale_of(const settings& s) {
  return s.data == "folder" ? robustness::severity_scale::imagenet : robustness::severity_scale::cifar;
}

std::vector<viewed_set> sets_of(const settings& s, const image_source& test) {
  std::vector<viewed_set> sets;
  viewed_set clean;
  clean.key = clean.name = "clean";
  clean.images = test.size();
  clean.open = [test] {
    question q = plain(test);
    q.each = true;
    return q;
  };
  sets.push_back(std::move(clean));
  if (s.corrupted.empty())
    add_made(s, test, sets);
  else
    add_published(s, test, sets);
  if (!s.cifar10_1.empty()) {
    if (s.data != "cifar10") fail<argument_error>("--cifar10-1 is for --data cifar10");
    sets.push_back(cifar10_1_set(s));
  }
  const struct {
    const char *option, *name;
    const std::string& path;
    look how;
    bool only_those;
  } folders[] = {{"--imagenet-a", "ImageNet-A", s.imagenet_a, look::middle, true},
                 {"--imagenet-r", "ImageNet-R", s.imagenet_r, look::middle, true},
                 {"--stylized", "Stylized-ImageNet", s.stylized, look::whole, false}};
  for (const auto& f : folders) {
    if (f.path.empty()) continue;
    if (s.data != "folder") fail<argument_error>(f.option, " is for --data folder");
    sets.push_back(folder_set(s, test, f.name, f.path, f.how, f.only_those));
  }
  if (!s.cue_conflict.empty()) {
    if (s.data != "folder") fail<argument_error>("--cue-conflict is for --data folder");
    sets.push_back(cue_set(s, test));
  }
  return sets;
}

}  // namespace advprop::program
