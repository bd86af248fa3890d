// Direct convolution: the kernels of tiles of outputs, and the weights as these read them.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

/// What a tile kernel needs besides its pixels. Weights: [tap][channel of the block][V * lanes].
struct direct_tile_job {
  const std::ptrdiff_t* offsets;  // one for each (input block, tap)
  int taps, full, tail;           // all taps; those of blocks with 8 channels; channels of the others
  const float* weights;
  std::ptrdiff_t pixel_pitch;  // floats from one output pixel to the next
  std::ptrdiff_t block_pitch;  // floats from one output block to the next
  int out_blocks;              // of this tile
  bool accumulate;             // add to what is in y
  const float *base, *added;   // else, unless null: to what lies at `added` as y lies at `base`
};

/// V vectors of output channels for a run of pixels, T at a time; the last T may overlap the ones before.
/// Every output's sum runs over block, tap, channel in this order, whatever T and V are. pixels >= T.
/// `Mix` groups are interleaved.
template <int T, int V, int Mix = 1>
void direct_tile(const direct_tile_job& job, const float* x, float* y, int pixels) {
  using simd::lanes;
  for (int p = 0; p < pixels; p += T) {
    const int start = std::min(p, pixels - T), skip = p - start;
    const float* in = x + start * direct_block;
    float* out = y + start * job.pixel_pitch;
    simd::vec sum[T][V];
    if (job.accumulate || job.added) {
      const float* old = job.accumulate ? out : job.added + (out - job.base);
      ADVPROP_UNROLL
      for (int t = 0; t < T; ++t) ADVPROP_UNROLL
      for (int v = 0; v < V; ++v)
        sum[t][v] =
            simd::turn<Mix>(simd::load_channels(old + t * job.pixel_pitch, job.block_pitch, v * lanes, job.out_blocks));
    } else {
      ADVPROP_UNROLL
      for (int t = 0; t < T; ++t) ADVPROP_UNROLL
      for (int v = 0; v < V; ++v) sum[t][v] = simd::vec{};
    }
    const float* w = job.weights;
    for (int i = 0; i < job.taps; ++i) {
      const float* a = in + job.offsets[i];
      const float* const end = a + (i < job.full ? direct_block : job.tail);
      const int ahead = i + 4 - job.taps;  // far enough for what comes from memory
      simd::prefetch<T * direct_block>(
          in + (ahead < 0 ? job.offsets[i + 4] : job.offsets[std::min(ahead, job.taps - 1)] + T * direct_block));
      for (; a != end; a += Mix, w += V * lanes) {
        simd::prefetch<V * lanes>(w + 8 * V * lanes);
        simd::vec weight[V];
        ADVPROP_UNROLL
        for (int v = 0; v < V; ++v) weight[v] = simd::load(w + v * lanes);
        ADVPROP_UNROLL
        for (int t = 0; t < T; ++t) {
          const auto value = simd::repeat<Mix>(a + t * direct_block);
          ADVPROP_UNROLL
          for (int v = 0; v < V; ++v) sum[t][v] = simd::fused(value, weight[v], sum[t][v]);
        }
      }
    }
    ADVPROP_UNROLL
    for (int t = 0; t < T; ++t)
      if (t >= skip) {
        ADVPROP_UNROLL
        for (int v = 0; v < V; ++v)
          simd::store_channels(out + t * job.pixel_pitch, job.block_pitch, v * lanes, job.out_blocks,
                               simd::turn<lanes / Mix>(sum[t][v]));
      }
  }
}

using direct_tile_function = void (*)(const direct_tile_job&, const float*, float*, int);
struct direct_tile_kernel {
  int pixels, vectors, mix;
  direct_tile_function run;
};
template <int T, int V, int Mix = 1>
constexpr direct_tile_kernel compiled_tile = {T, V, Mix, direct_tile<T, V, Mix>};

/// The compiled tiles: as many accumulators as the register file takes, and smaller ones for small images.
inline constexpr direct_tile_kernel direct_tiles[] = {
#if ADVPROP_TARGET_BYTES == 64
    compiled_tile<14, 2>,    compiled_tile<13, 2>,    compiled_tile<8, 2>,     compiled_tile<7, 2>,
    compiled_tile<4, 2>,     compiled_tile<1, 2>,     compiled_tile<28, 1>,    compiled_tile<16, 1>,
    compiled_tile<14, 1>,    compiled_tile<8, 1>,     compiled_tile<4, 1>,     compiled_tile<1, 1>,
    compiled_tile<28, 1, 2>, compiled_tile<14, 1, 2>, compiled_tile<7, 1, 2>,  compiled_tile<4, 1, 2>,
    compiled_tile<1, 1, 2>,  compiled_tile<28, 1, 4>, compiled_tile<14, 1, 4>, compiled_tile<7, 1, 4>,
    compiled_tile<4, 1, 4>,  compiled_tile<1, 1, 4>,
#elif ADVPROP_TARGET_BYTES == 32
    compiled_tile<6, 2>,     compiled_tile<5, 2>,    compiled_tile<4, 2>,    compiled_tile<1, 2>,
    compiled_tile<12, 1>,    compiled_tile<7, 1>,    compiled_tile<4, 1>,    compiled_tile<1, 1>,
    compiled_tile<12, 1, 2>, compiled_tile<7, 1, 2>, compiled_tile<4, 1, 2>, compiled_tile<1, 1, 2>,
#else
    compiled_tile<4, 2>,
    compiled_tile<1, 2>,
#endif
};

/// The tile for runs of `pixels`, and its cost a channel and tap.
struct direct_choice {
  const direct_tile_kernel* kernel = nullptr;
  double cost = 0;
};
inline direct_choice choose_direct_tile(int vectors, int mix, std::ptrdiff_t pixels) {
  direct_choice best;
  for (const direct_tile_kernel& k : direct_tiles) {
    if (k.vectors != vectors || k.mix != mix || k.pixels > pixels) continue;
    const double cost = tile_cost(k.pixels, k.vectors, pixels);
    if (!best.kernel || cost < best.cost) best = {&k, cost};
  }
  return best;
}

/// Vectors of output channels of tile t: one where that is enough, and a whole block.
inline constexpr int fewest_vectors = simd::lanes < direct_block ? 2 : 1;
inline int direct_vectors(const direct_problem& p, int t) {
  return p.out - t * direct_wide > simd::lanes ? 2 : fewest_vectors;
}

/// Where the weight of output o, input i and kernel index k lies: w[o * out_stride + i * in_stride + k].
struct direct_weights {
  int kernel;  // extent, so that k < kernel^2
  std::ptrdiff_t out_stride, in_stride;
  bool inputs_inside() const { return in_stride < out_stride; }
  const float* at(const float* w, int o, int i) const { return w + o * out_stride + i * in_stride; }
};

/// The kernel indices of all taps.
struct direct_tap_index {
  int at[direct_kernel_limit * direct_kernel_limit];
  direct_tap_index(const direct_problem& p, int kernel) {
    for (int i = 0; i < p.taps(); ++i)
      at[i] = p.rows.index[i / p.columns.count] * kernel + p.columns.index[i % p.columns.count];
  }
};

/// Eight outputs of one input block as [channel][kernel index][8].
struct direct_eight {
  float row[direct_block * direct_kernel_limit * direct_kernel_limit][direct_block];

  /// Zeros for outputs from `outputs` on.
  void load(const direct_weights& l, const float* w, int channels, int outputs) {
    const int squared = l.kernel * l.kernel;
    if (outputs < direct_block) {
      for (int c = 0; c < channels; ++c)
        for (int k = 0; k < squared; ++k)
          for (int o = 0; o < direct_block; ++o)
            row[c * squared + k][o] = o < outputs ? w[o * l.out_stride + c * l.in_stride + k] : 0.0f;
    } else if (l.inputs_inside()) {
      transpose_to_eights(w, l.out_stride, channels * squared, row[0]);
    } else {
      for (int c = 0; c < channels; ++c)
        if (squared == 1)
          std::memcpy(row[c], w + c * l.in_stride, sizeof(row[c]));
        else
          transpose_to_eights(w + c * l.in_stride, l.out_stride, squared, row[c * squared]);
    }
  }
};

/// Packs the weights of interleaved groups: [input block][tap][channel][output][group].
inline void pack_interleaved_weights(const direct_problem& p, const direct_weights& layout, const float* w,
                                     float* packed) {
  const int taps = p.taps(), channels = direct_block / p.mix, inputs = p.in / p.mix, outputs = p.out / p.mix;
  const std::ptrdiff_t group_weights = std::ptrdiff_t{inputs} * outputs * layout.kernel * layout.kernel;
  const direct_tap_index index(p, layout.kernel);
  for (int first = 0; first < inputs; first += channels)
    for (int t = 0; t < taps; ++t)
      for (int i = first; i < first + channels; ++i)
        for (int o = 0; o < outputs; ++o)
          for (int g = 0; g < p.mix; ++g) *packed++ = layout.at(w + g * group_weights, o, i)[index.at[t]];
}

/// Packs one problem's weights for tiles: [tile][input block][tap][channel][V * lanes], zeros past the last output
/// channel.
inline void pack_direct_weights(int threads, const direct_problem& p, const direct_weights& layout, const float* w,
                                float* packed) {
  if (p.mix > 1) return pack_interleaved_weights(p, layout, w, packed);
  const int blocks = p.in_blocks(), taps = p.taps(), squared = layout.kernel * layout.kernel;
  if (p.depth() * p.out < 32768) threads = 1;  // not worth waking them
  const direct_tap_index index(p, layout.kernel);
  parallel_for(threads, std::ptrdiff_t{p.tiles()} * blocks, [&](std::ptrdiff_t task) {
    int tile = static_cast<int>(task / blocks), b = static_cast<int>(task % blocks);
    if (!layout.inputs_inside()) b = static_cast<int>(task / p.tiles()), tile = static_cast<int>(task % p.tiles());
    const int width = direct_vectors(p, tile) * simd::lanes, used = p.used(b);
    float* base = packed + tile * p.depth() * direct_wide + std::ptrdiff_t{b} * direct_block * taps * width;
    direct_eight eight;
    for (int g = 0; g < width; g += direct_block) {
      const int o = tile * direct_wide + g;
      eight.load(layout, w + o * layout.out_stride + std::ptrdiff_t{b} * direct_block * layout.in_stride, used,
                 std::clamp(p.out - o, 0, direct_block));
      float* to = base + g;
      for (int i = 0; i < taps; ++i)
        for (int c = 0; c < used; ++c, to += width)
          std::memcpy(to, eight.row[c * squared + index.at[i]], sizeof(eight.row[0]));
    }
  });
}

}  // namespace advprop::ADVPROP_TARGET::detail
