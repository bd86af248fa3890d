#include <advprop/io/checkpoint_metadata.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>

#include <advprop/io/checkpoint.hpp>
#include <advprop/training/fit.hpp>
#include <advprop/training/sgd.hpp>

#include "../models/harness.hpp"

namespace checkpoint_metadata_test {

using namespace harness;
namespace fs = std::filesystem;

namespace {

struct folder {
  fs::path path =
      fs::temp_directory_path() / ("advprop_metadata_" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
  folder() {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

struct other_statistics {
  static constexpr std::array<float, 1> mean{0.5f}, deviation{0.25f};
};
struct rounded_statistics {  // mnist_statistics with more digits
  static constexpr std::array<float, 1> mean{0.13066f}, deviation{0.30811f};
};
template <class Input>
struct tiny : architecture<Input, named<"conv1", convolution<4, 3, 2>>, named<"bn1", batch_norm<>>, relu,
                           global_average_pool, named<"fc", linear<3>>> {};
template <class Input>
using tiny_model = model<tiny<Input>, domains<2>, cpu>;
using usual = tiny_model<normalize<mnist_statistics>>;

/// An input stage of a user's that says nothing of its numbers.
struct plain_input : normalize<mnist_statistics> {
  static void statistics() = delete;
};

void write_entries(const std::string& path, const safetensors::metadata_map& entries) {
  safetensors_writer out;
  out.metadata = entries;
  out.add("x", {1}, std::vector<float>{1});
  out.write(path);
}

}  // namespace

TEST_CASE("What save is told, and what the network knows itself, is read again to the bit") {
  const folder f;
  cpu d(1);
  usual m(d);
  const checkpoint_metadata told{.model = "tiny",
                                 .data = "MNIST",
                                 .class_names = {"zero", "één", "a \"b\", c"},
                                 .image_size = 28,
                                 .crop_fraction = 0.875,
                                 .interpolation = "bicubic"};
  checkpoint_metadata all = told;
  all.channels = 1;
  all.classes = 3;
  all.normalization = {{0.1307f}, {0.3081f}};
  save(m, f.file("all"), {.metadata = told});
  save(m, main_domain, f.file("main"), {.metadata = told});
  for (const char* name : {"all", "main"}) {
    CHECK(read_metadata(f.file(name)) == all);
    CHECK(load(m, f.file(name)).metadata == all);
    CHECK(safetensors::read(f.file(name)).metadata().at("format") == "pt");
  }
  save(m, f.file("untold"));
  CHECK(read_metadata(f.file("untold")) ==
        checkpoint_metadata{.channels = 1, .classes = 3, .normalization = all.normalization});
  tiny_model<plain_input> silent(d);
  save(silent, f.file("silent"));
  CHECK(read_metadata(f.file("silent")) == checkpoint_metadata{.channels = 1, .classes = 3});
}

TEST_CASE("A network that normalises by other numbers than its weights learnt with is refused, and stays as it was") {
  const folder f;
  cpu d(1);
  usual m(d, seed{1});
  save(m, f.file("m"));
  tiny_model<normalize<other_statistics>> other(d, seed{2});
  const snapshot before(other);
  CHECK_THROWS_WITH_AS(load(other, f.file("m")),
                       (f.file("m") + ": holds a network for images normalised by mean 0.1307, deviation 0.3081, this "
                                      "one has mean 0.5, deviation 0.25; load it all the same with "
                                      "{.same_normalization = false}")
                           .c_str(),
                       file_error);
  CHECK(snapshot(other) == before);
  load(other, f.file("m"), {.same_normalization = false});
  CHECK(same_bits(other.values(), m.values()));
  save(other, f.file("other"));  // what it is fed, not what its weights once were
  CHECK(read_metadata(f.file("other")).normalization == channel_statistics{{0.5f}, {0.25f}});

  // More decimals are no other numbers; files and input stages that say nothing are not compared.
  tiny_model<normalize<rounded_statistics>> rounded(d);
  CHECK_NOTHROW(load(rounded, f.file("m")));
  tiny_model<plain_input> silent(d);
  CHECK_NOTHROW(load(silent, f.file("m")));
  save(silent, f.file("silent"));
  CHECK_NOTHROW(load(other, f.file("silent")));
}

TEST_CASE("Nor is a run resumed with another normalization") {
  const folder f;
  cpu d(1);
  const auto x = images(8);
  const auto y = labels(8, 3);
  const array_source data(std::as_const(x).view(), std::as_const(y).view(), 3);
  const auto train = [&](auto& net, bool resume) {
    loader batches(data, {.batch = 8});
    fit(net, batches, clean_training{}, sgd{}, {.epochs = 1, .checkpoint = f.file("state"), .resume = resume});
  };
  usual m(d);
  train(m, false);
  CHECK_NOTHROW(train(m, true));
  tiny_model<normalize<other_statistics>> other(d);
  CHECK_THROWS_WITH_AS(train(other, true), doctest::Contains("normalised by mean 0.1307"), file_error);
}

TEST_CASE("Metadata that cannot be right are refused with file and entry; others' metadata are passed over") {
  const folder f;
  const auto refused = [&](const char* name, const char* value, safetensors::metadata_map more = {}) {
    more[std::string("advprop.") + name] = value;
    write_entries(f.file("bad"), more);
    CHECK_THROWS_WITH_AS(
        read_metadata(f.file("bad")),
        (f.file("bad") + ": metadata 'advprop." + name + "' is '" + value + "', which is not valid").c_str(),
        file_error);
  };
  for (const char* wrong : {"0", "-1", "three", "3 ", "3, 3", "99999999999", " 3"}) refused("classes", wrong);
  for (const char* wrong : {"nan", "0", "1.01", "0.5;", "-0.5", "inf", "1e-300", "0.0099"})
    refused("crop_fraction", wrong);
  for (const char* wrong : {"0", "-1", "16385", "2147483647"}) refused("image_size", wrong);
  for (const char* wrong : {"0.5,0.5", "0.5, ", "inf", "0.5, x"})
    refused("deviation", wrong, {{"advprop.mean", "0.5"}});
  refused("mean", "0.5, 0.5", {{"advprop.deviation", "0.5"}});
  refused("mean", "0.5", {});
  refused("mean", "0.5", {{"advprop.deviation", "0.5"}, {"advprop.channels", "3"}});
  write_entries(f.file("bad"), {{"advprop.class_names", "a\nb"}, {"advprop.classes", "3"}});
  CHECK_THROWS_WITH_AS(read_metadata(f.file("bad")), doctest::Contains("'advprop.class_names' is 'a?b'"), file_error);

  write_entries(f.file("good"), {{"mean", "none"},
                                 {"format", "pt"},
                                 {"advprop.mean", "-0.5, 1e-3"},
                                 {"advprop.deviation", "0.1, 0.2"},
                                 {"advprop.later", "x"}});
  CHECK(read_metadata(f.file("good")) == checkpoint_metadata{.normalization = {{-0.5f, 1e-3f}, {0.1f, 0.2f}}});
}

TEST_CASE("Metadata that cannot be written are refused, and no file is") {
  const folder f;
  cpu d(1);
  usual m(d);
  const auto refused = [&](const checkpoint_metadata& about, const char* text) {
    CHECK_THROWS_WITH_AS(save(m, f.file("m"), {.metadata = about}), doctest::Contains(text), argument_error);
    CHECK(!fs::exists(f.file("m")));
  };
  for (const char* name : {"", "two\nlines", "\xff"})
    refused({.class_names = {"a", name, "c"}}, "is not one line of UTF-8");
  refused({.class_names = {"a", "b"}}, "2 class names for 3 classes");
  refused({.model = "\xff"}, "'model' is '\xff', which is not UTF-8");
  refused({.crop_fraction = 2}, "metadata: crop_fraction is 2; must be 0.01 to 1, or 0 for none");
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double wrong : {1.01, 0.0099, 1e-300, -0.5, infinity, -infinity, std::nan("")})
    refused({.crop_fraction = wrong}, "metadata: crop_fraction is ");
  refused({.image_size = 16385}, "metadata: image_size is 16385; must be 1 to 16384, or 0 for none");
  for (const int wrong : {-1, std::numeric_limits<int>::max()})
    refused({.image_size = wrong}, "metadata: image_size is ");
}

TEST_CASE("The largest and smallest numbers that may be recorded are read again") {
  const folder f;
  cpu d(1);
  usual m(d);
  for (const auto& [size, fraction] : {std::pair{1, 0.01}, {16384, 1.0}}) {
    save(m, f.file("m"), {.metadata = {.image_size = size, .crop_fraction = fraction}});
    CHECK(read_metadata(f.file("m")).image_size == size);
    CHECK(read_metadata(f.file("m")).crop_fraction == fraction);
  }
}

}  // namespace checkpoint_metadata_test
