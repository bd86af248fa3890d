// The options, in groups that subcommands share. Here and nowhere else is CLI11 included: it is slow to compile.
#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <advprop/core/error.hpp>
#include <advprop/io/text.hpp>

#include "commands.hpp"
#include "idle_options.hpp"
#include "names.hpp"

namespace advprop::program {

namespace {

CLI::Option* name(CLI::App& app, const std::string& option, std::string& value, std::vector<std::string> names,
                  const std::string& text) {
  return app.add_option(option, value, text)
      ->check(CLI::IsMember(std::move(names)))
      ->capture_default_str()
      ->take_last();
}
/// Open: but for the least one. Instead of CLI::Range, which takes a NaN. CLI11 would then read the whole numbers 010
/// as 8 and -1 as 2^64 - 1.
template <class T>
CLI::Validator within(T least, T most, bool open = false) {
  constexpr bool whole = std::is_integral_v<T>;
  const auto text = [](T v) {
    if constexpr (whole)
      return std::to_string(v);
    else
      return shortest(v);
  };
  const std::string range = (open ? "(" : "[") + text(least) + ", " + text(most) + "]";
  const auto refusal = [=](const std::string& word) -> std::string {
    T value{};
    const char* const end = word.data() + word.size();
    const auto [read, error] = std::from_chars(word.data(), end, value);
    const bool good =
        error == std::errc{} && read == end && value >= least && value <= most && !(open && value == least);
    if (good && !(whole && word != text(value))) return "";
    return word + (whole ? " is not a whole number in " : " is not a number in ") + range;
  };
  return {refusal, range};
}
template <class T>
CLI::Option* number(CLI::App& app, const std::string& option, T& value, double least, double most,
                    const std::string& text) {
  return app.add_option(option, value, text)
      ->check(within(static_cast<T>(least), static_cast<T>(most)))
      ->capture_default_str()
      ->take_last();
}
/// Unset where it is not given; the text tells what that means.
CLI::Option* number(CLI::App& app, const std::string& option, std::optional<float>& value, double least, double most,
                    const std::string& text) {
  return app.add_option(option, value, text)
      ->check(within(static_cast<float>(least), static_cast<float>(most)))
      ->take_last();
}
constexpr double many = 2147483647;

void list(CLI::App& app, const std::string& option, std::vector<std::string>& values, const std::string& text) {
  app.add_option(option, values, text)->allow_extra_args(false);
}

const std::vector<std::string> augmentation_names = {"none", "basic", "cutout", "auto", "rand"};
const std::vector<std::string> known_normalizations = {"imagenet", "symmetric",     "cifar10",
                                                       "cifar100", "fashion-mnist", "mnist"};
std::vector<std::string> normalizations() {
  auto names = known_normalizations;
  names.insert(names.begin(), "dataset");
  return names;
}

/// How an image of any size is looked at.
void view_options(CLI::App& app, settings& s, const char* group) {
  number(app, "--image-size", s.image_size, 0, 10000, "Height and width that the network sees; 0: its own")
      ->group(group);
  number(app, "--crop-fraction", s.crop_fraction, 0.01, 1, "Tested on the middle: this part of the shorter side")
      ->group(group);
  name(app, "--interpolation", s.interpolation, names_in(filter_names), "Filter of resizing")->group(group);
  name(app, "--broken", s.broken, {"fail", "skip"}, "What becomes of files that cannot be decoded")->group(group);
}
void data_options(CLI::App& app, settings& s) {
  name(app, "--data", s.data, {"fashion-mnist", "mnist", "cifar10", "cifar100", "folder"},
       "Data set; folder: JPEG and PNG files in DIR/train/CLASS and DIR/val/CLASS")
      ->group("Data");
  app.add_option("--data-dir", s.data_dir, "Folder with its files; for fashion-mnist Debian's, unless given")
      ->take_last()
      ->group("Data");
  number(app, "--test-images", s.test_images, 0, many, "The first N test images (folder: spread evenly); 0: all")
      ->group("Data");
  view_options(app, s, "Images in folders");
  number(app, "--cache", s.cache, 0, many, "MiB of decoded images to keep in memory")->group("Images in folders");
}
void normalization_option(CLI::App& app, settings& s) {
  name(app, "--normalization", s.normalization, normalizations(),
       "Mean and deviation of the input stage: the data set's own, another's, or 0.5 and 0.5")
      ->group("Data");
}
void train_data_options(CLI::App& app, settings& s) {
  normalization_option(app, s);
  number(app, "--train-images", s.train_images, 0, many, "The first N training images; 0: all")->group("Data");
  app.add_option("--validation", s.validation,
                 "Training images to set aside, class by class, and to measure after each epoch instead of the test "
                 "images: how many, or which share of them; 0: none")
      ->check(CLI::Validator(
          [](const std::string& word) {
            double value{};
            const char* const end = word.data() + word.size();
            const auto [read, error] = std::from_chars(word.data(), end, value);
            const bool whole = word.find_first_not_of("0123456789") == word.npos;
            const bool good = error == std::errc{} && read == end && (whole ? value <= many : value > 0 && value < 1);
            return good ? "" : word + " is neither a number of images nor a share between 0 and 1";
          },
          "COUNT or SHARE"))
      ->capture_default_str()
      ->take_last()
      ->group("Data");
  name(app, "--augment", s.augment, augmentation_names,
       "basic: crop, and flip where that makes sense; the others besides: cutout, AutoAugment, RandAugment")
      ->group("Data");
  app.add_flag_callback(
         "--no-augment", [&s] { s.augment = "none"; }, "--augment none")
      ->group("Data");
  number(app, "--magnitude", s.magnitude, 0, 30, "Of RandAugment")->group("Data");
  number(app, "--color-jitter", s.color_jitter, 0, 1, "Largest change of brightness, contrast and saturation")
      ->group("Data");
  number(app, "--random-erasing", s.random_erasing, 0, 1, "Probability of noise in a random rectangle of an image")
      ->group("Data");
  number(app, "--mixup", s.mixup, 0, 1e6, "Alpha of mixup; 0: none")->group("Data");
  number(app, "--cutmix", s.cutmix, 0, 1e6, "Alpha of CutMix; 0: none; with mixup, each for half of the batches")
      ->group("Data");
  number(app, "--crop-scale", s.crop_scale, 0.001, 1, "Smallest part of an image that a random crop takes")
      ->group("Images in folders");
}
void aux_options(CLI::App& app, settings& s) {
  app.add_option("--aux-augment", s.aux_augments,
                 "advprop: augmentation of each auxiliary domain's images, once or once for each [as --augment; for "
                 "--attack none: auto on folders, else cutout]")
      ->check(CLI::IsMember(augmentation_names))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Data");
}
CLI::Option* model_options(CLI::App& app, settings& s) {
  return app.add_option("--model", s.model, "Network, such as resnet20 or resnet18")
      ->capture_default_str()
      ->take_last()
      ->group("Network");
}
void attack_options(CLI::App& app, settings& s, bool lists) {
  const char* group = "Attack";
  auto* attack = app.add_option("--attack", s.attacks,
                                lists ? "Once, or one for each auxiliary domain, as pgd,none [pgd]; none there: "
                                        "a domain of images with cutout"
                                      : "May be given several times")
                     ->check(CLI::IsMember(names_in(attack_names)))
                     ->group(group);
  const auto values = [&](const std::string& option, auto& list, int most, const std::string& text) {
    app.add_option(option, list, text)
        ->check(within<typename std::remove_reference_t<decltype(list)>::value_type>(0, most))
        ->delimiter(',')
        ->group(group)
        ->allow_extra_args(false);
  };
  attack->delimiter(',')->allow_extra_args(false);
  // Of pgd-l2 more than 255 is possible; whose value it is, is not known yet.
  values("--epsilon", s.epsilons, 100000,
         "Largest change of a pixel, of pgd-l2 the length of the whole change, pixels of 255; once, or once an attack "
         "[4; pgd-l2: 127.5]");
  values("--step", s.step_sizes, 100000,
         "Length of a step in the same; likewise; 0: epsilon / steps, but for pgd-l2 at least 1; gd: 1 [0]");
  values("--steps", s.steps, 1000000, "Number of steps; likewise [5]");
  name(app, "--goal", s.goal, names_in(goal_names), "Away from the label, or towards a class")->group(group);
  name(app, "--start", s.start, names_in(start_names), "Where pgd and gd begin")->group(group);
  number(app, "--clean-start", s.clean_start, 0, 1, "Probability of beginning at the image all the same")->group(group);
  name(app, "--attack-statistics", s.attack_statistics, names_in(statistics_names), "Of the batch norms under attack")
      ->group(group);
}
void training_options(CLI::App& app, settings& s) {
  const char* group = "Training";
  number(app, "--epochs", s.epochs, 1, 1e6, "Passes over the training images")->group(group);
  number(app, "--batch", s.batch, 1, 1e6, "Images a step")->group(group);
  number(app, "--micro-batch", s.micro_batch, 0, 1e6,
         "Of these, as many of a domain as go through the network at a time, where memory holds no more; 0: all")
      ->group(group);
  name(app, "--select", s.select, {"last", "best"},
       "Of which epoch the weights are tested and saved: the last, or the best by accuracy on the --validation images")
      ->group(group);
  name(app, "--optimizer", s.optimizer, {"sgd", "rmsprop", "adamw"}, "Optimizer; rmsprop is TensorFlow's")
      ->group(group);
  number(app, "--learning-rate", s.learning_rate, 0, 1e30,
         "Before the schedule's factor [sgd: 0.1; rmsprop: 0.016; adamw: 0.001]")
      ->group(group);
  number(app, "--momentum", s.momentum, 0, 0.999999, "Momentum")->group(group);
  app.add_flag("--nesterov", s.nesterov, "Nesterov's momentum")->group(group);
  number(app, "--weight-decay", s.weight_decay, 0, 1e30,
         "Of weights; spares batch norms and biases [sgd: 0.0005; rmsprop: 0.00001; adamw: 0.01]")
      ->group(group);
  app.add_flag_function(
         "--decay-biases,!--spare-biases", [&s](std::int64_t yes) { s.decay_biases = yes > 0; },
         "Weight decay of biases too, as EfficientNet's authors [rmsprop: yes; others: no]")
      ->take_last()
      ->group(group);
  app.add_flag("--decay-norms", s.decay_norms,
               "Weight decay of all that is learnt, as PyTorch's optimizers over all of a model's parameters")
      ->group(group);
  number(app, "--rms-decay", s.rms_decay, 0, 0.999999, "rmsprop: of the mean square")->group(group);
  number(app, "--beta1", s.beta1, 0, 0.999999, "adamw")->group(group);
  number(app, "--beta2", s.beta2, 0, 0.999999, "adamw")->group(group);
  number(app, "--optimizer-epsilon", s.optimizer_epsilon, 0, 1, "rmsprop, adamw; 0: their own")->group(group);
  app.add_option("--layer-rates", s.layer_rates,
                 "Of the learning rate, what tensors or layers of a name learn with, as fc=1,layer4=0.1,*=0: the first "
                 "that fits, * fits all; 0 keeps them as they are")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  number(app, "--average", s.average, 0, 0.9999999,
         "Decay of a moving average of the weights, which is then what is tested and saved; 0: none")
      ->group(group);
  number(app, "--clip-norm", s.clip_norm, 0, 1e30, "Largest norm of all gradients together; 0: any")->group(group);
  name(app, "--schedule", s.schedule, names_in(schedule_names), "Of the learning rate")->group(group);
  number(app, "--decay-rate", s.decay_rate, 1e-9, 1, "exponential, staircase: factor ...")->group(group);
  number(app, "--decay-every", s.decay_every, 1e-9, 1e9, "... every N epochs")->group(group);
  number(app, "--warm-up", s.warm_up, 0, 1e6, "Epochs of linear rise before")->group(group);
  app.add_option("--milestones", s.milestones, "step: epochs after which it falls to a tenth [half, three quarters]")
      ->delimiter(',')
      ->check(within(0.0, 1e6))
      ->group(group);
  number(app, "--label-smoothing", s.label_smoothing, 0, 0.999999, "Share of a label spread over all classes")
      ->group(group);
  app.add_flag("--zero-last-scale", s.zero_last_scale, "Residual branches start as nothing")->group(group);
  app.add_option("--stochastic-depth", s.stochastic_depth,
                 "Rate of the last block that is left out [the network's own]")
      ->check(within(0.f, 0.999999f))
      ->take_last()
      ->group(group);
  app.add_flag("--matched-noise", s.matched_noise, "The same dropout and stochastic depth for an image in every domain")
      ->group(group);
  app.add_flag("--attack-noise", s.attack_noise, "Dropout and stochastic depth also under attack")->group(group);
  app.add_option("--initial", s.initial, "Weights to begin from: a .safetensors file of this program, PyTorch or timm")
      ->take_last()
      ->group(group);
  app.add_flag("!--new-classifier", s.keep_classifier, "--initial: all but the last layer")->group(group);
  app.add_flag("--adversarial-only", s.adversarial_only, "adversarial: leave out the clean images")->group(group);
  app.add_option("--weights", s.weights, "Of the losses: clean, then each auxiliary domain [1 each]")
      ->delimiter(',')
      ->check(within(0.f, 1e30f))
      ->group(group);
  number(app, "--aux", s.auxiliaries, 1, 15, "advprop: auxiliary domains")->group(group);
  app.add_option("--share", s.shares,
                 "advprop: of each batch, what an auxiliary domain takes; once, or once for each [1]")
      ->delimiter(',')
      ->check(within(0.f, 1.f, true))
      ->group(group);
  app.add_flag(
         "--decoupled", s.decoupled,
         "advprop: main images that an auxiliary domain takes leave the clean pass; with --share 0.2 --weights 0.8,0.2 "
         "and one attack step, 1.2 times the passes of clean training")
      ->group(group);
  name(app, "--execution", s.execution, names_in(execution_names), "advprop: a pass per domain, or one for all")
      ->group(group);
}
void threads_option(CLI::App& app, settings& s) {
  number(app, "--threads", s.threads, 0, 1024, "0: as many as there are processors; results do not depend on it")
      ->group("Run");
}
void device_options(CLI::App& app, settings& s) {
  threads_option(app, s);
  name(app, "--device", s.device, {"cpu", "cuda", "cuda-tf32", "cuda-bfloat16"},
       "Where networks are computed: the CPU, or a GPU with float32, float32 whose products round to TF32, or bfloat16")
      ->group("Run");
  name(app, "--engines", s.engines, names_in(engine_names),
       "On a GPU: cuDNN's engines by their speed here, the same among more of them, which takes minutes of compiling, "
       "or the first that it names, for the same bits in every run")
      ->group("Run");
  name(app, "--convolution", s.convolution, names_in(convolution_names),
       "Engines that convolutions may use: all; Winograd with tiles of 2 at most; none of Winograd; the reference")
      ->group("Run");
}
void seed_option(CLI::App& app, settings& s) {
  app.add_option("--seed", s.seed, "Everything random follows from it")
      ->check(within<std::uint64_t>(0, UINT64_MAX))
      ->capture_default_str()
      ->take_last()
      ->group("Run");
}
void machine_options(CLI::App& app, settings& s) {
  seed_option(app, s);
  device_options(app, s);
}
void corruption_options(CLI::App& app, settings& s) {
  const char* group = "Corruptions";
  app.add_option("--corruptions", s.corruptions,
                 "Names as in ImageNet-C; all: the 15 that benchmarks count; all-but-frost: those that need no "
                 "pictures; extra: the other four")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  app.add_option("--severities", s.severities, "From 1 to 5 [all]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(within(1, 5))
      ->group(group);
  app.add_option("--frost", s.frost, "Folder with the pictures that the corruption frost needs")
      ->take_last()
      ->group(group);
}
void run_options(CLI::App& app, settings& s) {
  number(app, "--workers", s.workers, 0, 1024, "Threads that prepare images")->group("Run");
  app.add_option("--out", s.out, "Folder for metrics.jsonl, summary.json, models and report.html")
      ->required()
      ->take_last()
      ->group("Run");
  auto* resume = app.add_flag("--resume", s.resume,
                              "Go on where the run in --out stopped, to the same bits (a GPU: with --engines fixed)")
                     ->group("Run");
  app.add_flag("--force", s.force, "Replace the run in --out")->excludes(resume)->group("Run");
  number(app, "--checkpoint-steps", s.checkpoint_steps, 0, many,
         "Also save the state after every N steps; 0: each epoch")
      ->group("Run");
  const char* group = "Measured after training";
  number(app, "--robust-images", s.robust_images, 0, many, "Test images that are attacked; 0: all")->group(group);
  number(app, "--robust-steps", s.robust_steps, 1, 1e6, "Steps of PGD")->group(group);
  app.add_option("--robust-epsilon", s.robust_epsilons,
                 "Largest changes of a pixel, besides the largest --epsilon of training [half and twice that]")
      ->delimiter(',')
      ->check(within(0.f, 255.f))
      ->group(group);
  corruption_options(app, s);
  number(app, "--corruption-images", s.corruption_images, 0, many, "Test images that are corrupted; 0: all")
      ->group("Corruptions");
}
void published_options(CLI::App& app, settings& s) {
  app.add_option("--corrupted", s.corrupted, "Folder like CIFAR-10-C or ImageNet-C to read corrupted images from")
      ->take_last()
      ->group("Corruptions");
  const char* group = "Published test sets";
  const auto folder = [&](const std::string& option, std::string& value, const std::string& text) {
    app.add_option(option, value, text)->take_last()->group(group);
  };
  folder("--cifar10-1", s.cifar10_1, "Folder with CIFAR-10.1");
  folder("--imagenet-a", s.imagenet_a, "Class folders of ImageNet-A: only their logits compete");
  folder("--imagenet-r", s.imagenet_r, "Class folders of ImageNet-R: only their logits compete");
  folder("--stylized", s.stylized, "Class folders of Stylized-ImageNet, uncropped");
  folder("--cue-conflict", s.cue_conflict, "Folders of pictures such as cat/cat7-truck3.png: shape bias");
  folder("--class-list", s.class_list,
         "File with the network's classes, one per line, in the order of its logits [the test images' folders]");
}
void robust_options(CLI::App& app, settings& s) {
  const char* group = "Robust accuracy";
  app.add_option("--robust-attack", s.robust_attacks, "pgd, apgd, fab, square, ensemble (AutoAttack's)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"pgd", "apgd", "fab", "square", "ensemble"}))
      ->group(group);
  app.add_option("--robust-epsilon", s.robust_epsilons,
                 "Strengths, pixels of 255: of linf the largest change of a pixel [1,2,4,8], of l2 the length of the "
                 "whole change "
                 "[31.875,63.75,127.5,255]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(within(0.f, 1e5f))
      ->group(group);
  name(app, "--robust-norm", s.robust_norm, names_in(norm_names), "What --robust-epsilon is a bound of")->group(group);
  number(app, "--robust-steps", s.attack_steps, 1, 1e6, "Of pgd, apgd, fab and the ensemble")->group(group);
  number(app, "--robust-restarts", s.robust_restarts, 1, 1e6, "Of each attack")->group(group);
  number(app, "--robust-queries", s.robust_queries, 1, many, "Of square and the ensemble")->group(group);
  number(app, "--robust-images", s.robust_images, 0, many, "Test images that are attacked; 0: all")->group(group);
}

void domain_option(CLI::App& app, settings& s) {
  app.add_option("--domain", s.domain, "main, or the number of an auxiliary domain")
      ->capture_default_str()
      ->take_last();
}
/// What a checkpoint of this program records needs no option.
void checkpoint_options(CLI::App& app, settings& s) {
  app.add_option("--checkpoint", s.checkpoint, "A .safetensors file of this program, PyTorch or timm")
      ->required()
      ->take_last();
  const char* group = "Unless the checkpoint records it";
  model_options(app, s)->group(group);
  domain_option(app, s);
  number(app, "--classes", s.classes, 1, many, "Classes that the network tells apart")->group(group);
  number(app, "--channels", s.channels, 1, 3, "Channels of its images")->group(group);
}
void recorded_normalization(CLI::App& app, settings& s) {
  app.add_option("--normalization", s.normalization, "Mean and deviation of the input stage")
      ->check(CLI::IsMember(known_normalizations))
      ->take_last()
      ->group("Unless the checkpoint records it");
}

void configuration_option(CLI::App& app, settings& s) {
  app.add_option("--config", s.config, "TOML file of options; those of the command line count instead")->group("Run");
}

/// What one training run is, or would be.
void training_run_options(CLI::App& app, settings& s) {
  data_options(app, s);
  train_data_options(app, s);
  model_options(app, s);
  name(app, "--method", s.method, names_in(method_names), "Training method")->group("Training");
  training_options(app, s);
  attack_options(app, s, true);
  aux_options(app, s);
  machine_options(app, s);
}

void train_command(CLI::App& app, settings& s) {
  training_run_options(app, s);
  number(app, "--patience", s.patience, 0, 1e6,
         "--select best: training ends when N epochs in a row were no better; 0: after --epochs")
      ->group("Training");
  run_options(app, s);
  configuration_option(app, s);
}

void compare_command(CLI::App& app, settings& s) {
  data_options(app, s);
  train_data_options(app, s);
  model_options(app, s);
  training_options(app, s);
  number(app, "--seeds", s.seeds, 1, 1000,
         "Train every method N times, with --seed and those that follow, and tell means, deviations and paired "
         "differences")
      ->group("Run");
  attack_options(app, s, true);
  aux_options(app, s);
  machine_options(app, s);
  run_options(app, s);
  configuration_option(app, s);
}

void evaluate_command(CLI::App& app, settings& s) {
  app.add_option("checkpoints,--checkpoint", s.checkpoints,
                 ".safetensors files of this program, PyTorch or timm, to be set side by side")
      ->required();
  list(app, "--model", s.models, "Network of each checkpoint, or of all [as it records, or else resnet20]");
  list(app, "--domain", s.domains, "main, or the number of an auxiliary domain; of each, or of all [main]");
  app.add_option(
         "--normalization", s.normalizations,
         "Mean and deviation of the input stage of each, or of all: the data set's own, another's, or 0.5 and 0.5, as "
         "AdvProp's authors [as it records]")
      ->check(CLI::IsMember(normalizations()))
      ->allow_extra_args(false);
  list(app, "--name", s.titles, "What each checkpoint is called [its file]");
  data_options(app, s);
  attack_options(app, s, false);
  corruption_options(app, s);
  published_options(app, s);
  robust_options(app, s);
  machine_options(app, s);
  app.add_option(
         "--out", s.out,
         "Folder for evaluation.json, evaluation.csv, predictions.csv and report.html, and for cells.json, with "
         "which an interrupted evaluation goes on where it stopped")
      ->take_last()
      ->group("Run");
  app.add_flag("--force", s.force, "Measure again what --out holds already")->group("Run");
}

void corrupt_command(CLI::App& app, settings& s) {
  data_options(app, s);
  corruption_options(app, s);
  seed_option(app, s);
  threads_option(app, s);
  app.add_option("--out", s.out, "Folder: for KIND.npy as in CIFAR-10-C, or KIND/SEVERITY/CLASS as in ImageNet-C")
      ->required()
      ->take_last()
      ->group("Run");
}

void export_command(CLI::App& app, settings& s) {
  checkpoint_options(app, s);
  app.add_option("--out", s.out, "The .onnx file")->required()->take_last();
  number(app, "--image-size", s.image_size, 0, 10000, "Height and width; 0: as recorded, or an EfficientNet's own");
  app.add_flag("!--no-fold", s.fold, "Keep batch norms beside their convolutions");
  recorded_normalization(app, s);
}

void convert_command(CLI::App& app, settings& s) {
  checkpoint_options(app, s);
  app.add_option("--out", s.out, "The .safetensors file")->required()->take_last();
  name(app, "--names", s.names, names_in(dialect_names), "Whose names the tensors get");
  number(app, "--aux", s.sets, 0, 15,
         "Auxiliary sets to write; 0: an ordinary network. New ones begin as the main set");
}

void predict_command(CLI::App& app, settings& s) {
  app.add_option("images", s.images, "JPEG and PNG files, and folders of them")->required();
  checkpoint_options(app, s);
  recorded_normalization(app, s);
  view_options(app, s, "Images");
  number(app, "--top", s.top, 1, many, "Classes to print of each image, the likeliest first");
  app.add_option(
         "--class-list", s.class_list,
         "File with the names of the classes, one per line, in the order of the logits [as recorded, or numbers]")
      ->take_last();
  app.add_option("--out", s.out, "CSV file to write besides")->take_last();
  device_options(app, s);
}

void plan_command(CLI::App& app, settings& s) {
  training_run_options(app, s);
  number(app, "--classes", s.classes, 1, many, "Classes of --data folder")->group("Images in folders");
  configuration_option(app, s);
}

/// CLI11 would take the word behind "--out=" for its value, and the program an empty value for one that is not given.
void refuse_empty(const std::vector<std::string>& words) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string &word = words[i], &before = words[i - 1];
    const bool option = word.starts_with("--");
    if (option && word.find('=') == word.size() - 1)
      throw CLI::ValidationError(word.substr(0, word.size() - 1), "the value is empty");
    if (!word.empty()) continue;
    if (before.starts_with("--") && before.find('=') == before.npos)
      throw CLI::ValidationError(before, "the value is empty");
    throw CLI::ValidationError("an argument is empty");
  }
}

/// Without an attack to train on, an epsilon still is what the network is measured at.
void refuse_unattainable(const settings& s) {
  if (s.method != "clean") return;
  for (const float epsilon : s.epsilons)
    if (epsilon > 255) fail<argument_error>("--epsilon is ", epsilon, " for --method clean, must be in [0, 255]");
}

}  // namespace

std::string version() { return ADVPROP_VERSION; }

invocation parse(int argc, const char* const* argv) {
  invocation result;
  settings& s = result.given;
  CLI::App app("Trains image classifiers on the CPU, with AdvProp and what it is compared with.", "advprop");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);

  std::vector<std::string> commands;
  const auto command = [&](const char* word, const char* text, void (*run)(const settings&),
                           void (*options)(CLI::App&, settings&)) {
    CLI::App* sub = app.add_subcommand(word, text);
    commands.push_back(word);
    sub->callback([&result, run] { result.run = run; });
    options(*sub, s);
  };
  command("train", "Train one network", train, train_command);
  command("compare", "Train clean, adversarially and with AdvProp, and compare", compare, compare_command);
  command("evaluate", "Measure checkpoints on test images", evaluate, evaluate_command);
  command("corrupt", "Write corrupted copies of the test images; ImageNet-C was resized with --interpolation bilinear",
          corrupt, corrupt_command);
  command("export", "Write a checkpoint's network as ONNX", export_onnx, export_command);
  command("convert", "Write a checkpoint under other names, or with other domains", convert, convert_command);
  command("predict", "Print what a checkpoint's network takes images for", predict, predict_command);
  command("plan", "Print the work and the memory of a training step, from the options of train", plan, plan_command);

  const auto refuse = [&](const std::string& message, int status) {
    std::fprintf(stderr, "advprop: %s\n", result.line.located(message).c_str());
    result.run = nullptr;
    result.status = status;
  };
  try {
    refuse_empty({argv + 1, argv + argc});  // --config too
    result.line = with_configuration({argv + 1, argv + argc});
    refuse_empty(result.line.words);  // and what files say
    std::vector<std::string> words = result.line.words;
    if (!words.empty() && !words[0].starts_with("-") &&
        std::find(commands.begin(), commands.end(), words[0]) == commands.end()) {
      std::string known;
      for (const auto& c : commands) known += (known.empty() ? "" : ", ") + c;
      refuse("there is no subcommand " + words[0] + "; there are " + known, 2);
      return result;
    }
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(words);
    const CLI::App& chosen = *app.get_subcommands()[0];
    for (const CLI::Option* option : chosen.get_options()) {
      const bool several = option->get_multi_option_policy() != CLI::MultiOptionPolicy::TakeLast;
      if (!several && result.line.lists.count(option->get_name()) > 0)
        fail<argument_error>(option->get_name(), " takes one value, not a list");
      if (option->count() > 0) s.given.insert(option->get_name());
    }
    refuse_idle(s, chosen.get_name(), {argv + 1, argv + argc});
    refuse_unattainable(s);
  } catch (const error& e) {
    refuse(e.what(), 1);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) {
      refuse(e.what(), 2);
    } else {
      result.run = nullptr;
      result.status = app.exit(e);
    }
  }
  return result;
}

}  // namespace advprop::program
