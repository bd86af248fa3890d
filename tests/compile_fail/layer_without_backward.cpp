// expect: half_a_layer.*backward<(advprop::)?wrt::input>.*(invalid|no member named .backward.)
// A layer runs forward and backward.
#include <advprop/advprop.hpp>

using namespace advprop;

struct half_a_layer {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }
  template <int In, class Domains, class Device>
  struct state {
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>&, feature_map<Device> x) { return x; }
#ifdef CONTROL
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>&, feature_map<Device> dy) {
      return dy;
    }
#endif
  };
};
struct net : architecture<normalize<fashion_mnist_statistics>, half_a_layer, global_average_pool, linear<10>> {};

void use(cpu& device) { model<net, domains<2>, cpu> m{device}; }
