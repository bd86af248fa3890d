// The attack policy: what the user writes, and what it gets.
#pragma once

#include <concepts>
#include <string>

#include <advprop/attacks/arithmetic.hpp>
#include <advprop/attacks/device_images.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/spec.hpp>

namespace advprop {

/// What an attack may ask. It offers no way to weights or running statistics. Every call runs through the domain and
/// the statistics that the method chose. The example of an objective that `attack_policy` is checked against.
struct objective_archetype {
  /// The gradient, for each image, of that image's own cross-entropy loss against its label, or its soft target where
  /// there is one: it does not depend on the batch size. Valid until the next call.
  device_images<cpu> input_gradient(const device_images<cpu>& images, const target_view& labels);
  /// A copy of the images, in memory of its own.
  image_buffer<cpu> copy(const device_images<cpu>& images);
  /// For each image, the class with the smallest logit; with `own` given, neither its label nor, where a third class is
  /// left, its soft target's second class.
  void least_likely(const device_images<cpu>& images, label_view worst, const target_view& own = {});
  /// Number of classes.
  int classes() const;
};

/// `perturb` changes `images` (NHWC, [0,1]) in place. It may choose its randomness only from `rng`. `labels` is a
/// `target_view`: handed on to the objective, soft targets stay soft; taken as a `const_label_view`, or read as
/// labels(i), they are the class with the largest share. Optional members: `statistics source` (which statistics the
/// attacked network uses; running if absent), `bool smoothed` (attack the loss with the training label smoothing;
/// without it if absent) and `bool dropped` (attack with dropout and stochastic depth on, under the very masks that the
/// training pass will use; off if absent).
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

/// Throws `argument_error` naming the attack and the member for values that make no sense. Pixels of 255.
inline void check(const char* name, float epsilon, float step, int steps) {
  const std::string attack = std::string("attack::") + name;
  if (!(epsilon >= 0 && epsilon <= 255))
    fail<argument_error>(attack, ": epsilon is ", epsilon, ", must be in [0, 255]");
  if (!(step >= 0 && step <= 255)) fail<argument_error>(attack, ": step is ", step, ", must be in [0, 255]");
  if (steps < 0) fail<argument_error>(attack, ": steps is ", steps, ", must be 0 or more");
}

/// A uniformly random class that is wrong for image i.
inline int wrong_class(const target_view& labels, int i, int classes, random_stream& rng) {
  const int label = labels(i), second = classes > 2 ? labels.second(i) : -1;
  if (second < 0) return (label + 1 + rng.below(classes - 1)) % classes;
  int k = rng.below(classes - 2);
  k += k >= (label < second ? label : second);
  return k + (k >= (label < second ? second : label));
}

/// What the loss is taken for, and +1 to climb it or -1 to descend.
struct aimed {
  target_view at;
  float direction;
};
template <class Objective, class Images>
aimed aim(goal g, Objective& objective, const Images& images, const target_view& labels, random_stream& rng,
          tensor<int, 1>& chosen) {
  if (g == goal::untargeted) return {labels, 1};
  const int classes = objective.classes();
  if (classes < 2) fail<argument_error>("attack: a target needs at least 2 classes");
  chosen.resize({labels.extent(0)});
  if (g == goal::least_likely)
    objective.least_likely(images, chosen, labels);
  else
    for (int i = 0; i < labels.extent(0); ++i) chosen(i) = wrong_class(labels, i, classes, rng);
  return {chosen, -1};
}

}  // namespace detail
}  // namespace attack
}  // namespace advprop
