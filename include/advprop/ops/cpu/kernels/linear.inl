// The fully connected layer on the CPU.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

namespace detail {

/// A matrix read as a(r, k) = data[r * row + k * column].
struct strided {
  const float* data;
  std::ptrdiff_t row, column;
};

/// Adds up a(row .. row + Rows, k) * b(k, 8 lanes of Columns blocks) over k, in the order of k.
template <int Rows, int Columns, class Out>
[[gnu::always_inline]] inline void multiply_tile(int row, int column, int depth, const strided& a, const strided& b,
                                                 Out& out) {
  f8 sum[Rows][Columns];
  ADVPROP_UNROLL
  for (int r = 0; r < Rows; ++r) ADVPROP_UNROLL
  for (int c = 0; c < Columns; ++c) sum[r][c] = f8(0.f);
  const float *pa = a.data + row * a.row, *pb = b.data + column * b.column;
  for (int k = 0; k < depth; ++k, pa += a.column, pb += b.row) {
    f8 v[Columns];
    ADVPROP_UNROLL
    for (int c = 0; c < Columns; ++c) v[c] = f8(pb + c * b.column);
    ADVPROP_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const f8 u(pa[r * a.row]);
      ADVPROP_UNROLL
      for (int c = 0; c < Columns; ++c) sum[r][c] = fused(u, v[c], sum[r][c]);
    }
  }
  ADVPROP_UNROLL
  for (int r = 0; r < Rows; ++r) ADVPROP_UNROLL
  for (int c = 0; c < Columns; ++c) out(row + r, column + c, sum[r][c]);
}

/// out(row, block, 8 lanes) of a (rows x depth) times b (depth x blocks of 8; b.column steps a block).
template <class Out>
void multiply(cpu& d, int rows, int columns, int depth, const strided& a, const strided& b, Out out) {
  const int row_tiles = (rows + 3) / 4, column_tiles = (columns + 1) / 2;
  parallel_for(d.threads(), std::ptrdiff_t{column_tiles} * row_tiles, [&](std::ptrdiff_t task) {
    const int row = static_cast<int>(task % row_tiles) * 4, column = static_cast<int>(task / row_tiles) * 2;
    const bool two = column + 2 <= columns;
    if (row + 4 <= rows) {
      two ? multiply_tile<4, 2>(row, column, depth, a, b, out) : multiply_tile<4, 1>(row, column, depth, a, b, out);
      return;
    }
    for (int r = row; r < rows; ++r)
      two ? multiply_tile<1, 2>(r, column, depth, a, b, out) : multiply_tile<1, 1>(r, column, depth, a, b, out);
  });
}

inline std::size_t packed_bytes(int blocks, int depth) {
  return sizeof(float) * cpu::channel_block * static_cast<std::size_t>(blocks) * static_cast<std::size_t>(depth);
}

}  // namespace detail

inline void linear_forward(cpu& d, feature_view<const float> x, const float* w, const float* b, feature_view<float> y) {
  using namespace detail;
  const int in = x.channels, count = channel_blocks(y), stride = channel_blocks(x) * 8;
  const auto scratch = d.memory().allocate(packed_bytes(count, in));
  if (d.dry()) return;
  auto* packed = static_cast<float*>(scratch.data());
  parallel_for(d.threads(), count, [&](std::ptrdiff_t o) {
    const int rows = channels_in_block(y, static_cast<int>(o));
    float* p = packed + o * in * 8;
    const float* q = w + o * 8 * in;
    for (int i = 0; i < in; ++i)
      for (int l = 0; l < 8; ++l) p[i * 8 + l] = l < rows ? q[std::ptrdiff_t{l} * in + i] : 0.f;
  });
  multiply(d, x.batch, count, in, {x.data, stride, 1}, {packed, 8, std::ptrdiff_t{in} * 8}, [&](int n, int o, f8 s) {
    if (b) s += f8::some(b + o * 8, channels_in_block(y, o));
    s.store(channel_block(y, n, o));
  });
}

inline void linear_backward_input(cpu& d, feature_view<const float> dy, const float* w, feature_view<float> dx) {
  using namespace detail;
  const int in = dx.channels, out = dy.channels, count = channel_blocks(dx), stride = channel_blocks(dy) * 8;
  const auto scratch = d.memory().allocate(packed_bytes(count, out));
  if (d.dry()) return;
  auto* packed = static_cast<float*>(scratch.data());
  parallel_for(d.threads(), count, [&](std::ptrdiff_t i) {
    const int lanes_used = channels_in_block(dx, static_cast<int>(i));
    for (int o = 0; o < out; ++o)
      f8::some(w + std::ptrdiff_t{o} * in + i * 8, lanes_used).store(packed + (i * out + o) * 8);
  });
  multiply(d, dy.batch, count, out, {dy.data, stride, 1}, {packed, 8, std::ptrdiff_t{out} * 8},
           [&](int n, int i, const f8& s) { s.store(channel_block(dx, n, i)); });
}

inline void linear_backward_weight(cpu& d, feature_view<const float> x, feature_view<const float> dy, float* dw,
                                   float* db) {
  using namespace detail;
  const int in = x.channels;
  multiply(d, dy.channels, channel_blocks(x), x.batch, {dy.data, 1, channel_blocks(dy) * 8},
           {x.data, channel_blocks(x) * 8, 8}, [&](int o, int i, const f8& s) {
             float* p = dw + std::ptrdiff_t{o} * in + i * 8;
             const int lanes_used = channels_in_block(x, i);
             (f8::some(p, lanes_used) + s).store_some(p, lanes_used);
           });
  if (!db) return;
  parallel_for(d.threads(), channel_blocks(dy), [&](std::ptrdiff_t o) {
    f8 sum(0.f);
    for (int n = 0; n < dy.batch; ++n) sum += f8(channel_block(dy, n, static_cast<int>(o)));
    const int lanes_used = channels_in_block(dy, static_cast<int>(o));
    (f8::some(db + o * 8, lanes_used) + sum).store_some(db + o * 8, lanes_used);
  });
}

}  // namespace advprop::ADVPROP_TARGET
