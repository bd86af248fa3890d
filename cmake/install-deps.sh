#!/bin/sh
# Installs what the build, the tests and the demo need and the machine lacks: Debian 12 and 13, Ubuntu 22.04 and 24.04.
# Arguments are further packages to install in the same go.
set -eu

say() { echo "install-deps: $*"; }
die() {
  echo "install-deps: $*" >&2
  exit 1
}

command -v apt-get >/dev/null || die "this machine has no apt-get; the README lists the packages to install by hand"

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    command -v sudo >/dev/null || die "packages are missing and this is neither root nor has it sudo"
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}
installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

compiler=g++
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}")
[ "$release" != "ubuntu 22.04" ] || compiler="g++ g++-12" # its g++ is 11

missing=
for package in $compiler cmake ninja-build libeigen3-dev libxtensor-dev doctest-dev libbenchmark-dev zlib1g-dev \
  liblzma-dev libpng-dev libjpeg-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev dataset-fashion-mnist "$@"; do
  installed "$package" || missing="$missing $package"
done

if [ -n "$missing" ]; then
  say "installing$missing"
  as_root apt-get update -qq
  available=
  for package in $missing; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      available="$available $package"
    elif [ "$package" = dataset-fashion-mnist ]; then
      say "$release has no package dataset-fashion-mnist: the demo then needs ADVPROP_DEMO_DATA set to a folder with" \
        "Fashion-MNIST's four .gz files"
    else
      case $release in
        ubuntu*) die "$release has no package $package; if 'universe' is off: sudo add-apt-repository universe" ;;
        *) die "$release has no package $package" ;;
      esac
    fi
  done
  # shellcheck disable=SC2086 # a list of words on purpose
  [ -z "$available" ] || as_root apt-get install -y -qq --no-install-recommends $available
fi

# The presets need CMake 3.25; Ubuntu 22.04 has 3.22.
new_enough() {
  version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
  [ -n "$version" ] && [ $((${version% *} * 1000 + ${version#* })) -ge 3025 ]
}
if ! new_enough; then
  say "CMake 3.25 or newer is needed and $release has an older one; installing CMake from PyPI"
  installed python3-pip || as_root apt-get install -y -qq --no-install-recommends python3-pip
  as_root python3 -m pip install --quiet 'cmake>=3.25,<4' ||
    die "pip could not install CMake; get 3.25 or newer from cmake.org and run this again"
  new_enough || die "cmake on PATH is still $(cmake --version | head -n 1); put the newer one first on PATH"
fi
say "all there"
