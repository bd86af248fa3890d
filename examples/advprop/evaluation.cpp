// The measurements themselves, one by one, each kept as soon as it is made.
#include "evaluation.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include <advprop/core/parallel.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/text.hpp>

#include "cell_file.hpp"
#include "checkpoint.hpp"
#include "choices.hpp"
#include "content_hash.hpp"
#include "data.hpp"
#include "names.hpp"
#include "options.hpp"
#include "work_bar.hpp"

namespace advprop::program {

namespace {

constexpr int block = 250;  // attacked images that are kept together

/// Tells whether it is the file that was measured.
std::string content_of_file(const std::string& path) {
  content_hash hash;
  hash.add(std::span<const std::uint8_t>(read_file<std::uint8_t>(path)));
  return hash.text();
}

/// The entry of checkpoint i: a list of one is everybody's.
std::string entry(const std::vector<std::string>& list, std::size_t i, std::size_t count, const char* option,
                  const std::string& otherwise) {
  if (list.empty()) return otherwise;
  if (list.size() != 1 && list.size() != count)
    fail<argument_error>(option, " is given ", list.size(), " times; must be once, or once for each of ", count,
                         " checkpoints");
  return list[list.size() == 1 ? 0 : i];
}

std::vector<contender> contenders_of(const settings& s, const std::vector<checkpoint_facts>& files) {
  std::vector<contender> all;
  const std::size_t count = files.size();
  if (!s.titles.empty() && s.titles.size() != count)
    fail<argument_error>("--name is given for ", s.titles.size(), " of ", count, " checkpoints");
  for (std::size_t i = 0; i < count; ++i) {
    contender c;
    c.file = files[i];
    settings own = s;
    own.model = entry(s.models, i, count, "--model", s.model);
    own.domain = entry(s.domains, i, count, "--domain", s.domain);
    own.normalization = entry(s.normalizations, i, count, "--normalization", s.normalization);
    c.model = completed(own, c.file).model;
    c.domain = own.domain;
    c.through = domain_in(own, c.file);
    c.numbers = required_normalization(own, c.file);
    const bool recorded = !c.file.metadata.normalization.mean.empty() && s.normalizations.empty();
    c.normalization = recorded ? name_of(c.numbers) : own.normalization;
    c.content = content_of_file(c.file.path);
    std::string otherwise = std::filesystem::path(c.file.path).stem().string();
    if (otherwise == "model" || otherwise == "model-main")  // a run's folder says more
      otherwise = std::filesystem::absolute(c.file.path).parent_path().filename().string();
    if (c.domain != "main") otherwise += ", domain " + c.domain;
    c.name = in_utf8(s.titles.empty() ? otherwise : s.titles[i]);
    for (const auto& other : all)
      if (other.name == c.name) c.name += " (" + std::to_string(i + 1) + ")";
    all.push_back(std::move(c));
  }
  return all;
}

std::vector<strength> strengths_of(const settings& s) {
  std::vector<strength> all;
  auto epsilons = s.robust_epsilons;
  if (epsilons.empty()) {
    if (s.robust_norm == "l2")
      epsilons = {31.875f, 63.75f, 127.5f, 255};
    else
      epsilons = {1, 2, 4, 8};
  }
  for (const auto& attack : s.robust_attacks)
    for (const float epsilon : epsilons)
      all.push_back({attack, epsilon, named_in(norm_names, "--robust-norm", s.robust_norm), s.attack_steps,
                     s.robust_restarts, s.robust_queries, s.seed});
  return all;
}

/// What all measurements depend on.
metrics_entry fixed_settings(const settings& s, const image_source& test) {
  metrics_entry j = {{"version", version()},
                     {"data", s.data},
                     {"test-images", s.test_images},
                     {"content of test images", content_of(test)}};
  if (s.data == "folder") {
    j["image-size"] = s.image_size;
    j["crop-fraction"] = s.crop_fraction;
    j["interpolation"] = s.interpolation;
    j["broken"] = s.broken;
  }
  j["seed"] = s.seed;
  j["convolution"] = s.convolution;
  if (s.device != "cpu") {
    j["device"] = s.device;
    j["engines"] = s.engines;
  }
  return j;
}

std::unique_ptr<runner> load(const settings& s, const contender& c, const image_source& test, any_device& device) {
  settings own = s;
  own.model = c.model;
  return load_network(device, own, c.file, {test.image().channels, test.classes}, c.through, c.numbers);
}

std::string cell(const contender& c, const viewed_set& v) { return c.key() + "/" + v.key; }
std::string cell(const contender& c, const strength& how, int first, int count) {
  return c.key() + "/attack/" + how.key() + "/images " + std::to_string(first) + "+" + std::to_string(count);
}

/// Calls f(first, count) for the blocks of the images that are attacked.
void for_blocks(const settings& s, const image_source& test, const auto& f) {
  const int count = s.robust_images == 0 ? test.size() : std::min(s.robust_images, test.size());
  for (int first = 0; first < count; first += block) f(first, std::min(block, count - first));
}

/// Everything about one checkpoint; what is in the file already is not measured again.
standing measure(const settings& s, const contender& c, const evaluation_result& r,
                 const std::vector<strength>& strengths, cell_file& cells, work_bar& bar) {
  any_device device = device_of(s);
  const int reading = reading_threads(s);
  std::unique_ptr<runner> net;  // loaded when something is left to measure
  std::unique_ptr<any_target> target;
  const auto open = [&] {
    if (net) return;
    net = load(s, c, r.test, device);
    target = net->target(c.through);
  };
  standing mine{c, {}, {}, {}};
  for (const auto& v : r.sets) {
    const std::string name = cell(c, v), label = c.name + ", " + v.name;
    if (!cells.has(name)) {
      open();
      const question q = v.open();
      metrics_entry measured = to_json(score(*target, q, reading, [&](int n) { bar.add(label, n); }));
      auto skipped = q.images.skipped();
      std::sort(skipped.begin(), skipped.end());  // they come as threads met them
      for (std::string& file : skipped) file = in_utf8(file);
      if (!skipped.empty()) measured["skipped"] = skipped;
      cells.add(name, std::move(measured));
    }
    mine.sets.push_back(image_scores_of(cells.at(name)));
    for (const auto& file : cells.at(name).value("skipped", std::vector<std::string>())) mine.skipped.push_back(file);
  }
  for (const auto& how : strengths) {
    attacked a{how, {}};
    for_blocks(s, r.test, [&](int first, int n) {
      const std::string name = cell(c, how, first, n);
      if (!cells.has(name)) {
        open();
        cells.add(name, to_json(attack_block(*net, *target, r.test, first, n, c.through, how)));
        bar.add(c.name + ", " + how.name(), n * how.work());
      }
      a.scores.add(attack_scores_of(cells.at(name)));
    });
    mine.attacks.push_back(std::move(a));
  }
  return mine;
}

}  // namespace

evaluation_result run_evaluation(const settings& s, const std::vector<checkpoint_facts>& files) {
  evaluation_result r;
  const auto contenders = contenders_of(s, files);
  r.test = load_test_data(s);
  for (const auto& file : files) check_images(file.path, file.metadata, r.test);
  for (const auto& file : files) tell_of_classes(file.path, file.metadata, r.test);
  r.imagenet = s.data == "folder";
  r.logit_names = logit_names(s, r.test);
  r.sets = sets_of(s, r.test);
  const auto strengths = strengths_of(s);
  if (!s.out.empty()) {
    std::error_code failure;
    std::filesystem::create_directories(s.out, failure);
    if (failure) fail<file_error>(s.out, ": cannot be made: ", failure.message());
  }
  cell_file cells(s.out.empty() ? "" : s.out + "/cells.json", fixed_settings(s, r.test), s.force);

  double total = 0, done = 0;
  const auto count = [&](const std::string& name, double work) {
    total += work;
    if (cells.has(name)) done += work;
  };
  for (const auto& c : contenders) {
    for (const auto& v : r.sets) count(cell(c, v), v.images);
    for (const auto& how : strengths)
      for_blocks(s, r.test, [&](int first, int n) { count(cell(c, how, first, n), n * how.work()); });
  }
  work_bar bar(progress_output::to(stderr), total, done);
  if (done > 0) bar.message("going on with " + s.out + ": " + fixed(100 * done / total, 0) + "% is measured already");

  try {
    for (const auto& c : contenders) r.standings.push_back(measure(s, c, r, strengths, cells, bar));
  } catch (const metrics_entry::exception&) {
    fail<file_error>(s.out, "/cells.json: holds a measurement that is not this program's");
  }
  return r;
}

}  // namespace advprop::program
