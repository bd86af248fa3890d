// expect: recorder::element
// What a layer computes in a loop of its own is in no exported graph.
#include <advprop/advprop.hpp>
#include <advprop/io/onnx.hpp>

using namespace advprop;

struct doubled {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }
  template <int In, class Domains, class Device>
  struct state {
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>&, feature_map<Device> x) {
      const auto v = x.view();
      for (int i = 0; i < Device::elements(v.batch, v.image()); ++i) v.data[i] = 2.f * v.data[i];
      return x;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>&, feature_map<Device> dy) {
      return dy;
    }
  };
};
struct net : architecture<normalize<fashion_mnist_statistics>, doubled, global_average_pool, linear<10>> {};

void use(model<net, domains<1>, cpu>& m) {
#ifdef CONTROL
  save(m, "net.safetensors");
#else
  export_onnx(m, "net.onnx");
#endif
}
