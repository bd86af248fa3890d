#!/bin/sh
# demo.sh PROGRAM OUT: trains on Fashion-MNIST three ways and writes the report to OUT.
set -eu
program=$1
out=$2
data=${ADVPROP_DEMO_DATA:-/usr/share/datasets/fashion-mnist}
if [ ! -d "$data" ]; then
  echo "demo: $data is missing: run 'sh cmake/install-deps.sh' (Debian's dataset-fashion-mnist)," \
    "or set ADVPROP_DEMO_DATA to a folder with Fashion-MNIST's four .gz files" >&2
  exit 1
fi
exec "$program" demo --data fashion-mnist --data-dir "$data" --out "$out"
