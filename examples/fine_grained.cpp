// EfficientNet on a folder of images (FOLDER/train/CLASS, FOLDER/val/CLASS, ten classes) with three batch-norm
// domains (Xie et al. 2020, section 4.3): clean images, PGD adversaries, and images changed by AutoAugment. The paper's
// recipe in short: ten epochs of a cosine in place of 350 epochs of a staircase, and an average that follows sooner.
//
//   fine_grained FOLDER [EPOCHS]
#include <cstdio>
#include <cstdlib>

#include <advprop/advprop.hpp>

using namespace advprop;

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: fine_grained FOLDER [EPOCHS]\n"), 2;
  const std::string folder = argv[1];
  constexpr int size = 128, batch = 64;

  const image_folder files(folder + "/train", {.broken = on_broken::skip});
  const folder_view clean(files, {.size = size}, pipeline(random_resized_crop{size}, horizontal_flip{}));
  const folder_view strong(
      files, {.size = size},
      pipeline(random_resized_crop{size}, horizontal_flip{}, auto_augment{auto_augment_policy::imagenet}));
  const folder_view test(image_folder(folder + "/val"), {.size = size}, center_crop{size});
  loader first(clean, {.batch = batch, .augment_stream = 0}), second(strong, {.batch = batch, .augment_stream = 1});
  loader* const streams[] = {&first, &second};

  cpu device;
  model<efficientnet_b0<10>, domains<3>, cpu> net(device, seed{1});
  adversarial_propagation method(attack::pgd::paper(1), attack::none{});
  method.auxiliary[1].stream = 1;  // domain 2 sees the images of `second`

  averaged_weights average(net, {.decay = 0.999});
  fit(net, streams, method, rmsprop{.learning_rate = scaled_rate(0.016f, batch)},
      {.epochs = argc > 2 ? std::atoi(argv[2]) : 10,
       .schedule = schedule::cosine().warmed_up(1),
       .label_smoothing = 0.1f,
       .on_epoch =
           [&](const epoch_report& r) {
             const auto averaged = average.swap();  // until it goes, `net` holds the average
             std::printf("epoch %d: clean %.3f, adversarial %.3f, augmented %.3f; test %.2f %%\n", r.epoch,
                         r.metrics.parts[0].loss(), r.metrics.parts[1].loss(), r.metrics.parts[2].loss(),
                         100 * evaluate(net, test).total.accuracy());
             std::fflush(stdout);
           }},
      &average);

  const auto averaged = average.swap();
  save(net, main_domain, "fine_grained.safetensors",
       {.dialect = dialect::timm});  // timm.create_model("tf_efficientnet_b0")
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
