// A stranger's program, built by three ways of getting the library, header-only and with advprop::compiled.
#include <vector>

#include <advprop/advprop.hpp>

int main() {
  using namespace advprop;
  cpu device(1);
  const shape s{3, 5, 7};
  std::vector<float> x(static_cast<std::size_t>(cpu::elements(2, s)), 1), y = x;
  const feature_view<float> vx{x.data(), 2, s.channels, s.height, s.width}, vy{y.data(), 2, 3, s.height, s.width};
  add(device, vx, vy);
  return y[0] == 2 && device.instructions() == best_instruction_set() ? 0 : 1;
}
