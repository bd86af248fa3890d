// The safetensors format, read strictly and written as the reference implementation expects it.
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

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/json_reader.hpp>
#include <advprop/io/json_string.hpp>

namespace advprop {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian, and so is this reader");

namespace detail {

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

template <class T>
inline constexpr std::string_view dtype_of = "";
template <>
inline constexpr std::string_view dtype_of<float> = "F32";
template <>
inline constexpr std::string_view dtype_of<double> = "F64";
template <>
inline constexpr std::string_view dtype_of<std::int64_t> = "I64";
template <>
inline constexpr std::string_view dtype_of<std::int32_t> = "I32";
template <>
inline constexpr std::string_view dtype_of<std::uint8_t> = "U8";

template <class T>
concept storable = !dtype_of<T>.empty();

/// Exact: every half is a float. No float subnormals on the way, so it also holds where those are flushed to zero.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half} >> 15 << 31, rest = half & 0x7fffu;
  if (rest < 0x400u) {
    const float magnitude = static_cast<float>(rest) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((rest << 13) + ((rest < 0x7c00u ? 112u : 224u) << 23)));
}

/// A name fit for an error message, whatever a hostile file put into it.
inline std::string shown(std::string_view name) {
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

}  // namespace detail

/// One tensor of a safetensors file. `bytes` is row-major and may be misaligned for its type.
struct tensor_info {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;

  std::int64_t size() const {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  }
};

/// A safetensors file in memory; copies share the bytes. Every `file_error` names the file and the tensor.
class safetensors {
 public:
  using metadata_map = std::map<std::string, std::string, std::less<>>;

  /// A file of more than `limit` bytes is refused.
  static safetensors read(const std::string& path, std::uint64_t limit = PTRDIFF_MAX) {
    auto bytes = std::make_shared<const std::vector<std::byte>>(read_file(path, limit));
    auto result = parse(*bytes, path);
    result.owner_ = std::move(bytes);
    return result;
  }

  /// Views `bytes`, which must outlive the result; `name` stands in errors. Refuses whatever the reference
  /// implementation refuses, and also what the format forbids but the latter lets pass: duplicate keys, unknown keys,
  /// white space before the header.
  static safetensors parse(std::span<const std::byte> bytes, std::string name);

  /// The file's name in errors.
  const std::string& name() const { return name_; }
  /// `__metadata__`.
  const metadata_map& metadata() const { return metadata_; }
  /// In the order of their data.
  const std::vector<tensor_info>& tensors() const { return tensors_; }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& t : tensors_) result.push_back(t.name);
    return result;
  }
  bool contains(std::string_view tensor) const { return index_.find(tensor) != index_.end(); }

  const tensor_info& at(std::string_view tensor) const {
    const auto found = index_.find(tensor);
    if (found == index_.end()) fail<file_error>(name_, ": has no tensor ", detail::shown(tensor));
    return tensors_[found->second];
  }

  /// Elements of exactly the stored type: float, double, std::int64_t, std::int32_t or std::uint8_t.
  template <detail::storable T>
  std::vector<T> values(std::string_view tensor) const {
    std::vector<T> result(static_cast<std::size_t>(at(tensor).size()));
    copy<T>(tensor, result);
    return result;
  }

  /// The same into memory of the caller's; also throws when the number of elements differs.
  template <detail::storable T>
  void copy(std::string_view tensor, std::span<T> out) const {
    const auto& t = at(tensor);
    if (t.dtype != detail::dtype_of<T>) refuse(t, "is ", t.dtype, ", not ", detail::dtype_of<T>);
    check_size(t, out.size());
    if (!out.empty()) std::memcpy(out.data(), t.bytes.data(), t.bytes.size());
  }

  /// F32, F16 and BF16 exactly, F64 rounded to float.
  std::vector<float> floats(std::string_view tensor) const {
    std::vector<float> result(static_cast<std::size_t>(at(tensor).size()));
    copy_floats(tensor, result);
    return result;
  }

  /// The same into memory of the caller's; also throws when the number of elements differs.
  void copy_floats(std::string_view tensor, std::span<float> out) const {
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

  /// I64, I32, U8 and BOOL (0 or 1).
  std::vector<std::int64_t> integers(std::string_view tensor) const {
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

 private:
  class header;

  template <class... Parts>
  [[noreturn]] void refuse(const tensor_info& t, const Parts&... parts) const {
    fail<file_error>(name_, ": tensor ", detail::shown(t.name), " ", parts...);
  }

  void check_size(const tensor_info& t, std::size_t count) const {
    if (static_cast<std::uint64_t>(t.size()) != count)
      refuse(t, "has ", t.size(), " elements, ", static_cast<std::uint64_t>(count), " are wanted");
  }

  template <class From, class To, class F>
  static void convert(const tensor_info& t, std::span<To> out, F f) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      From x;
      std::memcpy(&x, t.bytes.data() + i * sizeof x, sizeof x);
      out[i] = f(x);
    }
  }

  std::shared_ptr<const std::vector<std::byte>> owner_;
  std::string name_;
  metadata_map metadata_;
  std::vector<tensor_info> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

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

[[gnu::cold]] inline safetensors safetensors::parse(std::span<const std::byte> bytes, std::string name) {
  constexpr std::uint64_t prefix = 8, header_limit = 100'000'000;  // the reference implementation's limit
  safetensors result;
  result.name_ = std::move(name);
  const std::string& file = result.name_;

  if (bytes.size() < prefix) fail<file_error>(file, ": ", bytes.size(), " bytes are too few for a safetensors file");
  std::uint64_t length;
  std::memcpy(&length, bytes.data(), prefix);
  if (length > header_limit) fail<file_error>(file, ": absurd header length ", length);
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

/// Collects tensors and writes them as one file. Throws `argument_error` for what the format cannot hold.
class safetensors_writer {
 public:
  /// Becomes `__metadata__`.
  std::map<std::string, std::string, std::less<>> metadata;

  /// The values are not copied: they must live, and may change, until `write`. Types as in `safetensors::values`.
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const float> v) { put(name, shape, v); }
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const double> v) { put(name, shape, v); }
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const std::int64_t> v) { put(name, shape, v); }
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const std::int32_t> v) { put(name, shape, v); }
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const std::uint8_t> v) { put(name, shape, v); }

  /// A temporary is kept.
  template <detail::storable T>
  void add(std::string name, std::vector<std::int64_t> shape, std::vector<T>&& values) {
    auto kept = std::make_shared<const std::vector<T>>(std::move(values));
    put(name, shape, std::span<const T>(*kept));
    kept_.push_back(std::move(kept));
  }

  /// Replaces the file atomically, see `write_file_atomically`. Data lie in the order of `add`, except that types with
  /// larger elements come first, which keeps every tensor aligned.
  void write(const std::string& path) const {
    const auto order = sorted();
    const auto head = header(order);
    std::vector<std::span<const std::byte>> chunks{std::as_bytes(std::span(head))};
    for (const auto* t : order) chunks.push_back(t->bytes);
    write_file_atomically(path, chunks);
  }

  /// What `write` writes.
  std::vector<std::byte> bytes() const {
    const auto order = sorted();
    const auto head = header(order);
    const auto first = std::as_bytes(std::span(head));
    std::vector<std::byte> result(first.begin(), first.end());
    for (const auto* t : order) result.insert(result.end(), t->bytes.begin(), t->bytes.end());
    return result;
  }

 private:
  template <class T>
  [[gnu::cold]] void put(std::string& name, std::vector<std::int64_t>& shape, std::span<const T> values) {
    check_text(name, "name");
    if (name == "__metadata__" || !names_.emplace(name, tensors_.size()).second)
      fail<argument_error>("safetensors: name ", detail::shown(name), " is taken");
    tensor_info t{std::move(name), std::string(detail::dtype_of<T>), std::move(shape), std::as_bytes(values)};
    std::uint64_t count = 1;
    for (const auto extent : t.shape)
      if (extent < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(extent), &count)) count = UINT64_MAX;
    if (count != values.size()) {
      names_.erase(t.name);
      fail<argument_error>("safetensors: ", values.size(), " values do not fit the shape of ", detail::shown(t.name));
    }
    tensors_.push_back(std::move(t));
  }

  [[gnu::cold]] static void check_text(const std::string& text, std::string_view what) {
    if (!detail::is_utf8(text)) fail<argument_error>("safetensors: ", what, " ", detail::shown(text), " is not UTF-8");
  }

  std::vector<const tensor_info*> sorted() const {
    std::vector<const tensor_info*> order;
    for (const std::uint64_t bits : {64u, 32u, 8u})  // of the storable types
      for (const auto& t : tensors_)
        if (detail::dtype_bits(t.dtype) == bits) order.push_back(&t);
    return order;
  }

  [[gnu::cold]] std::string header(const std::vector<const tensor_info*>& order) const {
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

  std::vector<tensor_info> tensors_;
  std::map<std::string, std::size_t, std::less<>> names_;
  std::vector<std::shared_ptr<const void>> kept_;
};

}  // namespace advprop
