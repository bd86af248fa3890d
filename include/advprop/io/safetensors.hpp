// The safetensors format, read strictly and written as the reference implementation expects it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/json_reader.hpp>
#include <advprop/io/json_string.hpp>

namespace advprop {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian, and so is this reader");

namespace detail {

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
ADVPROP_API std::string shown(std::string_view name);

}  // namespace detail

/// One tensor of a safetensors file. `bytes` is row-major and may be misaligned for its type.
struct tensor_info {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;

  std::int64_t size() const;
};

/// A safetensors file in memory; copies share the bytes. Every `file_error` names the file and the tensor.
class safetensors {
 public:
  using metadata_map = std::map<std::string, std::string, std::less<>>;

  /// A file of more than `limit` bytes is refused.
  static safetensors read(const std::string& path, std::uint64_t limit = PTRDIFF_MAX);

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
  std::vector<std::string> names() const;
  bool contains(std::string_view tensor) const { return index_.find(tensor) != index_.end(); }

  const tensor_info& at(std::string_view tensor) const;

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
  std::vector<float> floats(std::string_view tensor) const;

  /// The same into memory of the caller's; also throws when the number of elements differs.
  void copy_floats(std::string_view tensor, std::span<float> out) const;

  /// I64, I32, U8 and BOOL (0 or 1).
  std::vector<std::int64_t> integers(std::string_view tensor) const;

 private:
  class header;

  template <class... Parts>
  [[noreturn]] void refuse(const tensor_info& t, const Parts&... parts) const {
    fail<file_error>(name_, ": tensor ", detail::shown(t.name), " ", parts...);
  }

  void check_size(const tensor_info& t, std::size_t count) const;

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
  void write(const std::string& path) const;

  /// What `write` writes.
  std::vector<std::byte> bytes() const;

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

  [[gnu::cold]] static void check_text(const std::string& text, std::string_view what);

  std::vector<const tensor_info*> sorted() const;

  [[gnu::cold]] std::string header(const std::vector<const tensor_info*>& order) const;

  std::vector<tensor_info> tensors_;
  std::map<std::string, std::size_t, std::less<>> names_;
  std::vector<std::shared_ptr<const void>> kept_;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/safetensors.inl>
#endif
