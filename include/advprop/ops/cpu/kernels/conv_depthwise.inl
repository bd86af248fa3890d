// Depthwise convolution in nChw8c: one filter a channel, stride 1 or 2; the three passes.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {
namespace detail {

// How it works. The rows of one channel block that an output row needs stand zero-padded in a ring of row buffers, the
// even and the odd columns apart when the stride is 2. There a tap is one constant offset, neighbouring outputs read
// neighbouring pixels, and the loops below see runs of pixels without edges or strides.

inline constexpr int depthwise_vector_pixels = std::max(1, vector_bytes / 32);
inline constexpr int depthwise_lanes = depthwise_vector_pixels * 8;
using depthwise_vector = lanes<float, depthwise_lanes>;

/// Rows that hold a kernel's: a power of two, as a division would cost as much as a short row.
constexpr int depthwise_rows(int kernel) {
  int rows = 1;
  while (rows < kernel) rows *= 2;
  return rows;
}

/// Row buffers: stream s of a row holds source columns begin + s, begin + s + step, ...; zeros where there are none.
struct depthwise_ring {
  int height, width;  // of the source
  int step, begin, extent;
  int ring;   // rows, a power of two
  int limit;  // source columns from here on are not used
  float* memory = nullptr;
  const float* source = nullptr;
  int filled = 0;

  std::ptrdiff_t stream_floats() const { return std::ptrdiff_t{extent} * 8; }
  std::ptrdiff_t pitch() const { return whole_lines(step * stream_floats()); }
  std::ptrdiff_t floats() const { return (ring + 1) * pitch(); }

  void use(float* scratch) {
    memory = scratch;
    std::fill_n(memory, floats(), 0.f);
  }
  void start(const float* block) {
    source = block;
    filled = 0;
  }
  /// Rows must be asked for in order, none `ring` or more behind the last.
  const float* row(int y) {
    if (y < 0 || y >= height) return memory + ring * pitch();
    float* out = memory + (y & (ring - 1)) * pitch();
    if (y >= filled) {
      filled = y + 1;
      for (int s = 0; s < step; ++s) {
        const int first = std::max(0, (step - 1 - begin - s) / step);
        const int last = std::min(extent, (std::min(width, limit) - begin - s + step - 1) / step);
        if (first >= last) continue;
        const float* in = source + (std::ptrdiff_t{y} * width + begin + s + step * first) * 8;
        float* to = out + s * stream_floats() + first * 8;
        if (step == 1)
          std::memcpy(to, in, sizeof(float) * 8 * static_cast<std::size_t>(last - first));
        else
          for (int i = first; i < last; ++i, in += 16, to += 8) f8(in).store(to);
      }
    }
    return out;
  }
};

/// One row of results: rows of pixels, and weights [row][tap][depthwise_lanes].
struct depthwise_job {
  const float* rows[depthwise_kernel_limit];
  int count;               // rows
  int first, second;       // taps in each stream of a row
  std::ptrdiff_t streams;  // floats from the first to the second
  const float* weights;
  int width, step;      // results, and how many pixels they lie apart
  std::ptrdiff_t room;  // pixels from the first result to the end of the block, all still to be written
};

/// sum[pixel] += tap `a` of a run of pixels.
template <int Taps, int T>
[[gnu::always_inline]] inline void depthwise_add(depthwise_vector (&sum)[T], const float* x, const float*& w,
                                                 int taps) {
  constexpr int pixels = depthwise_vector_pixels;
  if constexpr (Taps >= 0) {
    ADVPROP_UNROLL
    for (int j = 0; j < pixels * (T - 1) + Taps; ++j) {
      const depthwise_vector v(x + j * 8);
      ADVPROP_UNROLL
      for (int a = 0; a < Taps; ++a)
        if (j >= a && (j - a) % pixels == 0 && (j - a) / pixels < T)
          sum[(j - a) / pixels] = fused(v, depthwise_vector(w + a * depthwise_lanes), sum[(j - a) / pixels]);
    }
    w += Taps * depthwise_lanes;
  } else {
    for (int a = 0; a < taps; ++a, x += 8, w += depthwise_lanes) {
      const depthwise_vector weight(w);
      ADVPROP_UNROLL
      for (int t = 0; t < T; ++t) sum[t] = fused(depthwise_vector(x + t * depthwise_lanes), weight, sum[t]);
    }
  }
}

/// A taps in the first stream of a row and B in the second; below zero: as the job says. T vectors at a time; the last
/// ones may overlap those before.
template <int A, int B, int T>
void depthwise_row(const depthwise_job& job, float* out) {
  constexpr int tile = T * depthwise_vector_pixels;
  for (int p = 0; p < job.width; p += tile) {
    const int start = std::max(0, std::min(p, job.width - tile));
    depthwise_vector sum[T];
    ADVPROP_UNROLL
    for (int t = 0; t < T; ++t) sum[t] = depthwise_vector(0.f);
    const float* w = job.weights;
    for (int r = 0; r < job.count; ++r) {
      const float* x = job.rows[r] + start * 8;
      depthwise_add<A>(sum, x, w, job.first);
      if constexpr (B != 0) depthwise_add<B>(sum, x + job.streams, w, job.second);
    }
    if (job.step == 1 && (tile <= job.width || tile <= job.room)) {  // the next row writes over what is too much
      ADVPROP_UNROLL
      for (int t = 0; t < T; ++t) sum[t].store(out + start * 8 + t * depthwise_lanes);
    } else {
      float results[tile * 8];
      ADVPROP_UNROLL
      for (int t = 0; t < T; ++t) sum[t].store(results + t * depthwise_lanes);
      for (int i = 0; i < std::min(tile, job.width); ++i)
        f8(results + i * 8).store(out + std::ptrdiff_t{start + i} * job.step * 8);
    }
  }
}

using depthwise_row_function = void (*)(const depthwise_job&, float*);
struct depthwise_tile {
  int pixels;
  depthwise_row_function run;
};

/// The compiled function for this many taps and results a row.
template <int T>
depthwise_row_function depthwise_function(int first, int second) {
  if (first == 3 && second == 0) return depthwise_row<3, 0, T>;
  if (first == 5 && second == 0) return depthwise_row<5, 0, T>;
  if (first == 2 && second == 1) return depthwise_row<2, 1, T>;
  if (first == 3 && second == 2) return depthwise_row<3, 2, T>;
  if (first == 2 && second == 0) return depthwise_row<2, 0, T>;
  if (first == 1 && second == 0) return depthwise_row<1, 0, T>;
  return depthwise_row<-1, -1, T>;
}
inline depthwise_tile choose_depthwise_tile(int first, int second, int width) {
  constexpr int large = 7, small = 4;
  const auto vectors = [&](int tile) {
    return (width + tile * depthwise_vector_pixels - 1) / (tile * depthwise_vector_pixels) * tile;
  };
  if (vectors(large) <= vectors(small))
    return {large * depthwise_vector_pixels, depthwise_function<large>(first, second)};
  return {small * depthwise_vector_pixels, depthwise_function<small>(first, second)};
}

/// Adds to sums[row][tap][depthwise_lanes] the products of a row of dy with what each tap sees of some rows of x, from
/// `offset` on. Reads whole tiles of dy, which is zero past its end.
struct depthwise_weight_job {
  const float* rows[depthwise_kernel_limit];
  const float* dy;
  int count, tiles;
  std::ptrdiff_t pitch;  // of the rows of sums
};
inline constexpr int depthwise_weight_vectors = 4,
                     depthwise_weight_tile = depthwise_weight_vectors * depthwise_vector_pixels;
template <int Taps>
void depthwise_weight_rows(const depthwise_weight_job& job, std::ptrdiff_t offset, float* sums, int taps) {
  constexpr int pixels = depthwise_vector_pixels, T = depthwise_weight_vectors;
  for (int r = 0; r < job.count; ++r, sums += job.pitch) {
    const float *x = job.rows[r] + offset, *dy = job.dy;
    if constexpr (Taps > 0) {
      depthwise_vector sum[2][Taps];
      ADVPROP_UNROLL
      for (int a = 0; a < Taps; ++a) sum[0][a] = sum[1][a] = depthwise_vector(0.f);
      for (int i = 0; i < job.tiles; ++i, x += T * depthwise_lanes, dy += T * depthwise_lanes) {
        depthwise_vector g[T];
        ADVPROP_UNROLL
        for (int t = 0; t < T; ++t) g[t] = depthwise_vector(dy + t * depthwise_lanes);
        ADVPROP_UNROLL
        for (int j = 0; j < pixels * (T - 1) + Taps; ++j) {
          const depthwise_vector v(x + j * 8);
          ADVPROP_UNROLL
          for (int a = 0; a < Taps; ++a)
            if (j >= a && (j - a) % pixels == 0 && (j - a) / pixels < T)
              sum[(j - a) / pixels % 2][a] = fused(v, g[(j - a) / pixels], sum[(j - a) / pixels % 2][a]);
        }
      }
      ADVPROP_UNROLL
      for (int a = 0; a < Taps; ++a) {
        float* s = sums + a * depthwise_lanes;
        (depthwise_vector(s) + (sum[0][a] + sum[1][a])).store(s);
      }
    } else {
      for (int a = 0; a < taps; ++a) {
        depthwise_vector sum(sums + a * depthwise_lanes);
        for (int i = 0; i < job.tiles * T; ++i)
          sum =
              fused(depthwise_vector(x + a * 8 + i * depthwise_lanes), depthwise_vector(dy + i * depthwise_lanes), sum);
        sum.store(sums + a * depthwise_lanes);
      }
    }
  }
}
using depthwise_weight_function = void (*)(const depthwise_weight_job&, std::ptrdiff_t, float*, int);
inline depthwise_weight_function choose_depthwise_weight(int taps) {
  switch (taps) {
    case 1:
      return depthwise_weight_rows<1>;
    case 2:
      return depthwise_weight_rows<2>;
    case 3:
      return depthwise_weight_rows<3>;
    case 5:
      return depthwise_weight_rows<5>;
    default:
      return depthwise_weight_rows<0>;
  }
}

/// The kernel's indices in the order in which a pass takes them: forward the even ones, then with stride 2 the odd
/// ones.
struct depthwise_order {
  int index[depthwise_kernel_limit], evens = 0, odds = 0;
  explicit depthwise_order(const conv_spec& s) {
    for (int k = 0; k < s.kernel; k += s.stride) index[evens++] = k;
    if (s.stride == 2)
      for (int k = 1; k < s.kernel; k += 2) index[evens + odds++] = k;
  }
};

/// Packed weights of one channel block: [i][j][depthwise_lanes] of kernel rows `rows` and columns `columns`.
inline float* pack_depthwise(const conv_spec& s, const float* w, int block, const int* rows, int row_count,
                             const int* columns, int column_count, float* to) {
  const int used = std::min(8, s.out - block * 8), area = s.kernel * s.kernel;
  for (int i = 0; i < row_count; ++i)
    for (int j = 0; j < column_count; ++j, to += depthwise_lanes)
      for (int l = 0; l < depthwise_lanes; ++l)
        to[l] = l % 8 < used ? w[(std::ptrdiff_t{block} * 8 + l % 8) * area + rows[i] * s.kernel + columns[j]] : 0.f;
  return to;
}

}  // namespace detail

/// As `conv_forward`; `is_depthwise` only.
inline void conv_depthwise_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                   feature_view<float> y, const detail::conv_epilogue* after = nullptr) {
  using namespace detail;
  const depthwise_order order(s);
  const depthwise_tile tile = choose_depthwise_tile(order.evens, order.odds, y.width);
  const int above = s.before(x.height), left = s.before(x.width), count = channel_blocks(x);
  const depthwise_ring plan{
      x.height, x.width, s.stride, -left, std::max(y.width, tile.pixels) + order.evens - 1, depthwise_rows(s.kernel),
      x.width};
  const std::ptrdiff_t tasks = std::ptrdiff_t{x.batch} * count, workers = std::min<std::ptrdiff_t>(d.threads(), tasks);
  const std::ptrdiff_t filter = s.kernel * s.kernel * depthwise_lanes;
  const auto memory =
      d.memory().allocate(sizeof(float) * static_cast<std::size_t>(filter * count + plan.floats() * workers));
  if (d.dry()) return;
  float* weights = static_cast<float*>(memory.data());
  int natural[depthwise_kernel_limit];
  for (int k = 0; k < s.kernel; ++k) natural[k] = k;
  for (int b = 0; b < count; ++b)
    pack_depthwise(s, w, b, natural, s.kernel, order.index, s.kernel, weights + b * filter);
  parallel_ranges(d.threads(), workers, tasks, [&](std::ptrdiff_t worker, std::ptrdiff_t task, std::ptrdiff_t last) {
    depthwise_ring ring = plan;
    ring.use(weights + filter * count + worker * plan.floats());
    for (; task < last; ++task) {
      const int n = static_cast<int>(task / count), b = static_cast<int>(task % count);
      ring.start(channel_block(x, n, b));
      depthwise_job job{{}, s.kernel, order.evens, order.odds, ring.stream_floats(), weights + b * filter, y.width,
                        1,  0};
      float* out = channel_block(y, n, b);
      for (int row = 0; row < y.height; ++row, out += std::ptrdiff_t{y.width} * 8) {
        for (int k = 0; k < s.kernel; ++k) job.rows[k] = ring.row(row * s.stride - above + k);
        job.room = std::ptrdiff_t{y.height - row} * y.width;
        tile.run(job, out);
        if (after) after->finish(y, n, b, std::ptrdiff_t{row} * y.width, y.width);
      }
    }
  });
}

/// As `conv_backward_input`; `is_depthwise` only.
inline void conv_depthwise_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                          feature_view<float> dx) {
  using namespace detail;
  // Pixel i of dx has a share of pixel (i + before - k) / stride of dy for the k of its phase, (i + before) % stride.
  struct phase {
    int taps = 0, index[depthwise_kernel_limit];  // k, from the largest: along dy
    int first = 0;                                // what the first tap of the phase's first pixel reads
    std::ptrdiff_t weights = 0;
  };
  const int above = s.before(dx.height), left = s.before(dx.width), count = channel_blocks(dx);
  phase rows[2], columns[2];  // of the pixels f, f + stride, ...
  for (int f = 0; f < s.stride; ++f) {
    for (int k = s.kernel - 1; k >= 0; --k) {
      if ((f + above - k) % s.stride == 0) rows[f].index[rows[f].taps++] = k;
      if ((f + left - k) % s.stride == 0) columns[f].index[columns[f].taps++] = k;
    }
    if (rows[f].taps > 0) rows[f].first = (f + above - rows[f].index[0]) / s.stride;
    if (columns[f].taps > 0) columns[f].first = (f + left - columns[f].index[0]) / s.stride;
  }
  const int begin = s.stride == 2 ? std::min(columns[0].first, columns[1].first) : columns[0].first;
  int widths[2] = {0, 0}, extent = 0;
  depthwise_tile tiles[2];
  for (int f = 0; f < s.stride; ++f) {
    widths[f] = (dx.width - f + s.stride - 1) / s.stride;
    tiles[f] = choose_depthwise_tile(columns[f].taps, 0, widths[f]);
    extent = std::max(extent, columns[f].first - begin + std::max(widths[f], tiles[f].pixels) + columns[f].taps);
  }
  const depthwise_ring plan{dy.height, dy.width, 1, begin, extent, depthwise_rows(s.kernel), dy.width};
  const std::ptrdiff_t tasks = std::ptrdiff_t{dx.batch} * count, workers = std::min<std::ptrdiff_t>(d.threads(), tasks);
  const std::ptrdiff_t filter = s.kernel * s.kernel * depthwise_lanes;
  const auto memory =
      d.memory().allocate(sizeof(float) * static_cast<std::size_t>(filter * count + plan.floats() * workers));
  if (d.dry()) return;
  float* weights = static_cast<float*>(memory.data());
  std::ptrdiff_t offsets[2][2] = {};
  for (int b = 0; b < count; ++b) {
    float* to = weights + b * filter;
    for (int fy = 0; fy < s.stride; ++fy)
      for (int fx = 0; fx < s.stride; ++fx) {
        offsets[fy][fx] = to - weights - b * filter;
        to = pack_depthwise(s, w, b, rows[fy].index, rows[fy].taps, columns[fx].index, columns[fx].taps, to);
      }
  }
  parallel_ranges(d.threads(), workers, tasks, [&](std::ptrdiff_t worker, std::ptrdiff_t task, std::ptrdiff_t last) {
    depthwise_ring ring = plan;
    ring.use(weights + filter * count + worker * plan.floats());
    for (; task < last; ++task) {
      const int n = static_cast<int>(task / count), b = static_cast<int>(task % count);
      ring.start(channel_block(dy, n, b));
      float* out = channel_block(dx, n, b);
      for (int y = 0; y < dx.height; ++y, out += std::ptrdiff_t{dx.width} * 8) {
        const int fy = y % s.stride;
        const float* sources[depthwise_kernel_limit];
        for (int k = 0; k < rows[fy].taps; ++k) sources[k] = ring.row(rows[fy].first + y / s.stride + k);
        for (int fx = 0; fx < s.stride; ++fx) {
          depthwise_job job{{},
                            rows[fy].taps,
                            columns[fx].taps,
                            0,
                            0,
                            weights + b * filter + offsets[fy][fx],
                            widths[fx],
                            s.stride,
                            std::ptrdiff_t{dx.height - y} * dx.width};
          for (int k = 0; k < job.count; ++k) job.rows[k] = sources[k] + (columns[fx].first - begin) * 8;
          tiles[fx].run(job, out + fx * 8);
        }
      }
    }
  });
}

/// As `conv_backward_weight`; `is_depthwise` only.
inline void conv_depthwise_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                           feature_view<const float> dy, float* dw) {
  using namespace detail;
  const depthwise_order order(s);
  const depthwise_weight_function first = choose_depthwise_weight(order.evens),
                                  second = choose_depthwise_weight(order.odds);
  const int above = s.before(x.height), left = s.before(x.width), count = channel_blocks(x);
  const int tiles = (dy.width + depthwise_weight_tile - 1) / depthwise_weight_tile,
            whole = tiles * depthwise_weight_tile;
  const depthwise_ring plan{x.height,
                            x.width,
                            s.stride,
                            -left,
                            whole + order.evens - 1,
                            depthwise_rows(s.kernel),
                            (dy.width - 1) * s.stride - left + s.kernel};
  const depthwise_ring gradient{dy.height, dy.width, 1, 0, whole, 1, dy.width};
  // Parts of the batch have sums of their own, added at the end in order; how many depends on the shape alone.
  const int parts = std::clamp(16 / count, 1, std::max(1, x.batch)), area = s.kernel * s.kernel;
  const std::ptrdiff_t filter = area * depthwise_lanes, tasks = std::ptrdiff_t{parts} * count,
                       workers = std::min<std::ptrdiff_t>(d.threads(), tasks),
                       scratch = plan.floats() + gradient.floats() + filter;
  const auto memory = d.memory().allocate(sizeof(float) * static_cast<std::size_t>(filter * tasks + scratch * workers));
  if (d.dry()) return;
  float* partial = static_cast<float*>(memory.data());
  std::fill_n(partial, filter * tasks, 0.f);
  parallel_ranges(d.threads(), workers, tasks, [&](std::ptrdiff_t worker, std::ptrdiff_t task, std::ptrdiff_t last) {
    depthwise_ring ring = plan, ring_of_dy = gradient;
    float* image = partial + filter * tasks + worker * scratch;
    ring.use(image + filter);
    ring_of_dy.use(image + filter + plan.floats());
    for (; task < last; ++task) {
      const std::ptrdiff_t part = task / count;
      const int b = static_cast<int>(task % count);
      float* sums = partial + task * filter;
      for (std::ptrdiff_t n = x.batch * part / parts; n < x.batch * (part + 1) / parts; ++n) {
        std::fill_n(image, filter, 0.f);
        ring.start(channel_block(x, static_cast<int>(n), b));
        ring_of_dy.start(channel_block(dy, static_cast<int>(n), b));
        depthwise_weight_job job{{}, nullptr, s.kernel, tiles, std::ptrdiff_t{s.kernel} * depthwise_lanes};
        for (int row = 0; row < dy.height; ++row) {
          job.dy = ring_of_dy.row(row);
          for (int k = 0; k < s.kernel; ++k) job.rows[k] = ring.row(row * s.stride - above + k);
          first(job, 0, image, order.evens);
          if (order.odds > 0) second(job, ring.stream_floats(), image + order.evens * depthwise_lanes, order.odds);
        }
        for (std::ptrdiff_t i = 0; i < filter; ++i) sums[i] += image[i];
      }
    }
  });
  for (int c = 0; c < s.out; ++c)
    for (int ky = 0; ky < s.kernel; ++ky)
      for (int j = 0; j < s.kernel; ++j) {
        const float* from = partial + c / 8 * filter + (ky * s.kernel + j) * depthwise_lanes + c % 8;
        float total = 0;
        for (int part = 0; part < parts; ++part, from += filter * count)
          for (int l = 0; l < depthwise_lanes; l += 8) total += from[l];
        dw[std::ptrdiff_t{c} * area + ky * s.kernel + order.index[j]] += total;
      }
}

}  // namespace advprop::ADVPROP_TARGET
