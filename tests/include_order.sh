#!/bin/sh
# include_order.sh PROJECT: a header of include/advprop includes headers of its own room and of those below it, never in
# a circle, the rooms that know no device name none (docs/design.md, section 3), and what stands in an .inl is compiled
# into advprop::compiled by its room's source.
set -eu
project=$(cd "$1" && pwd)
cd "$project/include/advprop"
complaints=$(mktemp)
trap 'rm -f "$complaints"' EXIT

# below ROOM OTHERS: a header of the room may include only its own room's and those of the others.
checked=
below() {
  room=$1
  checked="$checked $room"
  allowed=$(echo "$@" | tr ' ' '|')
  grep -rn '#include.*advprop/' "$room" | grep -vE "#include <advprop/($allowed)/" | sed 's/$/  is no room below/' >>"$complaints" || :
}
below core
below device core
below ops core device
below domains core
below layers core device ops domains
below models core device ops domains layers
below attacks core device ops domains layers models
below io core device ops domains layers models
below data core io
below robustness core device ops domains layers models attacks io data
below training core device ops domains layers models attacks io data
for room in */; do
  case "$checked " in
    *" ${room%/} "*) ;;
    *) echo "$room: a room without a place in this test" >>"$complaints" ;;
  esac
done

# A header and its .inl, which includes it, are one.
grep -r '#include <advprop/' . | sed 's#^\./\([^:]*\):.*<advprop/\([^>]*\)>.*#\1 \2#; s/\.inl/.hpp/g' | tsort 2>>"$complaints" >/dev/null || :

# attacks/attack.hpp: a concept is checked against an example, which has to be on some device.
find domains layers models attacks training -type f ! -path attacks/attack.hpp -exec awk '
  { sub(/\/\/.*/, "") }
  /(^|[^a-z_])(cpu|cuda|cuda_bfloat16|basic_cuda|cuda_device|recorder)([^a-z_]|$)/ { print FILENAME ":" FNR ":" $0 "  names a device" }
  ' {} + >>"$complaints"

find . -name '*.inl' ! -path './ops/cpu/kernels/*' | while read -r file; do
  room=${file#./}
  room=${room%%/*}
  grep -q "#include <advprop/${file#./}>" "$project/src/$room.cpp" || echo "$file: src/$room.cpp does not include it"
done >>"$complaints"

cat "$complaints"
test ! -s "$complaints"
