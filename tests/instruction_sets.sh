#!/bin/sh
# instruction_sets.sh LIBRARY: no function of advprop::compiled uses AVX or BMI outside the namespaces avx2 and avx512.
# Such a function may be the copy that the linker keeps for every caller, and a processor without AVX would stop at it.
# Exit code 77, skipped: not x86, or compiled for a processor that has AVX.
set -eu
command -v objdump >/dev/null && command -v nm >/dev/null || exit 77
listing=$(mktemp)
trap 'rm -f "$listing"' EXIT
objdump -dC --no-show-raw-insn "$1" >"$listing"
grep -q 'advprop::avx512::' "$listing" && grep -q 'advprop::portable::' "$listing" || exit 77
awk '
  /^[0-9a-f]+ <.*>:$/ { name = $0; sub(/^[0-9a-f]+ /, "", name) }
  /\t(v[a-z0-9]+|(shlx|shrx|sarx|rorx|andn|mulx|bzhi|blsr|blsi|blsmsk)[lq]?) / { used[name] = 1 }
  END {
    for (f in used) {
      head = f
      sub(/\(.*/, "", head)  # arguments may name what they like
      if (head ~ /advprop::avx(2|512)::/) inside++
      else { print "uses AVX: " f; leaks++ }
    }
    print inside + 0 " functions use AVX, " leaks + 0 " of them outside its namespaces"
    exit leaks > 0 || inside == 0
  }' leaks=0 "$listing"
