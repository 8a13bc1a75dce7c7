#!/usr/bin/env bash
# Small networks of different designs, trained for the same number of tokens: benchmarks/results/designs.json.
#   runs/designs.sh WORK_FOLDER       WORK_FOLDER/shards is the corpus of runs/reproduce.sh
set -euo pipefail
work=$1
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
designs="base paper swiglu layer_norm untied no_bars"

if [ ! -f "$work/paper-shards/corpus.json" ]; then
  "$python" -m emsync_train.translate --shards "$work/shards" --out "$work/paper-shards" --vocabulary paper
fi
runs=()
for design in $designs; do
  shards="$work/shards"
  [ "$design" = paper ] && shards="$work/paper-shards"
  run="$work/designs/$design"
  "$python" -m emsync_train.train --config "configs/ablations/$design.toml" --shards "$shards" --run "$run" \
    --processes 1 --threads 1
  if [ "$design" = base ] || [ "$design" = paper ]; then
    bars=()
    [ "$design" = paper ] && bars=(--free-bars)
    "$python" -m emsync_train.evaluate --run "$run" --shards "$shards" --out "$run/results.json" \
      --parts likelihood boundaries affect --pieces 12 --per-cell 2 --windows 64 "${bars[@]}"
  fi
  runs+=("$run")
done
"$python" -m emsync_train.designs --runs "${runs[@]}" --out benchmarks/results/designs.json
