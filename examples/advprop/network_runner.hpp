// The one template of the program: a runner for a network and a number of domains.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <advprop/ops/cpu.hpp>
#ifdef ADVPROP_HAS_CUDA
#include <advprop/ops/cuda.hpp>
#endif

#include <advprop/domains/domain.hpp>
#include <advprop/io/onnx.hpp>
#include <advprop/models/predict.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/best_weights.hpp>

#include "network_method.hpp"
#include "networks.hpp"
#include "runner.hpp"

namespace advprop::program {

/// An input stage like `normalize`, but with numbers that are set before the first model is made: data sets of one
/// shape then share one network type. The arithmetic is the same.
template <int Channels>
struct input {
  static constexpr int channels = Channels;
  static inline channel_statistics numbers;

  static void set(const channel_statistics& n) {
    if (!n.mean.empty() && static_cast<int>(n.mean.size()) != Channels)
      fail<argument_error>("--normalization is for images of ", n.mean.size(), " channels, these have ", Channels);
    numbers = n;
  }
  static const channel_statistics& statistics() { return numbers; }
  template <class Device>
  static feature_map<Device> forward(Device& device, const_image_view images) {
    feature_map<Device> y(device, images.extent(0), {channels, images.extent(1), images.extent(2)});
    normalize_forward(device, images, numbers.mean.data(), numbers.deviation.data(), y);
    return y;
  }
  template <class Device>
  static void backward(Device& device, const feature_map<Device>& dy, image_view gradient) {
    normalize_backward(device, dy, numbers.deviation.data(), gradient);
  }
};

template <class Network, int Auxiliaries, class Device>
class network_runner final : public runner {
  using domains_type = advprop::domains<1 + Auxiliaries>;
  using model_type = model<Network, domains_type, Device>;

 public:
  network_runner(Device& device, const runner_options& o) : net_(device, o.seed, {o.zero_last_scale}) {
    if (o.stochastic_depth >= 0) net_.stochastic_depth(o.stochastic_depth);
  }

  std::int64_t parameters() const override { return advprop::parameters<Network>; }
  int domains() const override { return domains_type::count; }

  std::vector<std::string> part_names(const chosen_method& method) const override {
    const auto chosen = method_for<Auxiliaries>(method);
    std::vector<std::string> names;
    for (int i = 0; i < chosen.parts(); ++i) names.push_back(chosen.part_name(i));
    return names;
  }
  int fit(std::span<loader* const> data, const chosen_method& method, const chosen_optimizer& optimizer,
          const fit_options& options, double average, const std::function<double()>& score, int patience) override {
    if (average > 0) average_.emplace(net_, average_options{.decay = average});
    std::optional<best_weights<model_type>> best;
    if (score) best.emplace(net_, score, patience);
    advprop::fit(net_, data, method_for<Auxiliaries>(method), optimizer, options, average_ ? &*average_ : nullptr,
                 best ? &*best : nullptr);
    if (!best) return options.epochs;
    best->restore();
    average_.reset();  // what was kept is its
    return best->epoch;
  }
  evaluation evaluate(const image_source& data, int domain, int images, seed s, const chosen_attack& attack) override {
    const auto averaged = served();
    evaluate_options o;
    o.through = domains_type::at(domain);
    o.images = images;
    o.seed = s;
    return advprop::evaluate(net_, data, o, attack);
  }
  void perturb(image_view images, const_label_view labels, int domain, random_stream rng,
               const chosen_attack& attack) override {
    const auto averaged = served();
    advprop::perturb(net_, attack, images, labels, rng, domains_type::at(domain));
  }
  tensor<float, 2> logits(const_image_view images, int domain) override {
    const auto averaged = served();
    return predict_logits(net_, images, {.through = domains_type::at(domain)});
  }
  tensor<float, 2> probabilities(const_image_view images, int domain) override {
    const auto averaged = served();
    return predict_probabilities(net_, images, {.through = domains_type::at(domain)});
  }
  std::unique_ptr<any_target> target(int domain) override {
    return std::make_unique<bound_target<model_type>>(net_, domains_type::at(domain), served());
  }

  run_plan plan(const chosen_method& method, const chosen_optimizer& optimizer, double average, int size, int batch,
                int micro_batch, int evaluated, int attacked) override {
    run_plan p;
    if (average > 0) average_.emplace(net_, average_options{.decay = average});
    p.training = plan_training(net_, method_for<Auxiliaries>(method), optimizer,
                               {.batch = batch, .height = size, .width = size, .micro_batch = micro_batch});
    {
      const chosen_optimizer::state<model_type> state(optimizer, net_);
      p.evaluation = advprop::plan_evaluation(net_, evaluated, size, size);
    }
    chosen_attack pgd;
    pgd.which = chosen_attack::kind::pgd;
    pgd.steps = 1;
    p.attacked = advprop::plan_evaluation(net_, attacked, size, size, pgd);
    return p;
  }

  work_plan plan_evaluation(int batch, int size) override { return advprop::plan_evaluation(net_, batch, size, size); }

  load_report load(const std::string& path, const load_options& options) override {
    return advprop::load(net_, path, options);
  }
  void save(const std::string& path, const save_options& options) override {
    const auto averaged = served();
    advprop::save(net_, path, options);
  }
  void save_domain(const std::string& path, int domain, const save_options& options) override {
    const auto averaged = served();
    advprop::save(net_, domains_type::at(domain), path, options);
  }
  void export_onnx(const std::string& path, int domain, int image_size, bool fold) override {
    onnx_options o;
    o.domain = domains_type::at(domain);
    o.fold_batch_norm = fold;
    o.height = o.width = image_size;
    advprop::export_onnx(net_, path, o);
  }

 private:
  using swapped = typename averaged_weights<model_type>::swapped;
  /// While what it returns lives, the network is what serves: the average, where there is one.
  std::unique_ptr<swapped> served() { return average_ ? std::make_unique<swapped>(*average_) : nullptr; }

  model_type net_;
  std::optional<averaged_weights<model_type>> average_;
};

/// A runner with `options.auxiliaries` domains, up to `Most`, for one of the `Shapes`; null where there is none.
template <template <int, class> class Network, int Most, data_shape... Shapes>
std::unique_ptr<runner> make_runner_for(any_device& device, const runner_options& options) {
  std::unique_ptr<runner> made;
  const auto try_shape = [&]<data_shape S, int... A>(std::integer_sequence<int, A...>) {
    if (!(options.shape == S)) return;
    input<S.channels>::set(options.normalization);
    const auto try_auxiliaries = [&]<int Auxiliaries>() {
      if (options.auxiliaries == Auxiliaries)
        made = device.visit([&]<class Device>(Device& d) -> std::unique_ptr<runner> {
          return std::make_unique<network_runner<Network<S.classes, input<S.channels>>, Auxiliaries, Device>>(d,
                                                                                                              options);
        });
    };
    (try_auxiliaries.template operator()<A>(), ...);
  };
  (try_shape.template operator()<Shapes>(std::make_integer_sequence<int, Most + 1>()), ...);
  return made;
}

}  // namespace advprop::program
