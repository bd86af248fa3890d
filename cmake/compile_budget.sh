#!/bin/sh
# compile_budget.sh [all]: prints what compiling against the library costs, beside docs/design.md's budgets. Never fails
# on a number, only when something does not compile. CPU seconds, which a busy machine blurs less; memory is
# the compiler's largest resident size and needs GNU time (Debian's `time`). The headers alone and two training programs
# beside advprop::compiled; with `all`, minutes more, these header-only, and the examples both ways.
set -eu
cd "$(dirname "$0")/.."

cxx=${CXX:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
eigen=$(pkg-config --cflags-only-I eigen3 2>/dev/null || echo -I/usr/include/eigen3)
flags="-std=c++20 -O2 -fopenmp -Iinclude $(echo "$eigen" | sed 's/-I/-isystem /g')"

# compile SOURCE OBJECT [FLAG]: sets seconds and memory (MiB, or - when unknown).
compile() {
  if [ -x /usr/bin/time ]; then
    # shellcheck disable=SC2086 # flags are words
    /usr/bin/time -o "$work/cost" -f '%U %S %M' $cxx $flags ${3:-} -c "$1" -o "$2"
    read -r user system kilobytes <"$work/cost"
    seconds=$(awk "BEGIN { printf \"%.2f\", $user + $system }")
    memory=$((kilobytes / 1024))
  else
    sh -c "$cxx $flags ${3:-} -c $1 -o $2 && times" >"$work/cost"
    seconds=$(sed -n '2{s/[ms]/ /g;p;}' "$work/cost" | awk '{ printf "%.2f", $1 * 60 + $2 + $3 * 60 + $4 }')
    memory=-
  fi
}

row() { printf '%-60s %10s %10s\n' "$1" "$2" "$3"; }
longest() { nm -P "$@" 2>/dev/null | awk '{ if (length($1) > n) n = length($1) } END { print n + 0 }'; }
include() { # include HEADER BUDGET WHAT [FLAG]: the cost over an empty file
  echo "#include <$1>" >"$work/include.cpp"
  compile "$work/include.cpp" "$work/include.o" "${4:-}"
  row "$3" "$2 s" "$(awk "BEGIN { s = $seconds - $empty; printf \"%.2f\", s < 0 ? 0 : s }") s"
}

echo 'int main() {}' >"$work/empty.cpp"
compile "$work/empty.cpp" "$work/empty.o"
empty=$seconds

echo "Compile budgets: $($cxx --version | head -n 1), $flags"
row "" budget measured
include advprop/advprop.hpp 4 "advprop.hpp alone, header-only"
include advprop/advprop.hpp 4 "advprop.hpp alone, advprop::compiled" -DADVPROP_COMPILED
include advprop/fwd.hpp 0.1 "fwd.hpp alone"

all=${1:-}
objects=
# source, budget in seconds, budget in MiB, name; the sources are complete training programs
while read -r source limit mebibytes name; do
  object=$work/$(basename "$source" .cpp).o
  compile "$source" "$object.compiled" -DADVPROP_COMPILED
  objects="$objects $object.compiled"
  row "$name, advprop::compiled, time" "$limit s" "$seconds s"
  if [ "$all" = all ]; then
    compile "$source" "$object"
    objects="$objects $object"
    row "$name, header-only, time" "" "$seconds s"
    row "$name, header-only, compiler memory" "$mebibytes MiB" "$memory MiB"
  fi
done <<EOF
bench/compile/resnet50.cpp 15 1024 ResNet-50 training example
bench/compile/efficientnet_b7.cpp 20 1024 EfficientNet-B7 training example
EOF
if [ "$all" = all ]; then
  for source in examples/*.cpp; do
    object=$work/example_$(basename "$source" .cpp).o
    compile "$source" "$object"
    row "$source, header-only" "" "$seconds s"
    compile "$source" "$object" -DADVPROP_COMPILED
    objects="$objects $object"
    row "$source, advprop::compiled" "" "$seconds s"
  done
  total=0
  for source in src/*.cpp; do
    compile "$source" "$work/library.o" -DADVPROP_COMPILED
    total=$(awk "BEGIN { print $total + $seconds }")
  done
  row "advprop::compiled itself, once a build" "" "$total s"
fi
# shellcheck disable=SC2086
row "longest symbol, characters" 700 "$(longest $objects)"
