// libFuzzer target: .npy content. Every other outcome than an array that fits its bytes or a file_error is a finding.
#include <cstdint>
#include <cstdlib>
#include <span>

#include <advprop/io/npy.hpp>

using namespace advprop;

namespace {
void require(bool good) {
  if (!good) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const npy_array a = parse_npy({data, size}, "npy");
    std::size_t count = 1;
    for (const std::int64_t extent : a.shape) count *= static_cast<std::size_t>(extent);
    require(a.values.size() == count * static_cast<std::size_t>(a.type[2] - '0'));
    require(a.values.data() + a.values.size() == data + size);
    if (count > 0) a.at(count - 1);
  } catch (const file_error& e) {
    require(e.what()[0] != '\0');
  }
  return 0;
}
