// Direct convolution: problems solved for all images, the forward pass or the gradient of the input.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

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

}  // namespace advprop::ADVPROP_TARGET::detail
