#include <advprop/models/architecture.hpp>

#include <doctest/doctest.h>

namespace architecture_test {

using namespace advprop;

namespace {
struct tiny : architecture<normalize<mnist_statistics>, convolution<4, 3, 2>, batch_norm<>, relu, global_average_pool,
                           linear<7>> {};
}  // namespace

static_assert(network_layers<tiny> && !network_layers<linear<7>> && !network_layers<int>);
static_assert(parameters<tiny> == 4 * 9 + 8 + 4 * 7 + 7);
static_assert(class_count<tiny> == 7);
static_assert(tiny::output({1, 28, 28}) == shape{7, 1, 1});

TEST_CASE("An architecture is a type without numbers") { CHECK(sizeof(tiny) == 1); }

}  // namespace architecture_test
