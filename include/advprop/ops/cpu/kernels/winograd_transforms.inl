// Winograd convolution: tiles of the maps, and inputs, weights and outputs into the transformed space and back.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

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
        if (scaled) v = fused(v, factor[h], shift[h]);
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

}  // namespace advprop::ADVPROP_TARGET::detail
