// libFuzzer target of the safetensors reader: whatever the bytes, a file_error or a file that holds together.
// clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/safetensors_fuzz.cpp
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <advprop/io/archive.hpp>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t limit);

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::vector<std::byte> seed_file() {
  advprop::archive_writer file;
  file.put("step", std::int64_t{-7});
  file.put("rate", 0.1);
  file.add("w", {2, 3}, std::vector<float>(6, 1.0f));
  file.add("n", {}, std::vector<std::int64_t>{1});
  file.add("e", {0}, std::vector<std::int32_t>{});
  file.add("b", {3}, std::vector<std::uint8_t>{1, 2, 3});
  return file.bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto file = advprop::safetensors::parse(bytes, "fuzz");
    std::size_t total = 0;
    advprop::safetensors_writer writer;
    writer.metadata = file.metadata();
    for (const auto& t : file.tensors()) {
      require(&file.at(t.name) == &t);
      require(t.bytes.empty() ||
              (t.bytes.data() >= bytes.data() && t.bytes.data() + t.bytes.size() <= bytes.data() + bytes.size()));
      total += t.bytes.size();
      if (t.dtype == "F32" || t.dtype == "F64" || t.dtype == "F16" || t.dtype == "BF16")
        writer.add(t.name, t.shape, file.floats(t.name));
      else if (t.dtype == "I64" || t.dtype == "I32" || t.dtype == "U8" || t.dtype == "BOOL")
        writer.add(t.name, t.shape, file.integers(t.name));
    }
    std::uint64_t header;
    std::memcpy(&header, data, sizeof header);
    require(sizeof header + header + total == size);

    // What was read can be written, and reads the same.
    const auto copy = writer.bytes();
    const auto again = advprop::safetensors::parse(copy, "again");
    require(again.metadata() == file.metadata());
    for (const auto& t : again.tensors()) require(t.shape == file.at(t.name).shape);

    const advprop::archive archive(file);
    for (const auto& [key, text] : file.metadata()) try {
        (void)archive.get<std::int64_t>(key);
      } catch (const advprop::file_error&) {
        try {
          (void)archive.get<double>(key);
        } catch (const advprop::file_error&) {
        }
      }
  } catch (const advprop::file_error&) {
  }
  return 0;
}

/// Half of the mutations go to the header alone, whose length is then set right: else nearly all inputs fail there.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t limit,
                                               unsigned int seed) {
  std::minstd_rand random(seed);
  if (size < 16) {
    const auto file = seed_file();
    if (file.size() > limit) return LLVMFuzzerMutate(data, size, limit);
    std::memcpy(data, file.data(), file.size());
    return file.size();
  }
  std::uint64_t length;
  std::memcpy(&length, data, sizeof length);
  if (length > size - sizeof length || random() % 2 == 0) return LLVMFuzzerMutate(data, size, limit);

  const auto header = static_cast<std::size_t>(length);
  const std::vector<std::uint8_t> tail(data + sizeof length + header, data + size);
  if (limit <= sizeof length + tail.size()) return LLVMFuzzerMutate(data, size, limit);
  const auto changed = LLVMFuzzerMutate(data + sizeof length, header, limit - sizeof length - tail.size());
  length = changed;
  std::memcpy(data, &length, sizeof length);
  std::copy(tail.begin(), tail.end(), data + sizeof length + changed);
  return sizeof length + changed + tail.size();
}
