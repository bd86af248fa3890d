#!/bin/sh
# demo.sh PROGRAM OUT: trains on Fashion-MNIST three ways and writes the report to OUT. Whatever follows goes to the
# program: `demo.sh PROGRAM OUT --epochs 10`.
set -eu
program=$1
out=$2
shift 2
data=${ADVPROP_DEMO_DATA:-/usr/share/datasets/fashion-mnist}
if [ ! -d "$data" ]; then
  echo "demo: $data is missing: run 'sh cmake/install-deps.sh' (Debian's dataset-fashion-mnist)," \
    "or set ADVPROP_DEMO_DATA to a folder with Fashion-MNIST's four .gz files" >&2
  exit 1
fi
[ ! -e "$out/report.html" ] || echo "demo: replacing the demo that $out holds"

# What fits into the demo's time on two cores: see bench/.
exec "$program" compare --data fashion-mnist --data-dir "$data" --model resnet20 \
  --train-images 12000 --epochs 3 --batch 64 --learning-rate 0.1 --nesterov --warm-up 0.2 \
  --attack pgd --epsilon 8 --step 4 --steps 2 \
  --robust-images 500 --robust-steps 10 --robust-epsilon 4,16 \
  --workers 1 --out "$out" --force "$@"
