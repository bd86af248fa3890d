// Labelled images of any kind behind one type: models, loaders and measurements are then compiled for one.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/data/dataset.hpp>

namespace advprop::program {

/// A `source` that is cheap to copy.
class image_source {
 public:
  std::string name;
  int classes = 0;
  std::vector<std::string> class_names;

  image_source() = default;
  template <class S>
    requires source<S> image_source(std::string title, S images)
        : name(std::move(title)), classes(images.classes), class_names(images.class_names) {
      images_ = std::make_shared<const held<S>>(std::move(images));
    }

    int size() const { return images_->size(); }
    shape image() const { return images_->image(); }
    int label(int i) const { return images_->label(i); }
    void read(int i, float* out) const { images_->read(i, out, nullptr); }
    /// With the randomness of a transform, where reading an image means one.
    void read(int i, float* out, random_stream& rng) const { images_->read(i, out, &rng); }
    bool of_files() const { return images_->of_files(); }
    /// Its path, or its number where images are not files.
    std::string title(int i) const { return images_->title(i); }
    /// Paths of the broken files that other images stood in for so far.
    std::vector<std::string> skipped() const { return images_->skipped(); }

   private:
    struct any {
      virtual ~any() = default;
      virtual int size() const = 0;
      virtual shape image() const = 0;
      virtual int label(int i) const = 0;
      virtual void read(int i, float* out, random_stream* rng) const = 0;
      virtual bool of_files() const = 0;
      virtual std::string title(int i) const = 0;
      virtual std::vector<std::string> skipped() const = 0;
    };
    template <class S>
    struct held final : any {
      S images;
      explicit held(S s) : images(std::move(s)) {}
      int size() const override { return images.size(); }
      shape image() const override { return images.image(); }
      int label(int i) const override { return images.label(i); }
      void read(int i, float* out, random_stream* rng) const override {
        if constexpr (requires { images.read(i, out, *rng); }) {
          if (rng) return images.read(i, out, *rng);
        }
        images.read(i, out);
      }
      bool of_files() const override {
        return requires { images.folder(); };
      }
      std::string title(int i) const override {
        if constexpr (requires { images.folder(); })
          return images.folder().path(i);
        else
          return std::to_string(i);
      }
      std::vector<std::string> skipped() const override {
        if constexpr (requires { images.folder(); })
          return images.folder().skipped();
        else
          return {};
      }
    };

    std::shared_ptr<const any> images_;
};

}  // namespace advprop::program
