// Max, average and global average pooling on the CPU.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

namespace detail {

/// The part of a window's extent that lies inside the image.
struct pool_range {
  int first, last;
  pool_range(const pool_spec& s, int output, int extent)
      : first(std::max(0, output * s.stride - s.padding)),
        last(std::min(extent, output * s.stride - s.padding + s.kernel)) {}
};

/// f(output pixel, rows, columns) for every window of an image of `height` x `width`, row by row.
template <class T, class F>
[[gnu::always_inline]] inline void for_windows(const pool_spec& s, int height, int width, const feature_view<T>& y,
                                               F&& f) {
  for (int i = 0; i < y.height; ++i) {
    const pool_range rows(s, i, height);
    for (int j = 0; j < y.width; ++j) f(std::ptrdiff_t{i} * y.width + j, rows, pool_range(s, j, width));
  }
}

/// The first maximum of a window, or its first NaN, as PyTorch has it; `where` counts the window's pixels.
struct maximum {
  f8 value, where;
};
[[gnu::always_inline]] inline maximum window_maximum(const float* x, int width, pool_range rows, pool_range columns) {
  maximum m{f8(x + (std::ptrdiff_t{rows.first} * width + columns.first) * 8), f8(0.f)};
  float index = 0;
  for (int h = rows.first; h < rows.last; ++h)
    for (int w = columns.first; w < columns.last; ++w, ++index) {
      const f8 v(x + (std::ptrdiff_t{h} * width + w) * 8);
      const auto larger = v > m.value, number = v == v, kept_number = m.value == m.value;
      m.where = select(number, select(larger, f8(index), m.where), select(kept_number, f8(index), m.where));
      m.value = select(number, select(larger, v, m.value), v);
    }
  return m;
}

}  // namespace detail

inline void max_pool_forward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<float> y) {
  using namespace detail;
  for_blocks(d, x, [&](int n, int b) {
    const float* px = channel_block(x, n, b);
    float* py = channel_block(y, n, b);
    for_windows(s, x.height, x.width, y, [&](std::ptrdiff_t o, pool_range rows, pool_range columns) {
      window_maximum(px, x.width, rows, columns).value.store(py + o * 8);
    });
  });
}

inline void max_pool_backward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<const float> dy,
                              feature_view<float> dx) {
  using namespace detail;
  for_blocks(d, x, [&](int n, int b) {
    const float *px = channel_block(x, n, b), *pdy = channel_block(dy, n, b);
    float* pdx = channel_block(dx, n, b);
    std::fill_n(pdx, std::ptrdiff_t{x.height} * x.width * 8, 0.f);
    for_windows(s, x.height, x.width, dy, [&](std::ptrdiff_t o, pool_range rows, pool_range columns) {
      const f8 where = window_maximum(px, x.width, rows, columns).where, g(pdy + o * 8);
      float index = 0;
      for (int h = rows.first; h < rows.last; ++h)
        for (int w = columns.first; w < columns.last; ++w, ++index) {
          float* p = pdx + (std::ptrdiff_t{h} * x.width + w) * 8;
          (f8(p) + select(where == f8(index), g, f8(0.f))).store(p);
        }
    });
  });
}

inline void average_pool_forward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<float> y) {
  using namespace detail;
  const f8 share(1.f / static_cast<float>(s.kernel * s.kernel));
  for_blocks(d, x, [&](int n, int b) {
    const float* px = channel_block(x, n, b);
    float* py = channel_block(y, n, b);
    for_windows(s, x.height, x.width, y, [&](std::ptrdiff_t o, pool_range rows, pool_range columns) {
      f8 sum(0.f);
      for (int h = rows.first; h < rows.last; ++h)
        for (int w = columns.first; w < columns.last; ++w) sum += f8(px + (std::ptrdiff_t{h} * x.width + w) * 8);
      (sum * share).store(py + o * 8);
    });
  });
}

inline void average_pool_backward(cpu& d, const pool_spec& s, feature_view<const float> dy, feature_view<float> dx) {
  using namespace detail;
  const f8 share(1.f / static_cast<float>(s.kernel * s.kernel));
  for_blocks(d, dx, [&](int n, int b) {
    const float* pdy = channel_block(dy, n, b);
    float* pdx = channel_block(dx, n, b);
    std::fill_n(pdx, std::ptrdiff_t{dx.height} * dx.width * 8, 0.f);
    for_windows(s, dx.height, dx.width, dy, [&](std::ptrdiff_t o, pool_range rows, pool_range columns) {
      const f8 g = f8(pdy + o * 8) * share;
      for (int h = rows.first; h < rows.last; ++h)
        for (int w = columns.first; w < columns.last; ++w) {
          float* p = pdx + (std::ptrdiff_t{h} * dx.width + w) * 8;
          (f8(p) + g).store(p);
        }
    });
  });
}

inline void global_average_pool_forward(cpu& d, feature_view<const float> x, feature_view<float> y) {
  using namespace detail;
  const int pixels = x.height * x.width;
  for_blocks(d, x, [&](int n, int b) {
    const float* p = channel_block(x, n, b);
    wide sum[2] = {0.f, 0.f};
    for_pixels(
        0, pixels, [&]<bool Whole>(std::ptrdiff_t i, int a) __attribute__((always_inline)) {
          sum[a] += load_pixels<Whole>(p + i);
        });
    (sum_pixels(sum[0] + sum[1]) / f8(static_cast<float>(pixels))).store(channel_block(y, n, b));
  });
}

inline void global_average_pool_backward(cpu& d, feature_view<const float> dy, feature_view<float> dx) {
  using namespace detail;
  const int pixels = dx.height * dx.width;
  for_blocks(d, dx, [&](int n, int b) {
    const f8 g = f8(channel_block(dy, n, b)) / f8(static_cast<float>(pixels));
    float* p = channel_block(dx, n, b);
    for (int i = 0; i < pixels; ++i) g.store(p + i * 8);
  });
}

}  // namespace advprop::ADVPROP_TARGET
