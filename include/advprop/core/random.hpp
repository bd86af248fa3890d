// Counter-based random numbers: the same on every device and at any thread count.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <advprop/core/host_device.hpp>

namespace advprop {

/// The type that makes `model net{device, seed{1}}` read well.
struct seed {
  std::uint64_t value = 0;
  constexpr explicit seed(std::uint64_t v = 0) : value(v) {}
};

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0], b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// A stream of random numbers, addressed by (seed, stream, position): position p is word p % 4 of block p / 4.
/// Copying it copies the position; the three numbers are its whole state, so a checkpoint restores it exactly.
class random_stream {
 public:
  constexpr explicit random_stream(std::uint64_t seed = 0, std::uint64_t stream = 0, std::uint64_t position = 0)
      : seed_(seed), stream_(stream), position_(position) {}

  constexpr std::uint64_t seed() const { return seed_; }
  constexpr std::uint64_t stream() const { return stream_; }
  constexpr std::uint64_t position() const { return position_; }

  /// A statistically independent stream, reproducible from this one's seed and stream and the tag (not its position).
  [[nodiscard]] constexpr random_stream split(std::uint64_t tag) const {
    const auto b = philox({lo(tag), hi(tag), lo(stream_), hi(stream_)}, {lo(seed_) ^ 0x5EED5EEDu, hi(seed_)});
    return random_stream(seed_, (std::uint64_t{b[0]} << 32) | b[1]);
  }

  /// The 32 bits at an absolute position: parallel fills use `position() + i`, then `skip`.
  constexpr std::uint32_t at(std::uint64_t position) const {
    const std::uint64_t block = position / 4;
    return philox({lo(block), hi(block), lo(stream_), hi(stream_)}, {lo(seed_), hi(seed_)})[position % 4];
  }
  constexpr void skip(std::uint64_t count) { position_ += count; }
  constexpr std::uint32_t next() { return at(position_++); }

  /// Uniform in [0, 1), 24 bits.
  static constexpr float to_uniform(std::uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
  constexpr float uniform() { return to_uniform(next()); }
  constexpr float uniform(float low, float high) { return low + (high - low) * uniform(); }

  /// Uniform in 0 .. count-1 (multiply-shift: the bias is below count / 2^32).
  constexpr int below(int count) {
    return static_cast<int>((std::uint64_t{next()} * static_cast<std::uint64_t>(count)) >> 32);
  }

  /// Standard normal by Box and Muller; takes two positions.
  ADVPROP_HD float normal() {
    const double u = (next() + 1.0) * 0x1p-32, v = next() * 0x1p-32;
    return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
  }

 private:
  static constexpr std::uint32_t lo(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
  static constexpr std::uint32_t hi(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }

  std::uint64_t seed_, stream_, position_;
};

}  // namespace advprop
