#!/bin/sh
# run.sh PROGRAM CASE WORK MAKE_IMAGES: one end-to-end test of the program in the folder WORK, which is made anew.
# Exits with 77 where Fashion-MNIST is missing.
set -eu
program=$1
case=$2
work=$3
make_images=$4

data=${ADVPROP_DEMO_DATA:-/usr/share/datasets/fashion-mnist}
if [ ! -d "$data" ]; then
  echo "skipped: no Fashion-MNIST in $data (ADVPROP_DEMO_DATA)"
  exit 77
fi
rm -rf "$work"
mkdir -p "$work"
cd "$work"

die() {
  echo "FAILED: $*" >&2
  exit 1
}
small="--data-dir $data --train-images 96 --test-images 40 --batch 32 --epochs 2 --threads 1 --workers 1"
small="$small --learning-rate 0.02 --robust-images 20 --robust-steps 2"
weak="$small --steps 1"  # of attacks that have steps
run() {
  echo "+ advprop $*"
  "$program" "$@" || die "exit code $?"
}
# present FOLDER: what every run leaves behind.
present() {
  for file in metrics.jsonl summary.json model.safetensors model-main.safetensors training.safetensors report.html; do
    [ -s "$1/$file" ] || die "$1/$file is missing or empty"
  done
  [ "$(wc -l <"$1/metrics.jsonl")" -eq 2 ] || die "$1/metrics.jsonl has not a line an epoch"
}
contains() { grep -q -- "$2" "$1" || die "$1 does not contain: $2"; }
lacks() { ! grep -q -- "$2" "$1" || die "$1 contains: $2"; }
state() { cksum killed/training.safetensors 2>/dev/null || true; }
# refused STATUS TEXT ARGUMENTS...: one line on stderr that begins with the program's name and contains TEXT.
refused() {
  wanted=$1
  text=$2
  shift 2
  echo "+ advprop $*"
  status=0
  "$program" "$@" >stdout 2>stderr || status=$?
  cat stderr
  [ "$status" -eq "$wanted" ] || die "exit code $status instead of $wanted"
  [ "$(wc -l <stderr)" -eq 1 ] || die "not one line of error"
  contains stderr "^advprop: "
  contains stderr "$text"
}

# refused_late TEXT ARGUMENTS...: the same of what is found out while it trains, behind lines of progress.
refused_late() {
  text=$1
  shift
  echo "+ advprop $*"
  status=0
  "$program" "$@" >stdout 2>stderr || status=$?
  cat stderr
  [ "$status" -eq 1 ] || die "exit code $status instead of 1"
  [ "$(grep -c '^advprop: ' stderr)" -eq 1 ] || die "not one line of error"
  tail -n 1 stderr >last
  contains last "^advprop: .*$text"
}

# MiB of this machine, swap included.
memory() { awk '/^MemTotal|^SwapTotal/ { all += $2 } END { print int(all / 1024) }' /proc/meminfo; }

# unrecorded FILE: on stdout, the checkpoint as another program would write it, without this one's metadata.
unrecorded() { LC_ALL=C sed 's/"advprop\./"another./g' "$1"; }

case $case in
clean)
  run train $small --method clean --schedule step --label-smoothing 0.1 --nesterov --clip-norm 1 --out out >stdout 2>progress
  contains progress "epoch 2/2: .*loss clean [0-9.]*, accuracy "
  lacks stdout "epoch 2/2"
  lacks out/report.html "left out"
  contains stdout "^accuracy on the 20 images that are attacked, clean  *[0-9.]* %"
  contains out/report.html "accuracy on the 20 images that are attacked, clean"
  present out
  cmp out/model.safetensors out/model-main.safetensors
  contains out/metrics.jsonl '"training":{"clean":'
  # Each optimizer has defaults of its own, which a recipe's false overrides as well.
  echo 'decay-biases = false' >spare.toml
  one="--data-dir $data --train-images 32 --test-images 20 --batch 32 --epochs 1 --threads 1 --robust-images 1 --robust-steps 1 --method clean --force --out one"
  own() {
    wanted=$1
    shift
    run train $one "$@"
    tr -d ' \n' <one/summary.json | grep -o '"\(decay-biases\|learning-rate\|weight-decay\)":[^,]*' | sort | tr '\n' ' ' >own
    contains own "^$wanted $"
  }
  own '"decay-biases":false "learning-rate":0.1 "weight-decay":0.0005'
  own '"decay-biases":true "learning-rate":0.016 "weight-decay":1e-05' --optimizer rmsprop
  own '"decay-biases":false "learning-rate":0.001 "weight-decay":0.01' --optimizer adamw
  own '"decay-biases":false "learning-rate":0.5 "weight-decay":0.25' --optimizer rmsprop --config spare.toml \
    --learning-rate 0.5 --weight-decay 0.25
  # The command line counts instead of a recipe, under another name of the option, too.
  own '"decay-biases":true "learning-rate":0.1 "weight-decay":0.0005' --config spare.toml --decay-biases
  printf 'spare-biases = true\nno-augment = true\n' >spare.toml
  own '"decay-biases":true "learning-rate":0.1 "weight-decay":0.0005' --config spare.toml --decay-biases --augment cutout
  contains one/summary.json '"augment": "cutout"'
  own '"decay-biases":false "learning-rate":0.016 "weight-decay":1e-05' --config spare.toml --optimizer rmsprop
  contains one/summary.json '"augment": "none"'
  printf 'decay-biases = true\naugment = "cutout"\n' >spare.toml
  own '"decay-biases":false "learning-rate":0.1 "weight-decay":0.0005' --config spare.toml --spare-biases --no-augment
  contains one/summary.json '"augment": "none"'
  lacks out/report.html 'Corrupted images'
  run evaluate --data-dir "$data" --test-images 40 --threads 1 --checkpoint out/model.safetensors \
    --attack fgsm --attack pgd-l2 --epsilon 8 --epsilon 128 >evaluated
  cat evaluated
  contains evaluated "^FGSM, ε = 8 "
  contains evaluated "^clean .*  [0-9.]*  *\[[0-9.]*, [0-9.]*\]$"
  contains evaluated "^L2 PGD-5, ε = 128 "
  # The default strength is that of the norm.
  look="evaluate --data-dir $data --test-images 40 --threads 1 out/model.safetensors"
  "$program" $look --attack pgd --attack pgd-l2 >default
  "$program" $look --attack pgd --attack pgd-l2 --epsilon 4 --epsilon 127.5 --step 1 --step 25.5 >given
  cmp default given || die "the default strengths are others"
  contains default "^L2 PGD-5, ε = 127.5 "
  refused 1 "^advprop: --epsilon is 300 for --attack pgd, must be in \[0, 255\]$" $look --attack pgd-l2 --attack pgd --epsilon 300
  refused 1 "--epsilon is given 3 times; must be once, or once for each of 1 attacks" \
    $look --attack pgd --epsilon 1 --epsilon 2 --epsilon 4
  run $look --robust-attack pgd --robust-norm l2 --robust-steps 2 --robust-images 4 >robust
  for strength in 31.88 63.75 127.5 255; do contains robust "^accuracy under L2 PGD, ε = $strength  *[0-9.]* % \[[0-9.]*, [0-9.]*\]$"; done
  ;;

adversarial)
  run train $weak --method adversarial --attack ifgsm --goal random --out mixture
  present mixture
  contains mixture/metrics.jsonl '"training":{"clean":.*"adversarial":'
  run train $weak --method adversarial --adversarial-only --attack mifgsm --attack-statistics batch --out only
  present only
  lacks only/metrics.jsonl '"clean":'
  ;;

advprop)
  run train $weak --method advprop --aux 2 --attack gd --attack none --weights 1,0.5,0.5 --out out
  present out
  contains out/metrics.jsonl '"auxiliary 0":.*"auxiliary 1":'
  contains out/model.safetensors 'bn1.aux_bn.1.weight'
  lacks out/model-main.safetensors 'aux_bn'
  # What the last epoch measured of each domain, a fresh process measures too.
  for domain in main 0 1; do
    run evaluate --data-dir "$data" --test-images 40 --threads 1 --checkpoint out/model.safetensors --domain $domain \
      --attack fgsm >evaluated
    cat evaluated
    name=$([ $domain = main ] && echo main || echo "auxiliary $domain")
    accuracy=$(tail -n 1 out/metrics.jsonl | sed "s/.*\"test\":{//; s/.*\"$name\":{\"loss\":[^,]*,\"accuracy\":\([0-9.e-]*\)}.*/\1/")
    contains evaluated "^clean  *$(awk "BEGIN { printf \"%.2f\", 100 * $accuracy }") %"
    contains evaluated "^FGSM, ε = 4 "
  done
  run evaluate --data-dir "$data" --test-images 40 --threads 1 --checkpoint out/model-main.safetensors
  refused 1 "out/training.safetensors: is the state of a training run; its network is in model.safetensors" \
    evaluate out/training.safetensors --data-dir "$data"
  # A domain without an attack sees other images than the main one: in the first step alone, losses would be equal.
  run train $small --epochs 1 --train-images 32 --method advprop --attack none --out augmented
  contains augmented/metrics.jsonl '"clean":{[^}]*},"auxiliary 0":{'
  lacks augmented/metrics.jsonl '"clean":\({[^}]*}\),"auxiliary 0":\1'
  refused 1 "aux-augment cutout beside the same --augment leaves nothing" train $small --augment cutout --attack none --out bad
  # Robust accuracy is that of L-infinity, whatever norm is trained against.
  run train $small --epochs 1 --train-images 32 --attack pgd-l2 --steps 1 --out two
  tr -d ' \n' <two/summary.json >flat
  contains flat '"epsilon":\[127.5\].*"step":\[127.5\]'
  contains flat '"robust-epsilon":\[2,4,8\]'
  # Both executions are the same method.
  run train $weak --method advprop --attack pgd --execution concatenated --out concatenated
  present concatenated
  # A share of the images, which the clean pass does without.
  run train $weak --method advprop --share 0.25 --decoupled --weights 0.75,0.25 --robust-epsilon 4,16,16.004 --out decoupled
  contains decoupled/metrics.jsonl '"images":96}$'              # of the data, not of the clean pass
  [ "$(grep -o 'FGSM, ε = 16' decoupled/measured.json | wc -l)" -eq 2 ] || die "two strengths are one measurement"
  tr -d ' \n' <decoupled/summary.json >flat
  contains flat '"share":\[0.25\],"decoupled":true'
  refused_late "leave none of" train $weak --method advprop --decoupled --out bad
  refused 1 "for auxiliary domains" train $small --method clean --share 0.25 --out bad
  ;;

compare)
  run compare $weak --attack pgd --weights 1,0.5 --out out --corruptions all-but-frost --severities 1,5 --corruption-images 10 >stdout
  cat stdout
  for method in clean adversarial advprop; do
    present out/$method
    contains stdout "^$method  *[0-9.]* %.*%.*%.*%.* s.* ms"
    contains stdout "^$method  *[0-9.]* % \[[0-9.]*, [0-9.]*\] .*%.*% \[.*% \[.* s"
  done
  contains stdout ", one seed$"
  contains stdout "95 % confidence interval (Wilson).*--seeds 3 measures that"
  tr -d ' \n' <out/summary.json >flat
  contains flat '"accuracy":0[.0-9]*,"accuracy_interval":\[0[.0-9]*,0[.0-9]*\],"corruption_error":'
  for method in adversarial advprop; do
    tr -d ' \n' <out/$method/summary.json >flat
    contains flat '"weights":\[1,0.5\]'
  done
  contains stdout "^corruption error: the mean over 14 of 15 corruptions (all but frost) at 2 severities, on 10 of them"
  [ "$(grep -c '"corruption_error": 0' out/summary.json)" -eq 3 ] || die "summary.json has not three corruption errors"
  contains out/report.html '<h2>Corrupted images</h2>'
  contains out/report.html 'What the corruptions look like'
  contains out/report.html '14 of 15 corruptions (all but frost) of ImageNet-C and 2 severities'
  [ "$(tail -n 1 stdout)" = out/report.html ] || die "the report's path is not the last line"
  # All methods begin from the same weights, so from none that --force replaces on the way.
  refused 1 "^advprop: --initial is out/clean/model-main.safetensors, which --force replaces while methods" \
    compare $weak --attack pgd --out out --force --initial out/clean/model-main.safetensors
  # Killed in the first of its runs, a comparison that replaced another goes on.
  cp -r out forced
  forced="compare $weak --attack pgd --epsilon 2 --epochs 3 --checkpoint-steps 1 --out forced"
  "$program" $forced --force >/dev/null 2>&1 &
  id=$!
  while [ -e forced/adversarial/summary.json ] && kill -0 $id 2>/dev/null; do sleep 0.02; done
  kill -9 $id 2>/dev/null || true
  wait $id 2>/dev/null || true
  run $forced --resume >stdout
  contains stdout "^advprop  *[0-9.]* %"
  contains out/report.html 'adversarial training through one batch norm'
  contains out/report.html "The weights of AdvProp.*s losses add up to 1.5, clean training.*s loss has weight 1"
  lacks out/report.html '<script'
  refused 1 "--weights must be 2 numbers, the clean loss's and 1 more, not 1" compare $weak --weights 1 --out bad
  # A recipe's method is not compare's, which trains by every one, nor its patience: all get as many epochs.
  printf 'method = "advprop"\npatience = 2\naux-augment = "cutout"\n' >recipe.toml
  refused 1 "--weights must be 2 numbers" compare $weak --config recipe.toml --weights 1 --out bad
  refused 2 "not expected.*--method" compare $weak --method advprop --out bad
  # Adversarial training takes one of several attacks: the first that is one.
  two="$small --epochs 1 --train-images 32 --aux 2 --epsilon 2 --epsilon 8 --steps 1"
  run compare $two --out two >stdout
  contains stdout "^Adversarial training takes one attack: that of auxiliary domain 0 (PGD-1, ε = 2)\.$"
  run compare $two --attack none --attack pgd --weights 1,0.5,0.25 --out two --force >stdout
  contains stdout "^Adversarial training takes one attack: that of auxiliary domain 1 (PGD-1, ε = 8)\.$"
  contains two/report.html "that of auxiliary domain 1"
  tr -d ' \n' <two/adversarial/summary.json >flat
  contains flat '"epsilon":\[8\],'
  contains flat '"weights":\[1,0.25\]'
  tr -d ' \n' <two/advprop/summary.json >flat
  contains flat '"epsilon":\[2,8\],'
  lacks out/report.html "takes one attack"
  refused 1 "adversarial training needs an --attack other than none" compare $small --attack none --out bad
  # The corruption error is the average's, where weights are averaged: a fresh process measures the same.
  corrupted="--corruptions impulse_noise,contrast --severities 4,2,4"
  run train $small --method clean --average 0.9 --learning-rate 0.1 $corrupted --corruption-images 30 --out averaged
  present averaged
  error=$(sed -n '/"corruption_error"/,$s/.*"mean": \([0-9.e-]*\).*/\1/p' averaged/summary.json)
  run evaluate averaged/model.safetensors --data-dir "$data" --test-images 30 --threads 1 $corrupted >evaluated
  cat evaluated
  contains evaluated "^mean error over 2 of 15 corruptions, 2 severities  *$(awk "BEGIN { printf \"%.2f\", 100 * $error }") %"
  ;;

seeds)
  tiny="--data-dir $data --train-images 64 --test-images 20 --batch 32 --epochs 2 --threads 1 --workers 1 --learning-rate 0.02"
  tiny="$tiny --robust-images 10 --robust-steps 1 --robust-epsilon 4"
  run compare $tiny --steps 1 --seed 5 --seeds 2 --out whole >stdout
  cat stdout
  contains stdout ", 2 seeds$"
  for method in clean adversarial advprop; do
    contains stdout "^$method  *[0-9.]* ± [0-9.]* %.* ± .* ± .* ± .* s.* ± [0-9.]* ms"
    for seed in 5 6; do
      present whole/$method/seed-$seed
      contains stdout "^$method, seed $seed  *[0-9.]* %"
      contains whole/report.html "<th>$method, seed $seed</th>"
    done
    [ "$(wc -l <whole/$method/metrics.jsonl)" -eq 2 ] || die "whole/$method/metrics.jsonl has not a line an epoch"
    contains whole/$method/metrics.jsonl '^{"epoch":1,.*"test":{"main":{"loss":{"mean":[0-9.]*,"standard_deviation":[0-9.e-]*,"by_seed":\['
  done
  contains stdout "^advprop - clean  *[+-]*[0-9.]* ± [0-9.]*  *[+-]*[0-9.]* ± "
  contains stdout "ithin noise"
  contains whole/report.html 'class="band f'
  contains whole/report.html 'Difference to clean training in points, paired by seed'
  # Mean, sample deviation and difference are those of the runs, and a run is what train makes of its seed.
  run train $tiny --method clean --seed 6 --out alone >/dev/null
  cmp alone/model.safetensors whole/clean/seed-6/model.safetensors || die "a seed's run is not that of train"
  tr -d ' \n' <whole/summary.json >flat
  contains flat '"seeds":\[5,6\]'
  accuracy() { sed -n 's/.*"accuracy": \([0-9.e-]*\),.*/\1/p' "whole/$1/summary.json" | head -n 1; }
  sed 's/.*"methods"//; s/.*"clean":{"accuracy":{"mean":\([0-9.e-]*\),"standard_deviation":\([0-9.e-]*\),"by_seed":\[\([^]]*\)\].*/\1 \2 \3/' flat |
    tr ',' ' ' >numbers
  echo "$(cat numbers) $(accuracy clean/seed-5) $(accuracy clean/seed-6)" | awk '{
    d = ($3 - $4) / sqrt(2); if (d < 0) d = -d
    if ($3 != $5 || $4 != $6 || ($1 - ($5 + $6) / 2) ^ 2 > 1e-18 || ($2 - d) ^ 2 > 1e-12) exit 1 }' || die "wrong statistics: $(cat numbers)"
  contains flat '"differences_to_clean":{"adversarial":{"accuracy":{"mean":[0-9.e-]*,"standard_error":[0-9.e-]*,"p_value":'
  # Nothing is left to do.
  cp whole/report.html report.html
  cp whole/summary.json summary.json
  run compare $tiny --steps 1 --seed 5 --seeds 2 --out whole --resume 2>progress
  lacks progress "attacking"
  [ "$(grep -c 'this run is complete' progress)" -eq 6 ] || die "not six complete runs"
  cmp report.html whole/report.html
  cmp summary.json whole/summary.json
  # A comparison that was killed goes on in the run that it was in.
  "$program" compare $tiny --steps 1 --seed 5 --seeds 2 --out killed >/dev/null &
  id=$!
  while [ ! -e killed/adversarial/seed-5/training.safetensors ] && kill -0 $id 2>/dev/null; do sleep 0.02; done
  kill -9 $id 2>/dev/null || echo "it had ended before it was killed"
  wait $id 2>/dev/null || true
  run compare $tiny --steps 1 --seed 5 --seeds 2 --out killed --resume 2>progress
  contains progress '^1/6 clean  *seed 5.*this run is complete\|this run is complete'
  for run in clean/seed-5 adversarial/seed-5 advprop/seed-6; do
    cmp whole/$run/model.safetensors killed/$run/model.safetensors || die "the resumed comparison has other weights"
  done
  for folder in whole killed; do
    sed '/seconds/,/}/d' $folder/summary.json >$folder.summary
  done
  cmp whole.summary killed.summary || die "the resumed comparison has other numbers"
  # More seeds go on from those that are there, the other layout is told.
  run compare $tiny --steps 1 --seed 5 --seeds 3 --out whole --resume >stdout
  contains stdout "^clean, seed 7 "
  refused 1 "whole/clean: holds runs of several seeds: give --seeds as before" compare $tiny --steps 1 --seed 5 --out whole --resume
  mkdir one
  mv alone one/clean
  refused 1 "one/clean: holds a run of one seed.*--force replaces it" compare $tiny --steps 1 --seed 6 --seeds 2 --out one --resume
  refused 1 "holds a run already" compare $tiny --steps 1 --seed 6 --seeds 2 --out one
  refused 2 "--seeds: 0 is not a whole number" compare $tiny --steps 1 --seeds 0 --out bad
  refused 2 "not expected" train $tiny --seeds 2 --out bad
  ;;

validation)
  options="--data-dir $data --train-images 128 --test-images 40 --batch 32 --threads 1 --workers 1 --robust-images 10 --robust-steps 1"
  options="$options --method advprop --attack fgsm --average 0.5 --schedule constant --learning-rate 0.2"
  run train $options --epochs 4 --validation 32 --select best --out best >stdout
  cat stdout
  contains best/metrics.jsonl '"validation":{"main":.*"auxiliary 0":'
  lacks best/metrics.jsonl '"test"'
  contains best/report.html '>validation<'
  contains best/report.html 'but for 32 of them, set aside class by class'
  contains best/report.html 'epoch with the highest accuracy on the validation images'
  contains stdout "^accuracy on validation images  *[0-9.]* %"
  # The first of the epochs with the highest validation accuracy: a run that ends there has the same weights.
  epoch=$(sed 's/.*"validation":{"main":{"loss":[^,]*,"accuracy":\([0-9.e-]*\)}.*/\1/' best/metrics.jsonl |
    awk '$1 > best { best = $1; epoch = NR } END { print epoch }')
  contains stdout "^The weights are those of epoch $epoch, the best on the validation images\.$"
  run train $options --epochs $epoch --validation 32 --out last >stdout
  cmp best/model.safetensors last/model.safetensors || die "the weights are not those of epoch $epoch"
  contains stdout "^The weights are those of epoch $epoch, the last\.$"
  # A share of them is as many, and the seed does not choose them.
  run train $options --epochs $epoch --validation 0.25 --out share >/dev/null
  lacks share/report.html "left out"
  run train $options --epochs 1 --validation 1 --out rest >/dev/null
  contains rest/report.html "Batches are of 32 images: 31 of an epoch, others every time, are left out"
  cmp share/model.safetensors last/model.safetensors || die "a quarter of 128 images are others than 32"
  # What is saved is what was tested.
  accuracy=$(sed -n 's/.*"accuracy": \([0-9.e-]*\),.*/\1/p' best/summary.json | head -n 1)
  run evaluate --data-dir "$data" --test-images 40 --threads 1 best/model.safetensors >evaluated
  contains evaluated "^clean  *$(awk "BEGIN { printf \"%.2f\", 100 * $accuracy }") %"
  # Killed at some moment, it chooses the same.
  "$program" train $options --epochs 4 --validation 32 --select best --checkpoint-steps 1 --out killed >/dev/null &
  id=$!
  while [ "$(wc -l 2>/dev/null <killed/metrics.jsonl || echo 0)" -lt 2 ] && kill -0 $id 2>/dev/null; do sleep 0.02; done
  kill -9 $id 2>/dev/null || echo "it had ended before it was killed"
  wait $id 2>/dev/null || true
  run train $options --epochs 4 --validation 32 --select best --out killed --resume
  cmp best/model.safetensors killed/model.safetensors || die "the resumed run chose other weights"
  run train $options --epochs 4 --validation 32 --select best --out killed --resume 2>progress
  cmp best/model.safetensors killed/model.safetensors
  lacks progress attacking
  refused 1 "is the checkpoint of another run (validation was 32, is 16)" \
    train $options --epochs 4 --validation 16 --select best --out killed --resume
  # Patience ends it after the first epoch that was no better; with more of it, the run is gone on with.
  ended=$(sed 's/.*"validation":{"main":{"loss":[^,]*,"accuracy":\([0-9.e-]*\)}.*/\1/' best/metrics.jsonl |
    awk '!ended && NR > 1 && $1 <= best { ended = NR } $1 > best { best = $1 } END { print ended ? ended : NR }')
  run train $options --epochs 4 --validation 32 --select best --patience 1 --out patient >stdout
  [ "$(wc -l <patient/metrics.jsonl)" -eq "$ended" ] || die "the run did not end after epoch $ended"
  [ "$ended" -eq 4 ] || contains stdout "^Training ended after epoch $ended of 4: --patience is 1\.$"
  run train $options --epochs 4 --validation 32 --select best --patience 1 --out patient --resume 2>progress
  contains progress "this run is complete"
  run train $options --epochs 4 --validation 32 --select best --patience 4 --out patient --resume
  cmp best/model.safetensors patient/model.safetensors || die "with more patience it chose other weights"
  # So is one for more epochs, where the schedule does not depend on them.
  run train $options --epochs 2 --validation 32 --select best --out longer
  run train $options --epochs 4 --validation 32 --select best --out longer --resume
  cmp best/model.safetensors longer/model.safetensors || die "the longer run chose other weights"
  sed '/seconds/d; /images_per/d; /bytes/d' best/summary.json >best.summary
  sed '/seconds/d; /images_per/d; /bytes/d' longer/summary.json >longer.summary
  cmp best.summary longer.summary || die "the longer run measured otherwise"
  refused 1 "^advprop: --epochs is 3, and longer/training.safetensors has trained 4" \
    train $options --epochs 3 --validation 32 --select best --out longer --resume
  refused 1 "--patience is for --select best" train $options --validation 32 --patience 1 --out bad
  # Image folders, with a comparison.
  "$make_images" images
  run compare --data folder --data-dir images --image-size 32 --batch 20 --epochs 1 --threads 1 --workers 1 --robust-images 10 \
    --robust-steps 1 --steps 1 --learning-rate 0.01 --validation 0.2 --select best --out folders >stdout
  cat stdout
  contains stdout "^  *clean  *validation  *FGSM"
  contains folders/clean/metrics.jsonl '"validation":{"main":'
  refused 1 "--select is for --validation" train $options --select last --out bad
  echo 'select = "best"' >best.toml
  refused 1 "^advprop: best.toml: line 1: --select best needs --validation" train $options --config best.toml --out bad
  refused 1 "--validation is 128: hold_out: 128 of 128 images; must be 1 or more, and leave one of each of 10 classes" \
    train $options --validation 128 --out bad
  refused 1 "--validation is 100000: hold_out: 100000 of 128 images" train $options --validation 100000 --out bad
  refused 1 "--validation is 0.001: hold_out: 0 of 128 images" train $options --validation 0.001 --out bad
  for bad in 1.5 -1 some 1e3; do
    refused 2 "--validation: $bad is neither a number of images nor a share between 0 and 1" train $options --validation=$bad --out bad
  done
  ;;

fine_tuning)
  options="$small --method advprop --attack fgsm --schedule constant"
  run train $options --out first --random-erasing 0.5
  contains first/summary.json '"random-erasing": 0.5'
  run train $options --out plain
  ! cmp -s first/model.safetensors plain/model.safetensors || die "nothing was erased"
  run train $options --initial first/model.safetensors --layer-rates 'linear=2,*=0' --out head
  contains head/summary.json '"linear=2"'
  run train $options --initial first/model.safetensors --layer-rates '*=1' --out whole
  run train $options --initial first/model.safetensors --out again
  cmp whole/model.safetensors again/model.safetensors || die "a rate of 1 changes bits"
  ! cmp -s head/model.safetensors whole/model.safetensors || die "rates change nothing"
  run train $options --initial first/model.safetensors --decay-norms --weight-decay 0.1 --out decayed
  run train $options --initial first/model.safetensors --decay-biases --weight-decay 0.1 --out spared
  contains decayed/summary.json '"decay-norms": true'
  ! cmp -s decayed/model.safetensors spared/model.safetensors || die "batch norms do not decay"
  refused 1 "--spare-biases is for training without --decay-norms" train $options --decay-norms --spare-biases --out bad
  refused 1 "sgd: layer_rates: the network has no tensor or layer 'fc'" \
    train $options --layer-rates fc=1 --out bad
  refused 1 "--layer-rates: linear is not NAME=FACTOR" train $options --layer-rates linear --out bad
  refused 1 "--layer-rates: =1 is not NAME=FACTOR" train $options --layer-rates==1 --out bad
  refused 1 "--layer-rates: linear=much is not NAME=FACTOR" train $options --layer-rates linear=much --out bad
  refused 1 "--random-erasing is for --augment other than none" \
    train $options --method clean --augment none --random-erasing 0.5 --out bad
  ;;

resume)
  options="$weak --method advprop --attack pgd --augment basic"
  run train $options --out whole
  run train $options --micro-batch 20 --out parts
  present parts
  ! cmp -s whole/model.safetensors parts/model.safetensors || die "batch norms saw whole batches"
  contains parts/summary.json '"micro-batch": 20'
  # As large as the batch it changes nothing, which a recipe may say.
  echo 'micro-batch = 32' >recipe.toml
  run train $options --config recipe.toml --out same
  cmp whole/model.safetensors same/model.safetensors
  # Killed at three moments behind a checkpoint, some of them inside an epoch.
  for round in 1 2 3; do
    before=$(state)
    "$program" train $options --checkpoint-steps 1 --out killed --resume >/dev/null &
    id=$!
    while [ "$(state)" = "$before" ] && kill -0 $id 2>/dev/null; do
      sleep 0.02
    done
    kill -9 $id 2>/dev/null || echo "round $round had ended before it was killed"
    wait $id 2>/dev/null || true
    [ "$round" -gt 1 ] || [ ! -e killed/summary.json ] || die "the first round was not killed"
  done
  # A kill between an epoch's line and its checkpoint leaves a line that the resumed run writes again.
  if [ "$(wc -l <killed/metrics.jsonl)" -eq 1 ]; then
    sed 's/"epoch":1/"epoch":2/; s/"accuracy":[^}]*/"accuracy":1/' killed/metrics.jsonl >line
    cat line >>killed/metrics.jsonl
  fi
  run train $options --out killed --resume --threads 2
  present killed
  for file in model.safetensors model-main.safetensors; do
    cmp whole/$file killed/$file || die "the resumed run ends in other weights"
  done
  for folder in whole killed; do
    sed 's/"seconds":.*"images"/"images"/' $folder/metrics.jsonl >$folder.metrics
  done
  cmp whole.metrics killed.metrics || die "the resumed run has other metrics"
  # A finished run stays as it is.
  run train $options --out killed --resume
  cmp whole/model.safetensors killed/model.safetensors
  refused 1 "is the checkpoint of another run (micro-batch was none, is 8)$" \
    train $options --micro-batch 8 --out killed --resume
  refused 1 "is the checkpoint of another run (label-smoothing was 0, is 0.5; seed was 1, is 2)$" \
    train $options --seed 2 --label-smoothing 0.5 --out killed --resume
  cmp whole/model.safetensors killed/model.safetensors
  # Without the lines of all epochs there is nothing to draw curves of, or to tell accuracies from.
  mv killed/metrics.jsonl complete.jsonl
  lost="of the 2 epochs that training.safetensors has seen$"
  refused 1 "^advprop: killed/metrics.jsonl: has 0 $lost" train $options --out killed --resume
  head -n 1 complete.jsonl >killed/metrics.jsonl
  refused 1 "^advprop: killed/metrics.jsonl: has 1 $lost" train $options --out killed --resume
  tail -n 1 complete.jsonl >killed/metrics.jsonl
  refused 1 "^advprop: killed/metrics.jsonl: line 1 is not what this program wrote of epoch 1$" train $options --out killed --resume
  ;;

bad_input)
  fit="train --data-dir $data --train-images 64 --test-images 20 --batch 32 --epochs 1 --threads 1 --robust-images 10"
  refused 2 "subcommand is required"
  refused 2 "there is no subcommand trian; there are train, compare, evaluate, " trian
  refused 2 "--out is required" train
  refused 2 "not expected" $fit --out out --frobnicate
  refused 2 "--epsilon: -1 is not a number in \[0, 1e+05\]" $fit --out out --epsilon -1
  # The length of a whole change may be more than a pixel's largest.
  run plan --attack pgd-l2 --epsilon 300 --step 300 >/dev/null
  refused 1 "^advprop: --epsilon is 300 for --attack pgd, must be in \[0, 255\]$" $fit --out out --epsilon 300
  refused 1 "^advprop: --epsilon is 300 for --attack fgsm, must be in \[0, 255\]$" \
    $fit --out out --aux 2 --attack pgd-l2 --attack fgsm --epsilon 300
  refused 1 "^advprop: --step is 300 for --attack pgd, must be in \[0, 255\]$" $fit --out out --step 300
  refused 1 "^advprop: --epsilon is 300 for --method clean, must be in \[0, 255\]$" $fit --out out --method clean --epsilon 300
  # An empty value is not the default.
  for option in --initial --data-dir --out --frost --model; do
    refused 2 "^advprop: $option: the value is empty$" $fit --out out $option ""
    refused 2 "^advprop: $option: the value is empty$" $fit --out out $option= --seed 2
  done
  refused 2 "^advprop: --config: the value is empty$" $fit --out out --config ""
  echo 'initial = ""' >recipe.toml
  refused 2 "^advprop: recipe.toml: line 1: --initial: the value is empty$" $fit --out out --config recipe.toml
  refused 2 "^advprop: --checkpoint: the value is empty$" export --checkpoint "" --out bad.onnx
  refused 2 "^advprop: an argument is empty$" predict "" --checkpoint out/model.safetensors
  # Two names of one option.
  refused 1 "^advprop: --no-augment contradicts --augment: " $fit --out out --no-augment --augment cutout
  refused 1 "^advprop: --spare-biases contradicts --decay-biases: " $fit --out out --decay-biases --spare-biases
  refused 2 "--mixup: nan is not a number in" $fit --out out --mixup nan
  refused 2 "--milestones: nan is not a number in" $fit --out out --milestones 1,nan
  refused 2 "--epochs: 1.5 is not a whole number in \[1, 1000000\]" $fit --out out --epochs 1.5
  refused 2 "--batch: 010 is not a whole number" $fit --out out --batch 010
  refused 2 "--seed: -1 is not a whole number" $fit --out out --seed -1
  refused 2 "--seed: 18446744073709551616 is not a whole number" $fit --out out --seed 18446744073709551616
  refused 2 "--data" $fit --out out --data imagenet
  refused 2 "--attack" $fit --out out --attack hope
  refused 1 "resnet21.*built with.*resnet20" $fit --out out --model resnet21
  refused 1 "built for up to" $fit --out out --aux 15
  refused 1 "nowhere: no such folder" $fit --out out --data-dir nowhere
  refused 1 "--data-dir is needed" train --data cifar10 --out out
  refused 1 "has 60000" $fit --out out --train-images 60001
  refused 1 "cannot be made" $fit --out stderr/out
  refused 1 "--attack is given 3 times" $fit --out out --aux 2 --attack pgd --attack pgd --attack pgd
  run plan --model resnet20 --method advprop --batch 1000 >planned
  batch=$(sed -n "s/^memory planned: \([0-9]*\) MiB for a training step.*/\1/p" planned | awk -v all="$(memory)" '{ print int(2000 * all / $1) }')
  refused 1 "^advprop: out of memory: there are [0-9]* MiB, and resnet20 with --batch $batch needs more; .* a smaller --batch or --micro-batch" \
    $fit --out out --batch "$batch"
  refused 2 "--device.*tpu" $fit --out out --device tpu
  refused 1 "built without CUDA\|no usable GPU" $fit --out out --device cuda
  refused 1 "--frost is needed" $fit --out out --corruptions all
  refused 1 "no corruption is called 'hope'" $fit --out out --corruptions hope
  refused 1 "--weights are all 0" $fit --out out --weights 0,0
  refused 2 "not expected: --device" corrupt --data-dir "$data" --out out --device=cpu
  refused 1 "--attack has no use" $fit --out out --method clean --attack pgd
  refused 1 "--milestones is for --schedule step, not cosine" $fit --out out --milestones 1
  # An option of the command line that changes nothing is refused, with what it is for.
  idle() {
    purpose=$1
    shift
    for option in "$@"; do
      # shellcheck disable=SC2086 # several words
      refused 1 "^advprop: ${option%%[ =]*} is for $purpose\$" $command $option
    done
  }
  command="$fit --out out --method clean"
  idle "--data folder" "--crop-scale 0.5" "--crop-fraction 1" "--interpolation box" "--broken skip" "--cache 1"
  idle "--method adversarial and advprop" "--weights 1,1" "--goal random" "--step 1" "--steps=1" "--start image" "--clean-start 1" \
    "--attack-statistics batch"
  idle "--method adversarial" --adversarial-only
  idle "fewer epochs than the run has" "--warm-up 1"
  idle "--method advprop" "--aux 1" "--execution concatenated"
  idle "--augment rand" "--magnitude 5"
  idle "a --batch of more images" "--micro-batch 32"
  idle "--schedule exponential and staircase" "--decay-rate 0.5" "--decay-every 1"
  idle "--optimizer rmsprop" "--rms-decay 0.5"
  idle "--optimizer adamw" "--beta1 0.5" "--beta2 0.5"
  idle "--optimizer rmsprop and adamw" "--optimizer-epsilon 0.5"
  idle "--initial" --new-classifier
  idle "--augment other than none" "--color-jitter 0.4 --no-augment" "--color-jitter 0.4 --data folder --augment none" \
    "--crop-scale 0.5 --data folder --augment none"
  idle "training without --initial" "--zero-last-scale --initial out/model.safetensors"
  idle "--device cuda, cuda-tf32 and cuda-bfloat16" "--engines fixed"
  idle "--corruptions" "--severities 1" "--corruption-images 1"
  idle "--corruptions all or frost.*" "--frost $data"
  idle "EfficientNets" "--stochastic-depth 0.1" --matched-noise --attack-noise
  command="$fit --out out --optimizer adamw"
  idle "--optimizer sgd and rmsprop" "--momentum 0.5"
  idle "--optimizer sgd" --nesterov
  command="$fit --out out --attack fgsm"
  idle "attacks of several steps" "--step 1" "--steps 1"
  idle "--attack pgd, pgd-l2 and gd" "--start image"
  command="$fit --out out --attack pgd"
  idle "--start uniform" "--clean-start 0.5 --start image"
  command="evaluate out/model.safetensors --data-dir $data"
  idle "--attack" "--epsilon 8" "--step 1" "--goal random"
  idle "--robust-attack" "--robust-epsilon 8" "--robust-norm l2" "--robust-restarts 2" "--robust-images 5"
  idle "--robust-attack pgd.*" "--robust-steps 5"
  idle "--robust-attack square.*" "--robust-queries 5"
  idle "--out" --force
  idle "published test sets" "--class-list none"
  idle "--corruptions" "--corrupted none"
  command="$fit --out out --method adversarial --adversarial-only"
  idle "training with several losses" "--weights 1,1"
  command="compare --data-dir $data --out out"
  idle "--data folder" "--cache 1"
  idle "--optimizer adamw" "--beta1 0.5"
  # Not so in a recipe, which the command line may change.
  printf 'optimizer = "adamw"\nbeta1 = 0.8\nsteps = 3\ncache = 1\n' >recipe.toml
  run plan --config recipe.toml --optimizer sgd --method clean >/dev/null
  printf 'augment = "none"\ncolor-jitter = 0.4\nclean-start = 0.5\n' >recipe.toml
  run plan --config recipe.toml --start image >/dev/null
  [ ! -e out/metrics.jsonl ] || [ ! -s out/metrics.jsonl ] || die "a refused run left metrics"

  refused_late "not a finite number.*last good state is in bad/training.safetensors; a smaller --learning-rate, " \
    $fit --method clean --learning-rate 1e30 --checkpoint-steps 1 --out bad
  [ -s bad/training.safetensors ] || die "the checkpoint is gone"

  run $fit --force --method advprop --attack fgsm --out out >/dev/null
  refused 1 "out: holds a run already.*--resume.*--force" $fit --out out
  refused 1 "built with" $fit --out out --force --model resnet21
  exec 9<out
  flock 9
  refused 1 "out: another process is at work in it" $fit --out out --force
  exec 9<&-
  [ -s out/model.safetensors ] || die "a refused run removed the one before it"
  # What fails before its first step has removed nothing; what the new run begins with may lie in the old one.
  refused 1 "shares leave none of 32 images" $fit --out out --force --method advprop --attack fgsm --decoupled
  [ -s out/model.safetensors ] && [ -s out/metrics.jsonl ] || die "a run that could not begin removed the one before it"
  cp -r out again
  run $fit --out again --force --method clean --initial again/model.safetensors
  grep -q '"method": "clean"' again/summary.json || die "--force with --initial from the same folder"
  # Where a checkpoint has later weights, those to begin from need not be there any more.
  rm again/model.safetensors
  run $fit --out again --resume --method clean --initial again/model.safetensors
  [ -s again/model.safetensors ] || die "a run whose first weights are gone cannot be resumed"
  refused 1 "^advprop: --decoupled is for auxiliary domains that take a share of the main images" \
    $fit --out bad --method advprop --attack pgd --aux-augment cutout --share 0.5 --decoupled
  refused 1 "out/training.safetensors: is the checkpoint of another run (test-images was 20, is 10; content of test images " \
    $fit --method advprop --attack fgsm --out out --resume --test-images 10
  refused 1 "^advprop: out: holds a training run, whose report this one would replace" \
    evaluate out/model.safetensors --data-dir "$data" --test-images 20 --threads 1 --out out
  # Several looks at one checkpoint stand side by side.
  run evaluate out/model.safetensors --data-dir "$data" --test-images 20 --threads 1 --domain main --domain 0 >stdout
  contains stdout "out, domain 0"
  refused 1 "has no domain 7\|domain 7" \
    evaluate out/model.safetensors --data-dir "$data" --test-images 20 --threads 1 --domain main --domain 7
  status=0
  "$program" evaluate --checkpoint out/model.safetensors --data-dir "$data" --test-images 20 --threads 1 \
    >/dev/full 2>stderr || status=$?
  [ "$status" -eq 1 ] || die "exit code $status instead of 1 where the output is lost"
  contains stderr "^advprop: standard output: cannot be written"
  test="evaluate --data-dir $data --test-images 20 --threads 1"
  refused 1 "missing.safetensors" $test --checkpoint missing.safetensors
  refused 1 "--domain 7 is out of range" $test --checkpoint out/model.safetensors --domain 7
  refused 1 "--domain 0 is out of range" $test --checkpoint out/model-main.safetensors --domain 0
  refused 1 "--domain is -1" $test --checkpoint out/model.safetensors --domain=-1
  head -c 5000 out/model.safetensors >cut.safetensors
  refused 1 "cut.safetensors" $test --checkpoint cut.safetensors
  refused 1 "--normalization is imagenet (mean 0.485, .*), but out/model.safetensors records mean 0.286, deviation 0.353$" \
    $test --checkpoint out/model.safetensors --normalization imagenet
  refused 1 "--model is resnet18, but out/model.safetensors records resnet20$" \
    $test --checkpoint out/model.safetensors --model resnet18
  unrecorded out/model.safetensors >plain.safetensors
  refused 1 "--normalization is for images of 3 channels, these have 1$" \
    $test --checkpoint plain.safetensors --normalization imagenet
  # What a file does not record is not guessed.
  refused 1 "--normalization is needed: plain.safetensors records none$" $test --checkpoint plain.safetensors
  refused 1 "--normalization is needed: plain.safetensors records none$" $test plain.safetensors --robust-attack pgd
  run $test --checkpoint plain.safetensors --normalization dataset
  refused 1 "--normalization is needed: plain.safetensors records none; dataset is mean 0.286, deviation 0.353$" \
    $fit --out bad --force --initial plain.safetensors
  LC_ALL=C sed 's/"advprop.mean":"0/"advprop.mean":"x/' out/model.safetensors >broken.safetensors
  refused 1 "broken.safetensors: metadata 'advprop.mean' is 'x.286', which is not valid$" \
    $test --checkpoint broken.safetensors
  # The same bytes as a network of 20 classes.
  LC_ALL=C sed 's/"shape":\[10,64\]/"shape":[20,32]/' out/model.safetensors >classes.safetensors
  refused 1 "linear.weight.*is \[20, 32\], not \[10, 64\]" $test --checkpoint classes.safetensors
  ;;

full_disk)
  # A file system of 3 MB that only this test sees: one state of the run fits on it, the next beside it does not. With more
  # room the run goes on from the one that fitted.
  enter="unshare --mount"
  [ "$(id -u)" -eq 0 ] || enter="unshare --map-root-user --mount"
  mkdir small
  if ! $enter mount -t tmpfs -o size=3m tmpfs small 2>/dev/null; then
    echo "skipped: this machine lets nobody mount file systems of their own"
    exit 77
  fi
  options="$small --method clean --checkpoint-steps 1"
  run train $options --out whole
  # shellcheck disable=SC2016 # for the inner shell
  $enter sh -c 'mount -t tmpfs -o size=3m tmpfs small
    status=0
    "$@" --out small/out 2>stderr || status=$?
    ls small/out >listing
    mount -o remount,size=50m small
    "$@" --out small/out --resume >resumed && cp small/out/model.safetensors model.safetensors
    exit $status' sh "$program" train $options && die "the full disk went unnoticed"
  cat stderr listing
  [ "$(grep -c '^advprop: ' stderr)" -eq 1 ] || die "not one line of error"
  contains stderr "^advprop: small/out/.*: .*No space left on device"
  contains listing "^training.safetensors$"
  lacks listing "tmp"
  cmp whole/model.safetensors model.safetensors || die "the resumed run ends in other weights"
  ;;

folder)
  "$make_images" images
  common="--data folder --data-dir images --image-size 32 --batch 20 --epochs 2 --threads 1 --workers 1 --robust-images 20"
  common="$common --robust-steps 2 --learning-rate 0.01"
  # Everything at once, from a file of options; what the command line says as well counts instead.
  cat >recipe.toml <<EOF
# a comment
[data]
augment = "basic"
aux-augment = ["basic", "auto"]
mixup = 0.2
cutmix = 1.0
color-jitter = 0.1
broken = "skip"
[method]
method = "advprop"
aux = 2
attack = ["pgd", "none"]
steps = 1
label-smoothing = 0.1
[optimizer]
optimizer = "rmsprop"
average = 0.87654321
schedule = "staircase"
decay-biases = true
batch = 1000
EOF
  echo "no picture" >images/train/class3/text.JPEG
  : >images/train/class4/empty.png
  run train --config recipe.toml $common --out out
  present out
  contains out/summary.json '"batch": 20'
  contains out/summary.json '"optimizer": "rmsprop"'
  contains out/summary.json '"average": 0.87654321,'
  contains out/metrics.jsonl '"auxiliary 0":.*"auxiliary 1":'
  # Tables only group: what two of them say is said twice, and so is what two names say.
  printf '[a]\nsteps = 1\n[b]\nsteps = 2\n' >twice.toml
  refused 1 "twice.toml: line 4: steps is what line 2 says already$" train --config twice.toml $common --out bad
  printf 'decay-biases = true\nspare-biases = true\n' >twice.toml
  refused 1 "twice.toml: line 2: spare-biases is what line 1 says already$" train --config twice.toml $common --out bad
  printf 'learning_rate = 0.1\n' >twice.toml
  refused 2 "twice.toml: line 1: .*--learning_rate" train --config twice.toml $common --out bad
  # A resumed run of it ends in the same bits.
  run train --config recipe.toml $common --out whole --aux-augment rand
  "$program" train --config recipe.toml $common --out killed --aux-augment rand --checkpoint-steps 1 >/dev/null &
  id=$!
  while [ ! -e killed/training.safetensors ] && kill -0 $id 2>/dev/null; do sleep 0.02; done
  kill -9 $id 2>/dev/null || true
  wait $id 2>/dev/null || true
  run train --config recipe.toml $common --out killed --aux-augment rand --resume
  cmp whole/model.safetensors killed/model.safetensors || die "the resumed run ends in other weights"
  # Nor does it go on with other images; the same ones may lie elsewhere.
  cp -r images others
  run train --config recipe.toml $common --data-dir others --out killed --aux-augment rand --resume
  cp others/train/class1/0.png others/train/class0/0.png
  refused 1 'is the checkpoint of another run (content of training images was "[0-9a-f]*", is "[0-9a-f]*")$' \
    train --config recipe.toml $common --data-dir others --out killed --aux-augment rand --resume
  cp images/train/class0/0.png others/train/class0/0.png
  cp others/val/class1/0.png others/val/class0/0.png
  refused 1 'is the checkpoint of another run (content of test images was "[0-9a-f]*", is "[0-9a-f]*")$' \
    train --config recipe.toml $common --data-dir others --out killed --aux-augment rand --resume
  # What was skipped is told: the two files that are no images, and one that breaks off.
  mkdir torn
  cp -r images/val torn/val
  head -c 300 images/val/class2/1.png >torn/val/class2/1.png
  cp -r images/train torn/train
  run train $common --data-dir torn --method clean --epochs 1 --broken skip --out skipped >stdout
  files="torn/train/class3/text.JPEG, torn/train/class4/empty.png, torn/val/class2/1.png"
  contains stdout "^Broken files that were skipped.*: 3 ($files)$"
  contains skipped/report.html "Broken files that were skipped.*: 3 ($files)\."
  look="evaluate --data folder --data-dir torn --image-size 32 --threads 1 --broken skip skipped/model.safetensors"
  run $look >stdout
  contains stdout "^Broken files that were skipped: 1 (torn/val/class2/1.png)$"
  contains stdout " on 39 test images"  # and none twice
  for round in first cached; do
    run $look --corruptions fog --severities 1 --out looked >stdout
    contains stdout "^Broken files that were skipped.*: 1 (torn/val/class2/1.png)$" # $round
    contains looked/report.html "Broken files that were skipped"
  done
  contains looked/evaluation.json '"torn/val/class2/1.png"'
  lacks looked/predictions.csv "class2/1.png"
  lacks out/report.html "torn"
  run train $common --train-images 40 --epochs 1 --method clean --optimizer adamw --augment rand --broken skip --out adamw \
    --initial out/model-main.safetensors --new-classifier
  # Weights may go on with another normalization, but not unsaid.
  run train $common --train-images 40 --epochs 1 --method clean --broken skip --normalization symmetric --out symmetric \
    --initial out/model-main.safetensors
  refused 1 "--normalization is needed: symmetric/model.safetensors records mean 0.5, .*, that of the data set is mean 0.485, " \
    train $common --method clean --broken skip --initial symmetric/model.safetensors --out bad
  run evaluate --data folder --data-dir images --image-size 32 --threads 1 --checkpoint out/model.safetensors --domain 1 >evaluated
  cat evaluated
  contains evaluated "40 test images of images"

  refused 1 "images/train/class3/text.JPEG: " train $common --out bad
  rm images/train/class3/text.JPEG
  refused 1 "images/train/class4/empty.png: " train $common --out bad
  rm images/train/class4/empty.png
  # A test image that breaks off is found before there is an epoch to lose.
  cp -r images late
  cp torn/val/class2/1.png late/val/class2/1.png
  refused_late "late/val/class2/1.png: " train $common --data-dir late --method clean --out bad
  lacks stderr "epoch 1"
  mv late/val late/other
  refused 1 "^advprop: late: has neither a folder val nor a folder test$" train $common --data-dir late --out bad
  refused 1 "nowhere.toml: " train --config nowhere.toml $common --out bad
  printf 'batch = 20\nepochs = [1,\n' >broken.toml
  refused 1 "broken.toml: line " train --config broken.toml $common --out bad
  echo 'bach = 20' >typo.toml
  refused 2 "^advprop: typo.toml: line 1: .*bach" train --config typo.toml $common --out bad
  printf '[data]\nepochs = 2\n\nlearning-rate = -3\n' >typo.toml
  refused 2 "^advprop: typo.toml: line 4: --learning-rate: -3 is not a number" train --config typo.toml --data folder --out bad
  refused 2 "^advprop: --learning-rate: -4 is not a number" train --config typo.toml --learning-rate=-4 --out bad
  printf '[data]\nepochs = [2, 3]\n' >typo.toml
  refused 1 "^advprop: typo.toml: line 2: --epochs takes one value, not a list" train --config typo.toml --data folder --out bad
  echo 'bach = false' >typo.toml
  refused 2 "bach" train --config typo.toml $common --out bad
  refused 1 "cutout is not for --data folder" train $common --augment cutout --out bad
  refused 1 "aux-augment none leaves nothing" train $common --attack none --aux-augment none --out bad
  refused 1 "--image-size is for --data folder" train --data-dir "$data" --image-size 32 --out bad
  # Answers are not taken for those to other classes.
  cp -r images turned
  for part in train val; do mv turned/$part/class0 turned/$part/zebra; done
  order="records 'class0' as class 0, but that of turned is 'class1'$"
  refused 1 "out/model.safetensors $order" \
    evaluate --data folder --data-dir turned --image-size 32 --threads 1 out/model.safetensors
  refused 1 "out/model.safetensors $order" \
    evaluate --data folder --data-dir turned --image-size 32 --threads 1 out/model.safetensors --corruptions fog
  refused 1 "out/model-main.safetensors $order" train $common --data-dir turned --initial out/model-main.safetensors --out bad
  run train $common --data-dir turned --epochs 1 --method clean --initial out/model-main.safetensors --new-classifier --out turned-out
  # Where no name is known, it is told.
  cp -r images renamed
  for part in train val; do for class in renamed/$part/class*; do mv "$class" "renamed/$part/breed${class##*class}"; done; done
  told="out/model-main.safetensors: was trained to tell class0, class1, class2, ...; renamed has breed0, breed1, breed2, ...: "
  for more in "" "--corruptions fog --severities 1"; do
    # shellcheck disable=SC2086 # several words
    run evaluate --data folder --data-dir renamed --image-size 32 --threads 1 out/model-main.safetensors $more 2>told
    contains told "^$told"
  done
  run train $common --data-dir renamed --epochs 1 --method clean --initial out/model-main.safetensors --out renamed-out 2>told
  [ "$(grep -c "^$told" told)" -eq 1 ] || die "other classes are not told once"
  run train $common --data-dir renamed --epochs 1 --method clean --initial out/model-main.safetensors --new-classifier --force --out renamed-out 2>told
  lacks told "was trained to tell"
  mkdir images/train/empty
  refused 1 "images/train/empty: .*no .*image" train $common --out bad
  rmdir images/train/empty
  # Another number of classes than the checkpoint's is no matter of how the program was built.
  cp -r images nine
  rm -r nine/train/class9 nine/val/class9
  other="out/model.safetensors: is for images of 3 channels and 10 classes; nine has 3 and 9$"
  for more in "" "--corruptions fog --severities 1"; do
    # shellcheck disable=SC2086 # several words
    refused 1 "^advprop: $other" evaluate --data folder --data-dir nine --image-size 32 --threads 1 out/model.safetensors $more
  done
  refused 1 "not for 9 classes of images with 3 channels: configure it with .*-D ADVPROP_PROGRAM_CLASSES=9$" \
    train $common --data-dir nine --out bad
  grey="out/model.safetensors: is for images of 3 channels and 10 classes; Fashion-MNIST has 1 and 10$"
  refused 1 "^advprop: $grey" evaluate --data-dir "$data" out/model.safetensors
  rm -r images/val/class9
  refused 1 "^advprop: images/val: lacks 1 of the 10 classes of images/train: class9$" train $common --out bad
  mv images/train/class9 images/train/zebra
  cp -r images/train/zebra images/val/class9
  refused 1 "^advprop: images/val: lacks 1 of the 10 classes of images/train: zebra$" train $common --out bad
  ;;

evaluate)
  "$make_images" images
  for part in train val; do
    for class in images/$part/class*; do  # cues are told from names without digits
      mv "$class" "images/$part/kind_$(echo "${class##*class}" | tr 0-9 a-j)"
    done
  done
  common="--data folder --data-dir images --image-size 32 --threads 1"
  run train $common --batch 20 --epochs 1 --workers 1 --robust-images 20 --robust-steps 1 --steps 1 --learning-rate 0.01 --out out
  mkdir frost a cues cues/kind_b cues/kind_c
  for i in 1 2 3; do cp images/val/kind_b/$((i % 4)).png frost/frost$i.png; done
  for i in 4 5; do cp images/val/kind_c/$((i % 4)).png frost/frost$i.jpg; done
  cp -r images/val/kind_b images/val/kind_f images/val/kind_h a
  cp images/val/kind_b/0.png cues/kind_b/kind_b1-kind_c4.png
  cp images/val/kind_b/1.png cues/kind_b/kind_b2-kind_j1.png
  cp images/val/kind_c/0.png cues/kind_c/kind_c1-kind_c2.png
  printf 'kind_%s\n' a b c d e f g h i j >classes.txt

  # Everything, for two domains of a checkpoint; whole, in pieces, and killed, with the same result.
  both="evaluate out/model.safetensors out/model.safetensors --domain main --domain 0 --name main --name adversarial $common"
  robust="--robust-attack pgd,apgd,square,ensemble --robust-epsilon 1,4 --robust-steps 3 --robust-queries 5 --robust-images 20"
  all="--corruptions all,spatter --frost frost --imagenet-a a --imagenet-r a --stylized images/val --cue-conflict cues --class-list classes.txt"
  run $both $all $robust --out whole >stdout
  cat stdout
  contains stdout "^40 test images of images$"
  contains stdout "^  *main  *adversarial$"
  contains stdout "^gaussian_noise  *[0-9.]* %  *[0-9.]* %$"
  contains stdout "^mean corruption error  *[0-9.]* %  *[0-9.]* %$"
  contains stdout "^mCE, AlexNet = 100  *[0-9.]*  *[0-9.]*$"
  contains stdout "^ImageNet-A, top-1 error  *[0-9.]* %"
  contains stdout "^shape bias  *[0-9.]* %"
  contains stdout "^accuracy on the 20 images that are attacked  *[0-9.]* % \[.*\]  *[0-9.]* % \[.*\]$"
  contains stdout "^accuracy under ensemble, ε = 4  *[0-9.]* % \[[0-9.]*, [0-9.]*\]"
  contains whole/report.html 'clean, the 20 that are attacked'
  [ "$(wc -l <whole/evaluation.csv)" -eq $((1 + 2 * (1 + 16 * 5 + 4 + 4 * 2))) ] || die "evaluation.csv has another number of lines"
  contains whole/evaluation.json '"relative_mce": '
  # Every clean image's answer adds up to what is told of all.
  [ "$(wc -l <whole/predictions.csv)" -eq 81 ] || die "predictions.csv has not a line for each of 2 x 40 images"
  contains whole/predictions.csv '^adversarial,images/val/kind_d/3.png,3,kind_d,[0-9],kind_[a-j],[01][.0-9e-]*$'
  awk -F, 'NR > 1 { if ($1 == "main") wrong += $3 != $5; if (substr($6, 6) != substr("abcdefghij", $5 + 1, 1)) exit 1 }
    END { printf "%.2f", 100 * wrong / 40 }' whole/predictions.csv >wrong || die "predictions.csv names classes wrongly"
  contains stdout "^clean, top-1 error  *$(cat wrong) %"
  tr -d ' \n' <whole/evaluation.json >flat
  contains flat '"by_class":{"kind_a":{"images":4,"accuracy":[01][.0-9]*},.*"kind_j":{"images":4,'
  contains whole/evaluation.json '"restarts": 1'
  contains whole/report.html 'class="cell error"'
  contains whole/report.html 'The surest mistakes'
  lacks whole/report.html '<script'
  run $both --corruptions fog,spatter --severities 2,4,2 --out pieces
  [ "$(grep -c ',fog,2,' pieces/evaluation.csv)" -eq 2 ] || die "a severity that is given twice is reported twice"
  run $both $robust --robust-attack square --out pieces --threads 2
  "$program" $both $all $robust --out pieces >/dev/null 2>&1 &
  id=$!
  before=$(cksum pieces/cells.json)
  while [ "$before" = "$(cksum pieces/cells.json)" ] && kill -0 $id 2>/dev/null; do sleep 0.02; done
  kill -9 $id 2>/dev/null || echo "it had ended before it was killed"
  wait $id 2>/dev/null || true
  run $both $all $robust --out pieces --threads 2
  for file in evaluation.csv evaluation.json predictions.csv report.html; do
    cmp whole/$file pieces/$file || die "an evaluation in pieces has another $file"
  done
  # Nothing is left to do, so that the checkpoint is not even loaded as a network.
  run $both $all $robust --out pieces 2>stderr
  contains stderr "100% is measured already"
  refused 1 "pieces/cells.json: was measured with other settings (seed was 1, is 2): .*--force" $both --seed 2 --out pieces
  # The same images may lie elsewhere, other images in the same place are noticed.
  cp -r images others
  run $both $all $robust --data-dir others --out pieces 2>stderr
  contains stderr "100% is measured already"
  cp others/val/kind_b/0.png others/val/kind_a/0.png
  refused 1 'pieces/cells.json: was measured with other settings (content of test images was "[0-9a-f]*", is "[0-9a-f]*")' \
    $both --data-dir others --out pieces
  sed 's/"version": "/&0/' pieces/cells.json >cells && mv cells pieces/cells.json
  refused 1 'pieces/cells.json: .*(version was' $both --out pieces
  sed 's/"version": "0/"version": "/' pieces/cells.json >cells && mv cells pieces/cells.json
  cmp whole/evaluation.csv pieces/evaluation.csv || die "a refused evaluation changed the one before it"
  run $both --seed 2 --out pieces --force
  [ "$(wc -l <pieces/evaluation.csv)" -eq 3 ] || die "--force kept old measurements"
  # Another network in the same file is measured anew.
  cp out/model.safetensors some.safetensors
  one="evaluate some.safetensors $common --out one"
  run $one >first
  run evaluate some.safetensors $common >look
  error=$(sed -n 's/^clean  *[0-9.]* %  *\([0-9.]* %\).*/\1/p' look)
  contains first "^clean, top-1 error  *$error \[[0-9.]*, [0-9.]*\]$"
  cp out/model-main.safetensors some.safetensors
  run $one 2>stderr
  lacks stderr "measured already"
  head -c 200 one/cells.json >cut && mv cut one/cells.json
  refused 1 "one/cells.json: is not a file of finished measurements" $one

  # Where the last layer's weights are zero, so are gradients: nothing is robust because attacks find nothing.
  cp out/model-main.safetensors masked.safetensors
  header=$(od -An -tu8 -N8 masked.safetensors | tr -d ' ')
  offsets=$(head -c $((header + 8)) masked.safetensors | tail -c +9 |
    sed 's/.*"linear.weight":{[^}]*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/')
  dd if=/dev/zero of=masked.safetensors bs=1 seek=$((8 + header + ${offsets% *})) \
    count=$((${offsets#* } - ${offsets% *})) conv=notrunc status=none
  run evaluate masked.safetensors out/model-main.safetensors --name masked --name other $common --robust-attack pgd,apgd \
    --robust-epsilon 1 --robust-steps 2 --out masks >stdout
  cat stdout
  contains stdout "^masked, PGD, ε = 1: 4 of 4 images gave PGD a gradient of zero: gradients are masked\.$"
  contains stdout "^masked, APGD, ε = 1: 4 of 4 images gave APGD.* a gradient of zero"
  lacks stdout "^other, "
  contains masks/report.html "gave PGD a gradient of zero"

  # Each checkpoint has an input stage of its own: what it records, or else what is said.
  unrecorded out/model.safetensors >plain.safetensors
  run evaluate plain.safetensors plain.safetensors $common --normalization imagenet --normalization symmetric --out stages >stdout
  contains stages/evaluation.json '"normalization": "symmetric"'
  [ "$(cut -d, -f 6- stages/evaluation.csv | sort -u | wc -l)" -eq 3 ] || die "the normalization changes nothing"
  contains whole/evaluation.json '"normalization": "imagenet"'
  refused 1 "--normalization is symmetric (mean 0.5, 0.5, 0.5, .*), but out/model.safetensors records mean 0.485, " \
    evaluate plain.safetensors out/model.safetensors $common --normalization imagenet --normalization symmetric

  # Copies in ImageNet-C's layout, and evaluations that read them.
  run corrupt $common --corruptions fog,contrast --severities 1,3 --out imagenet-c
  [ "$(find imagenet-c -name '*.JPEG' | wc -l)" -eq 160 ] || die "imagenet-c has not 4 copies of 40 images"
  run $both --corruptions fog,contrast --severities 3 --corrupted imagenet-c --out read >stdout
  contains stdout "^fog  *[0-9.]* %"
  refused 1 "imagenet-c/fog/1: is there already" corrupt $common --corruptions snow,fog --severities 1 --out imagenet-c
  [ ! -e imagenet-c/snow ] || die "hours of work before what is there already is found"
  refused 1 "imagenet-c: lacks snow, fog/2, contrast/2" \
    $both --corruptions snow,fog,contrast --severities 1,2 --corrupted imagenet-c
  rm -r imagenet-c/fog/1/kind_a
  refused 1 "imagenet-c/fog/1: its 9 classes are not the 10 of the test images" \
    $both --corruptions fog --severities 1 --corrupted imagenet-c

  refused 1 "no corruption is called 'hope'" $both --corruptions hope
  refused 2 "--severities.*6" $both --corruptions fog --severities 6
  refused 1 "--frost is needed" $both --corruptions frost
  refused 1 "frost needs its pictures: nowhere/frost1.png" $both --corruptions frost --frost nowhere
  refused 1 "nowhere: cannot open the folder" $both --imagenet-a nowhere
  cp images/val/kind_b/0.png cues/kind_b/kind_b1-cow2.png
  refused 1 "cues/kind_b/kind_b1-cow2.png: 'cow2' is not a class" $both --cue-conflict cues
  head -n 9 classes.txt >nine.txt
  refused 1 "nine.txt: has 9 classes, the network 10" $both --imagenet-a a --class-list nine.txt
  mv a/kind_b a/kind_x
  refused 1 "a: the class kind_x is not among the network's 10 classes" $both --imagenet-a a
  refused 1 "--cifar10-1 is for --data cifar10" $both --cifar10-1 a
  refused 1 "--name is given for 1 of 2 checkpoints" evaluate out/model.safetensors out/model.safetensors $common --name x
  refused 1 "--domain is given 3 times" $both --domain 0
  refused 1 "--domain 7 is out of range: out/model.safetensors" evaluate out/model.safetensors $common --domain 7 --out one
  refused 1 "--attack is for a look" $both --attack pgd
  refused 2 "--robust-attack" $both --robust-attack hope
  refused 1 "built without CUDA\|no usable GPU" $both --robust-attack apgd --device cuda
  ;;

convert)
  run train $small --method advprop --attack fgsm --out out
  run convert --checkpoint out/model.safetensors --out main.safetensors
  cmp main.safetensors out/model-main.safetensors || die "the main domain is not what training exported"
  run convert --checkpoint main.safetensors --aux 2 --out two.safetensors
  contains two.safetensors 'bn1.aux_bn.1.weight'
  run convert --checkpoint two.safetensors --aux 1 --out one.safetensors >stdout
  contains stdout "^two.safetensors has 2 auxiliary sets: those from 1 on were left out$"
  lacks one.safetensors 'bn1.aux_bn.1.weight'
  run convert --checkpoint two.safetensors --domain 1 --out again.safetensors
  cmp main.safetensors again.safetensors || die "an auxiliary set made from main is not main"
  refused 1 "lukemelas" convert --checkpoint main.safetensors --names lukemelas --out bad.safetensors
  refused 1 "--domain 0 is out of range" convert --checkpoint main.safetensors --domain 0 --out bad.safetensors
  refused 1 "--channels is 3, but main.safetensors records 1$" convert --channels 3 --checkpoint main.safetensors --out bad.safetensors
  unrecorded main.safetensors >plain.safetensors
  names="--model resnet20 --channels 1"
  refused 1 "conv1.weight.*is \[16, 1, 3, 3\], not \[16, 3, 3, 3\]" convert --model resnet20 --channels 3 --checkpoint plain.safetensors --out bad.safetensors
  [ ! -e bad.safetensors ] || die "a refused conversion left a file"
  # What is not known is not made up.
  run convert $names --checkpoint plain.safetensors --out again.safetensors
  contains again.safetensors '"advprop.classes":"10"'
  lacks again.safetensors 'advprop.mean'
  run export --checkpoint out/model.safetensors --domain 0 --out aux.onnx
  run export --checkpoint main.safetensors --no-fold --out main.onnx
  refused 1 "--normalization is needed: plain.safetensors records none$" export $names --checkpoint plain.safetensors --out bad.onnx
  refused 1 "--normalization is mnist (mean 0.1307, deviation 0.3081), but main.safetensors records mean 0.286" \
    export --normalization mnist --checkpoint main.safetensors --out bad.onnx
  run export $names --normalization fashion-mnist --image-size 28 --checkpoint plain.safetensors --no-fold --out plain.onnx
  cmp main.onnx plain.onnx || die "the recorded input stage is not what the options say"
  contains main.onnx BatchNormalization
  # What is read is not written over, by whatever name.
  ln -s main.safetensors link.safetensors
  for command in "convert --checkpoint main.safetensors --out link.safetensors" "export --checkpoint link.safetensors --out ./main.safetensors"; do
    # shellcheck disable=SC2086 # several words
    refused 1 "--out is .*main.safetensors, which is read: it would be lost$\|--out is link.safetensors, which is read" $command
  done
  lacks aux.onnx BatchNormalization
  ;;

predict)
  "$make_images" images
  common="--data folder --data-dir images --threads 1 --workers 1 --robust-images 10 --robust-steps 1"
  run train $common --image-size 32 --crop-fraction 0.9 --interpolation bilinear --method clean --epochs 8 --batch 20 --out out
  mkdir images/val/empty
  # Everything is as in training; the shares of all classes add up to 1, and the first is what evaluation counts.
  run predict --checkpoint out/model.safetensors images/val --top 10 --threads 2 --out all.csv >stdout
  [ "$(tail -n 1 stdout)" = all.csv ] || die "the file's path is not the last line"
  rm -r images/val/empty
  [ "$(wc -l <all.csv)" -eq 401 ] || die "not 10 classes of 40 images"
  contains all.csv '^image,rank,index,class,probability$'
  contains all.csv '^images/val/class3/0.png,1,[0-9],class[0-9],0\.[0-9]*$'
  awk -F, 'NR > 1 { sum[$1] += $5; if ($4 != "class" $3) exit 1 }
    END { for (i in sum) if (sum[i] < 0.9999 || sum[i] > 1.0001) exit 1 }' all.csv || die "the probabilities are none"
  right=$(awk -F, '$2 == 1 && index($1, "/" $4 "/")' all.csv | wc -l)
  run evaluate --checkpoint out/model.safetensors --data folder --data-dir images --threads 1 >evaluated
  contains evaluated "^clean  *$(awk "BEGIN { printf \"%.2f\", 100 * $right / 40 }") %"
  # Said or recorded, it is the same; another size is another view.
  unrecorded out/model.safetensors >plain.safetensors
  one="images/val/class3/0.png images/val/class4/1.png"
  stage="--normalization imagenet --crop-fraction 0.9 --interpolation bilinear"
  "$program" predict --checkpoint out/model.safetensors $one --threads 1 >recorded
  cat recorded
  [ "$(wc -l <recorded)" -eq 12 ] || die "not 5 classes of 2 images"
  contains recorded '^  class[0-9]  *[0-9.]* %$'
  for i in 0 1 2 3 4 5 6 7 8 9; do echo "class$i"; done >classes.txt
  "$program" predict --checkpoint plain.safetensors $stage --image-size 32 --class-list classes.txt $one --threads 1 >said
  cmp recorded said || die "what is recorded is not what the options say"
  run predict --checkpoint plain.safetensors $stage --image-size 32 --top 1 $one >numbers
  contains numbers '^  [0-9]  *[0-9.]* %$'
  "$program" predict --checkpoint out/model.safetensors --image-size 40 $one --threads 1 >larger
  cmp -s recorded larger && die "--image-size changes nothing"
  # Of several checkpoints, the same images are shown to all.
  run train $common --image-size 28 --crop-fraction 0.9 --interpolation bilinear --method clean --epochs 1 --batch 20 --out small
  both="evaluate out/model.safetensors small/model.safetensors --data folder --data-dir images --threads 1"
  refused 1 "--image-size is needed: out/model.safetensors records 32, small/model.safetensors 28$" $both
  run $both --image-size 30 --out both
  contains both/evaluation.json '"image size": "30, the middle 0.9'
  refused 1 "--image-size is needed: plain.safetensors records none$" predict --checkpoint plain.safetensors $stage $one
  refused 1 "--normalization is needed: plain.safetensors records none$" \
    predict --checkpoint plain.safetensors --image-size 32 $one
  refused 1 "--normalization is symmetric (mean 0.5.*), but out/model.safetensors records mean 0.485" \
    predict --checkpoint out/model.safetensors --normalization symmetric $one
  refused 1 "--classes is 20, but out/model.safetensors records 10$" predict --checkpoint out/model.safetensors --classes 20 $one
  refused 1 "^advprop: nowhere.png: " predict --checkpoint out/model.safetensors nowhere.png
  mkdir empty
  refused 1 "^advprop: empty: has no .jpg, .jpeg or .png image$" predict --checkpoint out/model.safetensors empty
  head -n 9 classes.txt >nine.txt
  refused 1 "nine.txt: has 9 classes, the network 10" predict --checkpoint out/model.safetensors --class-list nine.txt $one
  refused 1 "--engines is for --device cuda" predict --checkpoint out/model.safetensors --engines fixed $one
  head -c 300 images/val/class2/1.png >torn.png
  refused 1 "^advprop: torn.png: " predict --checkpoint out/model.safetensors $one torn.png --out bad.csv
  [ ! -e bad.csv ] || die "a refused prediction left a file"
  refused 1 "^advprop: nowhere/all.csv: cannot open its folder" predict --checkpoint out/model.safetensors $one --out nowhere/all.csv
  [ ! -s stdout ] || die "predicted before --out was looked at"
  for written in out/model.safetensors classes.txt images/val/class3/0.png; do
    refused 1 "--out is $written, which is read: it would be lost$" \
      predict --checkpoint out/model.safetensors --class-list classes.txt $one --out $written
  done
  refused 1 "--out is images/val/class5/0.png, the name of an image" predict --checkpoint out/model.safetensors $one --out images/val/class5/0.png
  # What memory cannot hold is not tried.
  if [ "$(memory)" -lt 17000 ]; then
    refused 1 "^advprop: --image-size 10000: resnet20 takes [0-9,]* MiB for one image, and there are [0-9,]* MiB of memory$" \
      predict --checkpoint out/model.safetensors $one --image-size 10000
  else
    echo "skipped: --image-size 10000 fits into the memory of this machine"
  fi
  "$program" predict --checkpoint out/model.safetensors torn.png $one --broken skip --threads 1 >skipped
  echo "Broken files that were skipped: 1 (torn.png)" | cat recorded - >wanted
  cmp wanted skipped || die "a broken file changes the others"
  # A network of grey images sees those in colour as their luma, one of colour grey images as grey.
  run train $small --epochs 1 --method clean --out grey
  run predict --checkpoint grey/model.safetensors $one --threads 1 >stdout
  contains stdout '^  \(ankle boot\|T-shirt/top\|trouser\|pullover\|dress\|coat\|sandal\|shirt\|sneaker\|bag\)  *[0-9.]* %$'
  ;;

plan)
  options="--model resnet20 --method advprop --aux 2 --attack pgd --steps 2 --batch 16"
  run plan $options --threads 2 >stdout
  contains stdout "^resnet20, 16 images of 1x28x28, advprop$"
  contains stdout "^conv1  *conv_forward  *direct  *16  *1x28x28  *16x28x28  *3  "
  contains stdout "^layer2.0.conv2  *conv_backward_weight  *winograd 4x4 "
  contains stdout "^memory planned: .* MiB for a training step, .* for an evaluation, .* under attack"
  run plan $options --convolution direct >stdout
  contains stdout "^layer2.0.conv2  *conv_backward_weight  *direct "
  # A list in one word is one of several.
  "$program" plan --model resnet20 --method advprop --aux 2 --attack pgd --attack none --epsilon 2 --epsilon 3 --steps 2 --steps 1 >several
  "$program" plan --model resnet20 --method advprop --aux 2 --attack pgd,none --epsilon 2,3 --steps 2,1 >stdout
  cmp several stdout || die "lists of attacks are read otherwise"
  run plan --data folder --image-size 40 --classes 10 $options >stdout
  contains stdout "^resnet20, 16 images of 3x40x40"
  refused 1 "built with" plan --model resnet21
  run plan $options --micro-batch 4 >stdout
  contains stdout "^resnet20, 16 images of 1x28x28 in micro-batches of 4, advprop$"
  contains stdout "^conv1  *conv_forward  *direct  *4  *1x28x28  *16x28x28  *12  "
  # A program that was built for GPUs plans for one where there is none.
  for device in cuda cuda-tf32 cuda-bfloat16; do
    if "$program" plan $options --device $device >stdout 2>stderr; then
      contains stdout "^layer1.0.conv1  *conv_backward_weight  *cuDNN "
      contains stdout "^memory planned: .*; cuDNN may take up to .* MiB more$"
    else
      contains stderr "built without CUDA"
    fi
  done
  # What training then takes is what was planned, to the byte.
  for more in "--method advprop --attack gd --steps 1 --average 0.9" "--method adversarial --steps 1 --optimizer adamw --batch 8 --clip-norm 1" \
    "--method advprop --steps 1 --execution concatenated --threads 2 --micro-batch 12" "--method clean --convolution gemm"; do
    # shellcheck disable=SC2086 # several words
    run train $small $more --epochs 1 --force --out out 2>progress
    contains progress "memory planned: .* MiB for a training step"
    planned=$(sed -n 's/.*"planned_arena_bytes": \([0-9]*\).*/\1/p' out/summary.json)
    contains out/summary.json "\"peak_arena_bytes\": $planned,"
  done
  ;;

*) die "there is no case $case" ;;
esac
echo passed
