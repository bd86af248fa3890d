// The definitions of checkpoint_metadata.hpp (core/linkage.hpp).
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <advprop/io/checkpoint_metadata.hpp>

namespace advprop::detail {

constexpr int largest_image_size = 16384;
constexpr double smallest_crop_fraction = 0.01;  // a ten-thousandth of a square image

/// What may be recorded, or 0 for nothing.
inline bool may_be_image_size(int size) { return size >= 0 && size <= largest_image_size; }
inline bool may_be_crop_fraction(double f) { return f == 0 || (f >= smallest_crop_fraction && f <= 1); }

/// Takes the entries "advprop.*" of a file's metadata.
class metadata_reader {
 public:
  explicit metadata_reader(const safetensors& file) : file_(file) {}

  const std::string& text(const char* name) const {
    static const std::string none;
    const auto found = file_.metadata().find("advprop." + std::string(name));
    return found == file_.metadata().end() ? none : found->second;
  }

  /// Positive numbers, or any; none where the entry is missing.
  template <class T>
  std::vector<T> numbers(const char* name, bool positive = true) const {
    std::vector<T> list;
    std::string_view rest = text(name);
    while (!rest.empty()) {
      T value{};
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
      if (error != std::errc() || !(value - value == 0) || (positive && !(value > 0))) refuse(name);
      list.push_back(value);
      rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
      if (!rest.empty() && !(rest.starts_with(", ") && rest.size() > 2)) refuse(name);
      if (!rest.empty()) rest.remove_prefix(2);
    }
    return list;
  }

  /// 0 where the entry is missing.
  template <class T>
  T number(const char* name) const {
    const auto list = numbers<T>(name);
    if (list.size() > 1) refuse(name);
    return list.empty() ? T{} : list[0];
  }

  std::vector<std::string> lines(const char* name) const {
    std::vector<std::string> list;
    if (!text(name).empty()) list.emplace_back();
    for (const char c : text(name))
      if (c == '\n')
        list.emplace_back();
      else
        list.back() += c;
    return list;
  }

  [[noreturn]] void refuse(const char* name) const {
    fail<file_error>(file_.name(), ": metadata 'advprop.", name, "' is ", shown(text(name)), ", which is not valid");
  }

 private:
  const safetensors& file_;
};

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API checkpoint_metadata metadata_of(const safetensors& file) {
  const detail::metadata_reader in(file);
  checkpoint_metadata m;
  m.model = in.text("model");
  m.data = in.text("data");
  m.channels = in.number<int>("channels");
  m.classes = in.number<int>("classes");
  m.class_names = in.lines("class_names");
  m.normalization = {in.numbers<float>("mean", false), in.numbers<float>("deviation")};
  m.image_size = in.number<int>("image_size");
  m.crop_fraction = in.number<double>("crop_fraction");
  m.interpolation = in.text("interpolation");
  const auto& [mean, deviation] = m.normalization;
  if (mean.size() != deviation.size() || (m.channels > 0 && !mean.empty() && mean.size() != std::size_t(m.channels)))
    in.refuse("mean");
  if (m.classes > 0 && !m.class_names.empty() && m.class_names.size() != std::size_t(m.classes))
    in.refuse("class_names");
  if (!detail::may_be_image_size(m.image_size)) in.refuse("image_size");
  if (!detail::may_be_crop_fraction(m.crop_fraction)) in.refuse("crop_fraction");
  return m;
}

ADVPROP_API safetensors::metadata_map metadata_entries(const checkpoint_metadata& m) {
  safetensors::metadata_map entries;
  const auto put = [&](const char* name, std::string text) {
    if (!detail::is_utf8(text))
      fail<argument_error>("metadata: '", name, "' is ", detail::shown(text), ", which is not UTF-8");
    if (!text.empty()) entries["advprop." + std::string(name)] = std::move(text);
  };
  if (m.classes > 0 && !m.class_names.empty() && m.class_names.size() != std::size_t(m.classes))
    fail<argument_error>("metadata: ", m.class_names.size(), " class names for ", m.classes, " classes");
  if (!detail::may_be_image_size(m.image_size))
    fail<argument_error>("metadata: image_size is ", m.image_size, "; must be 1 to ", detail::largest_image_size,
                         ", or 0 for none");
  if (!detail::may_be_crop_fraction(m.crop_fraction))
    fail<argument_error>("metadata: crop_fraction is ", m.crop_fraction, "; must be ", detail::smallest_crop_fraction,
                         " to 1, or 0 for none");
  std::string lines;
  for (const auto& name : m.class_names) {
    if (name.empty() || name.find('\n') != name.npos || !detail::is_utf8(name))
      fail<argument_error>("metadata: the class name ", detail::shown(name), " is not one line of UTF-8");
    lines += (lines.empty() ? "" : "\n") + name;
  }
  put("model", m.model);
  put("data", m.data);
  put("channels", m.channels > 0 ? std::to_string(m.channels) : "");
  put("classes", m.classes > 0 ? std::to_string(m.classes) : "");
  put("class_names", std::move(lines));
  put("mean", shortest(m.normalization.mean));
  put("deviation", shortest(m.normalization.deviation));
  put("image_size", m.image_size > 0 ? std::to_string(m.image_size) : "");
  put("crop_fraction", m.crop_fraction > 0 ? shortest(m.crop_fraction) : "");
  put("interpolation", m.interpolation);
  return entries;
}

}  // namespace advprop
