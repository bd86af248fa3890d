// The run itself: fit with progress, metrics and checkpoints, then what is measured at its end.
#include "experiment.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <advprop/io/archive.hpp>
#include <advprop/io/progress.hpp>
#include <advprop/io/report.hpp>
#include <advprop/io/text.hpp>

#include "checkpoint.hpp"
#include "choices.hpp"
#include "content_hash.hpp"
#include "options.hpp"
#include "plan.hpp"
#include "quantities.hpp"

namespace advprop::program {

namespace {

constexpr int pictured_classes = 6;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string domain_name(int index) { return index == 0 ? "main" : "auxiliary " + std::to_string(index - 1); }

/// Where the checkpoint of an earlier process stands.
struct resumed_at {
  bool found = false;
  int epoch = 0;
  bool complete = false;
  double seconds = 0;  // of the epoch that it is in
};

resumed_at read_position(const settings& s, const data_contents& content, const run_folder& folder) {
  if (!s.resume) return {};
  if (!file_exists(folder.training())) {
    if (file_exists(folder.summary()))
      fail<file_error>(folder.training(), ": is missing, so this run cannot be resumed");
    return {};
  }
  const archive checkpoint = archive::read(folder.training());
  // `fit` compares all of this text, which begins with the settings; these few words are easier to read.
  const auto run = checkpoint.get<std::string>("run");
  const auto old = metrics_entry::parse(run.substr(0, run.rfind("; seed ")), nullptr, false);
  const auto now = metrics_entry::parse(identity(s, content));
  if (old.is_object() && old != now)
    fail<file_error>(folder.training(), ": is the checkpoint of another run (", changes(old, now), ")");
  const int epoch = checkpoint.get<int>("epoch");
  if (epoch > s.epochs)
    fail<argument_error>("--epochs is ", s.epochs, ", and ", folder.training(), " has trained ", epoch);
  const bool patient = s.patience == 0 || epoch - checkpoint.get<int>("best.epoch") < s.patience;
  return {true, epoch, epoch == s.epochs || !patient, checkpoint.get<double>("seconds")};
}

/// The weights to begin from are not needed where a checkpoint has those of later, and may be gone by then.
std::unique_ptr<runner> make_network(const settings& s, const image_source& train, const resumed_at& before,
                                     any_device& device) {
  auto net = make_runner(device, network_of(s, {train.image().channels, train.classes}));
  if (!s.initial.empty() && !before.found) load_initial(*net, s, train);
  return net;
}

/// The library calls the one auxiliary domain "adversarial"; without an attack it is not.
std::vector<std::string> part_names(const runner& net, const chosen_method& method) {
  auto names = net.part_names(method);
  if (names.back() == "adversarial" && method.attacks[0].which == chosen_attack::kind::none)
    names.back() = domain_name(1);
  return names;
}

/// Through every domain; returns the main one's.
evaluation evaluate_domains(runner& net, const image_source& images, std::uint64_t s,
                            std::vector<measured_part>& by_domain) {
  std::optional<evaluation> main;
  for (int d = 0; d < net.domains(); ++d) {
    evaluation measured = net.evaluate(images, d, 0, seed(s), {});
    by_domain.push_back({domain_name(d), measured.total.loss(), measured.total.accuracy()});
    if (d == 0) main = std::move(measured);
  }
  return std::move(*main);
}

/// What all measurements of a trained network depend on: the run and its epoch, the test images, the program.
std::string measured_under(const settings& s, const data_sets& data, int epoch) {
  content_hash hash;
  const std::string all =
      version() + identity(s, data.content) + s.device + s.engines + s.frost + " " + std::to_string(epoch);
  hash.add(std::span<const char>(all));
  return hash.text();
}

/// What happens during training, besides training.
class observer {
 public:
  observer(const settings& s, runner& net, const data_sets& data, std::vector<std::string> parts, history& past,
           double seconds_before, const std::string& title, std::function<void()> begun)
      : settings_(s),
        net_(net),
        data_(data),
        parts_(std::move(parts)),
        past_(past),
        progress_(stderr, title),
        seconds_(seconds_before),
        begun_(std::move(begun)) {}

  void step(const step_report& r) {
    if (const auto begun = std::exchange(begun_, nullptr)) begun();
    seconds_ += r.seconds;
    steps_.push_back(r.seconds);
    progress_state state;
    state.epoch = r.epoch;
    state.epochs = r.epochs;
    // Of the data, whatever share of them a domain takes away from the clean ones.
    const auto images = [&](std::int64_t steps) {
      return std::min<std::int64_t>(steps * settings_.batch, data_.train.size());
    };
    state.images = images(r.step);
    state.total = images(r.steps);
    std::vector<measured_part> training;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const tally& t = r.metrics.parts[i];
      training.push_back({parts_[i], t.loss(), t.accuracy()});
      state.losses.push_back({parts_[i], t.loss()});
      state.accuracies.push_back({parts_.size() == 1 ? "" : parts_[i], t.accuracy()});
    }
    progress_.update(state);
    // The epoch's line is written before its checkpoint: a kill between the two repeats the epoch and loses nothing.
    if (r.step == r.steps) end_epoch(r, std::move(training), std::move(state));
  }

  /// Of the last epoch's weights on what was watched, unless another process trained it.
  std::optional<evaluation>& main_evaluation() { return main_; }
  void message(const std::string& text) { progress_.message(text); }

 private:
  void end_epoch(const step_report& r, std::vector<measured_part> training, progress_state state) {
    epoch_record e;
    e.epoch = r.epoch;
    e.learning_rate = r.learning_rate;
    e.training = std::move(training);
    auto& watched = data_.validation ? e.validation : e.test;
    main_ = evaluate_domains(net_, data_.watched(), settings_.seed, watched);
    e.seconds = std::exchange(seconds_, 0);
    e.step_seconds = median(std::exchange(steps_, {}));
    e.images = state.total;
    state.accuracies.push_back({data_.validation ? "validation" : "test", watched[0].accuracy});
    past_.add(std::move(e));
    progress_.finish_epoch(state);
  }

  const settings& settings_;
  runner& net_;
  const data_sets& data_;
  std::vector<std::string> parts_;
  history& past_;
  progress progress_;
  double seconds_;
  std::vector<double> steps_;
  std::function<void()> begun_;  // once there was a step
  std::optional<evaluation> main_;
};

void draw_curves(run_report& page, const std::vector<epoch_record>& epochs) {
  const auto add = [](std::vector<curve>& curves, const std::string& name, double x, double y) {
    auto at = std::find_if(curves.begin(), curves.end(), [&](const curve& c) { return c.name == name; });
    if (at == curves.end()) at = curves.insert(curves.end(), {name, {}});
    at->points.push_back({x, y});
  };
  for (const auto& e : epochs) {
    const double x = e.epoch;
    for (const auto& [name, parts] : {std::pair("validation", &e.validation), {"test", &e.test}})
      for (std::size_t d = 0; d < parts->size(); ++d)
        add(page.accuracies, d == 0 ? name : std::string(name) + ", " + (*parts)[d].name, x, (*parts)[d].accuracy);
    for (const auto& p : e.training) add(page.losses, p.name, x, p.loss), add(page.accuracies, p.name, x, p.accuracy);
    page.learning_rate.push_back({x, e.learning_rate});
  }
}

void draw_robustness(run_report& page, const attacked_accuracy& r) {
  curve fgsm{"FGSM", {{0, r.clean}}}, pgd{"PGD-" + std::to_string(r.steps), {{0, r.clean}}};
  for (const auto& s : r.strengths) {
    fgsm.points.push_back({s.epsilon, s.fgsm});
    pgd.points.push_back({s.epsilon, s.pgd});
  }
  page.robustness = {fgsm, pgd};
}

metrics_entry summary_of(const settings& s, const experiment_result& r, const evaluation& clean, const runner& net) {
  metrics_entry j;
  j["settings"] = to_json(s);
  j["parameters"] = net.parameters();
  j["domains"] = net.domains();
  metrics_entry& results = j["results"];
  results["test_images"] = clean.total.images;
  results["accuracy"] = clean.total.accuracy();
  const auto [low, high] = wilson_interval(clean.total.accuracy(), clean.total.images);
  results["accuracy_interval"] = {low, high};
  results["accuracy_top5"] = clean.total.accuracy_top5();
  results["loss"] = clean.total.loss();
  results["accuracy_by_domain"] = metrics_entry::object();
  for (const auto& d : r.domains) results["accuracy_by_domain"][d.name] = d.accuracy;
  results["epochs"] = r.trained;
  if (!r.skipped.empty()) results["skipped"] = r.skipped;
  if (r.validation_images > 0)
    results["validation"] = {{"images", r.validation_images}, {"accuracy", r.validation_accuracy}, {"epoch", r.epoch}};
  metrics_entry& attacked = results["attacked"];
  attacked["images"] = r.attacked.images;
  attacked["accuracy_clean"] = r.attacked.clean;
  attacked["pgd_steps"] = r.attacked.steps;
  attacked["strengths"] = metrics_entry::array();
  for (const auto& a : r.attacked.strengths)
    attacked["strengths"].push_back({{"epsilon", a.epsilon}, {"fgsm", a.fgsm}, {"pgd", a.pgd}});
  if (r.corrupted.images > 0) {
    metrics_entry& corrupted = results["corruption_error"];
    corrupted["images"] = r.corrupted.images;
    corrupted["mean"] = r.corrupted.errors.mean;
    for (const auto& [corruption, error] : r.corrupted.errors.by_corruption)
      corrupted["by_corruption"][std::string(to_string(corruption))] = error;
  }
  results["training_seconds"] = r.training_seconds;
  results["step_seconds_median"] = r.step_seconds;
  results["images_per_second"] = r.images_per_second;
  results["planned_arena_bytes"] = r.planned_bytes;
  results["peak_arena_bytes"] = r.arena_bytes;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  results["peak_resident_bytes"] = std::int64_t{usage.ru_maxrss} * 1024;
  return j;
}

fit_options fit_options_of(const settings& s, const data_sets& data, const run_folder& folder, observer& watch) {
  fit_options options;
  options.epochs = s.epochs;
  options.micro_batch = s.micro_batch;
  options.schedule = schedule_of(s);
  options.label_smoothing = s.label_smoothing;
  options.seed = seed(s.seed);
  options.checkpoint = folder.training();
  options.checkpoint_steps = s.checkpoint_steps;
  options.resume = s.resume;
  options.run = identity(s, data.content);
  options.on_step = [&watch](const step_report& r) { watch.step(r); };
  return options;
}

/// Attacks and corruptions.
void measure_trained(experiment_result& r, runner& net, const settings& s, const data_sets& data,
                     const run_folder& folder, int robust_images, observer& watch) {
  kept_measurements kept(folder.measured(), measured_under(s, data, r.epoch),
                         [&](const auto& work) { watch.message(work); });
  r.attacked = measure_robustness(net, data.test, robust_images, s.robust_epsilons, s.robust_steps, seed(s.seed), kept);
  const float strength = *s.headline;
  r.headline =
      strength > 0 ? r.attacked.at(strength) : attacked_accuracy::strength{0, r.attacked.clean, r.attacked.clean};
  if (s.corruptions.empty()) return;
  const int images = s.corruption_images == 0 ? data.test.size() : std::min(s.corruption_images, data.test.size());
  r.corrupted = measure_corruptions(net, s, images, kept);
}

void add_times(experiment_result& r, const std::vector<epoch_record>& epochs) {
  std::vector<double> step_seconds;
  double images = 0;
  for (const auto& e : epochs) {
    r.training_seconds += e.seconds;
    images += static_cast<double>(e.images);
    step_seconds.push_back(e.step_seconds);
  }
  r.step_seconds = median(step_seconds);
  r.images_per_second = r.training_seconds > 0 ? images / r.training_seconds : 0;
}

run_report page_of(const experiment_result& r, runner& net, const settings& s, const image_source& test,
                   const std::vector<epoch_record>& epochs, const evaluation& clean) {
  run_report page;
  page.name = r.name;
  for (const auto& q : told_quantities_of(r))
    page.results.push_back(measurement_of(q, q.images > 0 ? q.interval_text() : ""));
  page.corruption_errors = r.corrupted.map;
  page.settings = described(s);
  draw_curves(page, epochs);
  draw_robustness(page, r.attacked);
  page.confusion = {test.class_names, {clean.confusion.begin(), clean.confusion.end()}};
  page.pictures =
      attack_pictures(net, test, pictured_classes, measuring_pgd(*s.headline, s.robust_steps), seed(s.seed));
  return page;
}

report report_of(const experiment_result& r, const settings& s, const data_sets& data) {
  report one;
  one.title = r.name;
  one.subtitle = subject(s, data);
  one.runs = {r.page};
  one.samples = r.corrupted.samples;
  one.notes = report_notes(s, r);
  one.notes.push_back(told_of_intervals() + ".");
  return one;
}

}  // namespace

std::string subject(const settings& s, const data_sets& data) { return s.model + " on " + data.train.name; }

std::string fgsm_name(const experiment_result& r) { return "FGSM ε=" + significant(r.headline.epsilon, 4); }
std::string pgd_name(const experiment_result& r) {
  return "PGD-" + std::to_string(r.attacked.steps) + " ε=" + significant(r.headline.epsilon, 4);
}

std::vector<std::string> report_notes(const settings& s, const experiment_result& r) {
  const std::string trained = s.train_images == 0 ? "all training images"
                              : s.data == "folder"
                                  ? grouped(s.train_images) + " training images, spread evenly over the classes"
                                  : "the first " + grouped(s.train_images) + " training images";
  const std::string aside = r.validation_images == 0 ? ""
                                                     : ", but for " + grouped(r.validation_images) +
                                                           " of them, set aside class by class for validation";
  std::vector<std::string> notes = {
      "Trained on " + trained + aside + ". Accuracy on clean images is that of " + grouped(r.test_images) +
      " test images. FGSM and PGD attack the first " + grouped(r.attacked.images) +
      " of them, through the domain that serves inference: the main one. PGD takes " +
      std::to_string(r.attacked.steps) + (r.attacked.steps == 1 ? " step" : " steps") +
      " from uniform noise within ε, each of 2.5 ε divided by their number. ε is in pixels of 255."};
  if (r.left_out > 0)
    notes.push_back("Batches are of " + grouped(s.batch) + " images: " + grouped(r.left_out) + " of an epoch, " +
                    (r.left_out == 1 ? "another every time, is" : "others every time, are") + " left out.");
  if (r.corrupted.images > 0)
    notes.push_back("The corruption error is the plain mean over " + r.corrupted.kinds() + " of ImageNet-C and " +
                    std::to_string(r.corrupted.severities) + " severities" +
                    (s.data == "folder" ? "" : ", as for CIFAR-10-C") + ", of " + grouped(r.corrupted.images) +
                    " test images.");
  notes.push_back(std::string("Accuracies named ") + (r.validation_images > 0 ? "validation" : "test") +
                  " are of these images; the others are of training images as the network saw them, augmented and "
                  "attacked, while it changed.");
  if (s.select == "best")
    notes.push_back(
        "The weights are those of the epoch with the highest accuracy on the validation images through the main "
        "domain. The test images have no part in that choice.");
  if (r.trained < s.epochs)
    notes.push_back("Training ended after epoch " + std::to_string(r.trained) + " of " + std::to_string(s.epochs) +
                    ": --patience is " + std::to_string(s.patience) + ".");
  if (!r.skipped.empty()) notes.push_back(told_of_skipped(r.skipped) + ".");
  notes.push_back("The time per step is the median, and training time is that of the steps alone.");
  return notes;
}

void check_experiment(const settings& s, const data_sets& data, const run_folder& folder) {
  folder.check(s.resume, s.force);
  any_device device = device_of(s);
  make_network(s, data.train, read_position(s, data.content, folder), device);
  make_loaders(s, data);
  metadata_entries(metadata_of(s, data));  // a class name that cannot be written
  method_of(s);
  schedule_of(s);
  sets_of(s, data.test);
}

/// Returns the epoch whose weights the network then has.
int train(runner& net, const settings& s, const data_sets& data, const run_folder& folder, const chosen_method& method,
          const history& past, observer& watch) try {
  const auto loaders = make_loaders(s, data);
  std::vector<loader*> streams;
  for (const auto& l : loaders) streams.push_back(l.get());
  std::function<double()> score;
  if (s.select == "best") score = [&] { return past.epochs().back().validation.at(0).accuracy; };
  return net.fit(streams, method, optimizer_of(s), fit_options_of(s, data, folder, watch), s.average, score,
                 s.patience);
} catch (const numeric_error& e) {
  fail<numeric_error>(e.what(), "; a smaller --learning-rate, some --warm-up or a --clip-norm may help");
}

experiment_result run_experiment(const settings& s, const data_sets& data, const run_folder& folder,
                                 const std::string& name, const std::string& title,
                                 const std::function<void()>& begun) {
  check_experiment(s, data, folder);
  const auto held = folder.hold();
  const resumed_at before = read_position(s, data.content, folder);
  any_device device = device_of(s);
  const int robust_images = s.robust_images == 0 ? data.test.size() : std::min(s.robust_images, data.test.size());
  const run_plan planned = plan_run(s, {data.train.image(), data.train.classes},
                                    std::max(data.test.size(), data.watched().size()), robust_images);
  check_memory(s, planned);
  device.reserve(planned.peak());
  const auto net = make_network(s, data.train, before, device);
  if (!s.initial.empty() && !before.found && s.keep_classifier)
    tell_of_classes(s.initial, read_metadata(s.initial), data.train);
  const chosen_method method = method_of(s);

  history past(folder, before.epoch);
  // A run that --force replaces is there until this one is known to work: it may be where the weights come from.
  observer watch(s, *net, data, part_names(*net, method), past, before.seconds, title, [&] {
    if (s.force) folder.clear();
    if (begun) begun();
  });
  if (s.resume)
    watch.message(!before.found     ? "there is no checkpoint yet: beginning anew"
                  : before.complete ? "this run is complete"
                                    : "going on in epoch " + std::to_string(before.epoch + 1));
  watch.message(memory_of(planned));
  if (!before.complete && s.broken == "fail") {  // an epoch's training would be lost by what is found after it
    check_readable(data.watched(), reading_threads(s));
    if (data.validation) check_readable(data.test, reading_threads(s));
  }

  experiment_result r;
  r.name = name;
  r.left_out = left_out(s, data.train.size());
  r.epoch = train(*net, s, data, folder, method, past, watch);
  r.trained = static_cast<int>(past.epochs().size());

  const save_options written{.metadata = metadata_of(s, data)};
  net->save(folder.model(), written);
  net->save_domain(folder.model_main(), 0, written);

  evaluation clean;
  if (data.validation) {
    r.validation_images = data.validation->size();
    r.validation_accuracy = past.epochs().at(static_cast<std::size_t>(r.epoch) - 1).validation.at(0).accuracy;
    clean = evaluate_domains(*net, data.test, s.seed, r.domains);
  } else {
    // Of another process's last epoch nothing is taken over: the test images may be others by now.
    if (watch.main_evaluation())
      r.domains = past.epochs().back().test, clean = *watch.main_evaluation();
    else
      clean = evaluate_domains(*net, data.test, s.seed, r.domains);
  }

  r.accuracy = clean.total.accuracy();
  r.test_images = data.test.size();
  measure_trained(r, *net, s, data, folder, robust_images, watch);
  std::set<std::string> skipped;
  for (const auto& files : {data.train.skipped(), data.test.skipped()}) skipped.insert(files.begin(), files.end());
  for (const auto& file : skipped) r.skipped.push_back(in_utf8(file));
  add_times(r, past.epochs());
  r.arena_bytes = device.peak();
  r.planned_bytes = planned.peak();
  r.page = page_of(r, *net, s, data.test, past.epochs(), clean);
  write_summary(folder.summary(), summary_of(s, r, clean, *net));
  write_report(folder.report(), report_of(r, s, data));
  return r;
}

}  // namespace advprop::program
