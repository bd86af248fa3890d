// A stranger's program, built by three ways of getting the library.
#if __has_include(<advprop/advprop.hpp>)
#include <advprop/advprop.hpp>
#endif
#include <advprop/device/cpu.hpp>

int main() {
  advprop::cpu device{1};
  int sum = 0;
  advprop::parallel_for(device.threads(), 4, [&](std::ptrdiff_t i) { sum += static_cast<int>(i); });
  return sum == 6 ? 0 : 1;
}
