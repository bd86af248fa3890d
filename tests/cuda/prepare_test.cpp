#include "device_under_test.hpp"

#include <string>

#include <advprop/advprop.hpp>
#include <advprop/robustness/attacked_model.hpp>

#include "../models/harness.hpp"

namespace prepare_test {

using namespace device_tests;

namespace {

using network = model<harness::small, domains<2>, cuda>;
const adversarial_propagation method(attack::pgd{.epsilon = 4, .step = 2, .steps = 2});

/// An attack that is particular about where it is run.
struct particular {
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    if (images.device->dry()) fail("no dry run");
    objective.input_gradient(images, labels);
  }
};

struct prepared {
  long before = 0;
  /// Every fused kind that has come up since was made ready for, and there were some.
  void check(const cuda_device& d, const std::string& what) {
    CAPTURE(what);
    const cuda_counts c = d.counts();
    CHECK(c.fused + c.apart > before);
    CHECK(c.fused + c.apart == c.prepared);
    before = c.fused + c.apart;
  }
};

}  // namespace

TEST_CASE("What cuDNN compiles for is known before it is wanted") {
  if (processors() < 2) return;  // nothing is made ready where it would take as long
  cuda d;
  network net(d, seed{1});
  const auto images = harness::images(18);
  const auto labels = harness::labels(18);
  const array_source<float> data(images.view(), labels.view(), 4);
  prepared all;
  SUBCASE("in training, an epoch's last batch and evaluation behind it too") {
    loader batches(data, {.batch = 4, .workers = 0});
    fit(net, batches, method, sgd{}, {.epochs = 2});
    all.check(d, "fit");
    evaluate(net, data, {.batch = 7});
    all.check(d, "evaluate");
    evaluate(net, data, {.batch = 8}, attack::pgd{.epsilon = 4, .step = 2, .steps = 2});
    all.check(d, "evaluate under attack");
  }
  SUBCASE("in predictions") {
    predict_classes(net, images.view(), {.batch = 5});
    all.check(d, "predict_classes");
    predict_probabilities(net, images.view(), {.batch = 6});
    all.check(d, "predict_probabilities");
  }
  SUBCASE("in attacks for evaluation, whatever the number of images") {
    robustness::attacked_model target(net);
    for (const int count : {3, 17}) {
      const image_buffer<cuda> some(d, {count, 8, 8, 1}), gradient(d, some.extents());
      fill(d, .5f, std::span<float>(some.begin(), some.end()));
      tensor<float, 2> logits({count, 4});
      if (count == 3) target.logits(some, logits.view());
      target.gradient(
          some, [](int, std::span<const float>, std::span<float> dz) { dz[0] = 1; }, logits.view(), gradient);
      all.check(d, std::to_string(count));
    }
  }
}

TEST_CASE("An attack that a dry run cannot run is run all the same, and a loop of one's own may prepare") {
  cuda d;
  network net(d, seed{1});
  const auto images = harness::images(6);
  const auto labels = harness::labels(6);
  const array_source<float> data(images.view(), labels.view(), 4);
  CHECK(evaluate(net, data, {.batch = 6}, particular{}).total.images == 6);

  const long before = d.counts().prepared;
  cuda dry(dry_run{}, d);
  network twin(dry);
  plan_training(twin, method, sgd{}, {3, 8, 8});
  d.prepare(dry);
  if (processors() > 1) CHECK(d.counts().prepared > before);
  const long once = d.counts().prepared;
  d.prepare(dry);
  CHECK(d.counts().prepared == once);
}

}  // namespace prepare_test
