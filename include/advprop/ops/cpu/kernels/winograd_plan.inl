// Winograd convolution: the forward pass or the gradient of the input, for all tiles.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

/// Tiles whose V and M stay in the second-level cache together.
template <class Algorithm>
int winograd_chunk(int channels, int width, std::ptrdiff_t tiles) {
  constexpr std::ptrdiff_t cache = simd::lanes == 16 ? 800 << 10 : 384 << 10;
  const std::ptrdiff_t each = Algorithm::v_points * channels + Algorithm::m_points * width;
  const std::ptrdiff_t fit = cache / (each * std::ptrdiff_t{sizeof(float)});
  const std::ptrdiff_t steps = std::clamp<std::ptrdiff_t>(fit / winograd_step, 1, 112 / winograd_step);
  return static_cast<int>(std::min(steps * winograd_step, tiles));
}

/// V of every tile. A task is a whole channel block, as a vector of tiles may reach into the next image.
template <class Algorithm>
void winograd_all_inputs(cpu& d, const winograd_grid& g, feature_view<const float> x, const conv_prologue* before,
                         std::ptrdiff_t workers, float* planes, std::ptrdiff_t plane, float* v, std::ptrdiff_t tiles,
                         std::ptrdiff_t pitch) {
  parallel_ranges(d.threads(), workers, channel_blocks(x),
                  [&](std::ptrdiff_t worker, std::ptrdiff_t b, std::ptrdiff_t last) {
                    for (; b < last; ++b)
                      winograd_input<Algorithm>(g, x, before, static_cast<int>(b), 0, g.count, planes + worker * plane,
                                                v + b * tiles * 8, pitch);
                  });
}

/// The same, where tiles are independent and threads should get equal shares of them.
template <class Algorithm>
int winograd_share(int channels, int row, std::ptrdiff_t tiles, int threads) {
  const std::ptrdiff_t most = winograd_chunk<Algorithm>(channels, row, tiles), each = (tiles + threads - 1) / threads;
  const std::ptrdiff_t rounds = (each + most - 1) / most, share = (each + rounds - 1) / rounds;
  if (share < 4 * winograd_step) return static_cast<int>(share);
  return static_cast<int>(std::min(most, (share + winograd_step - 1) / winograd_step * winograd_step));
}

/// Input blocks whose transformed weights pass through the cache together.
inline constexpr int winograd_portion = 16;

/// y = x * weights for every tile of the grid, the forward pass or the gradient of the input, with all that is decided
/// about it once a call.
template <class Algorithm>
class winograd_plan {
 public:
  winograd_plan(const winograd_grid& grid, const winograd_weights& transformed, int threads)
      : g(grid),
        weights(transformed),
        blocks(weights.blocks()),
        slices(weights.slices()),
        row(slices == 1 ? weights.width(0) : winograd_wide),
        by_slices(Algorithm::u_points * std::ptrdiff_t{8} * blocks * row * slices > std::ptrdiff_t{1} << 20 &&
                  slices > 1) {
    constexpr std::ptrdiff_t longest = winograd_step * std::min<std::ptrdiff_t>(20, 720 / Algorithm::m_points);
    chunk = by_slices ? static_cast<int>(std::min(longest, g.count))
                      : winograd_share<Algorithm>(8 * blocks, row, g.count, threads);
    chunks = (g.count + chunk - 1) / chunk;
    portion = by_slices && chunks == 1 ? std::min(blocks, winograd_portion) : blocks;
    u_pitch = winograd_pitch(std::ptrdiff_t{portion} * 8 * row);
    m_pitch = winograd_pitch(std::ptrdiff_t{chunk} * row);
    v_tiles = winograd_room(by_slices ? g.count : chunk);
    v_pitch = winograd_pitch(blocks * v_tiles * 8);
    plane = g.planes_floats(by_slices ? g.count : chunk);
  }

  void run(cpu& d, feature_view<const float> x, feature_view<float> y, const conv_epilogue* after,
           const conv_prologue* before) const {
    by_slices ? run_by_slices(d, x, y, after, before) : run_by_tiles(d, x, y, after, before);
  }

 private:
  /// Every chunk of tiles goes through all slices.
  void run_by_tiles(cpu& d, feature_view<const float> x, feature_view<float> y, const conv_epilogue* after,
                    const conv_prologue* before) const {
    const std::ptrdiff_t workers = std::min<std::ptrdiff_t>(d.threads(), chunks);
    const std::ptrdiff_t scratch = v_floats() + m_floats() + plane;
    const bool small = std::ptrdiff_t{8} * blocks * row * slices < 4096;  // not worth waking the threads
    const std::ptrdiff_t packers = small ? 1 : std::min<std::ptrdiff_t>(d.threads(), std::ptrdiff_t{slices} * blocks);
    const auto memory = d.memory().allocate(
        sizeof(float) * static_cast<std::size_t>(u_floats() * slices + std::max(scratch * workers, buffer * packers)));
    if (d.dry()) return;
    float *u = static_cast<float*>(memory.data()), *rest = u + u_floats() * slices;
    parallel_ranges(d.threads(), packers, std::ptrdiff_t{slices} * blocks,
                    [&](std::ptrdiff_t worker, std::ptrdiff_t task, std::ptrdiff_t last) {
                      for (; task < last; ++task) {
                        const int slice = static_cast<int>(task / blocks), b = static_cast<int>(task % blocks);
                        transform_weights(slice, b, b + 1, rest + worker * buffer,
                                          u + slice * u_floats() + std::ptrdiff_t{b} * 8 * weights.width(slice));
                      }
                    });
    parallel_ranges(d.threads(), workers, g.count, [&](std::ptrdiff_t worker, std::ptrdiff_t tile, std::ptrdiff_t end) {
      float *v = rest + worker * scratch, *m = v + v_floats(), *padded = m + m_floats();
      for (; tile < end; tile += chunk) {
        const int count = static_cast<int>(std::min<std::ptrdiff_t>(chunk, end - tile));
        for (int b = 0; b < blocks; ++b)
          winograd_input<Algorithm>(g, x, before, b, tile, count, padded, v + b * v_tiles * 8, v_pitch);
        for (int s = 0; s < slices; ++s) {
          multiply(s, 0, blocks, u + s * u_floats(), v, count, m);
          output(s, tile, count, m, y, after);
        }
      }
    });
  }

  /// Each slice makes its own transformed weights and drops them. Threads beyond the slices share one, each with a part
  /// of its chunks.
  void run_by_slices(cpu& d, feature_view<const float> x, feature_view<float> y, const conv_epilogue* after,
                     const conv_prologue* before) const {
    const std::ptrdiff_t parts = std::clamp<std::ptrdiff_t>((d.threads() + slices - 1) / slices, 1, chunks);
    const std::ptrdiff_t tasks = slices * parts, workers = std::min<std::ptrdiff_t>(d.threads(), tasks);
    const std::ptrdiff_t readers = std::min(d.threads(), blocks);
    const std::ptrdiff_t scratch = u_floats() + m_floats() + buffer;
    const auto memory = d.memory().allocate(
        sizeof(float) * static_cast<std::size_t>(v_floats() + std::max(scratch * workers, plane * readers)));
    if (d.dry()) return;
    float *v = static_cast<float*>(memory.data()), *rest = v + v_floats();
    winograd_all_inputs<Algorithm>(d, g, x, before, readers, rest, plane, v, v_tiles, v_pitch);
    parallel_ranges(d.threads(), workers, tasks, [&](std::ptrdiff_t worker, std::ptrdiff_t task, std::ptrdiff_t last) {
      float *u = rest + worker * scratch, *m = u + u_floats(), *gathered = m + m_floats();
      for (; task < last; ++task) {
        const int slice = static_cast<int>(task / parts);
        for (int b0 = 0; b0 < blocks; b0 += portion) {
          const int b1 = std::min(b0 + portion, blocks);
          transform_weights(slice, b0, b1, gathered, u);
          for (std::ptrdiff_t c = chunks * (task % parts) / parts; c < chunks * (task % parts + 1) / parts; ++c) {
            const std::ptrdiff_t first = c * chunk;
            const int count = static_cast<int>(std::min<std::ptrdiff_t>(chunk, g.count - first));
            multiply(slice, b0, b1, u, v + first * 8, count, m);
            if (b1 == blocks) output(slice, first, count, m, y, after);
          }
        }
      }
    });
  }

  /// U of input blocks [b0, b1), by way of `gathered`.
  void transform_weights(int slice, int b0, int b1, float* gathered, float* u) const {
    for (int b = b0; b < b1; ++b)
      winograd_weight<Algorithm>(weights, slice, b, gathered, u + std::ptrdiff_t{b - b0} * 8 * weights.width(slice),
                                 u_pitch);
  }
  /// M from input blocks [b0, b1), whose U is u.
  void multiply(int slice, int b0, int b1, const float* u, const float* v, int count, float* m) const {
    const auto kernel = choose_winograd_product(weights.width(slice) / simd::lanes, count);
    Algorithm::for_terms([&](const winograd_term& t) {
      kernel({v + t.v * v_pitch + b0 * v_tiles * 8, u + t.u * u_pitch, m + t.m * m_pitch, b1 - b0, count, v_tiles * 8,
              b0 > 0 || !t.starts_m});
    });
  }
  void output(int slice, std::ptrdiff_t first, int count, const float* m, feature_view<float> y,
              const conv_epilogue* after) const {
    winograd_output<Algorithm>(g, m, m_pitch, weights.width(slice), first, count, y, slice * winograd_wide / 8, after);
  }

  std::ptrdiff_t u_floats() const { return Algorithm::u_points * u_pitch; }  // of a slice
  std::ptrdiff_t v_floats() const { return Algorithm::v_points * v_pitch; }
  std::ptrdiff_t m_floats() const { return Algorithm::m_points * m_pitch; }
  static constexpr std::ptrdiff_t buffer = 72 * winograd_wide;

  const winograd_grid& g;
  const winograd_weights& weights;
  int blocks, slices, row;  // of inputs; of outputs, and a slice's width
  /// Few tiles and many channels: the transformed weights would be larger than all else.
  bool by_slices;
  int chunk;              // tiles at a time
  std::ptrdiff_t chunks;  // of all tiles
  int portion;            // input blocks at a time: a slice that is used once need not be whole to stay in the cache
  std::ptrdiff_t u_pitch, v_pitch, m_pitch, v_tiles, plane;
};

template <class Algorithm>
void run_winograd(cpu& d, const winograd_grid& g, feature_view<const float> x, const winograd_weights& weights,
                  feature_view<float> y, const conv_epilogue* after, const conv_prologue* before) {
  if (g.count > 0) winograd_plan<Algorithm>(g, weights, d.threads()).run(d, x, y, after, before);
}

}  // namespace advprop::ADVPROP_TARGET::detail
