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

# What fits into the demo's time on two cores; bench/results/fashion-mnist-demo.md has three seeds of it. The mean of the
# clean and the adversarial loss, so that one learning rate suits all three. All corruptions but frost, which needs pictures
# that a fresh machine does not have.
exec "$program" compare --data fashion-mnist --data-dir "$data" --model resnet20 \
  --train-images 7500 --epochs 5 --augment none --batch 32 --learning-rate 0.05 --nesterov --warm-up 0.5 \
  --attack pgd --epsilon 4 --step 4 --steps 1 --weights 0.5,0.5 \
  --robust-images 500 --robust-steps 10 --corruptions all-but-frost --corruption-images 250 \
  --workers 1 --out "$out" --force "$@"
