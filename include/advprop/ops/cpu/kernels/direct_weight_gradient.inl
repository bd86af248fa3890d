// Direct convolution: the gradient of the weights.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

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
          for (int v = 0; v < V; ++v) sum[n][c][v] = simd::fused(value, gradient[v], sum[n][c][v]);
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

}  // namespace advprop::ADVPROP_TARGET::detail
