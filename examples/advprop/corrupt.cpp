// advprop corrupt: corrupted copies of test images, in the layouts that others read.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <advprop/io/progress.hpp>
#include <advprop/robustness/cifar_c.hpp>
#include <advprop/robustness/imagenet_c.hpp>

#include "choices.hpp"
#include "commands.hpp"
#include "data.hpp"
#include "evaluation_sets.hpp"
#include "work_bar.hpp"

namespace advprop::program {

namespace {

/// Where its copies will lie.
std::vector<std::string> written_of(const settings& s, robustness::corruption kind) {
  const std::string path = s.out + "/" + std::string(to_string(kind));
  if (s.data != "folder") return {path + ".npy"};
  std::vector<std::string> all;
  for (const int severity : s.severities) all.push_back(path + "/" + std::to_string(severity));
  return all;
}

}  // namespace

void corrupt(const settings& given) {
  settings s = given;
  if (s.corruptions.empty()) s.corruptions = {"all"};
  if (s.image_size == 0) s.image_size = 224;
  const auto kinds = corruptions_of(s);
  std::optional<robustness::frost_pictures> frost;
  for (const auto kind : kinds) {
    if (kind != robustness::corruption::frost) continue;
    if (s.frost.empty())
      fail<argument_error>("--frost is needed: the folder with the pictures of the corruption frost");
    frost.emplace(s.frost);
  }
  const robustness::corruption_options options{scale_of(s), frost ? &*frost : nullptr};
  const int threads = reading_threads(s);
  std::error_code failure;
  std::filesystem::create_directories(s.out, failure);
  if (failure) fail<file_error>(s.out, ": cannot be made: ", failure.message());

  for (const auto kind : kinds)  // before hours of work
    for (const std::string& path : written_of(s, kind))
      if (file_exists(path))
        fail<file_error>(path, ": is there already: remove it, or leave ", to_string(kind), " out of --corruptions");

  work_bar bar(progress_output::to(stderr), static_cast<double>(kinds.size()), 0);
  std::vector<std::string> skipped;
  if (s.data == "folder") {
    const image_folder images = test_folder(s);
    skipped = images.skipped();
    const double share = 1 / static_cast<double>(s.severities.size());
    for (const auto kind : kinds)
      for (const int severity : s.severities) {
        robustness::write_imagenet_c(images, kind, severity, s.out, seed(s.seed), threads, options,
                                     {s.image_size, s.crop_fraction, filter_of(s)});
        bar.add(std::string(to_string(kind)), share);
      }
  } else {
    if (s.severities.size() != robustness::severities)
      fail<argument_error>("--severities is for --data folder: a file of CIFAR-10-C has all five");
    const dataset images = test_bytes(s);
    robustness::write_cifar_c_labels(images, s.out);
    for (const auto kind : kinds) {
      robustness::write_cifar_c(images, kind, s.out, seed(s.seed), threads, options);
      bar.add(std::string(to_string(kind)), 1);
    }
  }
  if (const auto told = told_of_skipped(std::move(skipped)); !told.empty()) std::printf("%s\n", told.c_str());
  std::printf("%s\n", s.out.c_str());
}

}  // namespace advprop::program
