// expect: normalize: deviations must be positive
// What does not vary cannot be normalised.
#include <advprop/layers/normalize.hpp>
#include <advprop/ops/cpu.hpp>

struct statistics_of_mine {
  static constexpr std::array<float, 2> mean{0.5f, 0};
#ifdef CONTROL
  static constexpr std::array<float, 2> deviation{0.25f, 1};
#else
  static constexpr std::array<float, 2> deviation{0.25f, 0};
#endif
};

static_assert(advprop::normalize<statistics_of_mine>::channels == 2);
