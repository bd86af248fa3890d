#include <advprop/robustness/apgd.hpp>

#include "trained.hpp"

#include <advprop/attacks/objective.hpp>

namespace apgd_test {

using namespace harness;

namespace {

constexpr apgd_loss losses[] = {apgd_loss::cross_entropy, apgd_loss::targeted_dlr};

}  // namespace

namespace {
/// How many of 60 images a linear model keeps although another class is within reach, and how many it should keep; no
/// image may be fooled beyond reach.
template <int Classes>
std::pair<int, int> missed(const apgd& a) {
  cpu d(1);
  linear_model<Classes> m(d, seed{2});
  centre(m);
  attacked_model target(m);
  owned_batch b(points(60), predictions(target, points(60)));
  const bool euclidean = a.norm == attack::norm::l2;
  const auto far = distances(m, b, euclidean);
  a.run(target, b);
  check_inside(b, a.epsilon / 255, euclidean);
  int count = 0, robust = 0;
  for (std::size_t i = 0; i < far.size(); ++i) {
    const double ratio = far[i] * 255 / double(a.epsilon);
    if (!b.robust[i]) CHECK(ratio < 1.0001);
    count += b.robust[i] && ratio < 0.999;
    robust += ratio >= 1;
  }
  return {count, robust};
}
}  // namespace

TEST_CASE("A linear classifier loses exactly the images whose distance to another class is below epsilon") {
  for (const attack::norm norm : {attack::norm::linf, attack::norm::l2})
    for (const float pixels : {2.f, 6.f, 15.f}) {
      // Of two classes the loss has one best point; of several, a corner of the ball for each class.
      const auto [of_two, left] = missed<2>({.epsilon = pixels, .norm = norm, .steps = 30});
      CHECK(of_two == 0);
      CHECK((left > 0 && left < 60));
      const auto [of_six, six_left] =
          missed<6>({.epsilon = pixels, .norm = norm, .steps = 30, .loss = apgd_loss::targeted_dlr});
      CHECK(of_six == 0);
      CHECK((six_left > 0 && six_left < 60));
      CHECK(missed<6>({.epsilon = pixels, .norm = norm, .steps = 30, .restarts = 5}).first <= 10);
    }
}

TEST_CASE("Epsilon 0 returns the images bit for bit and leaves the flags") {
  for (const apgd_loss loss : losses)
    for (const auto norm : {attack::norm::linf, attack::norm::l2}) {
      owned_batch b(images(5), labels(5));
      b.images.data()[3] = -0.f;
      const auto before = b.images;
      attacked_model target(trained());
      CHECK(apgd{.epsilon = 0, .norm = norm, .loss = loss}.run(target, b).attacked == 0);
      CHECK(same_bits(b.images, before));
      CHECK(b.left() == 5);
    }
}

TEST_CASE("Images lie in the ball and in [0, 1]; fooled ones are misclassified; the model is as before") {
  two& m = trained();
  const snapshot before(m);
  const auto gradients = copy_of(m.gradients());
  for (const domain through : {main_domain, auxiliary})
    for (const apgd_loss loss : losses)
      for (const bool euclidean : {false, true}) {
        attacked_model target(m, through);
        owned_batch b = patterns(24, 4);
        for (int i = 0; i < b.clean.size(); i += 7) b.images.data()[i] = b.clean.data()[i] = static_cast<float>(i % 2);
        judge(target, b);
        const auto correct = b.robust;
        const float pixels = euclidean ? 120.f : 20.f;
        const auto evidence = apgd{.epsilon = pixels,
                                   .norm = euclidean ? attack::norm::l2 : attack::norm::linf,
                                   .steps = 8,
                                   .restarts = 2,
                                   .loss = loss,
                                   .targets = 3}
                                  .run(target, b);
        CHECK(evidence.attacked == std::ranges::count(correct, char{1}));
        CHECK(evidence.zero_gradients == 0);
        check_inside(b, pixels / 255, euclidean);
        const auto claimed = b.robust;
        judge(target, b);
        CHECK(b.robust == claimed);
        for (std::size_t i = 0; i < claimed.size(); ++i)
          if (!correct[i])
            CHECK(std::equal(&b.images.data()[i * 64], &b.images.data()[i * 64 + 64], &b.clean.data()[i * 64]));
        CHECK(b.left() < std::ranges::count(correct, char{1}));
      }
  CHECK(snapshot(m) == before);
  CHECK(same_bits(m.gradients(), gradients));
}

TEST_CASE("An image fares the same alone and in a batch, and on one thread and on two") {
  two& m = trained();
  cpu other(2);
  two n(other, seed{1});
  std::ranges::copy(m.values(), n.values().begin());
  std::ranges::copy(m.running(), n.running().begin());
  attacked_model target(m), threaded(n);
  for (const apgd_loss loss : losses)
    for (const auto norm : {attack::norm::linf, attack::norm::l2}) {
      const apgd a{.epsilon = norm == attack::norm::l2 ? 100.f : 16.f,
                   .norm = norm,
                   .steps = 12,
                   .restarts = 2,
                   .loss = loss,
                   .targets = 2};
      owned_batch all = patterns(20, 4), again = patterns(20, 4);
      a.run(target, all);
      a.run(threaded, again);
      CHECK(same_bits(all.images, again.images));
      CHECK(all.robust == again.robust);
      INFO("left ", all.left());
      CHECK((all.left() > 0 && all.left() < 20));
      for (int i = 0; i < 20; ++i) {
        owned_batch alone = all.part(i, 1);
        a.run(target, alone);
        CHECK(alone.robust[0] == all.robust[static_cast<std::size_t>(i)]);
        CHECK(same_bits(alone.images, std::span(all.images.data() + i * 64, 64)));
      }
    }
}

TEST_CASE("Another stream of random numbers is another attack") {
  attacked_model target(trained());
  const apgd a{.epsilon = 20, .steps = 3};
  owned_batch b = patterns(20, 4), c = b;
  for (random_stream& s : c.streams) s = s.split(1);
  a.run(target, b);
  a.run(target, c);
  CHECK(!same_bits(b.images, c.images));
}

TEST_CASE("APGD is never weaker than PGD of as many steps, on a trained network, by more than one image in 200") {
  two& m = trained();
  attacked_model target(m);
  int strictly = 0;
  for (const bool euclidean : {false, true})
    for (const float pixels : {8.f, 14.f, 20.f})
      for (const int steps : {10, 30}) {
        const float e = euclidean ? 6 * pixels : pixels;
        const auto norm = euclidean ? attack::norm::l2 : attack::norm::linf;
        owned_batch pgd = patterns(200, 4);
        random_stream rng(1);
        perturb(m,
                attack::pgd{.epsilon = e, .step = 2.5f * e / static_cast<float>(steps), .steps = steps, .norm = norm},
                pgd.images.view(), pgd.labels.view(), rng);
        judge(target, pgd);
        owned_batch clean = patterns(200, 4), b = clean;
        judge(target, b);
        CHECK(b.left() > 190);
        apgd{.epsilon = e, .norm = norm, .steps = steps}.run(target, b);
        INFO("epsilon ", e, ", steps ", steps, ": PGD leaves ", pgd.left(), ", APGD ", b.left());
        CHECK(b.left() <= pgd.left() + 1);
        strictly += b.left() > 0 && b.left() < 200;
        const int by_entropy = b.left();
        apgd{.epsilon = e, .norm = norm, .steps = steps, .loss = apgd_loss::targeted_dlr}.run(target, b);
        CHECK(b.left() <= by_entropy);
      }
  CHECK(strictly > 4);
}

TEST_CASE("Gradients of the losses: finite differences, and a share for the label where the network is certain") {
  random_stream r(3);
  std::vector<float> z(7), dz(7), other(7);
  for (int trial = 0; trial < 20; ++trial) {
    for (float& v : z) v = r.uniform(-2, 2);
    const auto label = static_cast<std::size_t>(r.below(7)),
               target = (label + 1 + static_cast<std::size_t>(r.below(6))) % 7;
    const auto loss = [&](std::span<float> gradient) {
      return robustness::detail::targeted_dlr(z, label, target, gradient);
    };
    const auto entropy = [&](std::span<float> gradient) {
      return robustness::detail::cross_entropy(z, label, gradient);
    };
    const auto check = [&](const auto& f) {
      f(dz);
      for (std::size_t k = 0; k < 7; ++k) {
        const float before = z[k];
        z[k] = before + 0.0009765625f;
        const double above = f(other);
        z[k] = before - 0.0009765625f;
        const double below = f(other);
        z[k] = before;
        CHECK((above - below) / 0.001953125 == doctest::Approx(double(dz[k])).epsilon(0.02));
      }
    };
    check(entropy);
    check(loss);
    const double before = loss(dz);
    for (float& v : z) v = 3 * v + 5;
    CHECK(loss(dz) == doctest::Approx(before).epsilon(1e-5));
  }
  const std::vector<float> certain = {40, 0, 0, 0};
  robustness::detail::cross_entropy(certain, 0, dz);
  CHECK(dz[0] < 0);
  CHECK(robustness::detail::wrong_class(std::vector<float>{3, 9, 3, 5}, 1, 0) == 3);
  CHECK(robustness::detail::wrong_class(std::vector<float>{3, 9, 3, 5}, 1, 1) == 0);
  CHECK(robustness::detail::wrong_class(std::vector<float>{3, 9, 3, 5}, 1, 2) == 2);
}

TEST_CASE("Bad arguments give one message that names the attack and the member") {
  attacked_model target(trained());
  owned_batch b = patterns(4, 4);
  const auto check = [&](const apgd& a, const char* text) {
    CHECK_THROWS_WITH_AS(a.run(target, b), doctest::Contains(text), argument_error);
  };
  check({.epsilon = -1}, "apgd: epsilon is -1");
  check({.epsilon = NAN}, "apgd: epsilon is nan");
  check({.steps = 0}, "apgd: steps is 0, must be 1 or more");
  check({.restarts = 0}, "apgd: restarts is 0, must be 1 or more");
  check({.rho = 2}, "apgd: rho is 2");
  check({.loss = apgd_loss::targeted_dlr, .targets = 0}, "apgd: targets is 0, must be 1 or more");
  b.labels(2) = 4;
  check({}, "apgd: label 4 of image 2 is outside 0..3");
  b.streams.pop_back();
  check({}, "apgd: 4 images but 4 labels, 3 streams and 4 flags");

  cpu d(1);
  linear_model<3> three(d);
  attacked_model few(three);
  owned_batch c(points(4), labels(4, 3));
  CHECK_THROWS_WITH_AS(apgd{.loss = apgd_loss::targeted_dlr}.run(few, c),
                       "apgd: the targeted DLR loss needs at least 4 classes; the network has 3", argument_error);
  CHECK_NOTHROW(apgd{}.run(few, c));
  three[three.table()[1]][1] = NAN;
  CHECK_THROWS_WITH_AS(apgd{}.run(few, c), "robustness: logit 1 of an image is NaN or infinite", numeric_error);
  CHECK_THROWS_AS(judge(few, c), numeric_error);
}

}  // namespace apgd_test
