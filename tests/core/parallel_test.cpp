#include <advprop/core/parallel.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace parallel_test {

using namespace advprop;

TEST_CASE("parallel_for calls f once for every index, whatever the number of threads") {
  for (int threads : {1, 2, 3, 8})
    for (int count : {0, 1, 2, 7, 1000}) {
      std::vector<int> calls(static_cast<std::size_t>(count));
      parallel_for(threads, count, [&](std::ptrdiff_t i) { ++calls[static_cast<std::size_t>(i)]; });
      CHECK(calls == std::vector<int>(static_cast<std::size_t>(count), 1));
    }
}

TEST_CASE("parallel_for on one thread runs in order, on the caller's thread") {
  std::vector<std::ptrdiff_t> order;
  parallel_for(1, 5, [&](std::ptrdiff_t i) { order.push_back(i); });
  CHECK(order == std::vector<std::ptrdiff_t>{0, 1, 2, 3, 4});
}

#ifdef _OPENMP
TEST_CASE("There are no more processors than OpenMP is told to use") {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);  // as OMP_NUM_THREADS does
  CHECK(processors() == 1);
  omp_set_num_threads(1000);
  CHECK(processors() == omp_get_num_procs());
  omp_set_num_threads(before);
}

TEST_CASE("parallel_for gives each of the wanted threads one contiguous range") {
  std::vector<int> thread(100), team(100);
  parallel_for(2, 100, [&](std::ptrdiff_t i) {
    thread[static_cast<std::size_t>(i)] = omp_get_thread_num();
    team[static_cast<std::size_t>(i)] = omp_get_num_threads();
  });
  CHECK(team[0] == 2);
  int changes = 0;
  for (std::size_t i = 1; i < thread.size(); ++i) changes += thread[i] != thread[i - 1];
  CHECK(changes == 1);
}
#endif

TEST_CASE("There is at least one processor") { CHECK(processors() >= 1); }

TEST_CASE("parallel_try calls f for every index and keeps what each threw; rethrow_first throws the first of them") {
  for (const int threads : {1, 2, 5}) {
    std::vector<int> calls(20);
    const auto errors = parallel_try(threads, 20, [&](std::ptrdiff_t i) {
      ++calls[static_cast<std::size_t>(i)];
      if (i == 6 || i == 17) throw std::runtime_error("index " + std::to_string(i));
    });
    CHECK(calls == std::vector<int>(20, 1));
    REQUIRE(errors.size() == 20);
    for (std::size_t i = 0; i < errors.size(); ++i) CHECK((errors[i] != nullptr) == (i == 6 || i == 17));
    CHECK_THROWS_WITH_AS(rethrow_first(errors), "index 6", std::runtime_error);
  }
  CHECK_NOTHROW(rethrow_first(parallel_try(2, 3, [](std::ptrdiff_t) {})));
  CHECK(parallel_try(2, 0, [](std::ptrdiff_t) {}).empty());
}

}  // namespace parallel_test
