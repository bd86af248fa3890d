#include <advprop/core/distributions.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

namespace distributions_test {

using namespace advprop;

namespace {

/// The largest distance between the sample's distribution function and F: below 1.95 / sqrt(n) in 99.9 % of samples.
template <class F>
double kolmogorov(std::vector<double> sample, F distribution) {
  std::sort(sample.begin(), sample.end());
  double worst = 0;
  const double n = static_cast<double>(sample.size());
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double f = distribution(sample[i]), at = static_cast<double>(i);
    worst = std::max({worst, std::abs(f - at / n), std::abs(f - (at + 1) / n)});
  }
  return worst * std::sqrt(n);
}
std::vector<double> betas(double a, double b, int count) {
  random_stream r(5);
  std::vector<double> v;
  for (int i = 0; i < count; ++i) v.push_back(double(beta(r, a, b)));
  return v;
}

}  // namespace

TEST_CASE("Gamma variates have the distribution of their shape") {
  random_stream r(4);
  const auto sample = [&](double shape) {
    std::vector<double> v;
    for (int i = 0; i < 20000; ++i) v.push_back(std::exp(log_gamma_variate(r, shape)));
    return v;
  };
  CHECK(kolmogorov(sample(1), [](double x) { return 1 - std::exp(-x); }) < 1.95);
  CHECK(kolmogorov(sample(2), [](double x) { return 1 - std::exp(-x) * (1 + x); }) < 1.95);
  CHECK(kolmogorov(sample(0.5), [](double x) { return std::erf(std::sqrt(x)); }) < 1.95);
  CHECK(kolmogorov(sample(1), [](double x) { return std::erf(std::sqrt(x)); }) > 10);
}

TEST_CASE("Beta variates have the distribution of their two shapes, and survive tiny ones") {
  CHECK(kolmogorov(betas(1, 1, 20000), [](double x) { return x; }) < 1.95);
  CHECK(kolmogorov(betas(2, 2, 20000), [](double x) { return x * x * (3 - 2 * x); }) < 1.95);
  CHECK(kolmogorov(betas(0.5, 0.5, 20000), [](double x) { return 2 / 3.14159265358979 * std::asin(std::sqrt(x)); }) <
        1.95);
  CHECK(kolmogorov(betas(3, 1, 20000), [](double x) { return x * x * x; }) < 1.95);
  // Beta(0.2, 0.2), mixup's: mean 1/2, variance 1 / (4 (2 * 0.2 + 1)).
  double sum = 0, squares = 0;
  for (double v : betas(0.2, 0.2, 20000)) sum += v, squares += (v - 0.5) * (v - 0.5);
  CHECK(sum / 20000 == doctest::Approx(0.5).epsilon(0.02));
  CHECK(squares / 20000 == doctest::Approx(1 / (4 * 1.4)).epsilon(0.02));
  int ends = 0;
  for (double v : betas(1e-3, 1e-3, 1000)) {
    CHECK((v >= 0 && v <= 1));
    ends += v < 1e-3 || v > 0.999;
  }
  CHECK(ends > 980);
}

TEST_CASE("A stream gives its variates again") { CHECK(betas(0.2, 0.7, 50) == betas(0.2, 0.7, 50)); }

}  // namespace distributions_test
