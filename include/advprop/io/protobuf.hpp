// Messages in protocol buffers' wire format: the little that writing an ONNX file takes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace advprop {

/// One message, written field by field. An own writer, because the format is these few lines, while libprotobuf brings
/// a code generator, a shared library and some 10 MB of headers, and libonnx all of that and more.
class protobuf_message {
 public:
  void integer(int field, std::int64_t value) {
    key(field, 0);
    varint(bytes_, static_cast<std::uint64_t>(value));
  }
  void real(int field, float value) {
    key(field, 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
  }
  /// A string, or bytes.
  void text(int field, std::string_view value) {
    head(field, value.size());
    bytes_ += value;
  }
  void message(int field, const protobuf_message& value) { text(field, value.bytes_); }
  /// What stands before a field of `size` bytes, which the caller appends in pieces.
  void head(int field, std::uint64_t size) {
    key(field, 2);
    varint(bytes_, size);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, unsigned wire) { varint(bytes_, static_cast<std::uint64_t>(field) << 3 | wire); }
  static void varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace advprop
