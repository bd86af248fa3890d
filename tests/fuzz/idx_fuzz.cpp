// libFuzzer target: IDX, CIFAR, gzip and xz content. The first byte chooses; every other outcome than a parsed content
// or a file_error is a finding.
#include <cstdint>
#include <cstdlib>

#include <advprop/data/cifar.hpp>
#include <advprop/data/idx.hpp>

using namespace advprop;

namespace {
void require(bool good) {
  if (!good) std::abort();
}

void cifar(byte_span bytes, cifar_format format) {
  dataset d;
  parse_cifar(bytes, format, "cifar", d);
  d.check();
  require(d.pixels.size() + d.labels.size() * static_cast<std::size_t>(format.label_bytes()) == bytes.size());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const byte_span bytes(data + 1, size - 1);
  constexpr std::size_t limit = 1 << 20;
  try {
    switch (data[0] % 6) {
      case 0:
      case 1: {
        const int rank = data[0] % 6 == 0 ? 1 : 3;
        const idx_array a = parse_idx(bytes, rank, "idx");
        std::size_t count = 1;
        for (int e : a.extents) count *= static_cast<std::size_t>(e);
        require(a.extents.size() == static_cast<std::size_t>(rank) && a.values.size() == count);
        require(a.values.data() + count == bytes.data() + bytes.size());
        break;
      }
      case 2:
        cifar(bytes, cifar10_format);
        break;
      case 3:
        cifar(bytes, cifar100_format);
        break;
      case 4:
        require(gunzip(bytes, "gzip", limit).size() <= limit);
        break;
      case 5:
        require(unxz(bytes, "xz", limit).size() <= limit);
        break;
    }
  } catch (const file_error& e) {
    require(e.what()[0] != '\0');
  }
  return 0;
}
