// Names, units and digits of results.
#include "quantities.hpp"

#include <algorithm>
#include <utility>

#include <advprop/io/text.hpp>

#include "experiment.hpp"

namespace advprop::program {

namespace {

double scale_of(const quantity& q) { return q.unit == "%" ? 100 : q.unit == "ms" ? 1000 : 1; }

}  // namespace

std::string quantity::text(double v) const { return fixed(scale_of(*this) * v, unit == "%" ? 2 : 1); }

std::string quantity::interval_text() const {
  const auto [low, high] = interval();
  return "[" + text(low) + ", " + text(high) + "]";
}

std::vector<quantity> quantities_of(const experiment_result& r) {
  const int attacked = r.attacked.images;
  std::vector<quantity> list = {
      {"accuracy", "clean", "accuracy on clean images", r.accuracy, "%", false, r.test_images},
      {"accuracy_fgsm", fgsm_name(r), "under " + fgsm_name(r), r.headline.fgsm, "%", false, attacked},
      {"accuracy_pgd", pgd_name(r), "under " + pgd_name(r), r.headline.pgd, "%", false, attacked},
      {"training_seconds", "training", "training time", r.training_seconds, "s", true},
      {"step_seconds_median", "per step", "time per step", r.step_seconds, "ms", true}};
  if (r.corrupted.images > 0)
    list.insert(list.begin() + 1,
                {"corruption_error", "corruption error", "corruption error", r.corrupted.errors.mean, "%", true});
  if (r.validation_images > 0)
    list.insert(list.begin() + 1, {"accuracy_validation", "validation", "accuracy on validation images",
                                   r.validation_accuracy, "%", false, r.validation_images});
  return list;
}

std::vector<quantity> told_quantities_of(const experiment_result& r) {
  std::vector<quantity> list = quantities_of(r);
  if (r.attacked.images == r.test_images) return list;
  const auto fgsm = std::find_if(list.begin(), list.end(), [](const auto& q) { return q.key == "accuracy_fgsm"; });
  const std::string images = grouped(r.attacked.images) + " images that are attacked";
  list.insert(fgsm, {"accuracy_attacked_clean", "clean, attacked", "accuracy on the " + images + ", clean",
                     r.attacked.clean, "%", false, r.attacked.images});
  return list;
}

measurement measurement_of(const quantity& q, std::string detail) {
  return {q.label, q.unit == "ms" ? 1000 * q.value : q.value, q.unit, q.less_is_better, std::move(detail)};
}

std::string told_of_intervals() {
  return "[ ] is the 95 % confidence interval (Wilson) of an accuracy by its number of images. How much another seed "
         "changes "
         "is not in it";
}

}  // namespace advprop::program
