#include "device.hpp"

#include <sys/sysinfo.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>

#include "choices.hpp"
#include "names.hpp"

namespace advprop::program {

namespace {

any_device on_cpu(const settings& s, std::unique_ptr<cpu> d) {
  d->convolutions(convolutions_of(s));
  return any_device(std::move(d));
}

/// On a GPU of that number, or for a dry run.
template <class Which>
any_device on_gpu(const settings& s, [[maybe_unused]] Which which) {
#ifdef ADVPROP_HAS_CUDA
  const auto products = s.device == "cuda-tf32" ? float32_products::tf32 : float32_products::exact;
  const auto engines = named_in(engine_names, "--engines", s.engines);
  if (s.device == "cuda-bfloat16") return any_device(std::make_unique<cuda_bfloat16>(which, products, engines));
  return any_device(std::make_unique<cuda>(which, products, engines));
#else
  fail<argument_error>("--device is ", s.device, ", but this program was built without CUDA: configure it with ",
                       "-D ADVPROP_CUDA=ON");
#endif
}

/// Of control group version 2, which containers set; no limit where it says none.
std::size_t group_limit() {
  constexpr const char* file = "/sys/fs/cgroup/memory.max";
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  if (!file_exists(file)) return limit;
  const auto text = read_file<char>(file, 100);
  std::from_chars(text.data(), text.data() + text.size(), limit);  // "max" is not a number
  return limit;
}

}  // namespace

std::size_t host_memory() {
  struct sysinfo machine {};
  if (::sysinfo(&machine) != 0) return std::numeric_limits<std::size_t>::max();
  return std::min((machine.totalram + machine.totalswap) * std::size_t{machine.mem_unit}, group_limit());
}

any_device device_of(const settings& s) {
  return s.device == "cpu" ? on_cpu(s, std::make_unique<cpu>(s.threads)) : on_gpu(s, 0);
}

any_device dry_device_of(const settings& s) {
  return s.device == "cpu" ? on_cpu(s, std::make_unique<cpu>(dry_run{}, s.threads)) : on_gpu(s, dry_run{});
}

}  // namespace advprop::program
