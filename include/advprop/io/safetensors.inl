// The definitions of safetensors.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/io/safetensors.hpp>

namespace advprop::detail {

/// Bits of an element of each safetensors dtype; 0 for an unknown one.
inline std::uint64_t dtype_bits(std::string_view dtype) {
  constexpr std::pair<std::string_view, int> known[] = {
      {"BOOL", 8},    {"U8", 8},      {"I8", 8},      {"I16", 16}, {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},    {"U32", 32},    {"F32", 32},    {"I64", 64}, {"U64", 64},    {"F64", 64},    {"C64", 64},
      {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
  };
  for (const auto& [name, bits] : known)
    if (name == dtype) return static_cast<std::uint64_t>(bits);
  return 0;
}

ADVPROP_API std::string shown(std::string_view name) {
  constexpr std::size_t limit = 120;
  std::string result(name.substr(0, limit));
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (name.size() > limit) {
    while (!result.empty() && (result.back() & 0xc0) == 0x80) result.pop_back();
    if (!result.empty() && (result.back() & 0x80)) result.pop_back();
    result += "...";
  }
  return "'" + result + "'";
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API std::int64_t tensor_info::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

ADVPROP_API safetensors safetensors::read(const std::string& path, std::uint64_t limit) {
  auto bytes = std::make_shared<const std::vector<std::byte>>(read_file(path, limit));
  auto result = parse(*bytes, path);
  result.owner_ = std::move(bytes);
  return result;
}

ADVPROP_API std::vector<std::string> safetensors::names() const {
  std::vector<std::string> result;
  for (const auto& t : tensors_) result.push_back(t.name);
  return result;
}

ADVPROP_API const tensor_info& safetensors::at(std::string_view tensor) const {
  const auto found = index_.find(tensor);
  if (found == index_.end()) fail<file_error>(name_, ": has no tensor ", detail::shown(tensor));
  return tensors_[found->second];
}

ADVPROP_API std::vector<float> safetensors::floats(std::string_view tensor) const {
  std::vector<float> result(static_cast<std::size_t>(at(tensor).size()));
  copy_floats(tensor, result);
  return result;
}

ADVPROP_API void safetensors::copy_floats(std::string_view tensor, std::span<float> out) const {
  const auto& t = at(tensor);
  if (t.dtype == "F32") return copy<float>(tensor, out);
  check_size(t, out.size());
  if (t.dtype == "F64")
    convert<double>(t, out, [](double x) { return static_cast<float>(x); });
  else if (t.dtype == "F16")
    convert<std::uint16_t>(t, out, detail::half_to_float);
  else if (t.dtype == "BF16")
    convert<std::uint16_t>(t, out, [](std::uint16_t x) { return std::bit_cast<float>(std::uint32_t{x} << 16); });
  else
    refuse(t, "is ", t.dtype, ", not F32, F64, F16 or BF16");
}

ADVPROP_API std::vector<std::int64_t> safetensors::integers(std::string_view tensor) const {
  const auto& t = at(tensor);
  if (t.dtype == "I64") return values<std::int64_t>(tensor);
  std::vector<std::int64_t> result(static_cast<std::size_t>(t.size()));
  const auto widen = [](auto x) { return std::int64_t{x}; };
  if (t.dtype == "I32")
    convert<std::int32_t>(t, std::span(result), widen);
  else if (t.dtype == "U8")
    convert<std::uint8_t>(t, std::span(result), widen);
  else if (t.dtype == "BOOL")
    convert<std::uint8_t>(t, std::span(result), [](std::uint8_t x) { return std::int64_t{x != 0}; });
  else
    refuse(t, "is ", t.dtype, ", not I64, I32, U8 or BOOL");
  return result;
}

ADVPROP_API void safetensors::check_size(const tensor_info& t, std::size_t count) const {
  if (static_cast<std::uint64_t>(t.size()) != count)
    refuse(t, "has ", t.size(), " elements, ", static_cast<std::uint64_t>(count), " are wanted");
}

/// Takes the header's JSON event by event: duplicates show, nothing nests deeper than the format does, and a hostile
/// header costs no more memory than its own size times a small factor.
class safetensors::header {
 public:
  struct entry {
    tensor_info info;
    std::vector<std::uint64_t> offsets;
    unsigned seen = 0;
  };

  explicit header(const std::string& file) : file_(file) {}

  metadata_map metadata;
  std::vector<entry> entries;
  std::map<std::string, std::size_t, std::less<>> names;

  // The events of json_reader.
  void null() { misplaced("null"); }
  void boolean(bool) { misplaced("a boolean"); }
  void number_integer() { misplaced("a negative number"); }
  void number_float() { misplaced("a fraction or too large a number"); }

  void number_unsigned(std::uint64_t value) {
    if (place_ == place::shape) {
      if (value > INT64_MAX) wrong("too large a dimension");
      entries.back().info.shape.push_back(static_cast<std::int64_t>(value));
    } else if (place_ == place::offsets) {
      entries.back().offsets.push_back(value);
    } else {
      misplaced("a number");
    }
  }

  void string(std::string& value) {
    if (place_ == place::metadata)
      metadata[key_] = std::move(value);
    else if (place_ == place::tensor && key_ == "dtype")
      entries.back().info.dtype = std::move(value);
    else
      misplaced("a string");
  }

  void start_object() {
    if (place_ == place::outside) {
      place_ = place::root;
    } else if (place_ == place::root && key_ == "__metadata__") {
      place_ = place::metadata;
    } else if (place_ == place::root) {
      place_ = place::tensor;
      entries.emplace_back().info.name = key_;
    } else {
      misplaced("an object");
    }
  }

  void end_object() {
    if (place_ == place::tensor && entries.back().seen != 7) wrong("no dtype, shape or data_offsets");
    place_ = place_ == place::root ? place::outside : place::root;
  }

  void start_array() {
    if (place_ == place::tensor && key_ == "shape")
      place_ = place::shape;
    else if (place_ == place::tensor && key_ == "data_offsets")
      place_ = place::offsets;
    else
      misplaced("an array");
  }

  void end_array() {
    if (place_ == place::offsets && entries.back().offsets.size() != 2) wrong("not two data_offsets");
    place_ = place::tensor;
  }

  [[gnu::cold]] void key(std::string& value) {
    if (place_ == place::root) {
      const bool fresh =
          value == "__metadata__" ? !std::exchange(has_metadata_, true) : names.emplace(value, entries.size()).second;
      if (!fresh) fail<file_error>(file_, ": duplicate name ", detail::shown(value));
    } else if (place_ == place::metadata) {
      if (metadata.contains(value)) fail<file_error>(file_, ": duplicate __metadata__ key ", detail::shown(value));
    } else {
      constexpr std::string_view known[] = {"dtype", "shape", "data_offsets"};
      const auto bit = 1u << (std::find(std::begin(known), std::end(known), value) - std::begin(known));
      if (bit > 4) wrong("an unknown key " + detail::shown(value));
      if (entries.back().seen & bit) wrong("a duplicate key " + detail::shown(value));
      entries.back().seen |= bit;
    }
    key_ = std::move(value);
  }

  [[noreturn]] void parse_error(std::size_t position) {
    fail<file_error>(file_, ": the header is not valid JSON in UTF-8 at its byte ", position);
  }

 private:
  enum class place { outside, root, metadata, tensor, shape, offsets };

  [[noreturn]] void wrong(const std::string& what) const {
    fail<file_error>(file_, ": tensor ", detail::shown(entries.back().info.name), " has ", what);
  }

  [[noreturn]] void misplaced(std::string_view what) const {
    if (place_ == place::outside) fail<file_error>(file_, ": the header is ", what, ", not an object");
    if (place_ == place::root)
      fail<file_error>(file_, ": entry ", detail::shown(key_), " is ", what, ", not an object");
    if (place_ == place::metadata)
      fail<file_error>(file_, ": __metadata__ key ", detail::shown(key_), " is ", what, ", not a string");
    const auto field = place_ == place::shape ? "shape" : place_ == place::offsets ? "data_offsets" : key_.c_str();
    wrong(std::string(what) + " in " + field);
  }

  const std::string& file_;
  place place_ = place::outside;
  std::string key_;
  bool has_metadata_ = false;
};

ADVPROP_API safetensors safetensors::parse(std::span<const std::byte> bytes, std::string name) {
  constexpr std::uint64_t prefix = 8, header_limit = 100'000'000;  // the reference implementation's limit
  safetensors result;
  result.name_ = std::move(name);
  const std::string& file = result.name_;

  if (bytes.size() < prefix) fail<file_error>(file, ": ", bytes.size(), " bytes are too few for a safetensors file");
  if (std::memcmp(bytes.data(), "PK\3\4", 4) == 0)
    fail<file_error>(file,
                     ": is a zip archive, as PyTorch's .pth are, not a safetensors file; examples/advprop/convert.py "
                     "makes one of it");
  std::uint64_t length;
  std::memcpy(&length, bytes.data(), prefix);
  if (length > header_limit)
    fail<file_error>(file, ": is not a safetensors file: its header would have ", length, " bytes");
  if (length > bytes.size() - prefix)
    fail<file_error>(file, ": truncated: the header has ", length, " bytes, the file only ", bytes.size() - prefix);
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + prefix;
  if (length == 0 || *text != '{') fail<file_error>(file, ": the header does not start with '{'");
  if (const void* zero = std::memchr(text, 0, length))
    fail<file_error>(file, ": the header has a zero byte at ", static_cast<const char*>(zero) - text);

  header head(file);
  detail::json_reader(std::string_view(text, length), head).read();

  const auto data = bytes.subspan(prefix + length);
  auto& entries = head.entries;
  std::vector<std::array<std::uint64_t, 3>> order;  // first byte, end, entry
  for (const auto& e : entries) order.push_back({e.offsets[0], e.offsets[1], order.size()});
  std::sort(order.begin(), order.end());
  std::uint64_t end = 0;
  for (const auto& [first, last, entry] : order) {
    auto& t = entries[entry].info;
    if (last < first) result.refuse(t, "ends before it starts (", first, ", ", last, ")");
    if (last > data.size())
      result.refuse(t, "ends at ", last, ", beyond the ", data.size(), " bytes of data: truncated file");
    if (first < end) result.refuse(t, "overlaps another one at ", first);
    if (first > end) result.refuse(t, "leaves a hole from ", end, " to ", first);
    end = last;

    const auto bits = detail::dtype_bits(t.dtype);
    if (bits == 0) result.refuse(t, "has unknown dtype ", detail::shown(t.dtype));
    std::uint64_t count = 1;
    bool empty = false;  // its other extents must make sense all the same
    for (const auto extent : t.shape) {
      empty = empty || extent == 0;
      const auto factor = static_cast<std::uint64_t>(extent == 0 ? 1 : extent);
      if (__builtin_mul_overflow(count, factor, &count) || count > INT64_MAX / 64)
        result.refuse(t, "has a shape that overflows");
    }
    if (empty) count = 0;
    if (count * bits % 8 != 0 || count * bits / 8 != last - first)
      result.refuse(t, "has ", last - first, " bytes, which do not fit its shape and ", t.dtype);
    t.bytes = data.subspan(first, last - first);
    head.names.find(t.name)->second = result.tensors_.size();
    result.tensors_.push_back(std::move(t));
  }
  if (end != data.size()) fail<file_error>(file, ": ", data.size() - end, " bytes after the last tensor");
  result.metadata_ = std::move(head.metadata);
  result.index_ = std::move(head.names);
  return result;
}

ADVPROP_API void safetensors_writer::write(const std::string& path) const {
  const auto order = sorted();
  const auto head = header(order);
  std::vector<std::span<const std::byte>> chunks{std::as_bytes(std::span(head))};
  for (const auto* t : order) chunks.push_back(t->bytes);
  write_file_atomically(path, chunks);
}

ADVPROP_API std::vector<std::byte> safetensors_writer::bytes() const {
  const auto order = sorted();
  const auto head = header(order);
  const auto first = std::as_bytes(std::span(head));
  std::vector<std::byte> result(first.begin(), first.end());
  for (const auto* t : order) result.insert(result.end(), t->bytes.begin(), t->bytes.end());
  return result;
}

ADVPROP_API void safetensors_writer::check_text(const std::string& text, std::string_view what) {
  if (!detail::is_utf8(text)) fail<argument_error>("safetensors: ", what, " ", detail::shown(text), " is not UTF-8");
}

ADVPROP_API std::vector<const tensor_info*> safetensors_writer::sorted() const {
  std::vector<const tensor_info*> order;
  for (const std::uint64_t bits : {64u, 32u, 8u})  // of the storable types
    for (const auto& t : tensors_)
      if (detail::dtype_bits(t.dtype) == bits) order.push_back(&t);
  return order;
}

ADVPROP_API std::string safetensors_writer::header(const std::vector<const tensor_info*>& order) const {
  std::string text = "{";
  const auto separate = [&] {
    if (text.back() != '{') text += ',';
  };
  if (!metadata.empty()) {
    text += R"("__metadata__":{)";
    for (const auto& [key, value] : metadata) {
      check_text(key, "metadata key");
      check_text(value, "metadata value");
      separate();
      text += detail::json_string(key) + ':' + detail::json_string(value);
    }
    text += '}';
  }
  std::uint64_t offset = 0;
  for (const auto* t : order) {
    separate();
    text += detail::json_string(t->name) + R"(:{"dtype":")" + t->dtype + R"(","shape":[)";
    for (const auto extent : t->shape) {
      if (text.back() != '[') text += ',';
      text += std::to_string(extent);
    }
    text += R"(],"data_offsets":[)" + std::to_string(offset) + ',' + std::to_string(offset + t->bytes.size()) + "]}";
    offset += t->bytes.size();
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > 100'000'000) fail<argument_error>("safetensors: names and metadata exceed 100 MB");
  const std::uint64_t length = text.size();
  std::array<char, sizeof length> prefix;
  std::memcpy(prefix.data(), &length, sizeof length);
  return std::string(prefix.begin(), prefix.end()) + text;
}

}  // namespace advprop
