// What a checkpoint tells before a network is made for it, and the network that is.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <advprop/io/checkpoint_metadata.hpp>

#include "image_source.hpp"
#include "runner.hpp"
#include "settings.hpp"

namespace advprop::program {

struct checkpoint_facts {
  std::string path;
  int auxiliaries = 0;  // sets of batch norms besides the main one
  checkpoint_metadata metadata;
};

/// Throws `file_error`, also for the state of a training run.
checkpoint_facts facts_of(const std::string& path);

/// The settings with the network's name, channels and classes as the file records them. Throws `argument_error` for an
/// option that says otherwise.
settings completed(settings s, const checkpoint_facts& file);

/// The settings with image size, crop fraction and interpolation as the files record them, unless an option says them:
/// a network may be shown other images on purpose. Throws `argument_error` where files disagree and no option decides.
settings seen_as_recorded(settings s, std::span<const checkpoint_facts> files);

/// The numbers of `--normalization`, or else those that the file records: nobody guesses how its network's images were
/// normalised. Throws `argument_error` where neither says, or they contradict each other.
channel_statistics required_normalization(const settings& s, const checkpoint_facts& file);

/// `domain_of`, which must be in the file.
int domain_in(const settings& s, const checkpoint_facts& file);

/// Throws `argument_error` where the file records other channels or another number of classes than the images have, or
/// a class of theirs at another place.
void check_images(const std::string& path, const checkpoint_metadata& recorded, const image_source& images);

/// A line on stderr where the file records names of classes, and the images' have none of them: such answers count by
/// their places alone.
void tell_of_classes(const std::string& path, const checkpoint_metadata& recorded, const image_source& images);

/// The network of `--model` with the file's weights, for images and classes of that shape.
std::unique_ptr<runner> load_network(any_device& device, const settings& s, const checkpoint_facts& file,
                                     data_shape shape, int auxiliaries, const channel_statistics& normalization);

/// `--initial`, to go on with on these images. That file may record another normalization than the network's, or none,
/// only if `--normalization` is given.
void load_initial(runner& net, const settings& s, const image_source& train);

}  // namespace advprop::program
