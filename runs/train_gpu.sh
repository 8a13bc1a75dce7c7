#!/usr/bin/env bash
# The whole training on one GPU, in pieces that each fit into a command of under 10 minutes (docs/gpu.md).
#   runs/train_gpu.sh unpack           shards from $PACKED, checked, into $SHARDS
#   runs/train_gpu.sh probe MINUTES    about a minute: does it learn, how fast; MINUTES of training are planned
#   runs/train_gpu.sh train MINUTES    goes on from the checkpoint for so long, to the token
#   runs/train_gpu.sh train MINUTES last    the same, and the schedule ends with it
#   runs/train_gpu.sh finish           held-out loss, weights in parts of under 16 MiB into $OUT/weights
#   runs/train_gpu.sh rehearse         all of it on the CPU with configs/tiny.toml, in a few minutes
# Needs python3 with torch, numpy, Lightning and safetensors; nothing is installed or fetched.
# All places are relative to the repository; git ignores them.
set -euo pipefail
cd "$(dirname "$0")/.."
CONFIG=${CONFIG:-configs/base.toml}
PACKED=${PACKED:-.packed/shards}
SHARDS=${SHARDS:-data/shards}
RUN=${RUN:-checkpoints/base}
OUT=${OUT:-.packed}
PYTHON=${PYTHON:-python3}
PROBE_STEPS=${PROBE_STEPS:-60}
START=${START:-} # weights.safetensors of an earlier run to begin with
START_S=${START_S:-30} # of each piece of training: imports, compilation, the first windows
cores=$(nproc)
WORKERS=${WORKERS:-$((cores > 2 ? cores - 2 : 1))} # processes that draw windows
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # of each of them; matrices are the GPU's
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$(realpath -m "$RUN")/inductor} # compile once for all pieces

say() { echo "[$(date +%T)] $*"; }
train() {
  "$PYTHON" -m emsync_train.train --config "$CONFIG" --shards "$SHARDS" --workers "$WORKERS" \
    ${START:+--start "$START"} "$@"
}
keep_log() { mkdir -p "$OUT" && cp "$RUN/log.jsonl" "$OUT/log.jsonl"; }

case "${1:-}" in
unpack)
  say "unpacking $PACKED"
  "$PYTHON" -m emsync_train.pack unpack --packed "$PACKED" --out "$SHARDS"
  ;;
probe)
  minutes=${2:?give the minutes of training that are planned in all}
  say "probe: $PROBE_STEPS steps of $CONFIG"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
  fi
  rm -rf "$RUN/probe"
  mkdir -p "$RUN/probe"
  train --run "$RUN/probe" --steps "$PROBE_STEPS" &
  trainer=$!
  highest=0
  while kill -0 "$trainer" 2>/dev/null; do # the most memory in use, seen once a second
    if command -v nvidia-smi >/dev/null; then
      used=$(nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | head -n 1) || used=0
      highest=$((used > highest ? used : highest))
    fi
    sleep 1
  done
  wait "$trainer"
  say "highest memory in use: $highest MiB (0: no GPU)"
  # Ends with an error, and so does this script, unless the loss falls; after --start it only must not explode.
  "$PYTHON" -m emsync_train.throughput --run "$RUN/probe" --probe --minutes "$minutes" --start-s "$START_S" \
    ${START:+--least-fall-nats -0.3} --out "$RUN/total_tokens"
  ;;
train)
  minutes=${2:?give the minutes to train}
  if [ "${3:-}" = last ]; then
    "$PYTHON" -m emsync_train.throughput --run "$RUN" --minutes "$minutes" --start-s "$START_S" \
      ${START:+--least-fall-nats -0.3} --out "$RUN/total_tokens" || say "the plan stays as it was"
  fi
  say "training for $minutes minutes at most, $(cat "$RUN/total_tokens") tokens in all"
  train --run "$RUN" --minutes "$minutes" --total-tokens "$(cat "$RUN/total_tokens")"
  keep_log
  tail -n 2 "$RUN/log.jsonl"
  say "done"
  ;;
finish)
  if ! tail -n 1 "$RUN/log.jsonl" | grep -q validation_nats_per_token; then
    say "the last piece was cut off: validating its checkpoint"
    train --run "$RUN" --minutes 0 --total-tokens "$(cat "$RUN/total_tokens")"
  fi
  keep_log
  "$PYTHON" -m emsync_train.pack weights --run "$RUN" --out "$OUT/weights"
  say "weights are in $OUT/weights"
  ;;
rehearse)
  export CONFIG=configs/tiny.toml PACKED SHARDS RUN=checkpoints/rehearsal OUT=checkpoints/rehearsal/out
  export WORKERS=1 PROBE_STEPS=150 START_S=0 START="" CUDA_VISIBLE_DEVICES=""
  rm -rf "$RUN"
  for piece in unpack "probe 1" "train 0.5" "train 0.5 last" finish; do
    read -ra words <<<"$piece"
    runs/train_gpu.sh "${words[@]}"
  done
  "$PYTHON" -m emsync_train.pack join --packed "$OUT/weights" --out "$OUT/joined"
  ;;
*)
  sed -n '2,/^set/{/^#/p}' "$0"
  exit 2
  ;;
esac
