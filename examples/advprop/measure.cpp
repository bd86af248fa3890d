// Robustness, corruptions and pictures.
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/core/parallel.hpp>
#include <advprop/io/text.hpp>

#include "data.hpp"

namespace advprop::program {

namespace {

prediction predicted(const tensor<float, 2>& logits, int image, const std::vector<std::string>& names) {
  const int classes = logits.extent(1);
  const float* z = logits.data() + std::ptrdiff_t{image} * classes;
  const float* best = std::max_element(z, z + classes);
  double sum = 0;
  for (int k = 0; k < classes; ++k) sum += std::exp(double{z[k]} - double{*best});
  return {names[static_cast<std::size_t>(best - z)], 1 / sum};
}

}  // namespace

const attacked_accuracy::strength& attacked_accuracy::at(double epsilon) const {
  for (const auto& s : strengths)
    if (s.epsilon == epsilon) return s;
  fail<argument_error>("epsilon ", epsilon, " was not measured");
}

chosen_attack measuring_pgd(float epsilon, int steps) {
  chosen_attack a;
  a.which = chosen_attack::kind::pgd;
  a.epsilon = epsilon;
  a.steps = steps;
  a.step = 2.5f * epsilon / static_cast<float>(steps);
  return a;
}

kept_measurements::kept_measurements(const std::string& path, std::string key,
                                     std::function<void(const std::string&)> say)
    : cells_(path, metrics_entry::object(), false), key_(std::move(key)), say_(std::move(say)) {}

metrics_entry kept_measurements::get(const std::string& name, const std::string& work,
                                     const std::function<metrics_entry()>& measure) {
  const std::string cell = key_ + "/" + name;
  if (!cells_.has(cell)) {
    if (said_ != work) say_(said_ = work);
    cells_.add(cell, measure());
  }
  return cells_.at(cell);
}

attacked_accuracy measure_robustness(runner& net, const image_source& test, int images,
                                     const std::vector<float>& epsilons, int steps, seed s, kept_measurements& kept) {
  const auto accuracy = [&](const chosen_attack& a) -> double {
    return kept.get(a.name(9) + "/images " + std::to_string(images), "attacking " + grouped(images) + " test images",
                    [&] { return net.evaluate(test, 0, images, s, a).total.accuracy(); });
  };
  attacked_accuracy r;
  r.images = images;
  r.steps = steps;
  r.clean = accuracy({});
  for (const float epsilon : epsilons) {
    chosen_attack fgsm;
    fgsm.which = chosen_attack::kind::fgsm;
    fgsm.epsilon = epsilon;
    r.strengths.push_back({epsilon, accuracy(fgsm), accuracy(measuring_pgd(epsilon, steps))});
  }
  return r;
}

std::string corrupted_errors::kinds() const {
  const bool frost = std::find(counted.begin(), counted.end(), robustness::corruption::frost) != counted.end();
  const bool all_but_frost = !frost && counted.size() + 1 == robustness::benchmark_corruptions.size();
  return told_of_kinds(counted) + (all_but_frost ? " (all but frost)" : "");
}

corrupted_errors measure_corruptions(runner& net, const settings& s, int images, kept_measurements& kept) {
  settings own = s;
  own.test_images = images;
  evaluation_result r;
  r.test = load_test_data(own);
  r.sets = sets_of(own, r.test);
  standing& mine = r.standings.emplace_back();
  const auto target = net.target(0);
  const int threads = reading_threads(s);
  for (const auto& set : r.sets)
    mine.sets.push_back(image_scores_of(
        kept.get(set.key + "/images " + std::to_string(images), "corrupting " + grouped(images) + " test images",
                 [&] { return to_json(score(*target, set.open(), threads, [](int) {})); })));
  corrupted_errors result;
  result.images = images;
  result.severities = static_cast<int>(s.severities.size());
  result.counted = counted_corruptions(corruptions_of(s));
  result.errors = summary_of(r, mine);
  result.map = errors_of(r, mine);
  result.samples = samples_of(r);
  return result;
}

picture_gallery attack_pictures(runner& net, const image_source& test, int classes, const chosen_attack& attack,
                                seed s) {
  const shape image = test.image();
  std::vector<int> chosen;
  for (int c = 0; c < std::min(classes, test.classes); ++c) {
    int first = 0;
    while (first < test.size() && test.label(first) != c) ++first;
    if (first < test.size()) chosen.push_back(first);
  }
  picture_gallery gallery;
  if (chosen.empty()) return gallery;

  const int count = static_cast<int>(chosen.size());
  tensor<float, 4> clean({count, image.height, image.width, image.channels});
  tensor<int, 1> labels({count});
  for (int i = 0; i < count; ++i) {
    test.read(chosen[static_cast<std::size_t>(i)], clean.data() + i * image.size());
    labels(i) = test.label(chosen[static_cast<std::size_t>(i)]);
  }
  tensor<float, 4> attacked = clean;
  net.perturb(attacked, labels, 0, random_stream(s.value, 2), attack);
  const auto before = net.logits(clean, 0), after = net.logits(attacked, 0);

  gallery.attack = attack.name();
  gallery.magnification = std::max(1.0, std::floor(96.0 / std::max(1.0, double{attack.epsilon})));
  for (int i = 0; i < count; ++i) {
    picture_row row;
    row.truth = test.class_names[static_cast<std::size_t>(labels(i))];
    row.clean = to_picture(clean.view(), i);
    row.perturbation =
        perturbation_picture(clean.view(), attacked.view(), static_cast<float>(gallery.magnification), i);
    row.adversarial = to_picture(attacked.view(), i);
    row.clean_prediction = predicted(before, i, test.class_names);
    row.adversarial_prediction = predicted(after, i, test.class_names);
    gallery.rows.push_back(std::move(row));
  }
  return gallery;
}

}  // namespace advprop::program
