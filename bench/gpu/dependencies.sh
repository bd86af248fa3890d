#!/bin/sh
# Unpacks Debian's packages that the library needs into a folder, for a machine with a GPU but without them, without
# network or root:  sh bench/gpu/dependencies.sh FOLDER; there  bench/gpu/run --dependencies FOLDER
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
packages=$(mktemp -d)
cd "$packages"
apt-get download libeigen3-dev nlohmann-json3-dev doctest-dev libbenchmark-dev libbenchmark1debian \
  libpng-dev libpng16-16 libjpeg62-turbo-dev libjpeg62-turbo liblzma-dev liblzma5 zlib1g-dev zlib1g
for package in *.deb; do dpkg -x "$package" "$folder"; done
rm -rf "$packages" "$folder/usr/share/doc" "$folder/usr/share/man"
# zlib's and lzma's link names point to /lib: their libraries join them.
for library in "$folder"/lib/*/lib*.so.*; do
  [ -e "$library" ] && cp -P "$library" "$folder/usr/lib/$(basename "$(dirname "$library")")/"
done
for link in "$folder"/usr/lib/*/lib*.so; do
  case $(readlink "$link") in /*) ln -sf "$(basename "$(readlink "$link")")" "$link" ;; esac
done
# Of the packages' CMake files doctest's alone looks for its headers in /usr, wherever it lies itself.
doctest=$folder/usr/lib/cmake/doctest/doctestTargets.cmake
sed -i 's|^set(_IMPORT_PREFIX "/usr")|get_filename_component(_IMPORT_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)|' "$doctest"
if grep '"/usr' "$doctest"; then echo "dependencies.sh: $doctest cannot be moved" >&2; exit 1; fi
du -sh "$folder"
