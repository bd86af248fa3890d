// AdvProp: every kind of adversary through batch norms of its own.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <advprop/attacks/objective.hpp>
#include <advprop/training/concatenation.hpp>
#include <advprop/training/method.hpp>

namespace advprop {

/// How several domains go through the network. Gradients are equal up to rounding.
enum class execution {
  sequential,   ///< one pass per domain: less memory
  concatenated  ///< one pass for all
};

/// Where an auxiliary domain's images come from, and how much its loss counts.
struct auxiliary_options {
  float weight = 1;
  int stream = 0;   ///< 0: the main stream's images; k: data stream k, for instance with stronger augmentation
  float share = 1;  ///< of each batch of that stream, in (0, 1]: its first images, rounded to one or more
};

/// AdvProp (Xie et al. 2020, algorithm 1): attack k makes its images through auxiliary domain k; clean images go
/// through the main domain; the loss is the *sum* of the domains' mean losses times their weights. `attack::none` with
/// a stream of its own makes a domain of augmented images (section 4.3, fine-grained). The model needs at least 1 +
/// sizeof...(Attacks) domains. A step throws `argument_error` for a negative weight and for shares that cannot be had.
template <class... Attacks>
class adversarial_propagation {
  static_assert((attack_policy<Attacks> && ...), "adversarial_propagation: this is not an attack; see attack_policy");

 public:
  static constexpr bool micro_batches = true;
  static constexpr int auxiliaries = sizeof...(Attacks);
  static_assert(auxiliaries < routing::limit, "adversarial_propagation: more attacks than a step has parts");

  explicit adversarial_propagation(Attacks... attacks) : attacks_(std::move(attacks)...) {}

  /// Weight of the clean loss.
  float clean_weight = 1;
  /// One per auxiliary domain.
  std::array<auxiliary_options, sizeof...(Attacks)> auxiliary{};
  /// Image k goes through the same dropout and stochastic-depth masks in every domain; otherwise each domain draws its
  /// own, as independent passes of a PyTorch or TensorFlow network do.
  bool matched_noise = false;
  advprop::execution execution = advprop::execution::sequential;
  /// Main-stream images that an auxiliary domain takes are left out of the clean pass, and no two domains take the same
  /// ("decoupled training" of Fast AdvProp, Mei et al. 2022, section 3.2): with a share of 0.2 and one attack step, 1.2
  /// times the passes of clean training rather than 3. Losses stay means of their domain's images: weights of 0.8 and
  /// 0.2 make their sum the mean of the batch.
  bool decoupled = false;

  int parts() const { return 1 + auxiliaries; }
  int streams() const {
    int most = 0;
    for (const auto& a : auxiliary) most = a.stream > most ? a.stream : most;
    return most + 1;
  }
  std::string part_name(int i) const {
    return i == 0 ? "clean" : auxiliaries == 1 ? "adversarial" : "auxiliary " + std::to_string(i - 1);
  }
  std::string description() const {
    std::string text = detail::described("advprop", {{"clean_weight", clean_weight},
                                                     {"matched_noise", static_cast<float>(matched_noise)},
                                                     {"execution", static_cast<float>(execution)},
                                                     {"decoupled", static_cast<float>(decoupled)}});
    each([&](const auto& attack, std::size_t k) {
      const auxiliary_options& own = auxiliary[k];
      text += "; " + attack::detail::description(attack) +
              detail::described(
                  "", {{"weight", own.weight}, {"stream", static_cast<float>(own.stream)}, {"share", own.share}});
    });
    return text;
  }
  /// Throws `argument_error` for shares that cannot be had of that many images.
  int smallest_pass(std::span<const int> images, int micro_batch) const {
    int least = images[0];
    for (const own_share& part : share_out(images))
      least = std::min(least, smallest_micro_batch(part.count, micro_batch));
    return least;
  }

  template <class Model>
  step_metrics gradients(Model& net, std::span<const labelled_images> streams, const step_options& options) const {
    using domains = typename Model::domains_type;
    static_assert(domains::count >= 1 + auxiliaries,
                  "adversarial_propagation: the model has fewer auxiliary domains than attacks");
    detail::check_loss_weight("adversarial_propagation", "clean_weight", clean_weight);
    for (const auxiliary_options& own : auxiliary)
      detail::check_loss_weight("adversarial_propagation", "an auxiliary domain's weight", own.weight);
    step_metrics m;
    std::vector<int> counts;
    for (const labelled_images& s : streams) counts.push_back(s.images.extent(0));
    std::array<labelled_images, 1 + sizeof...(Attacks)> parts;
    for (std::size_t i = 0; const own_share& own : share_out(counts))
      parts[i++] = streams[static_cast<std::size_t>(own.stream)].slice(own.first, own.count);
    for_micro_batches(parts, options, [&](const auto& now, const step_options& own) { accumulate(net, now, own, m); });
    return m;
  }

 private:
  /// A step on some of the clean images and of each auxiliary domain's.
  template <class Model>
  void accumulate(Model& net, const std::array<micro_batch, 1 + sizeof...(Attacks)>& parts, const step_options& options,
                  step_metrics& m) const {
    const auto route_of = [&](std::size_t i) {
      const int k = static_cast<int>(i) - 1;
      return part{i == 0 ? main_domain : Model::domains_type::auxiliary(k), parts[i].count(),
                  parts[i].share * (i == 0 ? clean_weight : auxiliary[i - 1].weight)};
    };
    const bool complete = std::all_of(parts.begin(), parts.end(), [](const micro_batch& b) { return b.count() > 0; });
    if (execution == advprop::execution::concatenated && complete) {
      int total = 0;
      for (const micro_batch& b : parts) total += b.count();
      detail::concatenation<typename Model::device_type, Model::classes> batch(net.device(), total,
                                                                               parts[0].images.images);
      batch.push(parts[0].images);
      routing route{route_of(0)};
      each([&](const auto& attack, std::size_t k) {
        const labelled_images& images = parts[1 + k].images;
        craft(net, attack, batch.push(images), images.labels, k, options);
        route.push(route_of(1 + k));
      });
      accumulate_gradients(net, batch.all(), route, options, m, 0, matched_noise);
      return;
    }
    // Attacks come first, as in the paper: a training pass may move running statistics that domains share.
    std::array<arena::block, sizeof...(Attacks)> memory;
    std::array<labelled_images, 1 + sizeof...(Attacks)> images;
    images[0] = parts[0].images;
    each([&](const auto& attack, std::size_t k) {
      const const_image_view& from = parts[1 + k].images.images;
      if (from.extent(0) == 0) return;
      memory[k] = net.device().memory().allocate(sizeof(float) * static_cast<std::size_t>(from.size()));
      const image_view adversarial(static_cast<float*>(memory[k].data()), from.extents());
      check_host_images("step", net.device(), from);  // or the attack would be blamed
      copy_images(net.device(), from, adversarial);
      images[1 + k] = {adversarial, parts[1 + k].images.labels};
      craft(net, attack, adversarial, images[1 + k].labels, k, options);
    });
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (parts[i].count() > 0)
        accumulate_gradients(net, images[i], routing{route_of(i)}, options, m, static_cast<int>(i), matched_noise);
      if (i > 0) memory[i - 1] = {};
    }
  }
  template <class F>
  void each(F&& f) const {
    [&]<std::size_t... K>(std::index_sequence<K...>) { (f(std::get<K>(attacks_), K), ...); }
    (std::make_index_sequence<sizeof...(Attacks)>());
  }
  /// Images [first, first + count) of a stream's batch.
  struct own_share {
    int stream = 0, first = 0, count = 0;
  };
  /// What the clean pass has of batches of that many images, then what each auxiliary domain has.
  std::array<own_share, 1 + sizeof...(Attacks)> share_out(std::span<const int> images) const {
    std::array<own_share, 1 + sizeof...(Attacks)> parts;
    int taken = 0;
    for (std::size_t k = 0; k < sizeof...(Attacks); ++k) {
      const auto& a = auxiliary[k];
      if (a.stream < 0 || a.stream >= static_cast<int>(images.size()))
        fail<argument_error>("adversarial_propagation: data stream ", a.stream, " of ", images.size());
      if (!(a.share > 0 && a.share <= 1))
        fail<argument_error>("adversarial_propagation: share is ", a.share, ", must be in (0, 1]");
      const int there = images[static_cast<std::size_t>(a.stream)];
      const int count = std::max(1, static_cast<int>(std::lround(a.share * static_cast<float>(there))));
      const bool apart = decoupled && a.stream == 0;
      if (apart && taken + count >= there)
        fail<argument_error>("adversarial_propagation: decoupled, the auxiliary domains' shares leave none of ", there,
                             " images for the clean pass");
      parts[1 + k] = {a.stream, apart ? taken : 0, count};
      if (apart) taken += count;
    }
    parts[0] = {0, taken, images[0] - taken};
    return parts;
  }
  template <class Model>
  void craft(Model& net, const auto& attack, image_view images, const target_view& labels, std::size_t k,
             const step_options& options) const {
    random_stream rng = options.rng.split(stream_tag::attacks).split(k);
    const int number = static_cast<int>(k);
    perturb(net, attack, images, labels, rng, Model::domains_type::auxiliary(number), options.label_smoothing,
            options.noise(1 + number, matched_noise));
  }

  std::tuple<Attacks...> attacks_;
};

}  // namespace advprop
