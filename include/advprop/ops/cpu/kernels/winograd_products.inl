// Winograd convolution: the matrix products of a point of the transformed space.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

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
          for (int v = 0; v < V; ++v) sum[t][v] = simd::fused(value, weight[v], sum[t][v]);
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
        for (int k = 0; k < V; ++k) sum[c][k] = simd::fused(value, gradient[k], sum[c][k]);
      }
    }
    ADVPROP_UNROLL
    for (int c = 0; c < rows; ++c) ADVPROP_UNROLL
    for (int k = 0; k < V; ++k) simd::store(sums + ((r + c) * V + k) * lanes, sum[c][k]);
  }
}

}  // namespace advprop::ADVPROP_TARGET::detail
