// The attack policy: what the user writes, and what it gets.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include <advprop/attacks/arithmetic.hpp>
#include <advprop/attacks/device_images.hpp>
#include <advprop/attacks/loops.hpp>
#include <advprop/core/number_text.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/device/cpu.hpp>

namespace advprop {

/// What an attack may ask. It offers no way to weights or running statistics. Every call runs through the domain and
/// the statistics that the method chose. The example of an objective that `attack_policy` is checked against.
struct objective_archetype {
  /// The gradient, for each image, of that image's own cross-entropy loss against its label, or its soft target where
  /// there is one: it does not depend on the batch size. In memory of its own.
  image_buffer<cpu> input_gradient(const device_images<cpu>& images, const target_view& labels);
  /// The same, and the losses themselves from the same pass.
  image_buffer<cpu> input_gradient(const device_images<cpu>& images, const target_view& labels,
                                   const image_numbers<cpu>& losses);
  /// These losses alone, one an image, in the device's memory: a pass forward.
  image_numbers<cpu> losses(const device_images<cpu>& images, const target_view& labels);
  /// A copy of the images, in memory of its own.
  image_buffer<cpu> copy(const device_images<cpu>& images);
  /// For each image, the class with the smallest logit; with `own` given, neither its label nor, where a third class is
  /// left, its soft target's second class. `worst` may lie in the device's memory; then the host need not wait.
  void least_likely(const device_images<cpu>& images, label_view worst, const target_view& own = {});
  /// Number of classes.
  int classes() const;
};

/// `perturb` changes `images` (NHWC, [0,1]) in place, with `transform` or `copy_images`. It may choose its randomness
/// only from `rng`. `labels` is a `target_view`: handed on to the objective, soft targets stay soft; taken as a
/// `const_label_view`, or read as labels(i), they are the class with the largest share. Optional members: `statistics
/// source` (which statistics the attacked network uses; running if absent), `bool smoothed` (attack the loss with the
/// training label smoothing; without it if absent) and `bool dropped` (attack with dropout and stochastic depth on,
/// under the very masks that the training pass will use; off if absent); and `std::string description() const` (all
/// that decides what it does: `fit` resumes no run with another one, if it can tell). An attack that hands on to
/// another repeats these members: only the outermost one's are read.
template <class A>
concept attack_policy = requires(const A& attack, objective_archetype& objective, device_images<cpu>& images,
                                 const target_view& labels, random_stream& rng) {
  { attack.perturb(objective, images, labels, rng) } -> std::same_as<void>;
};

namespace attack {

/// What the loss should do. A wrong class is never the label and, where a third class is left, never the second class
/// of a soft target.
enum class goal {
  untargeted,    ///< rise for the true class
  random_class,  ///< fall for a uniformly random wrong class (the AdvProp authors' lineage)
  least_likely   ///< fall for the wrong class that the network finds least likely (Kurakin et al. 2017)
};

/// Where the search begins.
enum class start {
  image,   ///< at the clean image
  uniform  ///< at uniform noise inside the ball
};

namespace detail {

/// What tells an attack from others; of one that does not say, that it does not.
template <class Attack>
std::string description(const Attack& attack) {
  if constexpr (requires {
                  { attack.description() } -> std::convertible_to<std::string>;
                })
    return attack.description();
  else
    return "an attack without description";
}

/// An attack's numbers, and what all attacks that come with the library have besides.
template <class Attack>
std::string described(const char* name, const Attack& attack,
                      std::initializer_list<advprop::detail::named_number> own) {
  return advprop::detail::described(name, own) +
         advprop::detail::described("", {{"goal", static_cast<float>(attack.goal)},
                                         {"source", static_cast<float>(attack.source)},
                                         {"smoothed", static_cast<float>(attack.smoothed)},
                                         {"dropped", static_cast<float>(attack.dropped)}});
}

/// The optional members, and what an attack without them means.
template <class Attack>
statistics source_of(const Attack& attack) {
  if constexpr (requires { attack.source; })
    return attack.source;
  else
    return statistics::running;
}
template <class Attack>
bool smoothed_of(const Attack& attack) {
  if constexpr (requires { attack.smoothed; })
    return attack.smoothed;
  else
    return false;
}
template <class Attack>
bool dropped_of(const Attack& attack) {
  if constexpr (requires { attack.dropped; })
    return attack.dropped;
  else
    return false;
}

/// Throws `argument_error` naming the attack and the member for values that make no sense. Pixels of 255; the Euclidean
/// length of a whole perturbation may be more than one pixel can change.
inline void check(const char* name, float epsilon, float step, int steps, bool euclidean = false) {
  const std::string attack = std::string("attack::") + name;
  const char* range = euclidean ? "0 or more" : "in [0, 255]";
  const auto sensible = [&](float v) { return v >= 0 && (euclidean ? std::isfinite(v) : v <= 255); };
  if (!sensible(epsilon)) fail<argument_error>(attack, ": epsilon is ", epsilon, ", must be ", range);
  if (!sensible(step)) fail<argument_error>(attack, ": step is ", step, ", must be ", range);
  if (steps < 0) fail<argument_error>(attack, ": steps is ", steps, ", must be 0 or more");
}

/// The step where none is named: as long as it takes to reach the ball's edge, and in L-infinity at least a pixel.
inline float step_for(float step, float epsilon, int steps, bool euclidean = false) {
  if (step > 0 || steps < 1) return step;
  return std::fmax(euclidean ? 0.f : 1.f, epsilon / static_cast<float>(steps));
}

/// Whether a search begins at noise: draws a number where that is left to chance.
inline bool starts_at_noise(attack::start start, float clean_start, random_stream& rng) {
  return start == attack::start::uniform && !(clean_start > 0 && rng.uniform() < clean_start);
}
inline void check_clean_start(const char* name, float clean_start) {
  if (!(clean_start >= 0 && clean_start <= 1))
    fail<argument_error>("attack::", name, ": clean_start is ", clean_start, ", must be in [0, 1]");
}
/// A point of the L-infinity ball of radius e around each image, and in [0,1].
template <class Device>
void start_in_ball(device_images<Device>& images, const device_images<Device>& original, float e, random_stream& rng) {
  fill_uniform(*images.device, rng, -e, e, images);
  rng.skip(static_cast<std::uint64_t>(images.size()));
  transform(images, original, loops::noisy_start{e});
}

/// What the loss is taken for, and +1 to climb it or -1 to descend.
struct aimed {
  target_view at;
  float direction;
  arena::block chosen;  // labels that are not the caller's: in the device's memory, so that the host need not know them
};
template <class Objective, class Device>
aimed aim(goal g, Objective& objective, const device_images<Device>& images, const target_view& labels,
          random_stream& rng) {
  if (g == goal::untargeted) return {labels, 1, {}};
  const int batch = labels.extent(0), classes = objective.classes();
  if (classes < 2) fail<argument_error>("attack: a target needs at least 2 classes");
  arena::block memory = images.device->memory().allocate(sizeof(int) * static_cast<std::size_t>(batch));
  const label_view wrong(static_cast<int*>(memory.data()), {batch});
  if (g == goal::least_likely) {
    objective.least_likely(images, wrong, labels);
  } else {
    draw_wrong(*images.device, rng, classes, labels, wrong);
    rng.skip(static_cast<std::uint64_t>(batch));
  }
  return {wrong, -1, std::move(memory)};
}

}  // namespace detail
}  // namespace attack
}  // namespace advprop
