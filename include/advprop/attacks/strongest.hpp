// Of several attacks, or several starts of one, the strongest on each image.
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include <advprop/attacks/attack.hpp>
#include <advprop/attacks/loops.hpp>

namespace advprop::attack {

/// Runs every attack from the images as they are; each image keeps the result with the largest loss, the first of equal
/// ones (the "max" strategy of Tramer and Boneh 2019, section 4.1). An attack that starts at random may be given more
/// than once. Every attack but the first costs a pass forward besides its own, the first where there are others.
///
///   attack::strongest(attack::pgd{.epsilon = 4}, attack::pgd{.epsilon = 127.5f, .norm = attack::norm::l2})
template <attack_policy... Attacks>
  requires(sizeof...(Attacks) > 0)
struct strongest {
  std::tuple<Attacks...> attacks;
  statistics source;  ///< of all of them, as the two below; what the attacks themselves say does not count
  bool smoothed = false;
  bool dropped = false;

  /// Throws `argument_error` where attacks differ in their `source`, `smoothed` or `dropped`.
  explicit strongest(Attacks... a) : attacks(std::move(a)...), source(detail::source_of(std::get<0>(attacks))) {
    smoothed = detail::smoothed_of(std::get<0>(attacks));
    dropped = detail::dropped_of(std::get<0>(attacks));
    const auto same = [&](const auto& b) {
      return detail::source_of(b) == source && detail::smoothed_of(b) == smoothed && detail::dropped_of(b) == dropped;
    };
    if (!std::apply([&](const auto&... b) { return (same(b) && ...); }, attacks))
      fail<argument_error>("attack::strongest: its attacks must have one source, smoothed and dropped");
  }

  std::string description() const {
    std::string text = "strongest";
    std::apply([&](const auto&... a) { ((text += " (" + detail::description(a) + ")"), ...); }, attacks);
    return text + advprop::detail::described("", {{"source", static_cast<float>(source)},
                                                  {"smoothed", static_cast<float>(smoothed)},
                                                  {"dropped", static_cast<float>(dropped)}});
  }

  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    std::apply(
        [&](const auto& first, const auto&... others) {
          if constexpr (sizeof...(others) == 0) {
            first.perturb(objective, images, labels, rng);
          } else {
            const auto original = objective.copy(images);
            first.perturb(objective, images, labels, rng);
            auto best = objective.copy(images);
            auto largest = objective.losses(images, labels);
            image_numbers larger(*images.device, images.extent(0));
            const auto compare = [&](const auto& other) {
              copy_images(original, images);
              other.perturb(objective, images, labels, rng);
              const auto losses = objective.losses(images, labels);
              transform(larger, losses, largest, loops::exceeds());
              transform(largest, losses, larger, loops::choose());
              transform(best, images, larger, loops::choose());
            };
            (compare(others), ...);
            copy_images(best, images);
          }
        },
        attacks);
  }
};

}  // namespace advprop::attack
