#include <advprop/attacks/strongest.hpp>

#include <set>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/objective.hpp>
#include <advprop/attacks/pgd.hpp>

namespace strongest_test {

using namespace harness;

namespace {
using two = small_model<domains<2>>;

struct of_its_own {
  void perturb(auto&, auto&, const auto&, random_stream&) const {}
};
struct by_the_batch {
  static constexpr statistics source = statistics::batch;
  void perturb(auto&, auto&, const auto&, random_stream&) const {}
};
}  // namespace

TEST_CASE("Each image keeps the result with the largest loss, of several starts and of several attacks") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto x = images(9);
  const auto y = labels(9);
  const auto check = [&](std::size_t kept, const auto&... attacks) {
    random_stream apart(3), together(3);
    std::vector<tensor<float, 4>> tried;
    std::vector<std::vector<float>> reached;
    const auto run = [&](const auto& a) {
      auto& z = tried.emplace_back(x);
      perturb(m, a, z.view(), y.view(), apart, domains<2>::auxiliary(0));
      objective<two> o(m, {.through = domains<2>::auxiliary(0)});
      const auto losses = o.losses({d, z.view()}, y.view());
      reached.emplace_back(losses.begin(), losses.end());
    };
    (run(attacks), ...);
    auto best = x;
    perturb(m, attack::strongest(attacks...), best.view(), y.view(), together, domains<2>::auxiliary(0));
    CHECK(together.position() == apart.position());
    std::set<std::size_t> chosen;
    for (int n = 0; n < 9; ++n) {
      std::size_t largest = 0;
      for (std::size_t k = 1; k < tried.size(); ++k)
        if (reached[k][static_cast<std::size_t>(n)] > reached[largest][static_cast<std::size_t>(n)]) largest = k;
      chosen.insert(largest);
      CHECK(same_bits(best.view().slice(n, 1), tried[largest].view().slice(n, 1)));
    }
    CHECK(chosen.size() >= kept);
  };
  const attack::pgd start{.epsilon = 16, .steps = 1};
  check(2, start, start, start, start);
  check(2, attack::pgd{.epsilon = 8, .steps = 2}, attack::pgd{.epsilon = 42, .steps = 2, .norm = attack::norm::l2});
  check(1, attack::pgd{.epsilon = 8, .goal = attack::goal::random_class}, attack::fgsm{.epsilon = 4}, attack::none{});
  check(1, start);
  check(1, attack::none{}, of_its_own{});
}

TEST_CASE("Attacks together see one network, which the first one's statistics, smoothing and dropout say") {
  const attack::strongest both(attack::pgd{.source = statistics::batch, .smoothed = true, .dropped = true},
                               attack::fgsm{.source = statistics::batch, .smoothed = true, .dropped = true});
  static_assert(attack_policy<decltype(both)>);
  CHECK((both.source == statistics::batch && both.smoothed && both.dropped));
  CHECK(attack::strongest(of_its_own{}).source == statistics::running);
  CHECK(attack::strongest(by_the_batch{}).source == statistics::batch);
  const auto refused = [](const auto& a, const auto& b) {
    CHECK_THROWS_WITH_AS(attack::strongest(a, b), doctest::Contains("must have one source, smoothed and dropped"),
                         argument_error);
  };
  refused(attack::pgd{}, by_the_batch{});
  refused(attack::pgd{}, attack::pgd{.smoothed = true});
  refused(of_its_own{}, attack::pgd{.dropped = true});
}

TEST_CASE("A description tells one list of attacks from another") {
  const auto text = [](const auto&... a) { return attack::strongest(a...).description(); };
  std::set<std::string> all{text(attack::pgd{}),
                            text(attack::pgd{}, attack::pgd{}),
                            text(attack::pgd{}, attack::fgsm{}),
                            text(attack::fgsm{}, attack::pgd{}),
                            text(attack::pgd{.epsilon = 3}),
                            text(by_the_batch{}),
                            text(of_its_own{})};
  CHECK(all.size() == 7);
}

}  // namespace strongest_test
