// What no optimizer changes has no gradient, and what does learn has the gradient that it would have anyway.
#include <advprop/models/model.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <advprop/models/efficientnet.hpp>
#include <advprop/models/resnet.hpp>

#include "harness.hpp"

namespace learning_test {

using namespace harness;

namespace {

/// EfficientNet, a fifth as wide: gates, depthwise convolutions, dropout, stochastic depth.
struct fifth {
  static constexpr double width = .2, depth = 1;
  static constexpr int resolution = 32;
  static constexpr float dropout = .2f;
};
using small_efficientnet = compound_efficientnet<fifth, 4>;

/// Bodies of one convolution, of none, without a norm at the end; a shortcut that learns; biases; average pooling.
struct odd_blocks : architecture<normalize<mnist_statistics>, convolution<8, 3, 2, 1, 1, bias::on>, relu,
                                 residual<sequential<convolution<8, 3>, batch_norm<>>, identity, relu>,
                                 residual<sequential<batch_norm<>>, named<"shortcut", convolution<8, 1>>, silu>,
                                 repeat<2, residual<sequential<batch_norm<>, relu, convolution<8, 3, 1, 1, 2>>>>,
                                 residual<sequential<relu, convolution<8, 1, 1, 0, 1, bias::on>>,
                                          named<"downsample", sequential<convolution<8, 1>, batch_norm<>>>, relu>,
                                 max_pool<2>, global_average_pool, linear<6>, relu, linear<4>> {};

/// The layer of a tensor: its name without the last word and without the auxiliary set.
std::string layer_of(const parameter& p) {
  const std::string name = p.name.substr(0, p.name.rfind('.'));
  const auto set = name.find(".aux_bn");
  return name.substr(0, set);
}
bool is_learnt(const parameter& p) { return p.role != role::mean && p.role != role::variance; }

/// Gradients of a training pass through both domains and, if asked for, of the images.
template <class Model>
void pass_back(Model& m, const_image_view x, image_view dx = {}) {
  const int half = x.extent(0) / 2;
  const routing both{{main_domain, half}, {domains<2>::at(1), x.extent(0) - half}};
  auto y = m.forward(x, pass::train(both), dx.data() ? wrt::both : wrt::parameters, {random_stream(8), 0, false});
  feature_map<cpu> dy(m.device(), y.batch(), y.image());
  random_stream r(3);
  for (std::ptrdiff_t i = 0; i < cpu::elements(y.batch(), y.image()); ++i)
    dy.view().data[i] = i % 8 < 4 ? r.uniform(-1, 1) : 0.f;
  y = {};
  if (dx.data())
    m.template backward<wrt::both>(std::move(dy), dx);
  else
    m.template backward<wrt::parameters>(std::move(dy));
}

/// For many choices of what learns: the same bits where something does, zeros in layers where nothing does.
template <class Network>
void check(int extent, int channels, int choices) {
  using network = model<Network, domains<2>, cpu>;
  cpu d(1);
  network all(d, seed{2}), m(d, seed{2});
  scramble(all), scramble(m);
  const auto x = images(6, extent, channels);
  tensor<float, 4> dx_all(x.extents()), dx(x.extents());
  pass_back(all, x, dx_all);
  const auto running = copy_of(all.running());
  const std::size_t tensors = m.table().size();
  int lowest = 0;
  for (const parameter& p : m.table()) lowest = std::max(lowest, p.place);

  random_stream r(11);
  for (int k = 0; k < choices; ++k) {
    std::vector<bool> learns(tensors);
    const int from = k % 2 == 0 ? r.below(lowest + 1) : 0;  // by halves: all from some layer on, and anything
    for (std::size_t i = 0; i < tensors; ++i) {
      const parameter& p = m.table()[i];
      learns[i] = p.place >= from && (k % 4 == 0 || r.uniform() < (k % 4 == 1 ? 0.05f : 0.5f));
    }
    const bool to_images = k % 5 == 4;
    scramble(m);
    m.zero_gradients();
    {
      const learning_claim claim = m.learning(learns);
      pass_back(m, x, to_images ? image_view(dx) : image_view());
    }
    CHECK(same_bits(m.running(), running));
    if (to_images) CHECK(same_bits(dx, dx_all));
    for (std::size_t i = 0; i < tensors; ++i) {
      const parameter& p = m.table()[i];
      if (!is_learnt(p)) continue;
      bool layer_learns = false;
      for (std::size_t j = 0; j < tensors; ++j)
        layer_learns |= learns[j] && is_learnt(m.table()[j]) && layer_of(m.table()[j]) == layer_of(p);
      CAPTURE(k);
      CAPTURE(p.name);
      if (learns[i]) CHECK(same_bits(m.gradient(p), all.gradient(p)));
      if (!layer_learns) CHECK(std::all_of(m.gradient(p).begin(), m.gradient(p).end(), [](float g) { return g == 0; }));
    }
  }
  m.zero_gradients();
  pass_back(m, x);
  CHECK(same_bits(m.gradients(), all.gradients()));
}

}  // namespace

TEST_CASE("Whatever is kept as it is, gradients of what learns are the same bits, and of layers that do not, zeros") {
  check<small>(8, 1, 40);
  check<odd_blocks>(12, 1, 200);
  check<cifar_resnet<1, 4>>(8, 3, 40);
  check<resnet::torchvision<resnet::bottleneck, 4, resnet::imagenet_stem, normalize<imagenet_statistics>, 1, 1, 1, 1>>(
      32, 3, 20);
  check<small_efficientnet>(small_efficientnet::resolution, 3, 30);
}

TEST_CASE("A tensor learns while one optimizer at work changes it, and all do when there is none") {
  cpu d(1);
  small_model<> m(d);
  const auto only = [&](const std::string& layer) {
    std::vector<bool> learns;
    for (const parameter& p : m.table()) learns.push_back(layer_of(p) == layer);
    return learns;
  };
  const auto with_gradients = [&] {
    std::string names;
    m.zero_gradients();
    pass_back(m, images(4));
    for (const parameter& p : m.table())
      if (p.set == 0 && (p.role == role::weight || p.role == role::scale) &&
          std::any_of(m.gradient(p).begin(), m.gradient(p).end(), [](float g) { return g != 0; }))
        names += layer_of(p) + " ";
    return names;
  };
  const std::string all = "conv1 block.conv fc bn1 block.bn2 ";
  CHECK(with_gradients() == all);
  std::optional<learning_claim> head(m.learning(only("fc")));
  CHECK(with_gradients() == "fc ");
  {
    const learning_claim norm = m.learning(only("bn1"));
    CHECK(with_gradients() == "fc bn1 ");
    const learning_claim whole = m.learning(std::vector<bool>(m.table().size(), true));
    CHECK(with_gradients() == all);
  }
  CHECK(with_gradients() == "fc ");
  learning_claim moved = std::move(*head);
  head.reset();
  CHECK(with_gradients() == "fc ");
  moved = m.learning(only("block.conv"));
  CHECK(with_gradients() == "block.conv ");
  moved = {};
  CHECK(with_gradients() == all);
  CHECK_THROWS_WITH_AS(static_cast<void>(m.learning({true})), "model: learning is told of 1 tensors, the table has 20",
                       argument_error);
  CHECK(with_gradients() == all);
}

TEST_CASE("A claim outlives its model, and what it changes between a pass and its way back is refused") {
  cpu d(1);
  std::optional<small_model<>> m(std::in_place, d);
  const std::size_t tensors = m->table().size();
  std::vector<bool> fc(tensors);
  for (std::size_t i = 0; i < tensors; ++i) fc[i] = m->table()[i].name.starts_with("fc");
  const auto forward = [&] {
    auto y = m->forward(images(4), pass::train(main_domain), wrt::parameters);
    return feature_map<cpu>(d, y.batch(), y.image());
  };
  const char* refusal = "model: since the forward pass, other tensors have come to learn; run it again";
  auto dy = forward();
  std::optional<learning_claim> claim(m->learning(fc));
  CHECK_THROWS_WITH_AS(m->backward<wrt::parameters>(std::move(dy)), refusal, argument_error);
  dy = forward();
  claim.reset();
  CHECK_THROWS_WITH_AS(m->backward<wrt::parameters>(std::move(dy)), refusal, argument_error);
  dy = forward();
  claim.emplace(m->learning(std::vector<bool>(tensors, true)));  // as before: all
  fill(d, 0.f, {dy.view().data, static_cast<std::size_t>(cpu::elements(4, dy.image()))});
  CHECK_NOTHROW(m->backward<wrt::parameters>(std::move(dy)));
  m.reset();
}

}  // namespace learning_test
