// An optimizer of one's own: Lion. It trains, resumes, and fine-tunes by `layer_rates` like the built-in ones.
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <advprop/advprop.hpp>

using namespace advprop;

/// Chen et al. 2023, algorithm 2: steps of one length along the sign of a momentum.
struct lion {
  float learning_rate = 1e-3f;
  float beta1 = 0.9f, beta2 = 0.99f;
  float weight_decay = 0;
  advprop::decay_rule decay_rule = advprop::decay_rule::weights;
  std::vector<layer_rate> layer_rates{};

  /// All that decides the bits of a run: it is not resumed with another.
  std::string description() const { return optimizer_description("lion", options(), layer_rates); }

  std::array<optimizer_option, 5> options() const {
    using option = optimizer_option;
    return {{{"learning_rate", learning_rate, option::not_negative},
             {"beta1", beta1, option::below_one},
             {"beta2", beta2, option::below_one},
             {"weight_decay", weight_decay, option::not_negative},
             {"decay_rule", static_cast<float>(decay_rule)}}};
  }

  template <class Model>
  class state;
};

/// At work on one model.
template <class Model>
class lion::state : public optimizer_state<Model, 1> {  // 1: of the momentum there is a number for each learnt one
 public:
  static constexpr std::array slots{"momentum"};  // its name in checkpoints

  state(const lion& o, Model& net)
      : optimizer_state<Model, 1>(net, "lion", o.options(), o.decay_rule, o.layer_rates), options_(o) {}

  void step(double factor = 1) {  // of the schedule
    ++this->updates;
    const double whole = options_.learning_rate * factor;
    this->for_parts(options_.weight_decay, [&](float part, float decay, auto values, auto gradients, auto momentum) {
      const auto rate = static_cast<float>(whole * part);
      this->transform_numbers(values, gradients, momentum,
                              [rate, decay, b = options_.beta1](float w, float g, float m) {
                                return w - rate * (sign(b * m + (1 - b) * g) + decay * w);
                              });
      this->transform_numbers(momentum, gradients, gradients,
                              [b = options_.beta2](float m, float g, float) { return b * m + (1 - b) * g; });
    });
  }

 private:
  lion options_;
};

int main(int argc, char** argv) try {
  using network = model<cifar_resnet<1, 10, shortcut_option::a, normalize<fashion_mnist_statistics>>, domains<2>, cpu>;
  static_assert(optimizer_policy<lion, network>);
  const std::string folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
  const dataset train = load_fashion_mnist(folder, split::train).take(6000);
  const dataset test = load_fashion_mnist(folder, split::test).take(1000);

  cpu device;
  network net(device, seed{1});
  fit(net, train, adversarial_propagation(attack::pgd{.epsilon = 4, .steps = 1}), lion{.weight_decay = 0.1f},
      {.epochs = 2, .batch = 64});
  std::printf("%.2f %%\n", 100 * evaluate(net, test).total.accuracy());
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
