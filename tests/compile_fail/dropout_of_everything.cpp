// expect: dropout: its rate must be in .0, 1.
// Nothing would be left to scale up.
#include <advprop/layers/dropout.hpp>

using namespace advprop;

struct rate {
#ifdef CONTROL
  static constexpr float value = 0.5f;
#else
  static constexpr float value = 1;
#endif
};

constexpr long learnt = dropout<rate>::parameters(10);
