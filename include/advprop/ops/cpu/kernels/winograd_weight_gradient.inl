// Winograd convolution: the gradient of the weights.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

/// The gradient of the weights, in the same way: dU = V W with W = A dy A^T, summed over the tiles.
template <class Algorithm>
class winograd_weight_plan {
 public:
  winograd_weight_plan(const winograd_grid& grid, const winograd_weights& gradients, int threads)
      : g(grid),
        weights(gradients),
        blocks(weights.blocks()),
        slices(weights.slices()),
        row(slices == 1 ? weights.width(0) : winograd_wide) {
    const std::ptrdiff_t channels = std::ptrdiff_t{8} * blocks;
    at_once = g.count * (Algorithm::v_points * channels + Algorithm::m_points * slices * row) <=
              3 * Algorithm::u_points * channels * slices * row;
    together = at_once ? std::min(blocks, 4) : 1;
    groups = (blocks + together - 1) / together;
    u_pitch = (at_once ? 8 * together : channels) * row;
    while (!at_once && parts < 8 && parts * 2 * winograd_step <= g.count &&
           2 * parts * sums() <= std::ptrdiff_t{3} << 20)
      parts *= 2;
    chunk = at_once ? static_cast<int>(g.count) : winograd_chunk<Algorithm>(8 * blocks, row, g.count);
    v_tiles = winograd_room(chunk);
    v_pitch = winograd_pitch(blocks * v_tiles * 8);
    w_pitch = winograd_pitch(std::ptrdiff_t{chunk} * row);
    plane = g.planes_floats(chunk);
    workers = std::min<std::ptrdiff_t>(threads, at_once ? blocks : parts);
    finishers = std::min<std::ptrdiff_t>(threads, std::ptrdiff_t{slices} * groups);
  }

  void run(cpu& d, feature_view<const float> x, feature_view<const float> dy, float* dw) const {
    const std::ptrdiff_t kept = whole_lines(at_once ? finishers * u_floats() : parts * sums());
    const std::ptrdiff_t data =
        at_once ? v_floats() + slices * w_floats() + workers * plane : workers * (v_floats() + w_floats() + plane);
    const auto memory = d.memory().allocate(sizeof(float) * static_cast<std::size_t>(kept + data + finishers * buffer));
    if (d.dry()) return;
    float *u = static_cast<float*>(memory.data()), *rest = u + kept, *buffers = rest + data;
    at_once ? transform_all(d, x, dy, rest) : sum_parts(d, x, dy, u, rest);
    finish(d, u, rest, buffers, dw);
  }

 private:
  /// V of all tiles, then W.
  void transform_all(cpu& d, feature_view<const float> x, feature_view<const float> dy, float* v) const {
    float* w = v + v_floats();
    winograd_all_inputs<Algorithm>(d, g, x, nullptr, workers, w + slices * w_floats(), plane, v, v_tiles, v_pitch);
    parallel_for(d.threads(), slices,
                 [&](std::ptrdiff_t s) { gradient(dy, static_cast<int>(s), 0, g.count, w + s * w_floats()); });
  }

  /// dU of each part of the tiles, [slice][point][input][outputs].
  void sum_parts(cpu& d, feature_view<const float> x, feature_view<const float> dy, float* u, float* rest) const {
    parallel_ranges(d.threads(), workers, parts, [&](std::ptrdiff_t worker, std::ptrdiff_t part, std::ptrdiff_t last) {
      float *v = rest + worker * (v_floats() + w_floats() + plane), *w = v + v_floats(), *padded = w + w_floats();
      for (; part < last; ++part) {
        const std::ptrdiff_t begin = g.count * part / parts, end = g.count * (part + 1) / parts;
        for (std::ptrdiff_t first = begin; first < end; first += chunk) {
          const std::ptrdiff_t count = std::min<std::ptrdiff_t>(chunk, end - first);
          for (int b = 0; b < blocks; ++b)
            winograd_input<Algorithm>(g, x, nullptr, b, first, count, padded, v + b * v_tiles * 8, v_pitch);
          for (int s = 0; s < slices; ++s) {
            gradient(dy, s, first, count, w);
            product(weights.width(s), 0, blocks, v, w, count, first > begin, u + part * sums() + s * u_floats());
          }
        }
      }
    });
  }

  /// dU, made of all tiles here or added up from its parts, back to dw. A task is some blocks of inputs and a slice of
  /// outputs, whose W is read once for all of them.
  void finish(cpu& d, float* u, const float* rest, float* buffers, float* dw) const {
    parallel_ranges(
        d.threads(), finishers, std::ptrdiff_t{slices} * groups,
        [&](std::ptrdiff_t worker, std::ptrdiff_t task, std::ptrdiff_t last) {
          for (; task < last; ++task) {
            const int slice = static_cast<int>(task / groups), first = static_cast<int>(task % groups) * together;
            const int width = weights.width(slice), end = std::min(first + together, blocks);
            float* mine =
                at_once ? u + worker * u_floats() : u + slice * u_floats() + std::ptrdiff_t{first} * 8 * width;
            if (at_once) product(width, first, end, rest, rest + v_floats() + slice * w_floats(), g.count, false, mine);
            for (int block = first; block < end; ++block, mine += 8 * width) {
              transform_back(mine, width, buffers + worker * buffer);
              weights.scatter(slice, block, buffers + worker * buffer, dw);
            }
          }
        });
  }

  /// small[8][9][width] = G^T dU G of an input block, dU being the sum of its parts.
  void transform_back(const float* u, int width, float* small) const {
    for (int c = 0; c < 8; ++c)
      for (int lane = 0; lane < width; lane += winograd_lanes) {
        const float* from = one_by_one(u + c * width + lane);
        float* to = small + c * 9 * width + lane;
        transform_square<Algorithm::u_side, 3, wide>(
            [](const auto& s, auto& r) __attribute__((always_inline)) { Algorithm::weight_adjoint(s, r); },
            [&](int i, int j) __attribute__((always_inline)) {
              wide total(from + (i * Algorithm::u_side + j) * u_pitch);
              for (std::ptrdiff_t part = 1; part < parts; ++part)
                total += wide(from + part * sums() + (i * Algorithm::u_side + j) * u_pitch);
              return total;
            },
            [&](int i, int j, const wide& value)
                __attribute__((always_inline)) { value.store(to + (i * 3 + j) * width); });
      }
  }

  /// W of a slice.
  void gradient(feature_view<const float> dy, int slice, std::ptrdiff_t first, std::ptrdiff_t count, float* w) const {
    winograd_output_adjoint<Algorithm>(g, dy, slice * winograd_wide / 8, weights.width(slice), first, count, w,
                                       w_pitch);
  }
  /// dU of a slice and input blocks [b0, b1) from `count` tiles; added to what is there if there is something.
  void product(int width, int b0, int b1, const float* v, const float* w, std::ptrdiff_t count, bool add,
               float* to) const {
    Algorithm::for_terms([&](const winograd_term& t) {
      const bool more = add || !t.starts_u;
      const auto kernel = width == winograd_wide
                              ? (more ? winograd_weight_product<2, true> : winograd_weight_product<2, false>)
                              : (more ? winograd_weight_product<1, true> : winograd_weight_product<1, false>);
      for (int b = b0; b < b1; ++b)
        kernel(v + t.v * v_pitch + b * v_tiles * 8, w + t.m * w_pitch, count,
               to + t.u * u_pitch + std::ptrdiff_t{b - b0} * 8 * width);
    });
  }

  std::ptrdiff_t u_floats() const { return Algorithm::u_points * u_pitch; }  // of a slice
  std::ptrdiff_t v_floats() const { return Algorithm::v_points * v_pitch; }
  std::ptrdiff_t w_floats() const { return Algorithm::m_points * w_pitch; }
  std::ptrdiff_t sums() const { return slices * u_floats(); }  // of a part
  static constexpr std::ptrdiff_t buffer = 72 * winograd_wide;

  const winograd_grid& g;
  const winograd_weights& weights;
  int blocks, slices, row;  // of inputs; of outputs, and a slice's width
  /// Few tiles: all of V and W first; then a task sums over all tiles and needs no more room than its own dU. Else
  /// parts of the tiles each have a dU, and the tasks add them up. How many depends on the shape alone.
  bool at_once;
  std::ptrdiff_t parts = 1;
  int together, groups;  // input blocks of a task, and such groups of them
  int chunk;             // tiles at a time
  std::ptrdiff_t u_pitch, v_pitch, w_pitch, v_tiles, plane, workers, finishers;
};

/// Adds the gradient of the weights.
template <class Algorithm>
void run_winograd_weight(cpu& d, const winograd_grid& g, feature_view<const float> x, feature_view<const float> dy,
                         float* dw) {
  const winograd_weights weights{nullptr, x.channels, dy.channels, false};
  if (g.count > 0) winograd_weight_plan<Algorithm>(g, weights, d.threads()).run(d, x, dy, dw);
}

}  // namespace advprop::ADVPROP_TARGET::detail
