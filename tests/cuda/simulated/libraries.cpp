// The device over simulated libraries: what their errors become, and which device and engine is asked for what.
#include <cublasLt.h>
#include <cudnn.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "../device_under_test.hpp"

#include <advprop/advprop.hpp>

using namespace device_tests;

namespace {

/// Nothing is left of what a test makes, and no call was one that no correct program makes.
struct tidy {
  std::map<std::string, long> before = here().alive;
  ~tidy() {
    here().fault.reset();
    for (const auto& now : here().alive) {
      CAPTURE(now.first);
      CHECK(now.second == before[now.first]);
    }
    CHECK(here().complaints == std::vector<std::string>());
    here().complaints.clear();
  }
};

/// The error's text; empty: there was none.
template <class F>
std::string thrown(const F& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "";
}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct tiny : architecture<normalize<cifar10_statistics>, convolution<8, 3>, batch_norm<>, relu, convolution<8, 3>,
                           batch_norm<>, relu, global_average_pool, linear<10>> {};

/// Training as `fit` does it, step by step.
template <class T>
class training {
 public:
  explicit training(basic_cuda<T>& d) : device_(d) {
    random_stream r(5);
    for (float& v : images_) v = r.uniform();
  }
  void step() {
    const auto there = staged_.bring({images_.data(), std::size_t(images_.size())});
    const labelled_images batch{{there.data(), images_.extents()}, labels_.view()};
    call_ = device_.replay(recording_, [&] {
      net_.zero_gradients();
      metrics_ = method_.gradients(net_, {&batch, 1}, {0, random_stream(3, std::uint64_t(steps_))});
      state_.step(1);
    });
    ++steps_;
  }
  /// The last loss, that of an evaluation, and the weights.
  std::vector<float> result() {
    metrics_.settle(device_, call_);
    const evaluation e = evaluate(net_, array_source<float>(images_.view(), labels_.view(), 10), {.batch = 4});
    std::vector<float> v(2 + net_.values().size());
    v[0] = static_cast<float>(metrics_.parts[0].loss_sum);
    v[1] = static_cast<float>(e.total.loss_sum);
    memory_copy(device_, std::span<const float>(net_.values()), std::span(v).subspan(2));
    return v;
  }
  int replays() const { return recording_.replays(); }

 private:
  using network = model<tiny, domains<2>, basic_cuda<T>>;
  basic_cuda<T>& device_;
  network net_{device_, seed{1}};
  adversarial_propagation<attack::pgd> method_{attack::pgd{.epsilon = 4, .step = 1, .steps = 1}};
  typename sgd::template state<network> state_{sgd{.learning_rate = 0.1f}, net_};
  cuda_recording recording_;
  cuda_staging staged_{device_};
  tensor<float, 4> images_{{4, 8, 8, 3}};
  tensor<int, 1> labels_{{4}};
  step_metrics metrics_;
  long call_ = 0;
  int steps_ = 0;
};
template <class T>
std::vector<float> few_steps(basic_cuda<T>& d) {
  training t(d);
  for (int i = 0; i < 4; ++i) t.step();
  CHECK(t.replays() >= 1);
  return t.result();
}

}  // namespace

TEST_CASE("A process without a GPU, or with an old one, is told so") {
  const tidy t;
  {
    const until_end none(here().devices, 0);
    CHECK(thrown([] { cuda d; }) ==
          "cuda: cudaGetDeviceCount: there is no usable GPU: no CUDA-capable device is detected");
  }
  {
    const until_end old(here().major, 7);
    CHECK(thrown([] { cuda d; }) == "cuda: simulated GPU has compute capability 7.0; 8.0 is needed");
  }
  CHECK(thrown([] { cuda d(2); }) == "cuda: device 2 of 2");
  CHECK(thrown([] { cuda d(-1); }) == "cuda: device -1 of 2");
}

TEST_CASE("Whichever call fails, an error names it, nothing is left, and the device can go on") {
  std::vector<float> expected;
  {
    const tidy t;
    cuda d;
    here().calls.clear();
    expected = few_steps(d);
  }
  const std::map<std::string, long> calls = here().calls;
  std::set<std::string> silent;
  for (const auto& called : calls)
    for (long n = 0; n < called.second; n = n < 6 ? n + 1 : n * 3 / 2) {
      const std::string& function = called.first;
      CAPTURE(function);
      CAPTURE(n);
      const tidy t;
      here().fault = cuda_simulation::planned_fault{function, n};
      std::vector<float> found;
      const std::string message = thrown([&] {
        cuda d;
        const std::string first = thrown([&] { found = few_steps(d); });
        if (first.empty()) return;
        found = few_steps(d);
        fail(first);
      });
      CAPTURE(message);
      if (!here().fault->happened) break;
      if (!found.empty()) CHECK(found == expected);
      if (message.empty()) {
        silent.insert(function);
        continue;
      }
      CHECK(contains(message, function.starts_with("cudnnBackend")           ? "cuDNN"
                              : function == "cublasLtMatmulAlgoGetHeuristic" ? "cuBLASLt"
                                                                             : function));
      CHECK(contains(message, function.starts_with("cudnn")      ? "CUDNN_STATUS_INTERNAL_ERROR"
                              : function.starts_with("cublasLt") ? "CUBLAS_STATUS_INTERNAL_ERROR"
                                                                 : "unknown error"));
    }
  // What follows these is another way to the same, or a destructor.
  CHECK(silent == std::set<std::string>{"cudaGraphExecUpdate", "cudaStreamSynchronize", "cudnnBackendExecute",
                                        "cudnnBackendFinalize"});
}

TEST_CASE("Plans that could not be made ahead are made when they are wanted") {
  if (processors() < 2) return;
  using network = model<tiny, domains<2>, cuda>;
  const auto prepare = [](cuda& d) {
    cuda dry(dry_run{}, d);
    network twin(dry);
    plan_training(twin, adversarial_propagation(attack::pgd{.epsilon = 4, .step = 1, .steps = 1}), sgd{}, {4, 8, 8});
    d.prepare(dry);
  };
  std::vector<float> expected;
  {
    const tidy t;
    cuda d;
    expected = few_steps(d);
  }
  std::map<std::string, long> calls;
  {
    const tidy t;
    cuda d;
    here().calls.clear();
    prepare(d);
    calls = here().calls;
    CHECK(d.counts().prepared > 2);
    CHECK(few_steps(d) == expected);
  }
  for (const char* function : {"cudaSetDevice", "cudnnBackendCreateDescriptor", "cudnnBackendSetAttribute",
                               "cudnnBackendFinalize", "cudnnBackendGetAttribute"}) {
    CHECK(calls[function] > 2);
    for (long n = 0; n < calls[function]; n = n < 6 ? n + 1 : n * 3 / 2) {
      CAPTURE(std::string(function));
      CAPTURE(n);
      const tidy t;
      cuda d;
      here().fault = cuda_simulation::planned_fault{function, n};
      prepare(d);
      CHECK(here().fault->happened);
      const std::vector<float> found = few_steps(d);
      float apart = 0;
      for (std::size_t i = 0; i < found.size(); ++i) apart = std::max(apart, std::abs(found[i] - expected[i]));
      // An engine that is not final does not fit: another one, or the parts, may round otherwise.
      CHECK(apart <= (std::string(function) == "cudnnBackendFinalize" ? 1e-4f : 0.f));
    }
  }
  const tidy t;
  const until_end silent(here().texts, false);
  cuda d;
  prepare(d);
  CHECK(d.counts().prepared == 0);
  CHECK(few_steps(d) == expected);
}

TEST_CASE("A graph that comes to nothing leaves no weights behind that seem to be packed") {
  const conv_spec s{8, 8, 3, 1, 1, 1};
  for (const char* function :
       {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate", "cudaGraphLaunch", "kernel launch"}) {
    CAPTURE(function);
    const tidy t;
    cuda d;
    cuda_recording recording;
    const numbers w(d, std::vector<float>(8 * 8 * 9, 1.f));
    const auto x = upload(d, map::random(1, 8, 4, 4, 1)), y = garbage(d, map::zero(1, 8, 4, 4));
    const auto convolve = [&] { conv_forward(d, s, x, w.data(), y); };
    for (int i = 0; i < 2; ++i) d.replay(recording, convolve);
    const float one = download(d, y)(0, 0);
    fill(d, 2, w.span());
    here().fault = cuda_simulation::planned_fault{function};
    CHECK(contains(thrown([&] { d.replay(recording, convolve); }), function));
    CHECK(!d.recording());
    d.wait();
    convolve();
    CHECK(download(d, y)(0, 0) == doctest::Approx(2 * one));
    fill(d, 3, w.span());
    d.replay(recording, convolve);
    CHECK(download(d, y)(0, 0) == doctest::Approx(3 * one));
  }
}

TEST_CASE("A kernel that fails on the device is an error where the host waits, and from then on") {
  const tidy t;
  {
    cuda d;
    here().broken_kernel = true;
    std::string message = thrown([&] { few_steps(d); });
    CHECK(contains(message, "an illegal memory access was encountered"));
    message = thrown([&] { d.wait(); });
    CHECK(contains(message, "an illegal memory access was encountered"));
    CHECK(contains(thrown([&] { few_steps(d); }), "an illegal memory access was encountered"));
    CHECK(contains(thrown([] { cuda other; }), "an illegal memory access was encountered"));
    cuda second(1);  // has a context of its own
    CHECK(few_steps(second).size() > 2);
  }
  cuda_simulation::restart();
}

TEST_CASE("An error of a library or a copy names the operation and its shapes") {
  const tidy t;
  cuda d(0, float32_products::exact, engine_choice::fixed);
  const conv_spec s{8, 16, 3, 2, 1, 1};
  const auto x = upload(d, map::random(2, 8, 6, 5, 1)), y = garbage(d, map::zero(2, 16, 3, 3));
  const auto flat = upload(d, map::random(2, 8, 1, 1, 1)), logits = garbage(d, map::zero(2, 10, 1, 1));
  const numbers w(d, std::vector<float>(8 * 16 * 9, 1.f));
  const auto error_of = [&](const char* function, const auto& operation) {
    here().fault = cuda_simulation::planned_fault{function};
    return thrown(operation);
  };
  CHECK(error_of("cudnnBackendExecute", [&] { conv_forward(d, s, x, w.data(), y); }) ==
        "cuda: cuDNN: executing a plan: CUDNN_STATUS_INTERNAL_ERROR in conv_forward of 2 x 8x6x5 to 2 x 16x3x3, "
        "kernel 3, stride 2, groups 1");
  CHECK(error_of("cublasLtMatmul", [&] { linear_forward(d, flat, w.data(), nullptr, logits); }) ==
        "cuda: cublasLtMatmul: CUBLAS_STATUS_INTERNAL_ERROR in linear_forward of 2 x 8x1x1 to 2 x 10x1x1");
  CHECK(error_of("cudaMemcpyAsync", [&] { w.host(); }) ==
        "cuda: cudaMemcpyAsync: unknown error in memory_copy, bytes read 4608, written 4608");
  CHECK(error_of("cudaMemcpyAsync", [&] { cuda_staging(d).bring(std::vector<float>(10)); }) ==
        "cuda: cudaMemcpyAsync: unknown error in staging, bytes read 40, written 40");
}

TEST_CASE("Two devices of one process do not know of one another, whichever is current") {
  const tidy t;
  std::vector<float> expected;
  {
    cuda d;
    expected = few_steps(d);
  }
  {
    cuda one(0), two(1);
    training a(one), b(two);
    for (int i = 0; i < 4; ++i) {
      a.step();
      b.step();
    }
    CHECK(b.result() == expected);
    CHECK(a.result() == expected);
  }
  {
    auto one = std::make_unique<cuda>(0), two = std::make_unique<cuda>(1);
    auto a = std::make_unique<training<float>>(*one), b = std::make_unique<training<float>>(*two);
    for (int i = 0; i < 4; ++i) a->step();
    b->step();
    b.reset();
    two.reset();  // the other one is at work
    CHECK(a->result() == expected);
  }
}

TEST_CASE("What a graph's capture met first is timed later, on its own device") {
  const tidy t;
  cuda one(0), two(1);
  const conv_spec s{8, 8, 3, 1, 1, 1};
  const auto x = upload(one, map::random(1, 8, 4, 4, 1)), y = garbage(one, map::zero(1, 8, 4, 4));
  const numbers w(one, std::vector<float>(8 * 8 * 9, 1.f)), n(one, std::vector<float>(8, 1.f));
  const numbers other(two, std::vector<float>(8, 1.f));
  const norm_parameters p{n.data(), n.data(), n.data(), n.data(), 1e-3f};
  const auto convolve = [&] { conv_norm_forward(one, s, x, w.data(), activation::relu, p, {}, y); };
  cuda_recording recording;
  one.replay(recording, [&] { fill(one, 1, n.span()); });
  one.replay(recording, convolve);
  const float expected = download(one, y)(0, 0);
  fill(two, 2, other.span());  // the other device is the current one
  convolve();
  CHECK(download(one, y)(0, 0) == doctest::Approx(expected));  // the capture did it in parts
}

TEST_CASE("Of the engines that keep the promises the fastest is taken, or the first") {
  const tidy t;
  const conv_spec s{8, 8, 3, 1, 1, 1};
  const map x = map::random(2, 8, 6, 6, 1);
  const auto taken = [&](engine_choice engines, float32_products products, auto element) {
    basic_cuda<decltype(element)> d(0, products, engines);
    const numbers w(d, maps::normals(8 * 8 * 9, 2));
    const auto gx = upload(d, rounded<decltype(element)>(x)), gy = garbage(d, x);
    conv_forward(d, s, gx, w.data(), gy);
    here().calls.clear();
    conv_forward(d, s, gx, w.data(), gy);
    std::string name;
    for (const auto& [function, count] : here().calls)
      if (function.starts_with("cuDNN engine")) name += function;
    return name;
  };
  constexpr auto exact = float32_products::exact, tf32 = float32_products::tf32;
  CHECK(taken(engine_choice::timed, exact, 1.f) == "cuDNN engine 6");  // as cudnn.cpp lists them
  CHECK(taken(engine_choice::fixed, exact, 1.f) == "cuDNN engine 5");
  CHECK(taken(engine_choice::fixed, tf32, 1.f) == "cuDNN engine 1");
  CHECK(taken(engine_choice::timed, exact, bfloat16()) == "cuDNN engine 6");
  CHECK(taken(engine_choice::fixed, exact, bfloat16()) == "cuDNN engine 1");
}

TEST_CASE("An engine that does not run gives way to another, and a fused form to its parts") {
  const tidy t;
  cuda d;
  const map image = map::random(2, 8, 9, 9, 1);
  const auto x = upload(d, image), y = garbage(d, image), apart = garbage(d, image);
  const numbers n(d, std::vector<float>(8, 1.f));
  const norm_parameters p{n.data(), n.data(), n.data(), n.data(), 1e-3f};
  for (const int kernel : {3, 7}) {  // of 7 there is one engine
    const conv_spec s{8, 8, kernel, 1, kernel / 2, 1};
    const numbers w(d, maps::normals(std::size_t(64 * kernel * kernel), 2));
    here().fault = cuda_simulation::planned_fault{"cudnnBackendExecute"};
    for (int i = 0; i < 2; ++i) {
      conv_norm_forward<float>(d, s, x, w.data(), activation::relu, p, {}, y);
      CHECK(here().fault->happened);
      conv_forward<float>(d, s, x, w.data(), apart);
      norm_forward<float>(d, activation::relu, apart, p, {}, apart);
      CHECK(distance(download(d, y), download(d, apart)) < bound<float>);
    }
  }
}

TEST_CASE("Where cuDNN takes no description of a fused form, its parts are done one after the other") {
  const tidy t;
  here().describes = false;
  cuda d;
  const conv_spec s{8, 8, 3, 1, 1, 1};
  const map image = map::random(2, 8, 9, 9, 1);
  const auto x = upload(d, image), y = garbage(d, image), apart = garbage(d, image);
  const numbers n(d, std::vector<float>(8, 1.f)), w(d, maps::normals(64 * 9, 2));
  const norm_parameters p{n.data(), n.data(), n.data(), n.data(), 1e-3f};
  conv_norm_forward<float>(d, s, x, w.data(), activation::relu, p, {}, y);
  conv_forward<float>(d, s, x, w.data(), apart);
  norm_forward<float>(d, activation::relu, apart, p, {}, apart);
  CHECK(download(d, y).values == download(d, apart).values);
}

TEST_CASE("Products in TF32 are near the exact ones, and not the same") {
  const tidy t;
  const map x = map::random(4, 64, 1, 1, 1);
  const auto w = maps::normals(64 * 10, 2);
  std::vector<map> results;
  for (const auto products : {float32_products::exact, float32_products::tf32}) {
    cuda d(0, products);
    const numbers gw(d, w);
    const auto y = garbage(d, map::zero(4, 10, 1, 1));
    linear_forward(d, upload(d, x), gw.data(), nullptr, y);
    results.push_back(download(d, y));
  }
  const double apart = distance(results[1], results[0]);
  CHECK((apart > 1e-6 && apart < 5e-3));
}

TEST_CASE("When the GPU's memory is full, in a capture or not, the error says so, and the device goes on") {
  const tidy t;
  cuda d;
  cuda_recording recording;
  const numbers n(d, std::vector<float>(4));
  const memory_limit limit(d, std::size_t{20} << 20);
  float value = 0;
  for (int i = 0; i < 5; ++i) {
    const auto queue = [&] {
      fill(d, value += 1, n.span());
      if (i % 2 == 1) feature_map<cuda>(d, 64, {64, 64, 64});
    };
    const std::string message = thrown([&] { d.replay(recording, queue); });
    CHECK(contains(message, "out of memory: 64 MiB more") == (i % 2 == 1));
    if (i % 2 == 0) CHECK(n.host() == std::vector<float>(4, value));
  }
  CHECK(recording.replays() == 2);
}

TEST_CASE("The simulated runtime does late what CUDA does late, and refuses what CUDA refuses") {
  const tidy t;
  REQUIRE(cudaSetDevice(0) == cudaSuccess);
  cudaStream_t a, b;
  cudaEvent_t e, f;
  cudaGraph_t graph;
  for (cudaStream_t* s : {&a, &b}) REQUIRE(cudaStreamCreateWithFlags(s, cudaStreamNonBlocking) == cudaSuccess);
  for (cudaEvent_t* p : {&e, &f}) REQUIRE(cudaEventCreateWithFlags(p, cudaEventDisableTiming) == cudaSuccess);
  int* pinned;
  REQUIRE(cudaHostAlloc(reinterpret_cast<void**>(&pinned), 8, 0) == cudaSuccess);
  int* memory;
  REQUIRE(cudaMalloc(reinterpret_cast<void**>(&memory), 8) == cudaSuccess);
  const auto copy = [](void* to, const void* from, cudaStream_t s) {
    return cudaMemcpyAsync(to, from, sizeof(int), cudaMemcpyDefault, s);
  };
  const auto begin = [&](cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed) {
    CHECK(cudaStreamBeginCapture(a, mode) == cudaSuccess);
  };
  const auto end = [&](cudaError_t expected) {
    CHECK(cudaStreamEndCapture(a, &graph) == expected);
    CHECK((graph != nullptr) == (expected == cudaSuccess));
  };

  pinned[0] = 1;
  int pageable = 1;
  CHECK(copy(memory, pinned, a) == cudaSuccess);
  CHECK(copy(memory + 1, &pageable, a) == cudaSuccess);
  pinned[0] = pageable = 2;
  int read[2];
  for (int i : {0, 1}) CHECK(copy(&read[i], memory + i, a) == cudaSuccess);
  CHECK((read[0] == 2 && read[1] == 1));  // pinned memory is read late

  int runs = 0, order = 0;
  cuda_simulation::launch(a, "a", [&] { order = 1; });
  CHECK(cudaEventRecord(e, a) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(b, e, 0) == cudaSuccess);
  cuda_simulation::launch(b, "b", [&] { runs = order; });
  CHECK(order == 0);
  CHECK(cudaStreamSynchronize(b) == cudaSuccess);
  CHECK(runs == 1);

  begin();
  CHECK(cudaStreamSynchronize(a) == cudaErrorStreamCaptureUnsupported);
  end(cudaErrorStreamCaptureInvalidated);
  begin();
  CHECK(cudaStreamWaitEvent(a, e, 0) == cudaErrorStreamCaptureIsolation);
  end(cudaErrorStreamCaptureInvalidated);
  begin();
  CHECK(cudaEventRecord(f, a) == cudaSuccess);
  CHECK(cudaEventSynchronize(f) == cudaErrorCapturedEvent);
  end(cudaErrorStreamCaptureInvalidated);
  begin(cudaStreamCaptureModeGlobal);
  void* none;
  CHECK(cudaMalloc(&none, 8) == cudaErrorStreamCaptureUnsupported);
  end(cudaErrorStreamCaptureInvalidated);
  begin();
  CHECK(copy(memory, &pageable, a) == cudaErrorStreamCaptureUnsupported);
  end(cudaErrorStreamCaptureInvalidated);
  for (const bool joined : {false, true}) {
    begin();
    cuda_simulation::launch(a, "a", [&] { runs = 10; });
    CHECK(cudaEventRecord(f, a) == cudaSuccess);
    CHECK(cudaStreamWaitEvent(b, f, 0) == cudaSuccess);
    cuda_simulation::launch(b, "b", [&] { ++runs; });
    CHECK(cudaEventRecord(f, b) == cudaSuccess);
    if (joined) CHECK(cudaStreamWaitEvent(a, f, 0) == cudaSuccess);
    end(joined ? cudaSuccess : cudaErrorStreamCaptureUnjoined);
  }

  cudaGraphExec_t whole;
  CHECK(cudaGraphInstantiate(&whole, graph, 0) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaErrorInvalidResourceHandle);
  for (const char* name : {"a", "b", "c"}) {
    CAPTURE(name);
    begin();
    for (int i = 0; i < (name[0] == 'c' ? 1 : 2); ++i) cuda_simulation::launch(a, i == 0 ? "a" : name, [] {});
    end(cudaSuccess);
    cudaGraphExecUpdateResultInfo info;
    CHECK((cudaGraphExecUpdate(whole, graph, &info) == cudaSuccess) == (name[0] == 'b'));
    CHECK(cudaGraphDestroy(graph) == cudaSuccess);
    runs = 0;
    CHECK(cudaGraphLaunch(whole, a) == cudaSuccess);
    CHECK(runs == 0);
    CHECK(cudaStreamSynchronize(a) == cudaSuccess);
    CHECK(runs == (name[0] == 'a' ? 11 : 0));
  }
  CHECK(cudaGraphExecDestroy(whole) == cudaSuccess);

  CHECK(cudaSetDevice(1) == cudaSuccess);
  CHECK(cudaGetLastError() != cudaSuccess);  // of all of these; once
  CHECK(cudaGetLastError() == cudaSuccess);
  cuda_simulation::launch(a, "a", [] {});
  CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  for (cudaStream_t s : {a, b}) CHECK(cudaStreamDestroy(s) == cudaSuccess);
  for (cudaEvent_t p : {e, f}) CHECK(cudaEventDestroy(p) == cudaSuccess);
  CHECK(cudaEventDestroy(e) == cudaErrorInvalidResourceHandle);
  CHECK(cudaFree(pinned) == cudaErrorInvalidValue);
  CHECK(cudaFreeHost(pinned) == cudaSuccess);
  CHECK(cudaFree(memory) == cudaSuccess);
  CHECK(here().complaints.size() >= 12);
  here().complaints.clear();
  cudaGetLastError();
}

TEST_CASE("Learnt numbers may lie at any address that floats may") {
  const tidy t;
  cpu c(1);
  cuda d;
  const auto w = maps::normals(65, 2);
  const numbers there(d, w);
  const map x = map::random(2, 8, 4, 4, 1), flat = map::random(2, 8, 1, 1, 3);
  map y = x.like(), z = flat.like();
  const auto gy = garbage(d, y), gz = garbage(d, z);
  const conv_spec s{8, 8, 1, 1, 0, 1};
  conv_forward(c, s, x, w.data() + 1, y);
  conv_forward(d, s, upload(d, x), there.data() + 1, gy);
  CHECK(distance(download(d, gy), y) < bound<float>);
  linear_forward(c, flat, w.data() + 1, nullptr, z);
  linear_forward(d, upload(d, flat), there.data() + 1, nullptr, gz);
  CHECK(distance(download(d, gz), z) < bound<float>);
}
