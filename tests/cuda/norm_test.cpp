#include "device_under_test.hpp"

#include <array>

#include <advprop/ops/cpu.hpp>

namespace norm_test {

using namespace device_tests;

namespace {

constexpr std::array<std::array<int, 4>, 6> shapes{
    {{1, 5, 1, 2}, {3, 5, 5, 7}, {130, 8, 1, 1}, {67, 13, 4, 4}, {2, 64, 9, 9}, {5, 40, 12, 11}}};
constexpr std::array activations{activation::identity, activation::relu, activation::silu, activation::relu6};

/// The numbers of a batch norm on both devices.
struct affine {
  std::vector<float> mean, variance, scale, shift;
  numbers d_mean, d_variance, d_scale, d_shift;
  affine(cuda_device& d, int channels)
      : mean(maps::normals(channels, 1, 0.3f)),
        variance(maps::normals(channels, 2, 0.1f, 1.2f)),
        scale(maps::normals(channels, 3, 0.5f, 1.f)),
        shift(maps::normals(channels, 4, 0.5f)),
        d_mean(d, mean),
        d_variance(d, variance),
        d_scale(d, scale),
        d_shift(d, shift) {}
  norm_parameters host() const { return {mean.data(), variance.data(), scale.data(), shift.data(), 1e-3f}; }
  norm_parameters device() const { return {d_mean.data(), d_variance.data(), d_scale.data(), d_shift.data(), 1e-3f}; }
};

}  // namespace

TEST_EACH_ELEMENT("Batch statistics and the running ones are the CPU's") {
  cpu c(1);
  basic_cuda<T> d;
  for (const auto& [n, channels, h, w] : shapes)
    for (float mean : {0.5f, 100.f}) {
      const int k = channels;  // clang 14's lambdas capture no binding
      CAPTURE(k);
      const map x = rounded<T>(map::random(n, channels, h, w, 7, 2.f, mean));
      std::vector<float> m(std::size_t(channels), NAN), v = m, running = maps::normals(channels, 8), spread = running;
      numbers dm(d, m), dv(d, v), drunning(d, running), dspread(d, spread);
      norm_statistics(c, x, m.data(), v.data());
      norm_statistics(d, upload(d, x), dm.data(), dv.data());
      CHECK(distance(dm.host(), m) < 1e-5);
      CHECK(distance(dv.host(), v) < 1e-4);
      norm_update_running(c, channels, m.data(), v.data(), n * h * w, 0.1f, running.data(), spread.data());
      norm_update_running(d, channels, dm.data(), dv.data(), n * h * w, 0.1f, drunning.data(), dspread.data());
      CHECK(distance(drunning.host(), running) < 1e-5);
      CHECK(distance(dspread.host(), spread) < 1e-4);
    }
}

TEST_EACH_ELEMENT("Batch norm with its activation and its add is the CPU's, forward and backward") {
  cpu c(1);
  basic_cuda<T> d;
  for (const auto& [n, channels, h, w] : shapes)
    for (activation a : activations)
      for (bool added : {false, true}) {
        const int k = channels;
        CAPTURE(k);
        CAPTURE(int(a));
        CAPTURE(added);
        const affine p(d, channels);
        const map x = rounded<T>(map::random(n, channels, h, w, 17, 1.f, 0.3f));
        const map add = rounded<T>(map::random(n, channels, h, w, 18, 0.5f));
        const map dy = rounded<T>(map::random(n, channels, h, w, 19));
        map y = x.like();
        norm_forward(c, a, x, p.host(), added ? feature_view<const float>(add) : feature_view<const float>{}, y);
        const auto gx = upload(d, x), gadd = added ? upload(d, add) : feature_map<basic_cuda<T>>();
        const auto gy = garbage(d, x);
        norm_forward(d, a, gx, p.device(), gadd, gy);
        CHECK(distance(download(d, gy), y) < bound<T>);

        y = download(d, gy);  // slopes are told from the same results on both
        for (statistics s : {statistics::batch, statistics::running}) {
          CAPTURE(int(s));
          map dx = x.like(), dadd = x.like();
          auto dscale = maps::normals(channels, 50), dshift = maps::normals(channels, 51);
          const numbers gscale(d, dscale), gshift(d, dshift);
          norm_backward(c, a, s, x, y, dy, added ? feature_view<const float>(add) : feature_view<const float>{},
                        p.host(), dx, added ? feature_view<float>(dadd) : feature_view<float>{}, dscale.data(),
                        dshift.data());
          const auto gdy = upload(d, dy), gdx = garbage(d, x);
          norm_backward(d, a, s, gx, gy, gdy, gadd, p.device(), gdx, added ? gdy : feature_map<basic_cuda<T>>(),
                        gscale.data(), gshift.data());  // dadd over dy
          CHECK(distance(download(d, gdx), dx) < 2 * bound<T>);
          if (added) CHECK(distance(download(d, gdy), dadd) < bound<T>);
          CHECK(distance(gscale.host(), dscale) < 1e-4);
          CHECK(distance(gshift.host(), dshift) < 1e-4);
        }
      }
}

TEST_EACH_ELEMENT("The slopes of relu and relu6 are the same told from the input as from the output") {
  basic_cuda<T> d;
  const int channels = 16;
  const std::vector<float> zeros(channels), ones(channels, 1.f);
  const numbers zero(d, zeros), one(d, ones), dscale(d, zeros), dshift(d, zeros);
  // Results on both sides of the corners, so near that bfloat16 rounds some to 6.
  map x = rounded<T>(map::random(3, channels, 5, 5, 1, 0.03f));
  x(0, 1, 2, 3) = NAN;
  const map dy = rounded<T>(map::random(3, channels, 5, 5, 2));
  const auto gx = upload(d, x), gdy = upload(d, dy);
  for (activation a : {activation::relu, activation::relu6})
    for (float corner : {0.f, 6.f}) {
      CAPTURE(int(a));
      CAPTURE(corner);
      const numbers shift(d, std::vector<float>(channels, corner));
      const norm_parameters p{zero.data(), one.data(), one.data(), shift.data(), 1e-6f};
      const auto y = garbage(d, x), from_x = garbage(d, x), from_y = garbage(d, x), dadd = garbage(d, x);
      norm_forward(d, a, gx, p, {}, y);
      norm_backward(d, a, statistics::running, gx, {}, gdy, {}, p, from_x, {}, dscale.data(), dshift.data());
      norm_backward(d, a, statistics::running, {}, y, gdy, {}, p, from_y, dadd, nullptr, nullptr);
      CHECK(distance(download(d, from_x), download(d, from_y)) == 0);
      CHECK(std::isnan(download(d, y)(0, 1, 2, 3)));
      CHECK(download(d, from_x)(0, 1, 2, 3) == 0);
    }
}

TEST_EACH_ELEMENT("The gradient of the input alone needs neither sums nor x") {
  cpu c(1);
  basic_cuda<T> d;
  const affine p(d, 24);
  const map x = rounded<T>(map::random(3, 24, 5, 5, 1)), dy = rounded<T>(map::random(3, 24, 5, 5, 2));
  map y = x.like(), dx = x.like();
  norm_forward(c, activation::relu, x, p.host(), {}, y);
  norm_backward(c, activation::relu, statistics::running, {}, y, dy, {}, p.host(), dx, {}, nullptr, nullptr);
  const auto gy = garbage(d, x), gdx = upload(d, dy);
  norm_forward(d, activation::relu, upload(d, x), p.device(), {}, gy);
  norm_backward(d, activation::relu, statistics::running, {}, gy, gdx, {}, p.device(), gdx, {}, nullptr, nullptr);
  CHECK(distance(download(d, gdx), dx) < bound<T>);
}

}  // namespace norm_test
