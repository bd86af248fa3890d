// Whole files into memory: plain, gzip (zlib) and xz (liblzma), never more than a limit. Links with -lz -llzma.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/io/file.hpp>

namespace advprop {

using byte_vector = std::vector<std::uint8_t>;
using byte_span = std::span<const std::uint8_t>;

/// The most bytes that a file of a data set may hold, decompressed, unless the caller says otherwise.
inline constexpr std::size_t default_size_limit = std::size_t{2} << 30;

/// Decompresses a gzip file's bytes (one member or several). Throws `file_error` beginning with `name` where they are
/// truncated, corrupt, followed by others, or more than `limit`.
ADVPROP_API byte_vector gunzip(byte_span bytes, const std::string& name, std::size_t limit = default_size_limit);

/// Decompresses an xz file's bytes (one stream or several). Throws as `gunzip`.
ADVPROP_API byte_vector unxz(byte_span bytes, const std::string& name, std::size_t limit = default_size_limit);

/// A file's content; names ending in .gz and .xz are decompressed. The limit holds for the file and for its content.
/// Throws `file_error` where it cannot be read, and as `gunzip`.
ADVPROP_API byte_vector read_decompressed(const std::string& path, std::size_t limit = default_size_limit);

/// The first file of `folder` that has one of the names, plain or with .gz or .xz behind it. Throws `file_error` naming
/// the folder and what was looked for.
ADVPROP_API std::string find_file(const std::string& folder, std::initializer_list<const char*> names);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/compressed.inl>
#endif
