// Reading images from folders for training, on one core: decode, random-resized crop, flip.
//
//   bench_data FOLDER [--benchmark_filter=...]      FOLDER holds one folder of images per class
// `bench/pytorch/data.py` does the same with torchvision and Pillow.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <advprop/data/crops.hpp>
#include <advprop/data/image_folder.hpp>

namespace {

using namespace advprop;

// Every 10th image: what reading a file costs with a warm page cache.
image_folder images(const std::string& path) { return image_folder(path).every(10); }

template <byte_augmentation A>
void read(benchmark::State& bench, const std::string& path, int size, const A& transform) {
  const folder_view view(images(path), {.size = size}, transform);
  std::vector<float> out(static_cast<std::size_t>(view.image().size()));
  random_stream rng(1);
  int next = 0;
  for (int i = 0; i < view.size(); ++i) view.read(i, out.data(), rng);
  for (auto _ : bench) {
    view.read(next, out.data(), rng);
    next = (next + 1) % view.size();
  }
  bench.SetItemsProcessed(bench.iterations());
}

void decode(benchmark::State& bench, const std::string& path) {
  const image_folder folder = images(path);
  int next = 0;
  for (auto _ : bench) {
    benchmark::DoNotOptimize(folder.decode(next).pixels.data());
    next = (next + 1) % folder.size();
  }
  bench.SetItemsProcessed(bench.iterations());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "usage: bench_data FOLDER [options of Google Benchmark]\n");
    return 2;
  }
  const std::string path = argv[1];
  std::swap(argv[0], argv[1]);
  --argc, ++argv;
  const auto add = [&](const std::string& name, auto run) {
    benchmark::RegisterBenchmark(name.c_str(), run)->Unit(benchmark::kMicrosecond);
  };
  add("decode", [=](benchmark::State& s) { decode(s, path); });
  for (const int size : {128, 224})
    for (const resampling filter : {resampling::bilinear, resampling::bicubic}) {
      const std::string end = std::to_string(size) + (filter == resampling::bilinear ? "/bilinear" : "/bicubic");
      random_resized_crop cut{size};
      cut.filter = filter;
      center_crop centre{size};
      centre.filter = filter;
      add("train/" + end, [=](benchmark::State& s) { read(s, path, size, pipeline(cut, horizontal_flip{})); });
      add("test/" + end, [=](benchmark::State& s) { read(s, path, size, centre); });
    }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
