// Auto-PGD: projected gradient ascent that finds its own step sizes, one for each image.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <advprop/attacks/ball.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/robustness/attacked_model.hpp>
#include <advprop/robustness/loops.hpp>

namespace advprop::robustness {

/// What APGD climbs.
enum class apgd_loss {
  cross_entropy,  ///< of the label
  /// The targeted difference of logits ratio (Croce & Hein 2020, equation 7): from the label towards one of the wrong
  /// classes with the largest logits on the clean image. It stays the same when all logits are scaled or shifted.
  targeted_dlr
};

/// Croce & Hein 2020 ("Reliable evaluation of adversarial robustness"), with the numbers of fra31/auto-attack. The
/// first step is 2 epsilon; 0.75 of each step and 0.25 of the one before it are taken. At checkpoints (after 22 % of
/// the steps, then at distances that shrink by 3 % down to 6 %) an image's step is halved and its search goes on from
/// its best point, if at most `rho` of the steps raised its loss, or if nothing better was found since the last
/// checkpoint and the step was not halved there. The search starts at a random point, uniform in the L-infinity ball or
/// on the L2 sphere. It is over for an image as soon as one of its points is misclassified.
struct apgd {
  float epsilon = 8;  ///< pixels of 255; for `norm::l2`, the Euclidean length of the whole perturbation
  attack::norm norm = attack::norm::linf;
  int steps = 100;
  int restarts = 1;  ///< random starts; a later one has only the images that are left
  apgd_loss loss = apgd_loss::cross_entropy;
  int targets = 9;  ///< wrong classes tried one after the other by the targeted loss; all where there are fewer
  float rho = 0.75f;

  /// Throws `argument_error` for values that make no sense, and for the targeted loss with fewer than 4 classes.
  void check(int classes) const;

  /// Throws what `check` does, and `numeric_error` for NaN logits. Epsilon 0 changes nothing and asks the network
  /// nothing.
  template <attack_target Target>
  attack_evidence run(Target& target, const attack_batch& batch) const;
};

namespace detail {

/// The loss of one image, and in dz its gradient.
inline double cross_entropy(std::span<const float> z, std::size_t label, std::span<float> dz) {
  const double maximum = double{*std::ranges::max_element(z)};
  double sum = 0, others = 0;
  for (const float v : z) sum += std::exp(double{v} - maximum);
  for (std::size_t k = 0; k < z.size(); ++k) {
    const double p = std::exp(double{z[k]} - maximum) / sum;
    dz[k] = static_cast<float>(p);
    if (k != label) others += p;
  }
  dz[label] = static_cast<float>(-others);  // p - 1 would round to 0 where the network is nearly certain
  return maximum + std::log(sum) - double{z[label]};
}

inline double targeted_dlr(std::span<const float> z, std::size_t label, std::size_t target, std::span<float> dz) {
  std::vector<std::size_t> order(z.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::partial_sort(order, order.begin() + 4,
                            [&](std::size_t a, std::size_t b) { return z[a] > z[b] || (z[a] == z[b] && a < b); });
  const std::size_t first = order[0], third = order[2], fourth = order[3];
  const double range = double{z[first]} - 0.5 * (double{z[third]} + double{z[fourth]}) + 1e-12;
  const double loss = (double{z[target]} - double{z[label]}) / range;
  std::ranges::fill(dz, 0.f);
  const auto add = [&](std::size_t k, double share) { dz[k] += static_cast<float>(share / range); };
  add(target, 1);
  add(label, -1);
  add(first, -loss);
  add(third, 0.5 * loss);
  add(fourth, 0.5 * loss);
  return loss;
}

/// One random start of APGD, for the images that are left. Images stay on the device; the host sees their logits, and
/// decides.
template <class Target>
class apgd_search {
 public:
  apgd_search(const apgd& how, Target& target, const attack_batch& batch, std::span<const int> images)
      : how_(how),
        e_(how.epsilon / 255),
        target_(target),
        batch_(batch),
        logits_({static_cast<int>(images.size()), target.classes()}),
        original_(target.device(), {static_cast<int>(images.size()), batch.images.extent(1), batch.images.extent(2),
                                    batch.images.extent(3)}),
        x_(target.device(), original_.extents()),
        past_(target.device(), original_.extents()),
        stepped_(target.device(), original_.extents()),
        gradient_(target.device(), original_.extents()),
        best_(target.device(), original_.extents()),
        best_gradient_(target.device(), original_.extents()),
        numbers_(target.device(), original_.extent(0)),
        norms_(target.device(), original_.extent(0)) {
    upload(batch.images, images, original_);
    for (const int i : images)
      active_.push_back({.image = i, .label = static_cast<std::size_t>(batch.labels(i)), .step = 2 * e_});
  }

  /// `rank` is that of the wrong class aimed at, `tag` that of the start's random numbers.
  attack_evidence run(int rank, std::uint64_t tag) {
    if (how_.loss == apgd_loss::targeted_dlr) {
      target_.logits(original_, logits_);
      for (int i = 0; i < count(); ++i) at(i).target = wrong_class(row(i), at(i).label, rank);
    }
    start(tag);
    evaluate();
    const attack_evidence evidence{count(), zero_gradients()};
    drop_fooled();
    keep_better();
    for (ascent& a : active_) a.best_at_checkpoint = a.best, a.rises = 0;

    const auto share = [&](double s) { return std::max(static_cast<int>(s * how_.steps), 1); };
    int distance = share(0.22), since = 0;
    for (int step = 0; step < how_.steps && count() > 0; ++step) {
      advance(step == 0 ? 1.f : 0.75f);
      evaluate();
      drop_fooled();
      keep_better();
      if (++since < distance) continue;
      checkpoint(distance);
      distance = std::max(distance - share(0.03), share(0.06));
      since = 0;
    }
    return evidence;
  }

 private:
  using device_type = typename Target::device_type;
  using buffer = image_buffer<device_type>;

  /// How the search for one image stands.
  struct ascent {
    int image = 0;
    std::size_t label = 0, target = 0;
    float step = 0;
    double loss = 0, best = -HUGE_VAL, best_at_checkpoint = 0;
    int rises = 0;       ///< of the loss since the last checkpoint
    bool halved = true;  ///< at the last checkpoint; before the first one, as if
  };

  int count() const { return static_cast<int>(active_.size()); }
  ascent& at(int i) { return active_[static_cast<std::size_t>(i)]; }
  std::span<const float> row(int i) const {
    return {logits_.data() + i * logits_.view().stride(), static_cast<std::size_t>(logits_.extent(1))};
  }
  device_images<device_type> some(buffer& b) const { return b.slice(0, count()); }
  /// Hands f(image's ascent), one number per image, to the device.
  void tell(const auto& f) {
    std::vector<float> numbers;
    for (ascent& a : active_) numbers.push_back(f(a));
    upload(numbers, numbers_);
  }

  void start(std::uint64_t tag) {
    for (int i = 0; i < count(); ++i) {
      const random_stream rng = batch_.streams[static_cast<std::size_t>(at(i).image)].split(tag);
      if (how_.norm == attack::norm::linf)
        fill_uniform(target_.device(), rng, -e_, e_, x_.slice(i, 1));
      else
        fill_normal(target_.device(), rng, x_.slice(i, 1));
    }
    if (how_.norm == attack::norm::linf) {
      transform(x_, original_, attack::loops::noisy_start{e_});
      copy_images(x_, past_);
    } else {
      copy_images(original_, past_);
      step_along(past_, x_, [this](const ascent&) { return e_; });
      copy_images(past_, x_);
    }
  }

  /// x moves along each image's direction by the length f(image's ascent), and back into the L2 ball.
  void step_along(device_images<device_type>& x, const device_images<device_type>& direction, const auto& f) {
    image_norms(target_.device(), direction, norms_.data());
    tell(f);
    transform(norms_, numbers_, loops::factor());
    transform(x, direction, norms_, loops::step());
    attack::detail::shrink_to_ball(x, some(original_), e_);
  }

  /// Loss and gradient at x.
  void evaluate() {
    const auto loss = [this](int i, std::span<const float> z, std::span<float> dz) {
      ascent& a = at(i);
      const double now = how_.loss == apgd_loss::cross_entropy ? cross_entropy(z, a.label, dz)
                                                               : targeted_dlr(z, a.label, a.target, dz);
      a.rises += now > a.loss;
      a.loss = now;
    };
    target_.gradient(some(x_), loss, logits_.view().slice(0, count()), some(gradient_));
  }

  int zero_gradients() {
    std::vector<float> norms(active_.size());
    image_norms(target_.device(), some(gradient_), norms_.data());
    memory_copy(target_.device(), std::span<const float>(norms_.data(), norms.size()), norms);
    return static_cast<int>(std::ranges::count(norms, 0.f));
  }

  /// Hands over the images that are misclassified at x; the last one takes the place.
  void drop_fooled() {
    for (int i = count() - 1; i >= 0; --i) {
      if (is_correct(row(i), static_cast<int>(at(i).label))) continue;
      batch_.robust[static_cast<std::size_t>(at(i).image)] = 0;
      memory_copy(target_.device(), image<float>(x_, i), image(batch_.images, at(i).image));
      if (const int last = count() - 1; i != last) {
        at(i) = at(last);
        for (buffer* b : {&original_, &x_, &past_, &gradient_, &best_, &best_gradient_})
          copy_images(b->slice(last, 1), b->slice(i, 1));
      }
      active_.pop_back();
    }
  }

  /// Where x is the best point so far, it becomes `best`.
  void keep_better() {
    tell([](ascent& a) {
      const bool better = a.loss > a.best;
      if (better) a.best = a.loss;
      return better ? 1.f : 0.f;
    });
    transform(some(best_), some(x_), numbers_, attack::loops::choose());
    transform(some(best_gradient_), some(gradient_), numbers_, attack::loops::choose());
  }

  /// The next point: x + s (step(x) - x) + (1 - s) (x - the point before), with both the step and the sum projected.
  void advance(float s) {
    auto x = some(x_), past = some(past_), stepped = some(stepped_);
    const auto original = some(original_);
    const bool infinity = how_.norm == attack::norm::linf;
    const auto own_step = [](const ascent& a) { return a.step; };
    copy_images(x, stepped);
    if (infinity) {
      tell(own_step);
      transform(stepped, some(gradient_), numbers_, loops::sign_step());
      transform(stepped, original, loops::into_ball{e_});
    } else {
      step_along(stepped, some(gradient_), own_step);
    }
    transform(past, x, loops::carried_on{1 - s});
    transform(past, stepped, x, loops::moved{s});
    if (infinity)
      transform(past, original, loops::into_ball{e_});
    else
      attack::detail::shrink_to_ball(past, original, e_);
    std::swap(x_, past_);
  }

  void checkpoint(int distance) {
    tell([&](ascent& a) {
      const bool few = static_cast<float>(a.rises) <= how_.rho * static_cast<float>(distance);
      a.halved = few || (!a.halved && a.best_at_checkpoint >= a.best);
      a.best_at_checkpoint = a.best;
      a.rises = 0;
      if (a.halved) a.step /= 2;
      return a.halved ? 1.f : 0.f;
    });
    transform(some(x_), some(best_), numbers_, attack::loops::choose());
    transform(some(gradient_), some(best_gradient_), numbers_, attack::loops::choose());
  }

  const apgd& how_;
  float e_;
  Target& target_;
  const attack_batch& batch_;
  std::vector<ascent> active_;
  tensor<float, 2> logits_;
  buffer original_, x_, past_, stepped_, gradient_, best_, best_gradient_;
  image_numbers<device_type> numbers_, norms_;
};

}  // namespace detail

inline void apgd::check(int classes) const {
  const bool targeted = loss == apgd_loss::targeted_dlr;
  detail::check_strength("apgd", epsilon, "steps", steps, restarts);
  if (!(rho >= 0 && rho <= 1)) fail<argument_error>("apgd: rho is ", rho, ", must be in [0, 1]");
  if (targeted && classes < 4)
    fail<argument_error>("apgd: the targeted DLR loss needs at least 4 classes; the network has ", classes);
  if (targeted && targets < 1) fail<argument_error>("apgd: targets is ", targets, ", must be 1 or more");
}

template <attack_target Target>
attack_evidence apgd::run(Target& target, const attack_batch& batch) const {
  const bool targeted = loss == apgd_loss::targeted_dlr;
  check(target.classes());
  detail::check_batch("apgd", target, batch);
  attack_evidence evidence;
  if (epsilon == 0) return evidence;
  const int ranks = targeted ? std::min(targets, target.classes() - 1) : 1;
  for (int rank = 0; rank < ranks; ++rank)
    for (int restart = 0; restart < restarts; ++restart) {
      const std::vector<int> images = detail::remaining(batch.robust);
      if (images.empty()) return evidence;
      const int tag = rank * restarts + restart;
      const auto e = detail::apgd_search(*this, target, batch, images).run(rank, static_cast<std::uint64_t>(tag));
      if (tag == 0) evidence = e;
    }
  return evidence;
}

}  // namespace advprop::robustness
