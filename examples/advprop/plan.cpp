// advprop plan: each layer's work and the memory of a training step.
#include "plan.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <advprop/io/text.hpp>

#include "choices.hpp"
#include "commands.hpp"
#include "table.hpp"

namespace advprop::program {

namespace {

std::string mib(double bytes) { return fixed(bytes / (1 << 20), bytes < 10 * (1 << 20) ? 2 : 0); }

std::string text(const shape& s) {
  return std::to_string(s.channels) + "x" + std::to_string(s.height) + "x" + std::to_string(s.width);
}

/// Equal items of a step in one row.
struct row {
  work_item item;
  int times;
};

/// Layer by layer, in the order of the first forward pass; what belongs to no layer comes behind.
std::vector<row> gather(const work_plan& p) {
  std::vector<row> rows;
  for (const work_item& i : p.items) {
    const auto same = [&](const row& r) {
      return r.item.layer == i.layer && r.item.operation == std::string(i.operation) && r.item.in == i.in &&
             r.item.out == i.out && r.item.batch == i.batch && r.item.read == i.read && r.item.written == i.written;
    };
    if (const auto at = std::find_if(rows.begin(), rows.end(), same); at != rows.end())
      ++at->times;
    else
      rows.push_back({i, 1});
  }
  std::vector<std::string> order;
  for (const row& r : rows)
    if (std::find(order.begin(), order.end(), r.item.layer) == order.end()) order.push_back(r.item.layer);
  const auto place = [&](const row& r) {
    return r.item.layer.empty() ? order.end() : std::find(order.begin(), order.end(), r.item.layer);
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const row& a, const row& b) { return place(a) < place(b); });
  return rows;
}

std::string table(const work_plan& p) {
  std::vector<std::vector<std::string>> cells = {{"layer", "operation", "engine", "images", "in", "out", "times",
                                                  "GFLOP", "MiB read", "MiB written", "MiB workspace"}};
  row all{{}, 0};
  for (const row& r : gather(p)) {
    const work_item& i = r.item;
    const bool flat = i.in == shape{};
    cells.push_back({i.layer, i.operation, i.engine, flat ? "" : std::to_string(i.batch), flat ? "" : text(i.in),
                     flat ? "" : text(i.out), std::to_string(r.times), i.flops > 0 ? fixed(i.flops * 1e-9, 3) : "",
                     mib(i.read), mib(i.written), i.workspace > 0 ? mib(static_cast<double>(i.workspace)) : ""});
    all.times += r.times;
    all.item.flops += r.times * i.flops;
    all.item.read += r.times * i.read;
    all.item.written += r.times * i.written;
    all.item.workspace = std::max(all.item.workspace, i.workspace);
  }
  cells.push_back({"a step", "", "", "", "", "", std::to_string(all.times), fixed(all.item.flops * 1e-9, 1),
                   mib(all.item.read), mib(all.item.written), mib(static_cast<double>(all.item.workspace))});
  return aligned(cells);
}

}  // namespace

run_plan plan_run(const settings& s, const described_images& images, int evaluated, int attacked) {
  any_device device = dry_device_of(s);
  const int most = evaluate_options().batch;
  return make_runner(device, network_of(s, {images.image.channels, images.classes}))
      ->plan(method_of(s), optimizer_of(s), s.average, images.image.height, s.batch, s.micro_batch,
             std::min(evaluated, most), std::min(attacked, most));
}

std::string memory_of(const run_plan& p) {
  const auto size = [](std::size_t bytes) { return mib(static_cast<double>(bytes)) + " MiB"; };
  std::string text = "memory planned: " + size(p.training.peak) + " for a training step, " + size(p.evaluation.peak) +
                     " for an evaluation, " + size(p.attacked.peak) + " for one under attack; parameters are " +
                     size(p.training.parameters) + " of them";
  const std::size_t workspace =
      std::max({p.training.library_workspace, p.evaluation.library_workspace, p.attacked.library_workspace});
  if (workspace > 0) text += "; cuDNN may take up to " + size(workspace) + " more";
  return text;
}

void check_memory(const settings& s, const run_plan& p) {
  if (s.device != "cpu" || p.peak() <= host_memory()) return;
  fail<memory_error>("out of memory: there are ", mib(static_cast<double>(host_memory())), " MiB, and ", s.model,
                     " with --batch ", s.batch, " needs more; ", memory_of(p),
                     ": a smaller --batch or --micro-batch takes less");
}

void plan(const settings& given) {
  const settings s = resolved(given);
  const described_images images = describe_images(s);
  const int evaluated = evaluate_options().batch;
  const run_plan p = plan_run(s, images, evaluated, evaluated);
  const std::string way = s.micro_batch > 0 ? " in micro-batches of " + std::to_string(s.micro_batch) : "";
  std::printf("%s, %d images of %s%s, %s\n\n%s\n%s\n", s.model.c_str(), s.batch, text(images.image).c_str(),
              way.c_str(), s.method.c_str(), table(p.training).c_str(), memory_of(p).c_str());
}

}  // namespace advprop::program
