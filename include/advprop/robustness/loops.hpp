// What the attacks for evaluation do to every number of a batch, as named functions (attacks/loops.hpp says why).
#pragma once

#include <advprop/attacks/arithmetic.hpp>
#include <advprop/core/random.hpp>

namespace advprop::robustness {

/// A square part of an image.
struct square_window {
  int y = 0, x = 0, side = 0;

  /// Somewhere in the image.
  static square_window draw(int side, int height, int width, random_stream& rng) {
    const int y = rng.below(height - side + 1);
    return {y, rng.below(width - side + 1), side};
  }
  /// As it is handed over among an image's numbers.
  ADVPROP_HD static square_window at(const float* corner, int side) {
    return {static_cast<int>(corner[0]), static_cast<int>(corner[1]), side};
  }
  ADVPROP_HD constexpr bool holds(int row, int column) const {
    return row >= y && row < y + side && column >= x && column < x + side;
  }
};

namespace loops {

/// Into the L-infinity ball and into [0,1].
struct into_ball {
  static constexpr bool in_cuda_library = true;
  float epsilon;
  ADVPROP_HD float operator()(float v, float x0) const { return project(v, x0, epsilon); }
};

// APGD's. The last argument of the first two is the image's own length of a step.

struct sign_step {
  static constexpr bool in_cuda_library = true;
  ADVPROP_HD float operator()(float v, float g, float a) const { return v + a * sign(g); }
};
struct step {
  static constexpr bool in_cuda_library = true;
  ADVPROP_HD float operator()(float v, float g, float a) const { return v + a * g; }
};
/// From a vector's norm: by what to multiply the vector so that it gets this length.
struct factor {
  static constexpr bool in_cuda_library = true;
  ADVPROP_HD float operator()(float norm, float length) const { return length / (norm + 1e-12f); }
};
/// From the point before: beyond v by a share of the way that led there.
struct carried_on {
  static constexpr bool in_cuda_library = true;
  float share;
  ADVPROP_HD float operator()(float before, float v) const { return v + share * (v - before); }
};
/// Moved by a share of the way from v to `to`.
struct moved {
  static constexpr bool in_cuda_library = true;
  float share;
  ADVPROP_HD float operator()(float p, float to, float v) const { return p + share * (to - v); }
};

// Square's: a pixel's row and column follow, and the numbers of its image and channel.

/// A step for each column.
struct stripes {
  static constexpr bool in_cuda_library = true;
  float epsilon;
  ADVPROP_HD float operator()(float, float x0, int, int column, const float* steps) const {
    return project(x0 + steps[column], x0, epsilon);
  }
};
/// A step inside a square, after whose corner it comes.
struct recolour {
  static constexpr bool in_cuda_library = true;
  int side;
  float epsilon;
  ADVPROP_HD float operator()(float v, float x0, int row, int column, const float* n) const {
    return square_window::at(n, side).holds(row, column) ? project(v + n[2], x0, epsilon) : v;
  }
};
/// A pattern of side x side numbers, in the device's memory.
struct square_pattern {
  int side;
  const float* values;
  ADVPROP_HD float operator()(int row, int column, bool turned) const {
    return values[turned ? column * side + row : row * side + column];
  }
};
/// The pattern again and again, from a corner on: each tile takes it times its own number, turned for those beyond 1.
struct tiles {
  static constexpr bool in_cuda_library = true;
  square_pattern pattern;
  int top, left, down, across;
  ADVPROP_HD float operator()(float, float, int row, int column, const float* signs) const {
    const int side = pattern.side, y = row - top, x = column - left;
    if (y < 0 || x < 0 || y >= down * side || x >= across * side) return 0;
    const float sign = signs[y / side * across + x / side];
    const bool turned = sign * sign > 1;
    return (turned ? sign / 2 : sign) * pattern(y % side, x % side, turned);
  }
};
/// The numbers of one square, `to`, that another gives its share of a perturbation's length to.
struct mass_move {
  enum { to = 0, giver = 2, turned = 4, of_pattern = 5, of_old = 6, count = 7 };
};
/// Sums over the perturbation: of squares in `to`, in either square and everywhere, and of `to` times the pattern.
struct window_sums {
  static constexpr bool in_cuda_library = true;
  enum { own, both, all, with_pattern, sums };
  square_pattern pattern;
  ADVPROP_HD void operator()(float d, int row, int column, const float* n, float* s) const {
    const auto to = square_window::at(n + mass_move::to, pattern.side);
    const auto giver = square_window::at(n + mass_move::giver, pattern.side);
    const bool inside = to.holds(row, column);
    s[all] += d * d;
    if (inside || giver.holds(row, column)) s[both] += d * d;
    if (!inside) return;
    s[own] += d * d;
    s[with_pattern] += d * pattern(row - to.y, column - to.x, n[mass_move::turned] != 0);
  }
};
/// `to` becomes a sum of the pattern and of what was there; what else the giver held is lost.
struct move_mass {
  static constexpr bool in_cuda_library = true;
  square_pattern pattern;
  ADVPROP_HD float operator()(float d, float, int row, int column, const float* n) const {
    const auto to = square_window::at(n + mass_move::to, pattern.side);
    if (to.holds(row, column))
      return n[mass_move::of_pattern] * pattern(row - to.y, column - to.x, n[mass_move::turned] != 0) +
             n[mass_move::of_old] * d;
    return square_window::at(n + mass_move::giver, pattern.side).holds(row, column) ? 0 : d;
  }
};

}  // namespace loops
}  // namespace advprop::robustness
