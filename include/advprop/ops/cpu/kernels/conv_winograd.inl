// Winograd convolution in nChw8c: 3x3 kernels, stride 1 and 2; the three passes.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {
namespace detail {

/// F on the columns of a From x From square, then on the rows of what that gives: To x To, stored by rows.
template <int From, int To, class V, class F, class Load, class StoreRow>
ADVPROP_INLINE void transform_to_rows(F f, Load load, StoreRow store) {
  V half[To][From];
  ADVPROP_UNROLL
  for (int j = 0; j < From; ++j) {
    V column[From], result[To];
    ADVPROP_UNROLL
    for (int i = 0; i < From; ++i) column[i] = load(i, j);
    f(column, result);
    ADVPROP_UNROLL
    for (int i = 0; i < To; ++i) half[i][j] = result[i];
  }
  ADVPROP_UNROLL
  for (int i = 0; i < To; ++i) {
    V result[To];
    f(half[i], result);
    store(i, result);
  }
}
/// The same, stored one by one.
template <int From, int To, class V, class F, class Load, class Store>
ADVPROP_INLINE void transform_square(F f, Load load, Store store) {
  transform_to_rows<From, To, V>(
      f, load, [&](int i, const V(&row)[To]) __attribute__((always_inline)) {
        ADVPROP_UNROLL
        for (int j = 0; j < To; ++j) store(i, j, row[j]);
      });
}

/// The pointer itself. GCC would else keep one pointer a point from tile to tile, in memory as there are too many.
template <class T>
ADVPROP_INLINE T* one_by_one(T* p) {
  asm("" : "+r"(p));
  return p;
}

inline constexpr int winograd_lanes = 8 * vector_pixels, winograd_wide = 2 * simd::lanes;
inline constexpr int winograd_halves = vector_pixels;  // channel blocks, or tiles, in one vector

/// Eight numbers each from one or two places, as one vector.
template <int Halves = winograd_halves>
ADVPROP_INLINE lanes<float, 8 * Halves> load_halves(const float* p, [[maybe_unused]] const float* q) {
  if constexpr (Halves == 1)
    return f8(p);
  else
    return join(f8(p), f8(q));
}

/// Points a whole number of pages apart would fall on the same cache sets.
constexpr std::ptrdiff_t winograd_pitch(std::ptrdiff_t floats) { return whole_lines(floats) + 16; }

/// Tiles to leave room for in V: the last vector of an image may reach over its end.
constexpr std::ptrdiff_t winograd_room(std::ptrdiff_t tiles) {
  return (tiles + 2 * (winograd_halves - 1)) / winograd_halves * winograd_halves;
}

/// The tiles of a batch of outputs, numbered image by image and row by row, and the input that they see.
struct winograd_grid {
  int tile, step, overlap;    // of the algorithm
  int height, width;          // of the output
  int above, left;            // zeros before the input's first row and column
  int cut_rows, cut_columns;  // of the first tiles' outputs, before the map's first
  int rows, columns;          // of tiles in an image
  std::ptrdiff_t count;

  std::ptrdiff_t per_image() const { return std::ptrdiff_t{rows} * columns; }
  /// Of a row with its zeros: even, as two pixels are a cache line.
  int plane_width() const { return (step * columns + overlap + 1) / 2 * 2; }
  /// Whether `tiles` tiles are taken two images at a time, so that vectors of tiles are whole and lie on cache lines.
  bool by_pairs(std::ptrdiff_t tiles) const { return per_image() % winograd_halves == 1 && tiles > per_image(); }
  /// Rows of tiles whose zero-padded rows stay in the first-level cache from the copy to the transform.
  int band() const { return std::max(2, ((3 << 10) / (plane_width() * 8) - overlap) / step); }
  /// Floats that the zero-padded rows under up to `tiles` tiles of an image's channel block can take.
  std::ptrdiff_t plane_floats(std::ptrdiff_t tiles) const {
    const std::ptrdiff_t most = std::min<std::ptrdiff_t>(rows, tiles / columns + 2);
    return whole_lines((step * most + overlap) * plane_width() * 8 + 8);
  }
  /// The same, of `tiles` tiles.
  std::ptrdiff_t planes_floats(std::ptrdiff_t tiles) const { return plane_floats(tiles) * (by_pairs(tiles) ? 2 : 1); }
};

template <class Algorithm>
winograd_grid make_winograd_grid(int batch, int height, int width, int above, int left, int cut_rows = 0,
                                 int cut_columns = 0) {
  constexpr int tile = Algorithm::tile;
  const int rows = (cut_rows + height + tile - 1) / tile, columns = (cut_columns + width + tile - 1) / tile;
  return {
      tile, Algorithm::step, Algorithm::reads - Algorithm::step,    height, width, above, left, cut_rows, cut_columns,
      rows, columns,         std::ptrdiff_t{batch} * rows * columns};
}

/// Copies rows [first, first + count) of a channel block, counted from the grid's first, with zeros around. Rows are
/// short: calls of memcpy and memset would take longer than what they do.
inline void winograd_plane(const winograd_grid& g, feature_view<const float> x, const conv_prologue* before, int n,
                           int b, int first, int count, float* plane) {
  const int width = g.plane_width(), begin = g.left, used = std::min(x.width, width - begin);
  const float* source = channel_block(x, n, b);
  const auto zero = [&](int from, int pixels) __attribute__((always_inline)) {
    for_pixels(
        from, pixels, [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
          store_pixels<Whole>(wide(0.f), plane + i);
        });
  };
  for (int r = 0; r < count; ++r, plane += std::ptrdiff_t{width} * 8) {
    const int y = first + r - g.above;
    if (y < 0 || y >= x.height) {
      zero(0, width);
      continue;
    }
    zero(0, begin);
    zero(begin + used, width - begin - used);
    const std::ptrdiff_t pixel = std::ptrdiff_t{y} * x.width;
    const float* row = source + pixel * 8;
    float* to = plane + begin * 8;
    if (before)
      before->apply(row, n, b, pixel, used, to);
    else
      for_pixels(
          0, used, [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
            store_pixels<Whole>(load_pixels<Whole>(row + i), to + i);
          });
  }
}

/// V of one channel block for tiles [first, first + count), to v + point * pitch + tile * 8. Writes up to a whole
/// vector of tiles.
template <class Algorithm>
void winograd_input(const winograd_grid& g, feature_view<const float> x, const conv_prologue* before, int b,
                    std::ptrdiff_t first, std::ptrdiff_t count, float* plane, float* v, std::ptrdiff_t pitch) {
  constexpr int reads = Algorithm::reads, step = Algorithm::step, points = Algorithm::v_side;
  const std::ptrdiff_t row_pitch = std::ptrdiff_t{g.plane_width()} * 8;
  const std::ptrdiff_t plane_pitch = g.plane_floats(g.per_image());
  plane += g.left % 2 * 8;  // the map's first pixel begins a cache line
  while (count > 0) {
    const std::ptrdiff_t n = first / g.per_image(), inside = first % g.per_image();
    const int images = inside == 0 && g.by_pairs(count) ? 2 : 1;
    const std::ptrdiff_t most = images == 2 ? 2 * g.per_image() : g.band() * g.columns - inside % g.columns;
    const std::ptrdiff_t here = std::min({count, images * g.per_image() - inside, most});
    const int top = static_cast<int>(inside / g.columns);
    for (int k = 0; k < images; ++k) {
      const std::ptrdiff_t last = std::min(inside + here - k * g.per_image(), g.per_image()) - 1;
      const int bottom = static_cast<int>(last / g.columns);
      winograd_plane(g, x, before, static_cast<int>(n) + k, b, step * top, step * (bottom - top) + reads,
                     plane + k * plane_pitch);
    }
    const auto place = [&](std::ptrdiff_t i) {
      std::ptrdiff_t t = inside + std::min(i, here - 1);
      const float* from = plane;
      if (t >= g.per_image()) t -= g.per_image(), from += plane_pitch;
      return from + ((t / g.columns - top) * row_pitch + (t % g.columns) * 8) * step;
    };
    for (std::ptrdiff_t i = 0; i < here; i += winograd_halves) {
      const float *p = place(i), *q = winograd_halves == 1 ? p : place(i + 1);
      float* to = one_by_one(v + i * 8);
      transform_square<reads, points, wide>(
          [](const auto& d, auto& r) __attribute__((always_inline)) { Algorithm::input(d, r); },
          [&](int r, int c) __attribute__((always_inline)) {
            return load_halves(p + r * row_pitch + c * 8, q + r * row_pitch + c * 8);
          },
          [&](int r, int c, const wide& value)
              __attribute__((always_inline)) { value.store(to + (r * points + c) * pitch); });
    }
    v += here * 8, first += here, count -= here;
  }
}

/// Weights as a pass sees them: `turned` (for the gradient of the input), outputs are the convolution's inputs.
struct winograd_weights {
  const float* w;  // [O][I][9]
  int in, out;     // of this pass
  bool turned;

  int blocks() const { return (in + 7) / 8; }
  int slices() const { return (out + winograd_wide - 1) / winograd_wide; }
  /// Outputs computed for a slice.
  int width(int slice) const {
    return out - slice * winograd_wide > simd::lanes || simd::lanes < 8 ? winograd_wide : simd::lanes;
  }

  float at(int o, int c, int t) const {
    if (o >= out || c >= in) return 0.f;
    return turned ? w[(std::ptrdiff_t{c} * out + o) * 9 + 8 - t] : w[(std::ptrdiff_t{o} * in + c) * 9 + t];
  }

  /// The weights of a slice and an input block as [channel][9][width], zeros where there are none.
  void gather(int slice, int block, float* to) const {
    const int first = slice * winograd_wide, many = width(slice), c0 = block * 8;
    for (int g = 0; g < many; g += 8) {
      const int o = first + g;
      if (o + 8 > out || c0 + 8 > in) {
        for (int c = 0; c < 8; ++c)
          for (int t = 0; t < 9; ++t)
            for (int i = 0; i < 8; ++i) to[(c * 9 + t) * many + g + i] = at(o + i, c0 + c, t);
      } else if (turned) {
        for (int c = 0; c < 8; ++c) {
          const float* from = w + (std::ptrdiff_t{c0 + c} * out + o) * 9;
          float* last = to + (c * 9 + 8) * many + g;
          transpose_8x8(from, 9, last, -many);
          for (int i = 0; i < 8; ++i) last[i - 8 * many] = from[i * 9 + 8];
        }
      } else {
        for (int j = 0; j < 72; j += 8)
          transpose_8x8(w + (std::ptrdiff_t{o} * in + c0) * 9 + j, std::ptrdiff_t{in} * 9, to + j * many + g, many);
      }
    }
  }

  /// The reverse, for a pass that is not turned: adds to the weights' gradient.
  void scatter(int slice, int block, const float* from, float* dw) const {
    const int first = slice * winograd_wide, many = width(slice), c0 = block * 8;
    for (int g = 0; g < many; g += 8) {
      const int o = first + g;
      float* to = dw + (std::ptrdiff_t{o} * in + c0) * 9;
      if (o + 8 <= out && c0 + 8 <= in) {
        for (int j = 0; j < 72; j += 8) transpose_8x8<true>(from + j * many + g, many, to + j, std::ptrdiff_t{in} * 9);
      } else {
        for (int i = 0; i < std::min(8, out - o); ++i)
          for (int j = 0; j < std::min(8, in - c0) * 9; ++j)
            to[std::ptrdiff_t{i} * in * 9 + j] += from[j * many + g + i];
      }
    }
  }
};

/// U of a slice for one block of inputs, points `pitch` apart. `buffer`: 72 * winograd_wide floats.
template <class Algorithm>
void winograd_weight(const winograd_weights& weights, int slice, int block, float* buffer, float* u,
                     std::ptrdiff_t pitch) {
  constexpr int points = Algorithm::u_side;
  const int width = weights.width(slice);
  weights.gather(slice, block, buffer);
  for (int c = 0; c < 8; ++c)
    for (int g = 0; g < width; g += winograd_lanes) {
      const float* from = buffer + c * 9 * width + g;
      float* to = one_by_one(u + c * width + g);
      transform_square<3, points, wide>(
          [](const auto& d, auto& r) __attribute__((always_inline)) { Algorithm::weight(d, r); },
          [&](int i, int j) __attribute__((always_inline)) { return wide(from + (i * 3 + j) * width); },
          [&](int i, int j, const wide& value)
              __attribute__((always_inline)) { value.store(to + (i * points + j) * pitch); });
    }
}

/// m[tile][V * lanes] (+)= v[block][tile][8] * u[block * 8][V * lanes], T tiles at a time; the last T may overlap those
/// before.
struct winograd_product_job {
  const float *v, *u;
  float* m;
  int blocks, tiles;           // tiles >= T
  std::ptrdiff_t block_pitch;  // of v
  bool add;
};
template <int T, int V>
void winograd_product(const winograd_product_job& job) {
  using simd::lanes;
  for (int i = 0; i < job.tiles; i += T) {
    const int start = std::min(i, job.tiles - T), skip = i - start;
    float* out = job.m + std::ptrdiff_t{start} * V * lanes;
    simd::vec sum[T][V];
    ADVPROP_UNROLL
    for (int t = 0; t < T; ++t) ADVPROP_UNROLL
    for (int v = 0; v < V; ++v) sum[t][v] = simd::vec{};
    if (job.add) {
      ADVPROP_UNROLL
      for (int t = 0; t < T; ++t) ADVPROP_UNROLL
      for (int v = 0; v < V; ++v) sum[t][v] = simd::load(out + (t * V + v) * lanes);
    }
    const float *a = job.v + std::ptrdiff_t{start} * 8, *w = job.u;
    for (int b = 0; b < job.blocks; ++b, a += job.block_pitch) {
      const float* from = a;
      if constexpr (V > 1)  // with one vector, loads are the bottleneck already
        simd::prefetch<T * 8>(b + 1 < job.blocks ? a + job.block_pitch : job.v + std::ptrdiff_t{start + T} * 8);
      for (int c = 0; c < 8; ++c, ++from, w += V * lanes) {
        if constexpr (V > 1) simd::prefetch<V * lanes>(w + 8 * V * lanes);
        simd::vec weight[V];
        ADVPROP_UNROLL
        for (int v = 0; v < V; ++v) weight[v] = simd::load(w + v * lanes);
        ADVPROP_UNROLL
        for (int t = 0; t < T; ++t) {
          const float value = from[t * 8];
          ADVPROP_UNROLL
          for (int v = 0; v < V; ++v) sum[t][v] += value * weight[v];
        }
      }
    }
    ADVPROP_UNROLL
    for (int t = 0; t < T; ++t)
      if (t >= skip) {
        ADVPROP_UNROLL
        for (int v = 0; v < V; ++v) simd::store(out + (t * V + v) * lanes, sum[t][v]);
      }
  }
}

using winograd_product_function = void (*)(const winograd_product_job&);
struct winograd_product_kernel {
  int tiles, vectors;
  winograd_product_function run;
};
inline constexpr winograd_product_kernel winograd_products[] = {
#if ADVPROP_TARGET_BYTES == 64
    {14, 2, winograd_product<14, 2>}, {13, 2, winograd_product<13, 2>}, {11, 2, winograd_product<11, 2>},
    {8, 2, winograd_product<8, 2>},   {4, 2, winograd_product<4, 2>},   {1, 2, winograd_product<1, 2>},
    {28, 1, winograd_product<28, 1>}, {16, 1, winograd_product<16, 1>}, {8, 1, winograd_product<8, 1>},
    {1, 1, winograd_product<1, 1>},
#elif ADVPROP_TARGET_BYTES == 32
    {6, 2, winograd_product<6, 2>},   {4, 2, winograd_product<4, 2>}, {1, 2, winograd_product<1, 2>},
    {12, 1, winograd_product<12, 1>}, {8, 1, winograd_product<8, 1>}, {1, 1, winograd_product<1, 1>},
#else
    {4, 2, winograd_product<4, 2>},
    {1, 2, winograd_product<1, 2>},
#endif
};
/// Tiles that the largest kernel takes.
inline constexpr int winograd_step = winograd_products[0].tiles;

inline winograd_product_function choose_winograd_product(int vectors, int tiles) {
  winograd_product_function best = nullptr;
  double least = 0;
  for (const auto& k : winograd_products) {
    if (k.vectors != vectors || k.tiles > tiles) continue;
    const double cost = tile_cost(k.tiles, k.vectors, tiles);
    if (!best || cost < least) best = k.run, least = cost;
  }
  return best;
}

/// y from M: block b0 of y is the first of the slice. Tiles [first, first + count).
template <class Algorithm>
void winograd_output(const winograd_grid& g, const float* m, std::ptrdiff_t pitch, int width, std::ptrdiff_t first,
                     std::ptrdiff_t count, feature_view<float> y, int b0, const conv_epilogue* after) {
  constexpr int points = Algorithm::m_side, size = Algorithm::tile;
  const int blocks = channel_blocks(y);
  const std::ptrdiff_t block_floats = std::ptrdiff_t{g.height} * g.width * 8, row_floats = std::ptrdiff_t{g.width} * 8;
  const activation last = after ? after->after : activation::identity;
  const bool scaled = after && after->factor;
  for (int lane = 0; lane < width; lane += winograd_lanes) {
    const int b = b0 + lane / 8, present = std::min(winograd_halves, blocks - b);
    if (present <= 0) break;
    wide factor[winograd_halves], shift[winograd_halves];
    for (int h = 0; h < winograd_halves; ++h) {
      const bool real = scaled && h < present;
      factor[h] = real ? each_pixel(f8(after->factor + (b + h) * 8)) : wide(1.f);
      shift[h] = real ? each_pixel(f8(after->shift + (b + h) * 8)) : wide(0.f);
    }
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      const std::ptrdiff_t tile = first + i, inside = tile % g.per_image();
      const int n = static_cast<int>(tile / g.per_image());
      const int top = static_cast<int>(inside / g.columns) * size - g.cut_rows;
      const int left = static_cast<int>(inside % g.columns) * size - g.cut_columns;
      const int above = std::max(0, -top), before = std::max(0, -left);
      const int rows = std::min(size, g.height - top), columns = std::min(size, g.width - left);
      const float* from = one_by_one(m + i * width + lane);
      const std::ptrdiff_t corner = (std::ptrdiff_t{top} * g.width + left) * 8;
      float* to = channel_block(y, n, b) + corner;
      const float* added = after && after->add.data ? channel_block(after->add, n, b) + corner : nullptr;
      // A vector of one pixel's channels turns into one of pixels of a block, so that memory is written by the line.
      const auto put = [&]<bool Whole>(wide v, int h, std::ptrdiff_t at) __attribute__((always_inline)) {
        if (scaled) v = v * factor[h] + shift[h];
        if (added) v += load_pixels<Whole>(added + at);
        if (last == activation::relu) v = positive(v);
        if (last == activation::relu6) v = positive_to_6(v);
        store_pixels<Whole>(v, to + at);
      };
      const auto put_second = [&]([[maybe_unused]] const wide& v, [[maybe_unused]] int h,
                                  [[maybe_unused]] std::ptrdiff_t at) __attribute__((always_inline)) {
        if constexpr (winograd_halves == 2) put.template operator()<false>(first_pixel(upper_half(v)), h, at);
      };
      transform_to_rows<points, size, wide>(
          [](const auto& d, auto& r) __attribute__((always_inline)) { Algorithm::output(d, r); },
          [&](int r, int c) __attribute__((always_inline)) { return wide(from + (r * points + c) * pitch); },
          [&](int r, wide(&row)[size]) __attribute__((always_inline)) {
            if (r < above || r >= rows) return;
            ADVPROP_UNROLL
            for (int c = 0; c < size; c += winograd_halves) {
              if (c >= columns) return;
              const std::ptrdiff_t at = r * row_floats + c * 8;
              if constexpr (winograd_halves == 2) exchange_halves(row[c], row[c + 1]);
              ADVPROP_UNROLL
              for (int h = 0; h < winograd_halves; ++h) {
                if (h >= present) break;
                if (c < before)
                  put_second(row[c + h], h, h * block_floats + at + 8);  // the first lies before the map
                else if (c + winograd_halves <= columns)
                  put.template operator()<true>(row[c + h], h, h * block_floats + at);
                else
                  put.template operator()<false>(row[c + h], h, h * block_floats + at);
              }
            }
          });
    }
  }
}

/// A dy A^T for a slice of dy's channels: to w + point * pitch + tile * width. Zeros outside the map.
template <class Algorithm>
void winograd_output_adjoint(const winograd_grid& g, feature_view<const float> dy, int b0, int width,
                             std::ptrdiff_t first, std::ptrdiff_t count, float* w, std::ptrdiff_t pitch) {
  constexpr int points = Algorithm::m_side, M = Algorithm::tile;
  const int blocks = channel_blocks(dy);
  const std::ptrdiff_t block_floats = std::ptrdiff_t{g.height} * g.width * 8, row_floats = std::ptrdiff_t{g.width} * 8;
  alignas(64) static constexpr float zero[8] = {};
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const std::ptrdiff_t tile = first + i, inside = tile % g.per_image();
    const int n = static_cast<int>(tile / g.per_image());
    const int top = static_cast<int>(inside / g.columns) * M, left = static_cast<int>(inside % g.columns) * M;
    const int rows = std::min(M, g.height - top), columns = std::min(M, g.width - left);
    for (int lane = 0; lane < width; lane += winograd_lanes) {
      const int b = b0 + lane / 8;
      const float* from = b < blocks ? channel_block(dy, n, b) + (std::ptrdiff_t{top} * g.width + left) * 8 : nullptr;
      float* to = one_by_one(w + i * width + lane);
      wide pixel[M][M];
      if (rows == M && columns == M && b + winograd_halves <= blocks) {  // memory is read by the line
        ADVPROP_UNROLL
        for (int r = 0; r < M; ++r) ADVPROP_UNROLL
        for (int c = 0; c < M; c += winograd_halves) {
          ADVPROP_UNROLL
          for (int h = 0; h < winograd_halves; ++h)
            pixel[r][c + h] = wide(from + h * block_floats + r * row_floats + c * 8);
          if constexpr (winograd_halves == 2) exchange_halves(pixel[r][c], pixel[r][c + 1]);
        }
      } else {
        for (int r = 0; r < M; ++r)
          for (int c = 0; c < M; ++c) {
            const bool here = from && r < rows && c < columns;
            const float* p = here ? from + r * row_floats + c * 8 : zero;
            pixel[r][c] = load_halves(p, here && b + 1 < blocks ? p + block_floats : zero);
          }
      }
      transform_square<M, points, wide>(
          [](const auto& d, auto& r) __attribute__((always_inline)) { Algorithm::output_adjoint(d, r); },
          [&](int r, int c) __attribute__((always_inline))->const wide& { return pixel[r][c]; },
          [&](int r, int c, const wide& value)
              __attribute__((always_inline)) { value.store(to + (r * points + c) * pitch); });
    }
  }
}

/// sums[8][V * lanes] (+)= v[tile][8]^T * w[tile][V * lanes].
template <int V, bool Add>
void winograd_weight_product(const float* v, const float* w, std::ptrdiff_t tiles, float* sums) {
  using simd::lanes;
  constexpr int rows = simd::lanes == 16 ? 8 : 4;  // what the register file holds
  for (int r = 0; r < 8; r += rows) {
    simd::vec sum[rows][V];
    ADVPROP_UNROLL
    for (int c = 0; c < rows; ++c) ADVPROP_UNROLL
    for (int k = 0; k < V; ++k) sum[c][k] = Add ? simd::load(sums + ((r + c) * V + k) * lanes) : simd::vec{};
    const float *a = v + r, *g = w;
    for (std::ptrdiff_t t = 0; t < tiles; ++t, a += 8, g += V * lanes) {
      simd::vec gradient[V];
      ADVPROP_UNROLL
      for (int k = 0; k < V; ++k) gradient[k] = simd::load(g + k * lanes);
      ADVPROP_UNROLL
      for (int c = 0; c < rows; ++c) {
        const float value = a[c];
        ADVPROP_UNROLL
        for (int k = 0; k < V; ++k) sum[c][k] += value * gradient[k];
      }
    }
    ADVPROP_UNROLL
    for (int c = 0; c < rows; ++c) ADVPROP_UNROLL
    for (int k = 0; k < V; ++k) simd::store(sums + ((r + c) * V + k) * lanes, sum[c][k]);
  }
}

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

template <class Algorithm>
winograd_grid winograd_forward_grid(const conv_spec& s, feature_view<const float> x) {
  return make_winograd_grid<Algorithm>(x.batch, s.output(x.height), s.output(x.width), s.before(x.height),
                                       s.before(x.width));
}

}  // namespace detail

template <int M>
void conv_winograd_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                           feature_view<float> y, const detail::conv_epilogue* after = nullptr) {
  using algorithm = detail::winograd<M>;
  detail::run_winograd<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, {w, s.in, s.out, false}, y,
                                  after, nullptr);
}

template <int M>
void conv_winograd_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                  feature_view<float> dx, feature_view<const float> add = {},
                                  const detail::conv_prologue* before = nullptr) {
  using algorithm = detail::winograd<M>;
  const detail::conv_epilogue sum{nullptr, nullptr, add, activation::identity};
  const auto grid = detail::make_winograd_grid<algorithm>(dx.batch, dx.height, dx.width, 2 - s.before(dx.height),
                                                          2 - s.before(dx.width));
  detail::run_winograd<algorithm>(d, grid, dy, {w, s.out, s.in, true}, dx, add.data ? &sum : nullptr, before);
}

template <int M>
void conv_winograd_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                   feature_view<const float> dy, float* dw) {
  using algorithm = detail::winograd<M>;
  detail::run_winograd_weight<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, dy, dw);
}

inline void conv_winograd_strided_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                          feature_view<float> y, const detail::conv_epilogue* after = nullptr) {
  using algorithm = detail::winograd_strided;
  detail::run_winograd<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, {w, s.in, s.out, false}, y,
                                  after, nullptr);
}

inline void conv_winograd_strided_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy,
                                                 const float* w, feature_view<float> dx,
                                                 feature_view<const float> add = {},
                                                 const detail::conv_prologue* before = nullptr) {
  using algorithm = detail::winograd_strided_adjoint;
  const detail::conv_epilogue sum{nullptr, nullptr, add, activation::identity};
  // The first tile's first pixel is one of o: the map's first where one zero lies before it, else the one before.
  const int above = s.before(dx.height), left = s.before(dx.width);
  const auto grid = detail::make_winograd_grid<algorithm>(dx.batch, dx.height, dx.width, above == 0, left == 0,
                                                          above % 2 == 0, left % 2 == 0);
  detail::run_winograd<algorithm>(d, grid, dy, {w, s.out, s.in, true}, dx, add.data ? &sum : nullptr, before);
}

inline void conv_winograd_strided_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                                  feature_view<const float> dy, float* dw) {
  using algorithm = detail::winograd_strided;
  detail::run_winograd_weight<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, dy, dw);
}

}  // namespace advprop::ADVPROP_TARGET
