// A layer of one's own: a descriptor with its output shape, its number of parameters, and a state with three functions.
#include <cstdio>

#include <advprop/advprop.hpp>

using namespace advprop;

/// y = s * x with one learnt number s a channel, starting at 1 ("layer scale", Touvron et al. 2021). It is put together
/// from operations that every device has, so it runs on every device.
struct channel_scale {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int in) { return in; }

  template <int In, class Domains, class Device>
  class state {
    // A depthwise 1x1 convolution multiplies each channel with one number.
    static constexpr conv_spec spec{In, In, 1, 1, 0, In};

   public:
    void setup(registry& r, const std::string& name) {
      scale_ = r.weight(join(name, "scale"), {In, 1, 1, 1}, {initial::constant, 1});
    }
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      feature_map<Device> y(c.device, x.batch(), x.image());
      conv_forward(c.device, spec, x, c.store.weight(scale_), y);
      x_ = saved_if(has(c.keep, wrt::parameters), x);
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      if constexpr (has(W, wrt::parameters))
        conv_backward_weight(c.device, spec, x_, dy, c.store.weight_gradient(scale_));
      x_ = {};
      if constexpr (!has(W, wrt::input)) return {};
      feature_map<Device> dx(c.device, dy.batch(), dy.image());
      conv_backward_input(c.device, spec, dy, c.store.weight(scale_), dx);
      return dx;
    }

   private:
    std::size_t scale_ = 0;
    feature_map<Device> x_;
  };
};

struct scaled_block : residual<sequential<convolution<16, 3>, batch_norm<>, relu, convolution<16, 3>, channel_scale>> {
};
struct small_network : architecture<normalize<fashion_mnist_statistics>, convolution<16, 3, 2>, batch_norm<>, relu,
                                    repeat<2, scaled_block>, batch_norm<>, relu, global_average_pool, linear<10>> {};
static_assert(parameters<small_network> == 16 * 9 + 32 + 2 * (16 * 16 * 9 * 2 + 32 + 16) + 32 + 170);

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
  const dataset train = load_fashion_mnist(folder, split::train).take(10000);
  const dataset test = load_fashion_mnist(folder, split::test).take(2000);

  cpu device;
  model<small_network, domains<2>, cpu> net(device, seed{1});
  fit(net, train, adversarial_propagation(attack::pgd::paper(1)), sgd{}, {.epochs = 2});
  std::printf("test accuracy %.2f %%\n", 100 * evaluate(net, test).total.accuracy());
  for (const parameter& p : net.table())
    if (p.name.ends_with("scale")) std::printf("%s: first channel %.3f\n", p.name.c_str(), net[p][0]);
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
