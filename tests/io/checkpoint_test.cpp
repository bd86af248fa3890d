#include <doctest/doctest.h>

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <advprop/io/checkpoint.hpp>

#include "../models/harness.hpp"

using namespace advprop;
using harness::small_model;

namespace {

struct temporary {
  std::string path = "checkpoint_test_" + std::to_string(::getpid()) + ".safetensors";
  ~temporary() { std::remove(path.c_str()); }
};

using tensors = std::vector<std::pair<tensor_info, std::vector<float>>>;

/// Writes a model's file again after `change` had its way with the tensors (name, shape and values).
void rewrite(const std::string& path, const std::function<void(tensors&)>& change) {
  const safetensors file = safetensors::read(path);
  tensors all;
  for (const tensor_info& t : file.tensors())
    if (t.dtype == "F32") all.emplace_back(t, file.floats(t.name));
  change(all);
  safetensors_writer out;
  for (auto& [info, values] : all) out.add(info.name, info.shape, std::vector<float>(values));
  out.write(path);
}

/// `load` throws a file_error that contains the file's name and `text`, and the model stays as it was.
template <class Model>
void refused(Model& net, const std::string& path, const char* text) {
  const auto values = harness::copy_of(net.values()), running = harness::copy_of(net.running());
  CHECK_THROWS_WITH_AS(load(net, path), doctest::Contains(text), file_error);
  CHECK_THROWS_WITH_AS(load(net, path), doctest::Contains(path.c_str()), file_error);
  CHECK(harness::same_bits(values, harness::copy_of(net.values())));
  CHECK(harness::same_bits(running, harness::copy_of(net.running())));
}

}  // namespace

TEST_CASE("A model comes back from its file to the bit, with all its domains and counters") {
  temporary file;
  cpu device(1);
  small_model<harness::three> net(device, seed{1}), other(device, seed{2});
  harness::scramble(net);
  net.batches_tracked(0) = 7;
  net.batches_tracked(2) = 9;
  save(net, file.path);
  const load_report r = load(other, file.path);
  CHECK_FALSE(r.auxiliary_from_main);
  CHECK(r.auxiliary_ignored == 0);
  CHECK(harness::same_bits(harness::copy_of(net.values()), harness::copy_of(other.values())));
  CHECK(harness::same_bits(harness::copy_of(net.running()), harness::copy_of(other.running())));
  CHECK(other.batches_tracked(0) == 7);
  CHECK(other.batches_tracked(2) == 9);
  const safetensors s = safetensors::read(file.path);
  CHECK(s.contains("bn1.weight"));
  CHECK(s.contains("bn1.aux_bn.1.running_var"));
  CHECK(s.at("bn1.aux_bn.0.num_batches_tracked").shape.empty());
}

TEST_CASE("Any domain exports as an ordinary network that gives that domain's logits") {
  temporary file;
  cpu device(1);
  small_model<harness::three> net(device, seed{1});
  harness::scramble(net);
  const auto images = harness::images(3);
  for (int d = 0; d < 3; ++d) {
    save(net, harness::three::at(d), file.path);
    for (const auto& n : safetensors::read(file.path).names()) CHECK(n.find("aux_bn") == std::string::npos);
    small_model<domains<1>> plain(device, seed{2});
    load(plain, file.path);
    const auto a = net.forward(images.view(), pass::evaluate(harness::three::at(d)));
    const auto b = plain.forward(images.view(), pass::evaluate());
    for (int n = 0; n < 3; ++n)
      for (int c = 0; c < 4; ++c) CHECK(channel_block(a.view(), n, 0)[c] == channel_block(b.view(), n, 0)[c]);
  }
}

TEST_CASE("An ordinary checkpoint fills auxiliary sets from main; sets without a domain are counted and left out") {
  temporary file;
  cpu device(1);
  small_model<domains<1>> plain(device, seed{1});
  harness::scramble(plain);
  save(plain, file.path);
  small_model<harness::three> net(device, seed{2});
  CHECK(load(net, file.path).auxiliary_from_main);
  for (const parameter& p : net.table())
    if (p.name == "bn1.aux_bn.1.running_mean")
      for (const parameter& m : net.table())
        if (m.name == "bn1.running_mean") CHECK(harness::same_bits(harness::copy_of(net[p]), harness::copy_of(net[m])));
  save(net, file.path);
  small_model<domains<1>> again(device, seed{3});
  CHECK(load(again, file.path).auxiliary_ignored == 2 * 2 * 5);  // two sets, two norms, four tensors and a counter
  CHECK(harness::same_bits(harness::copy_of(plain.values()), harness::copy_of(again.values())));
}

TEST_CASE("The prefix of torch's DataParallel is taken off") {
  temporary file;
  cpu device(1);
  small_model<> net(device, seed{1}), other(device, seed{2});
  save(net, file.path);
  rewrite(file.path, [](tensors& all) {
    for (auto& [info, values] : all) info.name = "module." + info.name;
  });
  load(other, file.path);
  CHECK(harness::same_bits(harness::copy_of(net.values()), harness::copy_of(other.values())));
}

TEST_CASE("A file that does not fit is refused by name of the tensor, and changes nothing") {
  temporary file;
  cpu device(1);
  small_model<> net(device, seed{1}), other(device, seed{2});
  const auto with = [&](const std::function<void(tensors&)>& change) {
    save(net, file.path);
    rewrite(file.path, change);
  };
  const auto find = [](tensors & all, const std::string& name) -> auto& {
    for (auto& t : all)
      if (t.first.name == name) return t;
    FAIL("no tensor " << name);
    return all[0];
  };
  with([&](tensors& all) {
    auto& fc = find(all, "fc.weight");
    fc.first.shape[0] = 10;
    fc.second.resize(60);
  });
  refused(other, file.path, "'fc.weight' has shape [10, 6], the model needs [4, 6]");
  with([&](tensors& all) { find(all, "conv1.weight").first.name = "conv9.weight"; });
  refused(other, file.path, "'conv1.weight'");
  with([&](tensors& all) { all.push_back(find(all, "fc.bias")), all.back().first.name = "head.bias"; });
  refused(other, file.path, "'head.bias' has no place");
  with([&](tensors& all) { find(all, "bn1.running_var").second[1] = std::numeric_limits<float>::infinity(); });
  refused(other, file.path, "'bn1.running_var' holds a NaN or an infinity");
  with([&](tensors& all) { find(all, "bn1.aux_bn.0.bias").first.name = "bn1.aux_bn.1.bias"; });
  refused(other, file.path, "'bn1.aux_bn.0.bias'");
  std::remove(file.path.c_str());
  refused(other, file.path, "cannot open");
}

TEST_CASE("A domain that the model does not have is no export") {
  cpu device(1);
  small_model<domains<2>> net(device);
  CHECK_THROWS_WITH_AS(save(net, domains<3>::auxiliary(1), "never.safetensors"),
                       doctest::Contains("domain out of range: 2 of 2"), argument_error);
  CHECK_FALSE(file_exists("never.safetensors"));
}
