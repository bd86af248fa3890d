#include <advprop/layers/parameters.hpp>

#include "harness.hpp"

namespace parameters_test {

using namespace harness;

namespace {
template <class Domains>
struct store_of {
  cpu device{1};
  parameter_store<Domains, cpu> store;
  store_of() : store(device, filled()) {}
  static registry filled() {
    registry r;
    CHECK(r.weight("a.weight", {4, 3, 2, 2}, {initial::normal, 1}) == 0);
    CHECK(r.norm("n1", 4, false) == 0);
    CHECK(r.bias("a.bias", {4}, {initial::uniform, 1}) == 0);
    CHECK(r.weight("b.weight", {2, 4}, {initial::normal, 1}) == 48);
    CHECK(r.norm("n2", 2, true) == 4);
    return r;
  }
};
}  // namespace

TEST_CASE("Names join with a dot, and nothing joins nothing") {
  CHECK(join("a", "b") == "a.b");
  CHECK(join("", "b") == "b");
  CHECK(join("a", "") == "a");
  CHECK(join("", "") == "");
}

TEST_CASE(
    "Learnt numbers lie as weights, biases, then scale and shift of each set; statistics as mean and variance of "
    "each") {
  store_of<domains<3>> s;
  const auto& p = s.store;
  const domain last = domains<3>::at(2);
  CHECK(p.values().size() == 48 + 8 + 4 + 3 * 12);
  CHECK(p.gradients().size() == p.values().size());
  CHECK(p.running().size() == 3 * 12);
  CHECK(p.decayed() == 56);
  CHECK(p.biases() == 4);
  const float* v = p.values().data();
  CHECK(p.weight(48) == v + 48);
  CHECK(p.bias(0) == v + 56);
  CHECK(p.scale(0, main_domain) == v + 60);
  CHECK(p.shift(4, main_domain) == v + 60 + 6 + 4);
  CHECK(p.scale(4, last) == v + 60 + 24 + 4);
  CHECK(p.shift_gradient(4, last) - p.gradients().data() == p.shift(4, last) - v);
  CHECK(p.scale_gradient(4, last) - p.gradients().data() == p.scale(4, last) - v);
  CHECK(p.variance(4, last) == p.running().data() + 24 + 6 + 4);
  for (float g : p.gradients()) CHECK(g == 0);
}

TEST_CASE("The table covers every number once, and each entry is what the layer sees") {
  store_of<domains<3>> s;
  const auto& p = s.store;
  std::vector<int> learnt(p.values().size()), running(p.running().size());
  for (const parameter& q : p.table()) {
    const bool statistic = q.role == role::mean || q.role == role::variance;
    const auto span = p[q];
    CHECK(span.size() == q.count);
    for (float& f : span)
      ++(statistic ? running[static_cast<std::size_t>(&f - p.running().data())]
                   : learnt[static_cast<std::size_t>(&f - p.values().data())]);
    if (q.name == "n2.aux_bn.1.running_var") CHECK(span.data() == p.variance(4, domains<3>::at(2)));
    if (q.name == "n2.aux_bn.0.bias") CHECK(span.data() == p.shift(4, domains<3>::at(1)));
    if (q.name == "n1.weight") CHECK(span.data() == p.scale(0, main_domain));
    if (!statistic) CHECK(p.gradient(q).data() - p.gradients().data() == span.data() - p.values().data());
    CHECK((q.start.rule == initial::constant) == (q.role != role::weight && q.role != role::bias));
    if (q.start.rule == initial::constant)
      CHECK(q.start.spread == (q.role == role::scale || q.role == role::variance ? 1 : 0));
  }
  CHECK(learnt == std::vector<int>(learnt.size(), 1));
  CHECK(running == std::vector<int>(running.size(), 1));
}

TEST_CASE("Two tensors of one name are refused, layers of all kinds together") {
  cpu d(1);
  const auto refused = [&](const registry& r, const char* text) {
    CHECK_THROWS_WITH_AS((parameter_store<domains<2>, cpu>(d, r)), text, argument_error);
  };
  registry r = store_of<domains<2>>::filled();
  r.norm("a", 3, false);
  refused(r, "model: two of its tensors are called 'a.bias'; `named` gives a layer another name");
  r = store_of<domains<2>>::filled();
  r.norm("n1.aux_bn.0", 4, false);
  refused(r, "model: two of its tensors are called 'n1.aux_bn.0.bias'; `named` gives a layer another name");
}

TEST_CASE("What is shared is there once, under the main name") {
  store_of<domains<3, share::statistics>> statistics;
  store_of<domains<3, share::affine>> affine;
  const domain a = domains<3>::at(1), b = domains<3>::at(2);
  CHECK(statistics.store.running().size() == 12);
  CHECK(statistics.store.values().size() == 60 + 36);
  CHECK(statistics.store.mean(0, a) == statistics.store.mean(0, main_domain));
  CHECK(statistics.store.scale(0, a) != statistics.store.scale(0, b));
  CHECK(affine.store.running().size() == 36);
  CHECK(affine.store.values().size() == 60 + 12);
  CHECK(affine.store.scale(0, b) == affine.store.scale(0, main_domain));
  CHECK(affine.store.mean(0, a) != affine.store.mean(0, b));
  for (const parameter& p : statistics.store.table())
    CHECK(!(p.name.find("aux_bn") != std::string::npos && (p.role == role::mean || p.role == role::variance)));
  for (const parameter& p : affine.store.table())
    CHECK(!(p.name.find("aux_bn") != std::string::npos && (p.role == role::scale || p.role == role::shift)));
}

TEST_CASE("Running statistics have no gradient") {
  cpu d(1);
  net<convolution<5, 3>, batch_norm<>> m(d);
  for (const parameter& p : m.table())
    CHECK(m.gradient(p).size() == (p.role == role::mean || p.role == role::variance ? 0 : p.count));
  CHECK_THROWS_AS(m.batches_tracked(100), argument_error);
}

}  // namespace parameters_test
