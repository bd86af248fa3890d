// expect: (optimizer_policy.*frozen|frozen.*optimizer_policy)
// An optimizer's state has `step`.
#include <advprop/advprop.hpp>

using namespace advprop;

struct frozen {
  float learning_rate = 0;
  std::string description() const { return "frozen"; }

  template <class Model>
  struct state {
    static constexpr std::array<const char*, 1> slots{"nothing"};
    std::int64_t updates = 0;
    state(const frozen&, Model&) {}
    std::span<float> slot(int) const { return {}; }
#ifdef CONTROL
    void step(double) {}
#endif
  };
};

struct net
    : architecture<normalize<mnist_statistics>, named<"conv", convolution<8, 3>>, global_average_pool, linear<10>> {};

void f(model<net, domains<1>, cpu>& m, loader& data) { fit(m, data, clean_training{}, frozen{}); }
