// The options, in groups that subcommands share. Here and nowhere else is CLI11 included: it is slow to compile.
#include "options.hpp"

#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "commands.hpp"

namespace advprop::program {

namespace {

CLI::Option* name(CLI::App& app, const std::string& option, std::string& value, std::vector<std::string> names,
                  const std::string& text) {
  return app.add_option(option, value, text)
      ->check(CLI::IsMember(std::move(names)))
      ->capture_default_str()
      ->take_last();
}
template <class T>
CLI::Option* number(CLI::App& app, const std::string& option, T& value, double least, double most,
                    const std::string& text) {
  return app.add_option(option, value, text)->check(CLI::Range(least, most))->capture_default_str()->take_last();
}
constexpr double many = 2147483647;

void data_options(CLI::App& app, settings& s) {
  name(app, "--data", s.data, {"fashion-mnist", "mnist", "cifar10", "cifar100"}, "Data set")->group("Data");
  app.add_option("--data-dir", s.data_dir, "Folder with its files; for fashion-mnist Debian's, unless given")
      ->take_last()
      ->group("Data");
  name(app, "--normalization", s.normalization, {"dataset", "imagenet", "symmetric"},
       "Mean and deviation of the input stage: the data set's own, ImageNet's, or 0.5 and 0.5")
      ->group("Data");
  number(app, "--test-images", s.test_images, 0, many, "The first so many test images; 0: all")->group("Data");
}
void train_data_options(CLI::App& app, settings& s) {
  number(app, "--train-images", s.train_images, 0, many, "The first so many training images; 0: all")->group("Data");
  app.add_flag("--augment,!--no-augment", s.augment, "Pad-crop, and flip where that makes sense (on)")->group("Data");
}
void model_options(CLI::App& app, settings& s) {
  app.add_option("--model", s.model, "Network, such as resnet20 or resnet18")
      ->capture_default_str()
      ->take_last()
      ->group("Network");
}
void attack_options(CLI::App& app, settings& s, bool lists) {
  const char* group = "Attack";
  auto* attack = app.add_option("--attack", s.attacks,
                                lists ? "Once, or once for each auxiliary domain [pgd]; none there: "
                                        "a domain of images with cutout"
                                      : "May be given several times")
                     ->check(CLI::IsMember({"none", "fgsm", "ifgsm", "pgd", "pgd-l2", "mifgsm", "gd"}))
                     ->group(group);
  const auto list = [&](const std::string& option, auto& values, double most, const std::string& text) {
    app.add_option(option, values, text)
        ->check(CLI::Range(0.0, most))
        ->capture_default_str()
        ->group(group)
        ->allow_extra_args(false);
  };
  attack->allow_extra_args(false);
  list("--epsilon", s.epsilons, 255, "Largest change, pixels of 255; once, or once an attack");
  list("--step", s.step_sizes, 255, "Length of a step, pixels of 255; likewise");
  list("--steps", s.steps, 1e6, "Number of steps; likewise");
  name(app, "--goal", s.goal, {"untargeted", "random", "least-likely"}, "Away from the label, or towards a class")
      ->group(group);
  name(app, "--start", s.start, {"image", "uniform"}, "Where pgd and gd begin")->group(group);
  number(app, "--clean-start", s.clean_start, 0, 1, "Probability of beginning at the image all the same")->group(group);
  name(app, "--attack-statistics", s.attack_statistics, {"running", "batch"}, "Of the batch norms under attack")
      ->group(group);
}
void training_options(CLI::App& app, settings& s) {
  const char* group = "Training";
  number(app, "--epochs", s.epochs, 1, 1e6, "Passes over the training images")->group(group);
  number(app, "--batch", s.batch, 1, 1e6, "Images a step")->group(group);
  name(app, "--optimizer", s.optimizer, {"sgd"}, "Optimizer")->group(group);
  number(app, "--learning-rate", s.learning_rate, 0, 1e30, "Before the schedule's factor")->group(group);
  number(app, "--momentum", s.momentum, 0, 0.999999, "Momentum")->group(group);
  app.add_flag("--nesterov", s.nesterov, "Nesterov's momentum")->group(group);
  number(app, "--weight-decay", s.weight_decay, 0, 1e30, "Of weights; spares batch norms and biases")->group(group);
  number(app, "--clip-norm", s.clip_norm, 0, 1e30, "Largest norm of all gradients together; 0: any")->group(group);
  name(app, "--schedule", s.schedule, {"cosine", "step", "constant"}, "Of the learning rate")->group(group);
  number(app, "--warm-up", s.warm_up, 0, 1e6, "Epochs of linear rise before")->group(group);
  app.add_option("--milestones", s.milestones, "step: epochs after which it falls to a tenth [half, three quarters]")
      ->delimiter(',')
      ->group(group);
  number(app, "--label-smoothing", s.label_smoothing, 0, 0.999999, "Share of a label spread over all classes")
      ->group(group);
  app.add_flag("--zero-last-scale", s.zero_last_scale, "Residual branches start as nothing")->group(group);
  app.add_flag("--adversarial-only", s.adversarial_only, "adversarial: leave out the clean images")->group(group);
  number(app, "--aux", s.auxiliaries, 1, 15, "advprop: auxiliary domains")->group(group);
  name(app, "--execution", s.execution, {"sequential", "concatenated"}, "advprop: a pass a domain, or one for all")
      ->group(group);
}
void machine_options(CLI::App& app, settings& s) {
  app.add_option("--seed", s.seed, "Everything random follows from it")
      ->capture_default_str()
      ->take_last()
      ->group("Run");
  number(app, "--threads", s.threads, 0, 1024, "0: as many as there are processors; results do not depend on it")
      ->group("Run");
}
void run_options(CLI::App& app, settings& s) {
  number(app, "--workers", s.workers, 0, 1024, "Threads that prepare images")->group("Run");
  app.add_option("--out", s.out, "Folder for metrics.jsonl, summary.json, models and report.html")
      ->required()
      ->take_last()
      ->group("Run");
  auto* resume =
      app.add_flag("--resume", s.resume, "Go on where the run in --out stopped, to the same bits")->group("Run");
  app.add_flag("--force", s.force, "Replace the run in --out")->excludes(resume)->group("Run");
  number(app, "--checkpoint-steps", s.checkpoint_steps, 0, many,
         "Also save the state after every so many steps; 0: each epoch")
      ->group("Run");
  const char* group = "Measured after training";
  number(app, "--robust-images", s.robust_images, 0, many, "Test images that are attacked; 0: all")->group(group);
  number(app, "--robust-steps", s.robust_steps, 1, 1e6, "Steps of PGD")->group(group);
  app.add_option("--robust-epsilon", s.robust_epsilons, "Strengths besides the largest --epsilon [half and twice that]")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 255.0))
      ->group(group);
}

}  // namespace

invocation parse(int argc, const char* const* argv) {
  invocation result;
  settings& s = result.given;
  CLI::App app("Trains image classifiers on the CPU, with AdvProp and what it is compared with.", "advprop");
  app.set_version_flag("--version", ADVPROP_VERSION);
  app.require_subcommand(1);

  const auto command = [&](const char* word, const char* text, void (*run)(const settings&)) {
    CLI::App* sub = app.add_subcommand(word, text);
    sub->callback([&result, run] { result.run = run; });
    return sub;
  };
  CLI::App& training = *command("train", "Train one network", train);
  data_options(training, s);
  train_data_options(training, s);
  model_options(training, s);
  name(training, "--method", s.method, {"clean", "adversarial", "advprop"}, "Training method")->group("Training");
  training_options(training, s);
  training.add_option("--weights", s.weights, "Of the losses: clean, then each auxiliary domain [1 each]")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1e30))
      ->group("Training");
  attack_options(training, s, true);
  machine_options(training, s);
  run_options(training, s);

  CLI::App& comparison = *command("compare", "Train clean, adversarially and with AdvProp, and compare", compare);
  data_options(comparison, s);
  train_data_options(comparison, s);
  model_options(comparison, s);
  training_options(comparison, s);
  attack_options(comparison, s, true);
  machine_options(comparison, s);
  run_options(comparison, s);

  CLI::App& evaluation = *command("evaluate", "Measure a checkpoint on test images", evaluate);
  evaluation.add_option("--checkpoint", s.checkpoint, "A .safetensors file of this program, PyTorch or timm")
      ->required()
      ->take_last();
  evaluation.add_option("--domain", s.domain, "main, or the number of an auxiliary domain")
      ->capture_default_str()
      ->take_last();
  data_options(evaluation, s);
  model_options(evaluation, s);
  attack_options(evaluation, s, false);
  machine_options(evaluation, s);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    result.run = nullptr;
    if (e.get_exit_code() == 0) {
      result.status = app.exit(e);
    } else {
      std::fprintf(stderr, "advprop: %s\n", e.what());
      result.status = 2;
    }
  }
  return result;
}

}  // namespace advprop::program
