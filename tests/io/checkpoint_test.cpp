#include <advprop/io/checkpoint.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "../models/harness.hpp"

namespace checkpoint_test {

using namespace harness;
namespace fs = std::filesystem;

namespace {

using one = small_model<domains<1>>;
using two = small_model<domains<2>>;
using triple = small_model<three>;

struct folder {
  fs::path path =
      fs::temp_directory_path() / ("advprop_checkpoint_" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
  folder() {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

template <class Model>
void fill(Model& m, std::uint64_t seed) {
  random_stream r(seed);
  for (float& v : m.values()) v = r.uniform(-1, 1);
  for (float& v : m.running()) v = r.uniform(0.5f, 1);
  for (int s = 0; s < Model::domains_type::statistic_sets; ++s) m.batches_tracked(s) = static_cast<int>(seed) * 10 + s;
}

/// The file again, each tensor changed by f(name, shape, values), which may say false to leave it out.
using change = std::function<bool(std::string&, std::vector<std::int64_t>&, std::vector<float>&)>;
void rewrite(const std::string& from, const std::string& to, const change& f) {
  const auto in = safetensors::read(from);
  safetensors_writer out;
  for (const tensor_info& t : in.tensors()) {
    std::string name = t.name;
    std::vector<std::int64_t> shape = t.shape;
    if (t.dtype == "I64") {
      std::vector<float> none;
      if (f(name, shape, none)) out.add(name, shape, in.values<std::int64_t>(t.name));
    } else {
      auto values = in.floats(t.name);
      if (f(name, shape, values)) out.add(name, shape, std::move(values));
    }
  }
  out.write(to);
}

/// Loading this file fails with these words and leaves the model as it was.
template <class Model>
void refused(const std::string& path, const std::string& text) {
  cpu d(1);
  Model m(d);
  fill(m, 9);
  const snapshot before(m);
  CHECK_THROWS_WITH_AS(load(m, path), (path + ": " + text).c_str(), file_error);
  CHECK(snapshot(m) == before);
}

}  // namespace

TEST_CASE("Saving and loading gives the same bits in every set, and the numbers of batches") {
  const folder f;
  cpu d(1);
  const auto check = [&](auto& m, auto& n) {
    fill(m, 1);
    fill(n, 2);
    save(m, f.file("m"));
    const load_report r = load(n, f.file("m"));
    CHECK(!r.auxiliary_from_main);
    CHECK(r.auxiliary_ignored == 0);
    CHECK(snapshot(n) == snapshot(m));
  };
  triple a(d), b(d);
  check(a, b);
  one c(d), e(d);
  check(c, e);
  small_model<domains<3, share::statistics>> s(d), t(d);
  check(s, t);
  small_model<domains<3, share::affine>> u(d), v(d);
  check(u, v);
}

TEST_CASE("The file holds PyTorch's names, shapes and counters, and timm's for auxiliary sets") {
  const folder f;
  cpu d(1);
  two m(d);
  fill(m, 1);
  save(m, f.file("m"));
  const auto file = safetensors::read(f.file("m"));
  CHECK(file.tensors().size() == m.table().size() + 4);
  CHECK(file.at("conv1.weight").shape == std::vector<std::int64_t>{6, 1, 3, 3});
  CHECK(file.at("fc.weight").shape == std::vector<std::int64_t>{4, 6});
  CHECK(file.integers("bn1.num_batches_tracked") == std::vector<std::int64_t>{10});
  CHECK(file.integers("block.bn2.aux_bn.0.num_batches_tracked") == std::vector<std::int64_t>{11});
  CHECK(file.at("bn1.num_batches_tracked").shape.empty());
  CHECK(file.metadata().at("format") == "pt");
}

TEST_CASE("The export of one domain is an ordinary network with that domain's numbers") {
  const folder f;
  cpu d(1);
  const auto x = images(5);
  const auto check = [&]<class Domains>(small_model<Domains>& m) {
    fill(m, 1);
    for (int i = 0; i < 3; ++i) {
      const domain through = three::at(i);
      save(m, through, f.file("m"));
      one n(d);
      const load_report r = load(n, f.file("m"));
      CHECK(!r.auxiliary_from_main);
      CHECK(same_bits(logits_of(n.forward(x, pass::evaluate())), logits_of(m.forward(x, pass::evaluate(through)))));
      CHECK(n.batches_tracked(0) == 10 + Domains::statistic_set(through));
      for (const auto& name : safetensors::read(f.file("m")).names()) CHECK(name.find("aux_bn") == std::string::npos);
    }
    CHECK_THROWS_WITH_AS(save(m, domains<4>::at(3), f.file("m")), "domain out of range: 3 of 3", argument_error);
  };
  triple a(d);
  check(a);
  small_model<domains<3, share::statistics>> b(d);
  check(b);
  small_model<domains<3, share::affine>> c(d);
  check(c);
}

TEST_CASE(
    "An ordinary checkpoint fills every auxiliary set from main; a model of fewer domains ignores sets and counts "
    "them") {
  const folder f;
  cpu d(1);
  one m(d);
  triple n(d), from(d);
  fill(m, 1);
  fill(n, 2);
  save(m, f.file("plain"));
  CHECK(load(n, f.file("plain")).auxiliary_from_main);
  triple expected(d);
  for (const parameter& p : m.table()) std::copy(m[p].begin(), m[p].end(), tensor_of(expected, p.name).begin());
  expected.batches_tracked(0) = 10;
  expected.copy_main_to_auxiliary();
  CHECK(snapshot(n) == snapshot(expected));
  CHECK(n.batches_tracked(2) == 10);

  fill(from, 3);
  save(from, f.file("three"));
  const load_report r = load(m, f.file("three"));
  CHECK(r.auxiliary_ignored == 2 * 2 * 5);
  CHECK(!r.auxiliary_from_main);
  for (const parameter& p : m.table()) CHECK(same_bits(m[p], tensor_of(from, p.name)));
  two pair(d);
  CHECK(load(pair, f.file("three")).auxiliary_ignored == 2 * 5);
  CHECK(same_bits(tensor_of(pair, "bn1.aux_bn.0.bias"), tensor_of(from, "bn1.aux_bn.0.bias")));
}

TEST_CASE("What torch.compile and DataParallel put before every name, and missing counters, are as good") {
  const folder f;
  cpu d(1);
  two m(d), n(d);
  fill(m, 1);
  save(m, f.file("m"));
  for (const std::string before : {"module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."}) {
    CAPTURE(before);
    rewrite(f.file("m"), f.file("wrapped"), [&](auto& name, auto&, auto&) {
      name = before + name;
      return name.find("num_batches") == std::string::npos;
    });
    fill(n, 2);
    CHECK_NOTHROW(load(n, f.file("wrapped")));
    CHECK((same_bits(n.values(), m.values()) && same_bits(n.running(), m.running())));
    CHECK(n.batches_tracked(0) == 20);
  }
}

TEST_CASE("A file that does not fit is refused with the tensor's name, and the model stays as it was") {
  const folder f;
  cpu d(1);
  two m(d);
  fill(m, 1);
  save(m, f.file("m"));
  const std::string bad = f.file("bad");
  const auto with = [&](const change& c) { rewrite(f.file("m"), bad, c); };

  with([](auto& name, auto&, auto&) { return name != "block.conv.weight"; });
  refused<two>(bad, "does not fit the model of 20 tensors (native names): 1 missing ('block.conv.weight')");
  with([](auto& name, auto&, auto&) { return name != "bn1.aux_bn.0.running_var"; });
  refused<two>(bad, "does not fit the model of 20 tensors (native names): 1 missing ('bn1.aux_bn.0.running_var')");
  refused<triple>(f.file("m"),
                  "does not fit the model of 28 tensors (native names): 8 missing ('bn1.aux_bn.1.weight', "
                  "'bn1.aux_bn.1.bias', 'bn1.aux_bn.1.running_mean', ...)");
  with([](auto& name, auto&, auto&) {
    if (name == "fc.bias") name = "classifier.bias";
    return true;
  });
  refused<two>(
      bad,
      "does not fit the model of 20 tensors (native names): 1 missing ('fc.bias'); 1 unexpected ('classifier.bias')");
  with([](auto& name, auto& shape, auto&) {
    if (name == "fc.weight") std::swap(shape[0], shape[1]);
    return true;
  });
  refused<two>(
      bad,
      "does not fit the model of 20 tensors (native names): 1 of another shape ('fc.weight' is [6, 4], not [4, 6])");
  for (float wrong : {NAN, INFINITY, -INFINITY}) {
    with([&](auto& name, auto&, auto& values) {
      if (name == "fc.bias") values[2] = wrong;
      return true;
    });
    refused<two>(bad, "tensor 'fc.bias' holds a NaN or an infinity");
  }
  with([](auto& name, auto&, auto& values) {
    if (name == "bn1.aux_bn.0.running_var") values[1] = -0.5f;
    return true;
  });
  refused<two>(bad, "tensor 'bn1.aux_bn.0.running_var' holds a negative variance");
  with([](auto& name, auto&, auto&) {
    if (name == "bn1.num_batches_tracked") name = "bn1.number";
    return true;
  });
  refused<two>(bad, "does not fit the model of 20 tensors (native names): 1 unexpected ('bn1.number')");

  // Another number of classes.
  model<architecture<normalize<mnist_statistics>, named<"conv1", convolution<6, 3, 2>>, named<"bn1", batch_norm<>>,
                     relu, named<"block", small_block>, global_average_pool, named<"fc", linear<10>>>,
        domains<2>, cpu>
      ten(d);
  save(ten, bad);
  refused<two>(bad,
               "the classifier has another number of classes ('fc.weight' is [10, 6], not [4, 6], 'fc.bias' is [10], "
               "not [4]); load everything else with {.classifier = false}");
  CHECK_THROWS_AS(load(m, f.file("nowhere")), file_error);
}

TEST_CASE("Not strict, what one side lacks is left alone and told, and shapes must fit all the same") {
  const folder f;
  cpu d(1);
  one from(d), to(d, seed{4}), before(d, seed{4});
  fill(from, 3);
  const std::string whole = f.file("whole"), other = f.file("other");
  save(from, whole);
  rewrite(whole, other, [](auto& name, auto&, auto&) {
    if (name == "fc.weight") name = "head.weight";
    return name != "conv1.weight";
  });
  refused<one>(other,
               "does not fit the model of 12 tensors (native names): 2 missing ('conv1.weight', 'fc.weight'); 1 "
               "unexpected ('head.weight')");
  const load_report r = load(to, other, {.strict = false});
  CHECK(r.missing == std::vector<std::string>{"conv1.weight", "fc.weight"});
  CHECK(r.unexpected == std::vector<std::string>{"head.weight"});
  for (const parameter& p : to.table()) {
    const one& source = p.name == "conv1.weight" || p.name == "fc.weight" ? before : from;
    CHECK_MESSAGE(std::ranges::equal(to[p], source[p]), p.name);
  }

  rewrite(whole, other, [](auto& name, auto& shape, auto&) {
    if (name == "fc.bias") shape = {1, 4};
    return name != "conv1.weight";
  });
  CHECK_THROWS_WITH_AS(load(to, other, {.strict = false}),
                       doctest::Contains("1 of another shape ('fc.bias' is [1, 4], not [4])"), file_error);
  rewrite(whole, other, [](auto& name, auto&, auto&) {
    name = "other." + name;
    return true;
  });
  CHECK_THROWS_WITH_AS(load(to, other, {.strict = false}), doctest::Contains(" missing ("), file_error);
}

TEST_CASE("Numbers that no reader would take are not written over those that one would, nor are a dry run's") {
  const folder f;
  cpu d(1), dry(dry_run{});
  two m(d), there(d), planned(dry);
  const std::string path = f.file("good");
  save(m, path);
  m[m.table().front()][0] = NAN;
  CHECK_THROWS_WITH_AS(save(m, path), "save: conv1.weight holds a NaN or an infinity", numeric_error);
  CHECK_THROWS_WITH_AS(save(m, main_domain, path), "save: conv1.weight holds a NaN or an infinity", numeric_error);
  CHECK_NOTHROW(load(there, path));
  CHECK_THROWS_WITH_AS(save(planned, path), "save: the network's device is for dry runs and computes nothing",
                       argument_error);
  CHECK_THROWS_WITH_AS(load(planned, path), "load: the network's device is for dry runs and computes nothing",
                       argument_error);
}

TEST_CASE("A table entry of a larger model has no numbers here") {
  cpu d(1);
  one m(d);
  model<architecture<normalize<mnist_statistics>, named<"conv1", convolution<64, 3>>, named<"bn1", batch_norm<>>, relu,
                     global_average_pool, named<"fc", linear<10>>>,
        domains<1>, cpu>
      larger(d);
  for (const parameter& p : {larger.table()[0], larger.table().back()}) {
    CHECK_THROWS_WITH_AS(m[p], doctest::Contains(" is of another model's table"), argument_error);
    CHECK_THROWS_AS(std::as_const(m)[p], argument_error);
  }
}

TEST_CASE("A tensor of integers is refused where numbers are wanted") {
  const folder f;
  cpu d(1);
  one m(d);
  safetensors_writer out;
  for (const parameter& p : m.table())
    if (p.name == "fc.bias")
      out.add(p.name, p.shape, std::vector<std::int64_t>(p.count, 1));
    else
      out.add(p.name, p.shape, std::vector<double>(p.count, 0.25));
  out.write(f.file("bad"));
  refused<one>(f.file("bad"), "tensor 'fc.bias' is I64, not F32, F64, F16 or BF16");
}

}  // namespace checkpoint_test
