#!/usr/bin/env bash
# Networks of different designs, trained for the same number of tokens: benchmarks/results/designs.json.
#   runs/designs.sh train SHARDS WORK      all of configs/ablations at once; minutes on a GPU, a night on two cores
#   runs/designs.sh pack WORK FILE         logs of all and bfloat16 weights of those that compose, in one file
#   runs/designs.sh evaluate SHARDS WORK   likelihood, boundaries and affect of those that compose, and the table
# WORK holds a run folder for each design and `paper-shards`, the corpus in the paper's vocabulary.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
WORKERS=${WORKERS:-1}          # processes that draw windows, of each design
TOTAL_TOKENS=${TOTAL_TOKENS:-} # instead of the configurations'
PRECISION=${PRECISION:-}       # bf16-mixed on a GPU; most CPUs are slow at it
DESIGNS=${DESIGNS:-base paper no_bars swiglu layer_norm untied fan_in}
COMPOSERS=${COMPOSERS:-base paper no_bars fan_in}
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

shards_of() { # DESIGN: the folder it learns from
  if [ "$1" = paper ]; then echo "$work/paper-shards"; else echo "$shards"; fi
}
train() { # DESIGN
  mkdir -p "$work/$1"
  "$PYTHON" -m emsync_train.train --config "configs/ablations/$1.toml" --shards "$(shards_of "$1")" \
    --run "$work/$1" --workers "$WORKERS" ${TOTAL_TOKENS:+--total-tokens "$TOTAL_TOKENS"} \
    ${PRECISION:+--precision "$PRECISION"} \
    >"$work/$1/output.txt" 2>&1
}
paper_shards() {
  if [ ! -f "$work/paper-shards/corpus.json" ]; then
    "$PYTHON" -m emsync_train.translate --shards "$shards" --out "$work/paper-shards" --vocabulary paper
  fi
}

case "${1:-}" in
train)
  shards=$2 work=$3
  mkdir -p "$work"
  paper_shards >"$work/translate.txt"
  pids=()
  for design in $DESIGNS; do
    train "$design" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  ;;
pack)
  work=$2 file=$3
  packed=$(mktemp -d)
  for design in $DESIGNS; do
    mkdir "$packed/$design"
    cp "$work/$design/log.jsonl" "$work/$design/config.json" "$work/$design/output.txt" "$packed/$design"
  done
  for design in $COMPOSERS; do
    "$PYTHON" -m emsync_train.pack weights --run "$work/$design" --out "$packed/$design/weights"
  done
  tar -cf "$file.new" -C "$packed" .
  mv "$file.new" "$file"
  rm -r "$packed"
  ;;
evaluate)
  shards=$2 work=$3
  paper_shards
  runs=()
  for design in $DESIGNS; do runs+=("$work/$design"); done
  for design in $COMPOSERS; do
    bars=() # planned, where the network is told its place in them
    case "$design" in paper | no_bars) bars=(--free-bars) ;; esac
    "$PYTHON" -m emsync_train.evaluate --run "$work/$design" --shards "$(shards_of "$design")" \
      --out "$work/$design/results.json" --parts likelihood boundaries affect --pieces 12 --per-cell 2 --windows 64 \
      "${bars[@]}"
  done
  "$PYTHON" -m emsync_train.designs --runs "${runs[@]}" --shards "$shards" "$work/paper-shards" \
    --out benchmarks/results/designs.json
  ;;
*)
  sed -n '2,/^set/{/^#/p}' "$0"
  exit 2
  ;;
esac
