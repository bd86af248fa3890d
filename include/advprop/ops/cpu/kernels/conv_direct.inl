// Direct convolution in nChw8c, register-tiled, dense or grouped: the three passes at any kernel size and stride.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {
namespace detail {

// How it works. A tap of the kernel reads, for output pixel (y, x), the input pixel (step*y + ty, step*x + tx). Each
// image is first copied into streams: zero-padded sub-images in which the pixels that one tap needs are neighbours.
// Then a tap is one constant offset, and the kernels below see only runs of pixels, offsets and packed weights.
// The gradient of a strided convolution's input is stride^2 such problems of step 1, one for each phase of the input.
// A group of a grouped convolution is a problem of its own in some of the maps' blocks. Two kinds of groups do not come
// that way. Groups of 4 or 8 channels that one vector of outputs holds together are interleaved: a pixel's channels lie
// as [channel][group] in the streams and as [output][group] in the tiles, so one multiplication serves `mix` groups.
// Other groups that leave blocks partly empty are joined, with zero weights from each to the others.

inline constexpr int direct_block = cpu::channel_block;
inline constexpr int direct_wide = 2 * simd::lanes;  // output channels a tile of two vectors

/// How many neighbouring groups are interleaved: as many as fill one vector of outputs, or 1.
constexpr int direct_mix(const conv_spec& s) {
  const int channels = s.in / s.groups, mix = simd::lanes / channels;
  const bool fits = s.in == s.out && (channels == 4 || channels == 8) && simd::lanes >= direct_block;
  return fits && mix > 1 && s.groups % mix == 0 ? mix : 1;
}
/// f<mix>(), for what `direct_mix` returns.
template <class F>
void with_direct_mix(int mix, F&& f) {
  if constexpr (simd::lanes == 16)
    if (mix == 4) return f.template operator()<4>();
  if constexpr (simd::lanes >= 8)
    if (mix == 2) return f.template operator()<2>();
  f.template operator()<1>();
}

constexpr int divide_down(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/// Taps in one dimension: the input coordinate at output coordinate 0, and the kernel's index.
struct direct_taps {
  int count = 0, at[direct_kernel_limit], index[direct_kernel_limit];
  void add(int start, int kernel_index) {
    at[count] = start;
    index[count++] = kernel_index;
  }
};

/// What one dimension of the streams looks like: stream i begins at input coordinate start[i], and tap t reads stream
/// stream[t] from position first[t] on.
struct direct_axis {
  int streams = 0, extent = 0;
  int start[direct_kernel_limit], stream[direct_kernel_limit], first[direct_kernel_limit];

  direct_axis() = default;
  /// shared: taps of the same phase share a stream that is longer than the output; else each tap has its own.
  direct_axis(const direct_taps& taps, int step, int output, bool shared) {
    int low = 0, high = 0;
    for (int t = 0; t < taps.count; ++t) {
      first[t] = shared ? divide_down(taps.at[t], step) : 0;
      low = t ? std::min(low, first[t]) : first[t];
      high = t ? std::max(high, first[t]) : first[t];
    }
    extent = output + high - low;
    for (int t = 0; t < taps.count; ++t) {
      first[t] -= low;
      const int begin = taps.at[t] - step * first[t];
      int s = 0;
      while (s < streams && (start[s] != begin || !shared)) ++s;
      if (s == streams) start[streams++] = begin;
      stream[t] = s;
    }
  }
};

/// One problem of the kind described above, for all images.
struct direct_problem {
  int groups, mix;    // problems side by side; groups of the convolution in one problem, interleaved
  int in, out;        // channels of one problem
  int height, width;  // of the source
  int output_height, output_width;
  int step;
  direct_taps rows, columns;

  int taps() const { return rows.count * columns.count; }
  int in_blocks() const { return (in + direct_block - 1) / direct_block; }
  int out_blocks() const { return (out + direct_block - 1) / direct_block; }
  int tiles() const { return (out + direct_wide - 1) / direct_wide; }
  std::ptrdiff_t depth() const { return std::ptrdiff_t{in} / mix * taps(); }
  std::ptrdiff_t pixels() const { return std::ptrdiff_t{output_height} * output_width; }
  /// Weights with all taps of a kernel.
  std::ptrdiff_t weights(int kernel) const { return std::ptrdiff_t{in} / mix * out * kernel * kernel; }
  /// Used channels of an input block.
  int used(int b) const { return std::min(direct_block, in - b * direct_block); }
};

/// Where the streams of one image lie; `direct`: the image itself serves as its only stream.
struct direct_layout {
  direct_axis y, x;
  bool direct;
  std::ptrdiff_t block_size;  // floats that a channel block takes

  direct_layout(const direct_problem& p, bool shared_columns)
      : y(p.rows, p.step, p.output_height, true), x(p.columns, p.step, p.output_width, shared_columns) {
    direct = p.mix == 1 && p.step == 1 && p.taps() == 1 && p.rows.at[0] == 0 && p.columns.at[0] == 0 &&
             p.output_height == p.height && p.output_width == p.width;
    block_size = std::ptrdiff_t{y.streams} * x.streams * y.extent * x.extent * direct_block;
  }

  std::ptrdiff_t offset(int row_tap, int column_tap) const {
    const std::ptrdiff_t stream = std::ptrdiff_t{y.stream[row_tap]} * x.streams + x.stream[column_tap];
    return ((stream * y.extent + y.first[row_tap]) * x.extent + x.first[column_tap]) * direct_block;
  }

  /// Copies channel blocks of an image into their streams, zeros where the source has no pixel.
  void fill(const direct_problem& p, const float* source, int blocks, float* out) const {
    const int together = p.mix > 1 ? blocks : 1;  // to interleave rows that are still in the first-level cache
    const std::ptrdiff_t source_block = std::ptrdiff_t{p.height} * p.width * direct_block;
    for (int b = 0; b < blocks; b += together, source += together * source_block, out += together * block_size) {
      float* row = out;
      for (int sy = 0; sy < y.streams; ++sy)
        for (int sx = 0; sx < x.streams; ++sx)
          for (int r = 0; r < y.extent; ++r, row += std::ptrdiff_t{x.extent} * direct_block) {
            for (int i = 0; i < together; ++i)
              fill_row(p, source + i * source_block, y.start[sy] + p.step * r, x.start[sx], row + i * block_size);
            with_direct_mix(p.mix, [&]<int Mix>() {
              if constexpr (Mix > 1) interleave<Mix>(row);
            });
          }
    }
  }

 private:
  void fill_row(const direct_problem& p, const float* source, int row, int begin, float* out) const {
    constexpr std::size_t pixel = sizeof(float) * direct_block;
    const int first = std::clamp(-divide_down(begin, p.step), 0, x.extent);
    const int last = std::clamp(divide_down(p.width - 1 - begin, p.step) + 1, first, x.extent);
    if (row < 0 || row >= p.height || first == last) {
      std::memset(out, 0, static_cast<std::size_t>(x.extent) * pixel);
      return;
    }
    const float* in = source + (std::ptrdiff_t{row} * p.width + begin + p.step * first) * direct_block;
    std::memset(out, 0, static_cast<std::size_t>(first) * pixel);
    if (p.step == 1)
      std::memcpy(out + first * direct_block, in, static_cast<std::size_t>(last - first) * pixel);
    else
      for (int i = first; i < last; ++i, in += std::ptrdiff_t{p.step} * direct_block)
        std::memcpy(out + i * direct_block, in, pixel);
    std::memset(out + last * direct_block, 0, static_cast<std::size_t>(x.extent - last) * pixel);
  }

  /// A row's pixels, from [group][channel] to [channel][group].
  template <int Mix>
  void interleave(float* row) const {
    constexpr int blocks = std::max(1, simd::lanes / direct_block);
    for (const float* const end = row + std::ptrdiff_t{x.extent} * direct_block; row != end; row += direct_block)
      simd::store_channels(row, block_size, 0, blocks,
                           simd::turn<Mix>(simd::load_channels(row, block_size, 0, blocks)));
  }
};

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
          for (int v = 0; v < V; ++v) sum[t][v] += value * weight[v];
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

/// Where results go: images of `blocks` blocks of `block_floats` floats; there, every `step`-th pixel of rows `width`
/// wide, from `first`.
struct direct_target {
  float* data;
  int blocks;
  std::ptrdiff_t block_floats;
  int width, step;
  std::ptrdiff_t first;
  float* block(int n, int b) const { return data + (std::ptrdiff_t{n} * blocks + b) * block_floats; }
};

/// A problem with all that is decided about it once a call.
struct direct_plan {
  direct_problem p;
  direct_target y;
  bool by_rows;  // runs are rows of the output; else whole images, which takes one copy per column of the kernel
  bool collect;  // results first lie densely in scratch
  direct_layout layout;
  direct_tile_function kernels[2];
  int chunk;       // input blocks at a time: their weights for one tile stay in the first-level cache
  int images = 1;  // at a time: enough pixels to pay for loading those weights
  std::ptrdiff_t offset_floats = 0, stream_floats = 0, result_floats = 0;

  direct_plan(const direct_problem& problem, const direct_target& target)
      : p(problem),
        y(target),
        by_rows(rows_fit(problem, target.step)),
        collect(y.step > 1 && !by_rows),
        layout(problem, by_rows) {
    const std::ptrdiff_t run = by_rows ? p.output_width : p.pixels();
    for (int v = 0; v < 2; ++v) {
      const int vectors = p.mix > 1 ? 1 : std::max(v + 1, fewest_vectors);
      kernels[v] = choose_direct_tile(vectors, p.mix, run).kernel->run;
    }
    const std::ptrdiff_t weight_bytes =
        std::ptrdiff_t{p.taps()} * direct_block * direct_vectors(p, 0) * simd::lanes * 4;
    chunk = static_cast<int>(std::clamp<std::ptrdiff_t>(40960 / weight_bytes, 1, p.in_blocks()));
    if (p.mix > 1) chunk = p.in_blocks();  // they are interleaved
  }

  /// In cycles an input block: tiles, copies to streams and, by images, of strided results.
  static bool rows_fit(const direct_problem& p, int result_step) {
    if (p.taps() == 1 && result_step == 1) return false;
    const int vectors = direct_vectors(p, 0);
    const double steps = double(p.taps()) * direct_block / p.mix * p.tiles(), pixels = static_cast<double>(p.pixels());
    const double by_rows = steps * p.output_height * choose_direct_tile(vectors, p.mix, p.output_width).cost;
    const double by_images = steps * choose_direct_tile(vectors, p.mix, p.pixels()).cost;
    const double copies = 2 * pixels * (p.columns.count - std::min(p.step, p.columns.count));
    const double results = result_step > 1 ? 4 * pixels * p.out_blocks() / p.in_blocks() : 0;
    return by_rows <= 1.05 * (by_images + copies + results);
  }

  std::ptrdiff_t weights() const { return whole_lines(p.depth() * p.tiles() * direct_wide); }
  std::ptrdiff_t image_floats() const { return p.out_blocks() * p.pixels() * direct_block; }
  /// Scratch floats of one worker.
  std::ptrdiff_t scratch(int images_at_once) {
    images = images_at_once;
    offset_floats = whole_lines(std::ptrdiff_t{2} * chunk * p.taps());
    stream_floats = layout.direct ? 0 : whole_lines(images * chunk * layout.block_size);
    result_floats = collect ? whole_lines(images * image_floats()) : 0;
    return offset_floats + stream_floats + result_floats;
  }

  /// Tiles [tile_begin, tile_end) of one problem for images [first, first + count). `add`: added to the result, unless
  /// its data is null.
  void run(feature_view<const float> x, int problem, int first, int count, int tile_begin, int tile_end,
           const float* packed, float* scratch, const conv_epilogue* after = nullptr, feature_view<float> whole = {},
           feature_view<const float> add = {}) const {
    auto* offsets = reinterpret_cast<std::ptrdiff_t*>(scratch);
    float* streams = scratch + offset_floats;
    float* results = streams + stream_floats;
    const int blocks = p.in_blocks(), out_blocks = p.out_blocks();
    const int first_in = problem * blocks, first_out = problem * out_blocks;  // of the maps' blocks
    find_offsets(x, offsets);
    for (int b0 = 0; b0 < blocks; b0 += chunk) {
      const int b1 = std::min(b0 + chunk, blocks);
      if (!layout.direct)
        for (int n = 0; n < count; ++n)
          layout.fill(p, channel_block(x, first + n, first_in + b0), b1 - b0, streams + n * chunk * layout.block_size);
      for (int tile = tile_begin; tile < tile_end; ++tile) {
        const int vectors = direct_vectors(p, tile), tile_block = tile * direct_wide / direct_block;
        direct_tile_job job = tile_job(offsets, packed, b0, b1, tile);
        for (int n = 0; n < count; ++n) {
          const float* in =
              layout.direct ? channel_block(x, first + n, first_in + b0) : streams + n * chunk * layout.block_size;
          float* out = collect ? results + n * image_floats() : y.block(first + n, first_out) + y.first;
          out += tile_block * job.block_pitch;
          job.base = out;
          job.added = add.data && !collect ? channel_block(add, first + n, first_out + tile_block) + y.first : nullptr;
          const auto kernel = kernels[vectors - 1];
          const bool last = after && b1 == blocks;
          for_runs(after != nullptr, [&](std::ptrdiff_t from, std::ptrdiff_t to, std::ptrdiff_t pixels) {
            kernel(job, in + from * direct_block, out + to * direct_block, static_cast<int>(pixels));
            if (last)
              for (int b = 0; b < job.out_blocks; ++b)
                after->finish(whole, first + n, first_out + tile_block + b, to, pixels);
          });
        }
      }
    }
    if (!collect) return;
    const int block_begin = tile_begin * direct_wide / direct_block,
              block_end = std::min(out_blocks, tile_end * direct_wide / direct_block);
    for (int n = 0; n < count; ++n)
      for (int b = block_begin; b < block_end; ++b)
        spread(results + n * image_floats() + b * p.pixels() * direct_block,
               y.block(first + n, first_out + b) + y.first,
               add.data ? channel_block(add, first + n, first_out + b) + y.first : nullptr);
  }

 private:
  /// Where each tap of each input block of a chunk lies.
  void find_offsets(feature_view<const float> x, std::ptrdiff_t* offsets) const {
    const std::ptrdiff_t in_block =
        layout.direct ? std::ptrdiff_t{x.height} * x.width * direct_block : layout.block_size;
    for (int b = 0; b < chunk; ++b)
      for (int ty = 0; ty < p.rows.count; ++ty)
        for (int tx = 0; tx < p.columns.count; ++tx) *offsets++ = b * in_block + layout.offset(ty, tx);
  }

  /// All but where an image's results lie.
  direct_tile_job tile_job(const std::ptrdiff_t* offsets, const float* packed, int b0, int b1, int tile) const {
    const int vectors = direct_vectors(p, tile), taps = p.taps();
    direct_tile_job job;
    job.offsets = offsets;
    job.taps = (b1 - b0) * taps;
    job.tail = p.used(b1 - 1);
    job.full = job.tail == direct_block ? job.taps : job.taps - taps;
    job.weights =
        packed + tile * p.depth() * direct_wide + std::ptrdiff_t{b0} * direct_block * taps * vectors * simd::lanes;
    job.pixel_pitch = (collect ? 1 : y.step) * direct_block;
    job.block_pitch = collect ? p.pixels() * direct_block : y.block_floats;
    job.out_blocks = std::min(vectors * simd::lanes / direct_block, p.out_blocks() - tile * direct_wide / direct_block);
    job.accumulate = b0 > 0;
    return job;
  }

  /// Calls f(first pixel of the streams, of the result, how many) for runs that cover an image.
  template <class F>
  void for_runs(bool finished, F&& f) const {
    if (by_rows)
      for (std::ptrdiff_t r = 0; r < p.output_height; ++r) f(r * layout.x.extent, r * y.width * y.step, p.output_width);
    else  // with an epilogue in pieces that stay in the first-level cache, the last at least as long as a tile
      for (std::ptrdiff_t i = 0, most = finished ? 112 : p.pixels(); i < p.pixels();) {
        const std::ptrdiff_t rest = p.pixels() - i, pixels = rest < 2 * most ? rest : most;
        f(i, i, pixels);
        i += pixels;
      }
  }

  /// One block of collected results to every `step`-th pixel, with what is to be added.
  void spread(const float* from, float* to, const float* added) const {
    for (int r = 0; r < p.output_height; ++r)
      for (int c = 0; c < p.output_width; ++c, from += direct_block) {
        const std::ptrdiff_t at = (std::ptrdiff_t{r} * y.width + c) * y.step * direct_block;
        (added ? f8(from) + f8(added + at) : f8(from)).store(to + at);
      }
  }
};

/// Solves problems that share input and output images: the phases of a strided gradient, or just one.
/// Images whose every pixel is not some problem's are set to zero, or `add`, first (`clear`).
inline void run_direct(cpu& d, std::span<std::optional<direct_plan>> plans, feature_view<const float> x,
                       const direct_weights& order, const float* w, feature_view<float> y, bool clear,
                       const conv_epilogue* after = nullptr, feature_view<const float> add = {}) {
  std::ptrdiff_t pixels = 0, weights = 0, scratch = 0;
  for (const auto& plan : plans) {
    pixels = std::max(pixels, plan->p.pixels());
    weights += plan->p.groups * plan->weights();
  }
  const int groups = plans[0]->p.groups, tiles = plans[0]->p.tiles(), blocks = plans[0]->p.out_blocks();
  const int images = static_cast<int>(
      std::clamp<std::ptrdiff_t>(256 / pixels, 1, std::max(1, (x.batch + d.threads() - 1) / d.threads())));
  for (auto& plan : plans) scratch = std::max(scratch, plan->scratch(images));
  const std::ptrdiff_t problems = std::ptrdiff_t{(x.batch + images - 1) / images} * groups;
  const int splits =
      clear
          ? 1
          : static_cast<int>(std::clamp<std::ptrdiff_t>(d.threads() / std::max<std::ptrdiff_t>(problems, 1), 1, tiles));
  const std::ptrdiff_t tasks = problems * splits, workers = std::min<std::ptrdiff_t>(d.threads(), tasks);
  const auto memory = d.memory().allocate(sizeof(float) * static_cast<std::size_t>(weights + scratch * workers));
  if (d.dry()) return;
  float* packed = static_cast<float*>(memory.data());
  float* to = packed;
  for (const auto& plan : plans)
    for (int g = 0; g < groups; ++g, to += plan->weights())
      pack_direct_weights(d.threads(), plan->p, order, w + g * plan->p.weights(order.kernel), to);
  parallel_for(d.threads(), workers, [&](std::ptrdiff_t worker) {
    for (std::ptrdiff_t task = tasks * worker / workers; task < tasks * (worker + 1) / workers; ++task) {
      const int split = static_cast<int>(task % splits), group = static_cast<int>(task / splits % groups);
      const int first = static_cast<int>(task / splits / groups) * images, count = std::min(images, x.batch - first);
      if (clear)
        for (int n = first; n < first + count; ++n) {
          float *begin = channel_block(y, n, group * blocks), *end = channel_block(y, n, (group + 1) * blocks);
          if (add.data)
            std::copy_n(channel_block(add, n, group * blocks), end - begin, begin);
          else
            std::fill(begin, end, 0.0f);
        }
      const float* from = packed;
      for (const auto& plan : plans) {
        plan->run(x, group, first, count, tiles * split / splits, tiles * (split + 1) / splits,
                  from + group * plan->weights(), packed + weights + worker * scratch, after, y, add);
        from += groups * plan->weights();
      }
    }
  });
}

/// The gradient of an input of few channels (an image), where tiles of outputs would be mostly empty: one product gives
/// every pixel of dy its share in all taps, Q numbers a tap, and the shares are added where they belong.
constexpr bool direct_input_is_narrow(const conv_spec& s, int output_height, int output_width) {
  const int lanes = s.kernel * s.kernel * (s.in == 1 ? 1 : 4);
  return s.groups == 1 && s.in <= 4 && s.kernel >= 3 &&
         std::ptrdiff_t{lanes} * output_height * output_width <= std::ptrdiff_t{1} << 22;
}

template <int Q>
void run_direct_narrow_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                             feature_view<float> dx) {
  typedef float share __attribute__((vector_size(Q * sizeof(float)), aligned(4), may_alias));
  const int taps = s.kernel * s.kernel;
  direct_problem p{1, 1, s.out, taps * Q, dy.height, dy.width, dy.height, dy.width, 1, {}, {}};
  p.rows.add(0, 0);
  p.columns.add(0, 0);
  direct_plan plan(p, {nullptr, p.out_blocks(), p.pixels() * direct_block, dy.width, 1, 0});
  const std::ptrdiff_t weights = plan.weights(), ordered = whole_lines(p.depth() * p.out);
  const std::ptrdiff_t results = plan.image_floats(), scratch = plan.scratch(1) + results;
  const std::ptrdiff_t workers = std::min(d.threads(), dx.batch),
                       image = channel_blocks(dx) * std::ptrdiff_t{dx.height} * dx.width * direct_block;
  const auto memory =
      d.memory().allocate(sizeof(float) * static_cast<std::size_t>(weights + ordered + scratch * workers));
  if (d.dry()) return;
  float* packed = static_cast<float*>(memory.data());
  float* order = packed + weights;  // [tap][Q][out]
  std::fill(order, order + ordered, 0.0f);
  for (int o = 0; o < s.out; ++o)
    for (int c = 0; c < s.in; ++c)
      for (int t = 0; t < taps; ++t) order[(t * Q + c) * s.out + o] = w[(std::ptrdiff_t{o} * s.in + c) * taps + t];
  pack_direct_weights(1, p, {1, s.out, 1}, order, packed);

  parallel_for(d.threads(), workers, [&](std::ptrdiff_t worker) {
    float* shares = packed + weights + ordered + worker * scratch;
    direct_plan mine = plan;
    mine.y.data = shares;
    for (std::ptrdiff_t n = dx.batch * worker / workers; n < dx.batch * (worker + 1) / workers; ++n) {
      const feature_view<const float> one{channel_block(dy, static_cast<int>(n), 0), 1, dy.channels, dy.height,
                                          dy.width};
      mine.run(one, 0, 0, 1, 0, p.tiles(), packed, shares + results);
      float* out = dx.data + n * image;
      std::fill(out, out + image, 0.0f);
      for (int t = 0; t < taps; ++t) {
        // Pixel (y, x) of dy reaches (stride * y + ty, ...) of dx.
        const int ty = t / s.kernel - s.before(dx.height), tx = t % s.kernel - s.before(dx.width);
        const int first = std::clamp(-divide_down(tx, s.stride), 0, dy.width);
        const int last = std::clamp(divide_down(dx.width - 1 - tx, s.stride) + 1, first, dy.width);
        for (int y = 0; y < dy.height; ++y) {
          const int row = s.stride * y + ty;
          if (row < 0 || row >= dx.height) continue;
          const float* from = shares + t * Q / direct_block * mine.y.block_floats + t * Q % direct_block +
                              std::ptrdiff_t{y} * dy.width * direct_block;
          float* to = out + (std::ptrdiff_t{row} * dx.width + tx) * direct_block;
          for (int x = first; x < last; ++x)
            *reinterpret_cast<share*>(to + std::ptrdiff_t{x} * s.stride * direct_block) +=
                *reinterpret_cast<const share*>(from + x * direct_block);
        }
      }
    }
  });
}

// The gradient of the weights: sums over pixels of (input at a tap) x (gradient of the output). A "row" is one channel
// and tap; sums lie as [tile][row][lanes], rows in the order of the packed weights: block, tap, channel.

/// The pixels of one call: rows of `run` pixels in each of some images. The gradient lies packed in the same order.
struct direct_weight_job {
  int images, rows, run;
  std::ptrdiff_t image_pitch, row_pitch;  // of the streams, in floats
};

/// N x C rows: input channels 0 .. C-1 (of each of `Mix` interleaved groups) at N offsets. Stores the first `count`
/// rows only. `next`: what is read after this from x.
template <int N, int C, int V, int Mix = 1>
void direct_weight(const direct_weight_job& job, const float* x, const std::ptrdiff_t* offsets, const float* next,
                   const float* dy, float* sums, int count) {
  using simd::lanes;
  simd::vec sum[N][C][V];
  const float* in[N];
  ADVPROP_UNROLL
  for (int n = 0; n < N; ++n) {
    in[n] = x + offsets[n * C < count ? n : 0];
    ADVPROP_UNROLL
    for (int c = 0; c < C; ++c) ADVPROP_UNROLL
    for (int v = 0; v < V; ++v)
      sum[n][c][v] = n * C < count ? simd::load(sums + ((n * C + c) * V + v) * lanes) : simd::vec{};
  }
  for (int i = 0; i < job.images; ++i)
    for (int r = 0; r < job.rows; ++r) {
      std::ptrdiff_t pixel = i * job.image_pitch + r * job.row_pitch;
      const std::ptrdiff_t end = pixel + std::ptrdiff_t{job.run} * direct_block;
      for (; pixel != end; pixel += direct_block, dy += V * lanes) {
        simd::prefetch<direct_block>(next + pixel);
        simd::vec gradient[V];
        ADVPROP_UNROLL
        for (int v = 0; v < V; ++v) gradient[v] = simd::load(dy + v * lanes);
        ADVPROP_UNROLL
        for (int n = 0; n < N; ++n) ADVPROP_UNROLL
        for (int c = 0; c < C; ++c) {
          const auto value = simd::repeat<Mix>(in[n] + pixel + c * Mix);
          ADVPROP_UNROLL
          for (int v = 0; v < V; ++v) sum[n][c][v] += value * gradient[v];
        }
      }
    }
  ADVPROP_UNROLL
  for (int n = 0; n < N; ++n)
    if (n * C < count) {
      ADVPROP_UNROLL
      for (int c = 0; c < C; ++c) ADVPROP_UNROLL
      for (int v = 0; v < V; ++v) simd::store(sums + ((n * C + c) * V + v) * lanes, sum[n][c][v]);
    }
}

/// All rows of some input blocks: `octets` offsets stand for 8 channels each, `singles` for one each.
template <int V, int Mix = 1>
void direct_weight_rows(const direct_weight_job& job, const float* x, const std::ptrdiff_t* offsets, int octets,
                        int singles, const float* dy, float* sums) {
  constexpr int width = V * simd::lanes;
  const auto next = [&](int i) { return x + offsets[std::min(i, octets + singles - 1)]; };
  int i = 0;
  if constexpr (Mix > 1) {
    constexpr int many = simd::lanes == 16 ? 6 : 3, channels = direct_block / Mix;
    for (; i < octets; i += many, sums += many * channels * width)
      direct_weight<many, channels, V, Mix>(job, x, offsets + i, next(i + many), dy, sums,
                                            std::min(many, octets - i) * channels);
    return;
  }
#if ADVPROP_TARGET_BYTES == 64
  if constexpr (V == 1)
    for (; i + 3 <= octets; i += 3, sums += 24 * width)
      direct_weight<3, 8, V>(job, x, offsets + i, next(i + 3), dy, sums, 24);
  for (; i < octets; ++i, sums += 8 * width) direct_weight<1, 8, V>(job, x, offsets + i, next(i + 1), dy, sums, 8);
  constexpr int many = 8;
#else
  for (; i < octets; ++i, sums += 8 * width)
    for (int half = 0; half < 2; ++half)
      direct_weight<1, 4, V>(job, x + half * 4, offsets + i, next(i + 1), dy, sums + half * 4 * width, 4);
  constexpr int many = 4;
#endif
  for (; i < octets + singles; i += many, sums += many * width)
    direct_weight<many, 1, V>(job, x, offsets + i, next(i + many), dy, sums, std::min(many, octets + singles - i));
}

/// The gradient of one problem's weights with all that is decided about it once a call.
struct direct_weight_plan {
  direct_problem p;
  direct_layout layout;
  int parts = 1;          // of the batch, with sums of their own, added at the end; the shape alone says how many
  int images, band_rows;  // at a time: pixels whose packed gradient stays in the first-level cache
  int chunk;              // input blocks at a time
  std::ptrdiff_t in_block, dy_block;  // floats from one block of the input or its streams to the next, and of dy
  std::ptrdiff_t group_sums, sums;    // floats of a group's sums and of a part's
  std::ptrdiff_t offset_floats, stream_floats, gradient_floats;

  direct_weight_plan(const direct_problem& problem, feature_view<const float> x)
      : p(problem),
        layout(problem, true),
        in_block(layout.direct ? std::ptrdiff_t{x.height} * x.width * direct_block : layout.block_size),
        dy_block(p.pixels() * direct_block),
        group_sums(whole_lines(p.depth() * p.tiles() * direct_wide)),
        sums(p.groups * group_sums) {
    while (parts < 16 && 2 * parts <= x.batch && 2 * parts * sums <= (std::ptrdiff_t{1} << 20)) parts *= 2;
    const int band = 4096 / (direct_vectors(p, 0) * simd::lanes), blocks = p.in_blocks();
    band_rows = std::clamp(band / p.output_width, 1, p.output_height);
    images =
        static_cast<int>(std::clamp<std::ptrdiff_t>(band / p.pixels(), 1, std::max(1, (x.batch + parts - 1) / parts)));
    chunk = layout.direct || p.mix > 1
                ? blocks
                : static_cast<int>(std::clamp<std::ptrdiff_t>(65536 / (images * layout.block_size), 1, blocks));
    offset_floats = whole_lines(std::ptrdiff_t{2} * (chunk + direct_block) * p.taps());
    stream_floats = layout.direct ? 0 : whole_lines(images * chunk * layout.block_size);
    gradient_floats = whole_lines(std::ptrdiff_t{images} * band_rows * p.output_width * direct_wide);
  }

  /// Scratch floats of one worker.
  std::ptrdiff_t scratch() const { return offset_floats + stream_floats + gradient_floats; }

  /// Sums tiles [tile_begin, tile_end) of one problem over images [first, last).
  void run(feature_view<const float> x, feature_view<const float> dy, int problem, int first, int last, int tile_begin,
           int tile_end, float* sum, float* scratch) const {
    auto* offsets = reinterpret_cast<std::ptrdiff_t*>(scratch);
    float* streams = scratch + offset_floats;
    float* gradient = streams + stream_floats;
    const int blocks = p.in_blocks(), first_in = problem * blocks;  // of the maps' blocks
    std::fill(sum + tile_begin * p.depth() * direct_wide, sum + tile_end * p.depth() * direct_wide, 0.0f);
    for (; first < last; first += images) {
      const int count = std::min(images, last - first);
      for (int b0 = 0; b0 < blocks; b0 += chunk) {
        const int b1 = std::min(b0 + chunk, blocks);
        rows_of_blocks rows{b0, b1, p.used(b1 - 1) % direct_block, offsets};
        find(rows);
        if (!layout.direct)
          for (int n = 0; n < count; ++n)
            layout.fill(p, channel_block(x, first + n, first_in + b0), b1 - b0,
                        streams + n * chunk * layout.block_size);
        const float* in = layout.direct ? channel_block(x, first, first_in + b0) : streams;
        const std::ptrdiff_t image_pitch = (layout.direct ? channel_blocks(x) : chunk) * in_block;
        for (int tile = tile_begin; tile < tile_end; ++tile)
          run_tile(rows, in, image_pitch, dy, problem, first, count, tile, gradient, sum);
      }
    }
  }

  /// Adds the sums of all parts to the gradient.
  void finish(int threads, const float* partial, float* dw) const {
    if (p.mix > 1)
      parallel_for(threads, p.groups, [&](std::ptrdiff_t group) { finish_interleaved(group, partial, dw); });
    else
      parallel_for(threads, std::ptrdiff_t{p.groups} * p.tiles() * p.in_blocks(),
                   [&](std::ptrdiff_t task) { finish_blocks(task, partial, dw); });
  }

 private:
  /// What input blocks [b0, b1) have: 8 channels each but for the last, which has `tail` unless that is 0.
  struct rows_of_blocks {
    int b0, b1, tail;
    std::ptrdiff_t* offsets;
  };

  /// Fills in the offsets for `direct_weight_rows`.
  void find(const rows_of_blocks& rows) const {
    std::ptrdiff_t* offset = rows.offsets;
    for (int b = rows.b0; b < rows.b1; ++b)
      for (int ty = 0; ty < p.rows.count; ++ty)
        for (int tx = 0; tx < p.columns.count; ++tx)
          for (int c = 0; c < (p.used(b) == direct_block ? 1 : rows.tail); ++c)
            *offset++ = (b - rows.b0) * in_block + layout.offset(ty, tx) + c;
  }

  /// One tile's sums over `count` images, in bands.
  void run_tile(const rows_of_blocks& rows, const float* in, std::ptrdiff_t image_pitch, feature_view<const float> dy,
                int problem, int first, int count, int tile, float* gradient, float* sum) const {
    const int vectors = direct_vectors(p, tile), taps = p.taps();
    const int octets = (rows.b1 - rows.b0 - (rows.tail > 0)) * taps, singles = rows.tail * taps;
    float* tile_sum =
        sum + tile * p.depth() * direct_wide + std::ptrdiff_t{rows.b0} * direct_block * taps * vectors * simd::lanes;
    const bool joined = layout.x.extent == p.output_width;
    direct_weight_job job;
    job.images = count;
    job.image_pitch = image_pitch;
    job.row_pitch = std::ptrdiff_t{layout.x.extent} * direct_block;
    for (int r = 0; r < p.output_height; r += band_rows) {
      const int band = std::min(band_rows, p.output_height - r);
      pack_gradient(dy, problem, first, count, tile, r, band * p.output_width, gradient);
      job.rows = joined ? 1 : band;
      job.run = joined ? band * p.output_width : p.output_width;
      const float* here = in + r * job.row_pitch;
      if (vectors == 2)
        direct_weight_rows<2>(job, here, rows.offsets, octets, singles, gradient, tile_sum);
      else
        with_direct_mix(p.mix, [&]<int Mix>() {
          direct_weight_rows<1, Mix>(job, here, rows.offsets, octets, singles, gradient, tile_sum);
        });
    }
  }

  /// `pixels` pixels of dy from row r on, as [image][pixel][V * lanes].
  void pack_gradient(feature_view<const float> dy, int problem, int first, int count, int tile, int r, int pixels,
                     float* gradient) const {
    const int vectors = direct_vectors(p, tile), tile_block = tile * direct_wide / direct_block;
    float* to = gradient;
    for (int n = 0; n < count; ++n) {
      const float* from = channel_block(dy, first + n, problem * p.out_blocks() + tile_block) +
                          std::ptrdiff_t{r} * p.output_width * direct_block;
      for (int i = 0; i < pixels; ++i, from += direct_block)
        for (int v = 0; v < vectors; ++v, to += simd::lanes)
          simd::store(to, simd::load_channels(from, dy_block, v * simd::lanes, p.out_blocks() - tile_block));
    }
    with_direct_mix(p.mix, [&]<int Mix>() {
      if constexpr (Mix > 1)
        for (float* v = gradient; v != to; v += simd::lanes) simd::store(v, simd::turn<Mix>(simd::load(v)));
    });
  }

  void finish_interleaved(std::ptrdiff_t group, const float* partial, float* dw) const {
    const int channels = direct_block / p.mix, inputs = p.in / p.mix, outputs = p.out / p.mix, taps = p.taps();
    const float* from = partial + group * group_sums;
    for (int first = 0; first < inputs; first += channels)
      for (int t = 0; t < taps; ++t)
        for (int i = first; i < first + channels; ++i)
          for (int o = 0; o < outputs; ++o)
            for (int g = 0; g < p.mix; ++g, ++from) {
              float total = *from;
              for (int part = 1; part < parts; ++part) total += from[part * sums];
              dw[(((group * p.mix + g) * outputs + o) * inputs + i) * taps + t] += total;
            }
  }

  /// One input block of one tile.
  void finish_blocks(std::ptrdiff_t task, const float* partial, float* dw) const {
    const int blocks = p.in_blocks(), tiles = p.tiles(), taps = p.taps();
    const int group = static_cast<int>(task / blocks / tiles);
    const int tile = static_cast<int>(task / blocks % tiles), b = static_cast<int>(task % blocks);
    const int width = direct_vectors(p, tile) * simd::lanes, used = p.used(b);
    direct_eight eight;
    for (int o = tile * direct_wide; o < std::min(p.out, tile * direct_wide + width); o += direct_block) {
      const float* from = partial + group * group_sums + tile * p.depth() * direct_wide +
                          std::ptrdiff_t{b} * direct_block * taps * width + (o - tile * direct_wide);
      for (int t = 0; t < taps; ++t)  // a tap is a kernel index here
        for (int c = 0; c < used; ++c, from += width) {
          f8 total(from);
          for (int part = 1; part < parts; ++part) total += f8(from + part * sums);
          total.store(eight.row[c * taps + t]);
        }
      const std::ptrdiff_t pitch = std::ptrdiff_t{p.in} * taps;
      float* to = dw + group * p.weights(1) * taps + o * pitch + b * direct_block * taps;
      if (o + direct_block <= p.out)
        add_eights_transposed(eight.row[0], used * taps, to, pitch);
      else
        for (int i = 0; i < p.out - o; ++i)
          for (int j = 0; j < used * taps; ++j) to[i * pitch + j] += eight.row[j][i];
    }
  }
};

inline void run_direct_weight(cpu& d, const direct_problem& p, feature_view<const float> x,
                              feature_view<const float> dy, float* dw) {
  const direct_weight_plan plan(p, x);
  const int groups = p.groups, tiles = p.tiles(), parts = plan.parts;
  const int splits = std::clamp((d.threads() + parts * groups - 1) / (parts * groups), 1, tiles);
  const int tasks = parts * groups * splits, workers = std::min(d.threads(), tasks);
  const auto memory =
      d.memory().allocate(sizeof(float) * static_cast<std::size_t>(plan.sums * parts + plan.scratch() * workers));
  if (d.dry()) return;
  float* partial = static_cast<float*>(memory.data());
  parallel_ranges(d.threads(), workers, tasks, [&](std::ptrdiff_t worker, std::ptrdiff_t task, std::ptrdiff_t last) {
    for (; task < last; ++task) {
      const int split = static_cast<int>(task % splits), group = static_cast<int>(task / splits % groups);
      const std::ptrdiff_t part = task / splits / groups;
      plan.run(x, dy, group, static_cast<int>(x.batch * part / parts), static_cast<int>(x.batch * (part + 1) / parts),
               tiles * split / splits, tiles * (split + 1) / splits,
               partial + part * plan.sums + group * plan.group_sums,
               partial + plan.sums * parts + worker * plan.scratch());
    }
  });
  plan.finish(d.threads(), partial, dw);
}

inline direct_problem direct_forward_problem(const conv_spec& s, int height, int width) {
  const int mix = direct_mix(s), groups = s.groups / mix;
  direct_problem p{
      groups, mix, s.in / groups, s.out / groups, height, width, s.output(height), s.output(width), s.stride, {}, {}};
  for (int k = 0; k < s.kernel; ++k) {
    p.rows.add(k - s.before(height), k);
    p.columns.add(k - s.before(width), k);
  }
  return p;
}

/// A convolution whose neighbouring groups are joined, where that is due: the weights become block-diagonal.
class direct_joined {
 public:
  direct_joined(cpu& d, const conv_spec& s) : spec_(s), join_(direct_mix(s) > 1 ? 1 : joined_groups(s)) {
    if (join_ == 1) return;
    spec_.groups /= join_;
    memory_ = d.memory().allocate(sizeof(float) * static_cast<std::size_t>(spec_.out * row()));
    if (!d.dry()) joined_ = static_cast<float*>(memory_.data());
  }
  const conv_spec& spec() const { return spec_; }

  const float* expand(const float* w) const {
    if (!joined_) return w;
    clear();
    for_rows([&](std::ptrdiff_t from, std::ptrdiff_t to, std::ptrdiff_t count) {
      std::copy_n(w + from, count, joined_ + to);
    });
    return joined_;
  }
  /// Where the gradient is to be added.
  float* gradient(float* dw) const {
    if (!joined_) return dw;
    clear();
    return joined_;
  }
  /// Adds its part on the diagonal to dw.
  void add_gradient(float* dw) const {
    if (joined_)
      for_rows([&](std::ptrdiff_t to, std::ptrdiff_t from, std::ptrdiff_t count) {
        for (std::ptrdiff_t i = 0; i < count; ++i) dw[to + i] += joined_[from + i];
      });
  }

 private:
  std::ptrdiff_t row() const { return std::ptrdiff_t{spec_.in} / spec_.groups * spec_.kernel * spec_.kernel; }
  void clear() const { std::fill_n(joined_, spec_.out * row(), 0.0f); }
  /// f(apart, joined, count): where an output's weights lie.
  template <class F>
  void for_rows(const F& f) const {
    const std::ptrdiff_t count = row() / join_;
    const int outputs = spec_.out / spec_.groups / join_;
    for (std::ptrdiff_t o = 0; o < spec_.out; ++o) f(o * count, o * row() + o / outputs % join_ * count, count);
  }

  conv_spec spec_;
  int join_;
  arena::block memory_;
  float* joined_ = nullptr;
};

}  // namespace detail

/// As `conv_forward`; `is_direct` only.
inline void conv_direct_forward(cpu& d, const conv_spec& given, feature_view<const float> x, const float* w,
                                feature_view<float> y, const detail::conv_epilogue* after = nullptr) {
  using namespace detail;
  const direct_joined joined(d, given);
  const conv_spec& s = joined.spec();
  const int taps = s.kernel * s.kernel;
  const direct_target target{y.data, channel_blocks(y), std::ptrdiff_t{y.height} * y.width * direct_block, y.width, 1,
                             0};
  std::optional<direct_plan> plan(std::in_place, direct_forward_problem(s, x.height, x.width), target);
  run_direct(d, {&plan, 1}, x, {s.kernel, std::ptrdiff_t{s.in} / s.groups * taps, taps}, joined.expand(w), y, false,
             after);
}

/// As `conv_backward_input`; `is_direct` only.
inline void conv_direct_backward_input(cpu& d, const conv_spec& given, feature_view<const float> dy, const float* w,
                                       feature_view<float> dx, feature_view<const float> add = {}) {
  using namespace detail;
  const direct_joined joined(d, given);
  const conv_spec& s = joined.spec();
  w = joined.expand(w);
  if (!add.data && direct_input_is_narrow(s, dy.height, dy.width))
    return s.in == 1 ? run_direct_narrow_input<1>(d, s, dy, w, dx) : run_direct_narrow_input<4>(d, s, dy, w, dx);
  const int taps = s.kernel * s.kernel, mix = direct_mix(s), groups = s.groups / mix;
  const std::ptrdiff_t block_floats = std::ptrdiff_t{dx.height} * dx.width * direct_block;
  std::array<std::optional<direct_plan>, direct_stride_limit * direct_stride_limit> phases;
  std::size_t count = 0;
  for (int fy = 0; fy < std::min(s.stride, dx.height); ++fy)
    for (int fx = 0; fx < std::min(s.stride, dx.width); ++fx) {  // pixels (fy, fx) + stride * (y, x)
      direct_problem p{groups,
                       mix,
                       s.out / groups,
                       s.in / groups,
                       dy.height,
                       dy.width,
                       (dx.height - fy + s.stride - 1) / s.stride,
                       (dx.width - fx + s.stride - 1) / s.stride,
                       1,
                       {},
                       {}};
      for (int k = 0; k < s.kernel; ++k) {
        const int y = fy + s.before(dx.height) - k, x = fx + s.before(dx.width) - k;
        if (y % s.stride == 0) p.rows.add(y / s.stride, k);
        if (x % s.stride == 0) p.columns.add(x / s.stride, k);
      }
      const std::ptrdiff_t first = (std::ptrdiff_t{fy} * dx.width + fx) * direct_block;
      if (p.taps() > 0)
        phases[count++].emplace(p, direct_target{dx.data, channel_blocks(dx), block_floats, dx.width, s.stride, first});
    }
  if (count == 0) {  // no output sees any pixel
    const std::ptrdiff_t all = cpu::elements(dx.batch, dx.image());
    if (d.dry()) return;
    if (add.data)
      std::copy_n(add.data, all, dx.data);
    else
      std::fill_n(dx.data, all, 0.0f);
    return;
  }
  // A stride above the kernel's size leaves pixels that no output sees.
  run_direct(d, {phases.data(), count}, dy, {s.kernel, taps, std::ptrdiff_t{s.in} / s.groups * taps}, w, dx,
             s.stride > s.kernel, nullptr, add);
}

/// As `conv_backward_weight`; `is_direct` only.
inline void conv_direct_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                        feature_view<const float> dy, float* dw) {
  using namespace detail;
  const direct_joined joined(d, s);
  run_direct_weight(d, direct_forward_problem(joined.spec(), x.height, x.width), x, dy, joined.gradient(dw));
  joined.add_gradient(dw);
}

}  // namespace advprop::ADVPROP_TARGET
