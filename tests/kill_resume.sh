#!/bin/sh
# kill_resume.sh PROGRAM [KILLS] [DATA_DIR]: trains with AdvProp, kills the run with SIGKILL at that many random moments and
# resumes it each time; the weights must end in the same bits as those of a run that nobody killed. 6 kills take a minute or so on two cores.
set -eu
program=$1
kills=${2:-20}
data=${3:-/usr/share/datasets/fashion-mnist}
if [ ! -d "$data" ]; then
  echo "skipped: $data is missing (Debian's dataset-fashion-mnist)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
train() {  # ends in the program's own process, so that a kill hits it: call it in a subshell
  exec "$program" train --data fashion-mnist --data-dir "$data" --model resnet20 --method advprop --attack pgd --epsilon 4 --step 2 \
    --steps 2 --epochs $(((kills + 3) / 2)) --batch 32 --train-images 800 --test-images 100 --seed 5 --checkpoint-steps 1 "$@" >>"$work/log" 2>&1
}
random() { od -An -N2 -tu2 /dev/urandom | awk -v low="$1" -v high="$2" '{ printf "%.2f", low + (high - low) * $1 / 65535 }'; }

state() { cksum "$work/killed/training.safetensors" 2>/dev/null || true; }

(train --out "$work/whole")
done=0
killed=0
while [ "$killed" -lt "$kills" ]; do
  before=$(state)
  train --out "$work/killed" --resume &
  child=$!
  while [ "$(state)" = "$before" ] && kill -0 "$child" 2>/dev/null; do sleep 0.02; done  # now it trains
  sleep "$(random 0 0.4)"
  # The run must still be training: once it is over there is nothing left to kill.
  if kill -KILL "$child" 2>/dev/null && ! wait "$child" 2>/dev/null; then
    killed=$((killed + 1))
  fi
  if [ -f "$work/killed/summary.json" ]; then
    done=1
    break
  fi
done
[ "$done" = 1 ] || (train --out "$work/killed" --resume)
cmp "$work/whole/model.safetensors" "$work/killed/model.safetensors"
cmp "$work/whole/training.safetensors" "$work/killed/training.safetensors" || echo "(training.safetensors holds times, so it may differ)"
echo "killed $killed times and resumed: the weights are the same, bit for bit"
[ "$killed" -eq "$kills" ] || { echo "the run was over after $killed of $kills kills: train longer"; exit 1; }
