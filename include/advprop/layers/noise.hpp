// Where the randomness inside a network comes from: the masks of dropout and of stochastic depth.
#pragma once

#include <cstdint>
#include <string>

#include <advprop/core/random.hpp>

namespace advprop {

/// The noise of one pass. Every part of the pass's routing draws from a stream of its own, at positions counted from
/// the part's first image: a part has the same masks whether it goes through the network alone or with others.
struct layer_noise {
  random_stream stream;
  int first_part;  ///< the number, in the training step, of the pass's first part
  bool matched;    ///< all parts draw from one stream: image k of every part gets the same masks

  // NOLINTNEXTLINE: a stream is noise
  constexpr layer_noise(random_stream s = random_stream(), int first = 0, bool match = false)
      : stream(s), first_part(first), matched(match) {}

  /// The stream of the pass's part `i`; each layer splits its own off.
  constexpr random_stream of(int i) const {
    return stream.split(matched ? 0 : static_cast<std::uint64_t>(first_part) + static_cast<std::uint64_t>(i));
  }
};

/// The linear rule of stochastic depth: how often each of a network's blocks is left out.
struct depth_rule {
  float rate = 0;  ///< in [0, 1): what a block after the last would have
  int blocks = 0;
  constexpr float rate_of(int block) const {
    return blocks == 0 ? 0.f : rate * static_cast<float>(block) / static_cast<float>(blocks);
  }
};

/// What a layer of that name splits its part's stream by (64-bit FNV-1a).
inline std::uint64_t noise_tag(const std::string& name) {
  std::uint64_t h = 14695981039346656037ull;
  for (char ch : name) h = (h ^ static_cast<unsigned char>(ch)) * 1099511628211ull;
  return h;
}

}  // namespace advprop
