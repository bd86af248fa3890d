#include <advprop/models/model.hpp>

#include <cmath>
#include <stdexcept>

#include "harness.hpp"

namespace model_test {

using namespace harness;

namespace {

using one = small_model<domains<1>>;
using two = small_model<domains<2>>;
using triple = small_model<three>;

/// One pass with the loss sum(logits * fixed numbers); gradients stay in the model.
template <class Model>
std::vector<float> run(Model& m, const_image_view x, const pass& p, image_view dx = {}) {
  m.zero_gradients();
  auto y = m.forward(x, p, dx.data() ? wrt::both : wrt::parameters);
  const auto logits = logits_of(y);
  feature_map<cpu> dy(m.device(), y.batch(), y.image());
  random_stream r(3);
  for (std::ptrdiff_t i = 0; i < cpu::elements(y.batch(), y.image()); ++i)
    dy.view().data[i] = i % 8 < 4 ? r.uniform(-1, 1) : 0.f;
  if (dx.data())
    m.template backward<wrt::both>(std::move(dy), dx);
  else
    m.template backward<wrt::parameters>(std::move(dy));
  return logits;
}
/// Learnt numbers of a set: everything without `aux_bn` for set 0, else the norms of auxiliary set - 1 under main
/// names.
template <class Model, class F>
std::vector<float> of_set(Model& m, int set, F numbers) {
  std::vector<float> v;
  for (const parameter& p : m.table())
    if (p.role != role::mean && p.role != role::variance &&
        (p.set == set || p.role == role::weight || p.role == role::bias))
      for (float f : numbers(p)) v.push_back(f);
  return v;
}

}  // namespace

// What is const gives no way to change it.
static_assert(std::same_as<decltype(std::declval<const two&>().values()), std::span<const float>> &&
              std::same_as<decltype(std::declval<const two&>().gradients()), std::span<const float>> &&
              std::same_as<decltype(std::declval<const two&>().running()), std::span<const float>> &&
              std::same_as<decltype(std::declval<const two&>()[parameter()]), std::span<const float>> &&
              std::same_as<decltype(std::declval<const two&>().gradient(parameter())), std::span<const float>>);

TEST_CASE("A model has as many learnt numbers as its architecture says, and more norms for more domains") {
  cpu d(1);
  const one a(d);
  const triple b(d);
  const small_model<domains<3, share::affine>> affine(d);
  const small_model<domains<3, share::statistics>> statistics(d);
  constexpr std::size_t norms = 2 * (6 + 6);
  CHECK(static_cast<long>(a.values().size()) == parameters<small>);
  CHECK(b.values().size() == a.values().size() + 2 * norms);
  CHECK(b.running().size() == 3 * norms);
  CHECK(affine.values().size() == a.values().size());
  CHECK(affine.running().size() == 3 * norms);
  CHECK(statistics.values().size() == b.values().size());
  CHECK(statistics.running().size() == norms);
  CHECK((one::classes == 4 && one::channels == 1));
}

TEST_CASE("One seed gives the same weights in any number of domains, another seed others; norms start at 1 and 0") {
  cpu d(1);
  one a(d, seed{9}), other(d, seed{10});
  triple b(d, seed{9});
  CHECK(same_bits(a.values().subspan(0, a.decayed()), b.values().subspan(0, b.decayed())));
  CHECK(!same_bits(a.values(), other.values()));
  for (const parameter& p : b.table()) {
    if (p.role == role::weight || p.role == role::bias) continue;
    for (float v : b[p]) CHECK(v == (p.role == role::scale || p.role == role::variance ? 1 : 0));
  }
  for (float g : b.gradients()) CHECK(g == 0);
}

TEST_CASE("zero_last_scale starts each residual branch as nothing, in every domain") {
  cpu d(1);
  two m(d, seed{1}, {.zero_last_scale = true}), without(d, seed{1});
  for (const parameter& p : m.table()) {
    if (p.name == "block.bn2.weight" || p.name == "block.bn2.aux_bn.0.weight")
      for (float v : m[p]) CHECK(v == 0);
    else
      CHECK(same_bits(m[p], without[p]));
  }
}

TEST_CASE("Domains fed the same images equal one batch norm, to the bit") {
  cpu d(1);
  one a(d, seed{4});
  triple b(d, seed{4});
  const auto x = images(6);
  for (int i = 0; i < 3; ++i) {
    tensor<float, 4> da(x.extents()), db(x.extents());
    one fresh(d, seed{4});
    const domain through = three::at(i);
    const auto ya = run(fresh, x, pass::train(main_domain), da), yb = run(b, x, pass::train(through), db);
    CHECK(same_bits(ya, yb));
    CHECK(same_bits(da, db));
    CHECK(same_bits(of_set(fresh, 0, [&](auto& p) { return fresh.gradient(p); }),
                    of_set(b, i, [&](auto& p) { return b.gradient(p); })));
    for (const parameter& p : b.table())
      if (p.set == i && (p.role == role::mean || p.role == role::variance)) {
        std::string name = p.name;
        if (i > 0) name.erase(name.find(".aux_bn"), 9);
        CHECK(same_bits(b[p], tensor_of(fresh, name)));
      }
    CHECK(b.batches_tracked(i) == 1);
  }
}

TEST_CASE("A training pass touches its own domain's gradients and statistics only") {
  cpu d(1);
  triple m(d);
  scramble(m);
  const auto before = copy_of(m.running());
  run(m, images(6), pass::train(three::auxiliary(1)));
  std::size_t at = 0;
  for (const parameter& p : m.table()) {
    if (p.role == role::mean || p.role == role::variance) {
      at = static_cast<std::size_t>(m[p].data() - m.running().data());
      CHECK(same_bits(m[p], std::span(before).subspan(at, p.count)) == (p.set != 2));
    } else {
      const auto g = m.gradient(p);
      const bool touched = std::any_of(g.begin(), g.end(), [](float v) { return v != 0; });
      CHECK(touched == (p.set == 2 || p.role == role::weight || p.role == role::bias));
    }
  }
  CHECK((m.batches_tracked(0) == 0 && m.batches_tracked(1) == 0 && m.batches_tracked(2) == 1));
  m.forward(images(6), pass{three::auxiliary(1), statistics::running, true, false});  // nothing to learn from
  CHECK(m.batches_tracked(2) == 1);
}

TEST_CASE("One concatenated pass equals one pass per part: logits, gradients and statistics") {
  cpu d(1);
  triple whole(d, seed{6}), parts(d, seed{6});
  scramble(whole);
  scramble(parts);
  const auto x = images(12);
  const int sizes[] = {6, 2, 4};
  const auto together = run(whole, x, pass::train(routing{{three::at(0), 6}, {three::at(1), 2}, {three::at(2), 4}}));

  random_stream r(3);  // the loss of `run`, part by part
  parts.zero_gradients();
  std::vector<float> apart;
  for (int i = 0, first = 0; i < 3; first += sizes[i++]) {
    auto y = parts.forward(x.view().slice(first, sizes[i]), pass::train(three::at(i)), wrt::parameters);
    for (float v : logits_of(y)) apart.push_back(v);
    feature_map<cpu> dy(d, y.batch(), y.image());
    for (std::ptrdiff_t k = 0; k < cpu::elements(y.batch(), y.image()); ++k)
      dy.view().data[k] = k % 8 < 4 ? r.uniform(-1, 1) : 0.f;
    parts.backward<wrt::parameters>(std::move(dy));
  }
  CHECK(distance(together, apart) < 1e-6);
  for (const parameter& p : whole.table())
    if (p.role != role::mean && p.role != role::variance) {
      INFO(p.name);
      CHECK(distance(whole.gradient(p), parts.gradient(p)) < 1e-5);
    }
  CHECK(distance(whole.running(), parts.running()) < 1e-6);
}

TEST_CASE("Sharing variants share what they say") {
  cpu d(1);
  const auto x = images(6);
  {
    small_model<domains<2, share::statistics>> m(d);
    m.forward(x, pass::train(domains<2>::auxiliary(0)));
    const auto after = copy_of(m.running());
    CHECK(std::any_of(after.begin(), after.end(), [](float v) { return v != 0 && v != 1; }));
    CHECK(m.batches_tracked(0) == 1);
    m.forward(x, pass::train(routing{{main_domain, 3}, {domains<2>::auxiliary(0), 3}}));
    CHECK(m.batches_tracked(0) == 3);
    run(m, x, pass::train(domains<2>::auxiliary(0)));
    CHECK(std::all_of(m.gradient(entry(m, "bn1.weight")).begin(), m.gradient(entry(m, "bn1.weight")).end(),
                      [](float v) { return v == 0; }));
    CHECK(m.gradient(entry(m, "bn1.aux_bn.0.weight"))[0] != 0);
  }
  {
    small_model<domains<2, share::affine>> m(d);
    run(m, x, pass::train(domains<2>::auxiliary(0)));
    CHECK(m.gradient(entry(m, "bn1.weight"))[0] != 0);
    for (float v : tensor_of(m, "bn1.running_mean")) CHECK(v == 0);
    CHECK(tensor_of(m, "bn1.aux_bn.0.running_mean")[0] != 0);
    CHECK((m.batches_tracked(0) == 0 && m.batches_tracked(1) == 1));
  }
}

TEST_CASE("copy_main_to_auxiliary gives every set the main one's numbers") {
  const auto check = [](auto& m) {
    scramble(m);
    m.batches_tracked(0) = 17;
    const auto weights = copy_of(m.values().subspan(0, m.decayed()));
    m.copy_main_to_auxiliary();
    CHECK(same_bits(m.values().subspan(0, m.decayed()), weights));
    int copies = 0;
    for (const parameter& p : m.table()) {
      if (p.set == 0) continue;
      std::string name = p.name;
      name.erase(name.find(".aux_bn"), 9);
      CHECK(same_bits(m[p], tensor_of(m, name)));
      ++copies;
    }
    return copies;
  };
  cpu d(1);
  triple all(d);
  small_model<domains<3, share::affine>> affine(d);
  small_model<domains<3, share::statistics>> statistics(d);
  one alone(d);
  CHECK(check(all) == 2 * 2 * 4);
  CHECK(check(affine) == 2 * 2 * 2);
  CHECK(check(statistics) == 2 * 2 * 2);
  CHECK(check(alone) == 0);
  CHECK(all.batches_tracked(2) == 17);
  const auto x = images(3);
  const auto main = logits_of(all.forward(x, pass::evaluate()));
  CHECK(same_bits(logits_of(all.forward(x, pass::evaluate(three::at(2)))), main));
}

TEST_CASE("Passes that do not update leave weights and statistics as they are") {
  cpu d(1);
  two m(d);
  scramble(m);
  const snapshot before(m);
  const auto x = images(4);
  tensor<float, 4> dx(x.extents());
  for (const pass& p :
       {pass::evaluate(), pass::attack(domains<2>::auxiliary(0)), pass::attack(main_domain, statistics::batch)})
    run(m, x, p, dx);
  CHECK(snapshot(m) == before);
}

TEST_CASE("Wrong images, routes and domains are refused, each in one sentence") {
  cpu d(1);
  one m(d);
  two pair(d);
  CHECK_THROWS_WITH_AS(m.forward(images(2, 8, 3), pass::evaluate()),
                       "model: images have 3 channels, the network takes 1", argument_error);
  CHECK_THROWS_WITH_AS(m.forward(images(0), pass::evaluate()), "model: the batch is empty", argument_error);
  CHECK_THROWS_WITH_AS(m.forward(images(2), pass::evaluate(three::at(1))), "domain out of range: 1 of 1",
                       argument_error);
  CHECK_THROWS_WITH_AS(pair.forward(images(2), pass::train(routing{{main_domain, 1}, {three::at(2), 1}})),
                       "domain out of range: 2 of 2", argument_error);
  CHECK_THROWS_WITH_AS(pair.forward(images(3), pass::train(routing{{main_domain, 2}, {three::at(1), 2}})),
                       "routing: parts hold 4 images, the batch 3", argument_error);
  CHECK_THROWS_AS(m.forward(images(1, 1), pass::train(main_domain)), argument_error);
  const auto x = images(2);
  CHECK_NOTHROW(run(m, x, pass::train(main_domain)));
}

TEST_CASE("Where a network does not end in one logit a class, there are no logits") {
  struct no_pool : architecture<normalize<mnist_statistics>, convolution<6, 3>, relu, convolution<4, 1>> {};
  cpu d(1);
  model<no_pool, domains<1>, cpu> m(d);
  CHECK_THROWS_WITH_AS(m.logits(images(2, 5), pass::evaluate()),
                       "model: the network ends in 5x5 feature maps, not in one logit a class", argument_error);
  CHECK(m.forward(images(2, 5), pass::evaluate()).image() == shape{4, 5, 5});
  CHECK_NOTHROW(m.logits(images(2, 1), pass::evaluate()));
}

TEST_CASE("Backward takes no more than the last forward pass kept, and only once") {
  cpu d(1);
  two m(d);
  const auto x = images(2);
  tensor<float, 4> dx(x.extents());
  const auto zeros = [&] {
    feature_map<cpu> z(d, 2, {4, 1, 1});
    std::fill_n(z.view().data, 16, 0.f);
    return z;
  };
  CHECK_THROWS_WITH_AS(m.backward<wrt::input>(zeros(), dx),
                       "model: backward wants more than the last forward pass kept", argument_error);
  m.forward(x, pass::evaluate(), wrt::input);
  CHECK_THROWS_AS(m.backward<wrt::both>(zeros(), dx), argument_error);
  CHECK_NOTHROW(m.backward<wrt::input>(zeros(), dx));
  CHECK_THROWS_AS(m.backward<wrt::input>(zeros(), dx), argument_error);
  m.forward(x, pass::evaluate(), wrt::both);
  CHECK_NOTHROW(m.backward<wrt::parameters>(zeros()));

  // One image of 2x2 pixels becomes one pixel, which has no variance.
  CHECK_THROWS_AS(m.forward(images(1, 2), pass::train(main_domain), wrt::both), argument_error);
  CHECK_THROWS_AS(m.backward<wrt::parameters>(zeros()), argument_error);
}

namespace {
/// y = x, until its way back fails.
struct brittle {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }
  template <int In, class Domains, class Device>
  class state {
   public:
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>&, feature_map<Device> x) { return x; }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>&, feature_map<Device>) {
      throw std::runtime_error("broken");
    }
  };
};
}  // namespace

TEST_CASE("After a pass back that failed there is nothing to go back through") {
  cpu d(1);
  struct network : architecture<normalize<mnist_statistics>, convolution<4, 3>, batch_norm<>, relu, brittle,
                                convolution<4, 3>, batch_norm<>, relu, global_average_pool, linear<4>> {};
  model<network, domains<1>, cpu> m(d);
  m.forward(images(2), pass::train(main_domain), wrt::parameters);
  const auto back = [&] { m.backward<wrt::parameters>(feature_map<cpu>(d, 2, {4, 1, 1})); };
  CHECK_THROWS_AS(back(), std::runtime_error);
  CHECK_THROWS_WITH_AS(back(), "model: backward wants more than the last forward pass kept", argument_error);
}

namespace {
/// y = x, which registers a number that it does not own up to, or says that it has twice as many channels.
struct forgetful : brittle {
  template <int In, class Domains, class Device>
  class state : public brittle::state<In, Domains, Device> {
   public:
    void setup(registry& r, const std::string& name) { r.weight(join(name, "slope"), {1}, {}); }
  };
};
struct boastful : brittle {
  static constexpr shape output(shape s) { return {2 * s.channels, s.height, s.width}; }
};
}  // namespace

TEST_CASE("A layer that is not what it says is refused, and named where the network is set up") {
  cpu d(1);
  struct hidden : architecture<normalize<mnist_statistics>, named<"own", forgetful>, convolution<4, 3>,
                               global_average_pool, linear<4>> {};
  using hidden_model = model<hidden, domains<2>, cpu>;
  CHECK_THROWS_WITH_AS(hidden_model{d}, "model: layer 0 registers 1 learnt numbers, its parameters() says 0",
                       argument_error);
  const char* const wanted =
      " input has 1 channels, 2 are wanted; a layer before it gives another shape than its output() says";
  const auto refused = [&]<class Network>(Network, const char* layer) {
    model<Network, domains<1>, cpu> m(d);
    CHECK_THROWS_WITH_AS(m.forward(images(2), pass::evaluate(main_domain)),
                         (std::string(layer) + ": its" + wanted).c_str(), argument_error);
  };
  struct before_convolution
      : architecture<normalize<mnist_statistics>, boastful, convolution<4, 3>, global_average_pool, linear<4>> {};
  struct before_norm
      : architecture<normalize<mnist_statistics>, boastful, batch_norm<>, global_average_pool, linear<4>> {};
  struct before_linear : architecture<normalize<mnist_statistics>, global_average_pool, boastful, linear<4>> {};
  refused(before_convolution{}, "convolution");
  refused(before_norm{}, "batch_norm");
  refused(before_linear{}, "linear");
}

TEST_CASE("Backward refuses gradients of another shape than the last forward pass") {
  cpu d(1);
  two m(d);
  const auto x = images(3);
  tensor<float, 4> dx(x.extents()), few({2, 8, 8, 1}), large({3, 8, 9, 1});
  const char* const logits =
      "model: backward is given the gradient of other logits than those of the last forward pass";
  const char* const shapes = "model: backward is to write into images of another shape than the last forward pass had";
  const auto refused = [&](int batch, int classes, image_view to, const char* text) {
    m.forward(x, pass::evaluate(), wrt::both);
    feature_map<cpu> dy(d, batch, {classes, 1, 1});
    CHECK_THROWS_WITH_AS(m.backward<wrt::both>(std::move(dy), to), text, argument_error);
  };
  refused(2, 4, dx, logits);
  refused(3, 5, dx, logits);
  refused(3, 4, few, shapes);
  refused(3, 4, large, shapes);
  refused(3, 4, {}, shapes);
}

TEST_CASE("After a pass the arena holds the model alone, and an attack's pass needs less than a training pass") {
  cpu d(1);
  two m(d);
  m.gradients();  // which it has once it learns
  const std::size_t own = d.memory().in_use();
  const auto x = images(16);
  tensor<float, 4> dx(x.extents());
  const auto peak = [&]<wrt W>(const pass& p) {
    d.memory().reset_peak();
    auto y = m.forward(x, p, W);
    m.template backward<W>(std::move(y), dx);
    CHECK(d.memory().in_use() == own);
    return d.memory().peak();
  };
  const auto attack = peak.operator()<wrt::input>(pass::attack(main_domain));
  const auto training = peak.operator()<wrt::parameters>(pass::train(main_domain));
  CHECK(attack < training);
  CHECK(d.memory().slabs() == 1);
  m.forward(x, pass::evaluate());
  CHECK(d.memory().in_use() == own);
}

TEST_CASE("One seed gives the same bits on one thread and on several") {
  cpu a(1), b(3);
  two m(a, seed{2}), n(b, seed{2});
  const auto x = images(9, 13);
  tensor<float, 4> dm(x.extents()), dn(x.extents());
  const routing r{{main_domain, 5}, {domains<2>::auxiliary(0), 4}};
  CHECK(same_bits(run(m, x, pass::train(r), dm), run(n, x, pass::train(r), dn)));
  CHECK(same_bits(dm, dn));
  CHECK(same_bits(m.gradients(), n.gradients()));
  CHECK(same_bits(m.running(), n.running()));
}

}  // namespace model_test
