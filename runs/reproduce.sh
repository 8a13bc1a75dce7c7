#!/usr/bin/env bash
# The recipe of the shipped composer, from MIDI files to model card.
#   runs/reproduce.sh corpus MIDI_FOLDER MANIFEST.csv WORK   shards, and their packed parts in .packed/shards
#   (on a GPU)                                               runs/train_gpu.sh and runs/designs.sh train: docs/gpu.md
#   runs/reproduce.sh ship WORK RUN DESIGNS                  export, evaluation (hours on two cores), model card
# RUN is the folder that `pack join` made of what came back; DESIGNS holds the runs of runs/designs.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

case "${1:-}" in
corpus)
  midi=$2 manifest=$3 work=$4
  "$python" -m emsync_train.corpus --midi "$midi" --manifest "$manifest" --out "$work/shards" --workers 2
  "$python" -m emsync_train.pack pack --shards "$work/shards" --out .packed/shards
  ;;
ship)
  work=$2 run=$3 designs=$4
  "$python" -m emsync_train.export --checkpoint "$run/weights.safetensors" --run base --calibrate "$work/shards" --ship
  "$python" -m emsync_train.evaluate --run "$run" --shards "$work/shards" --shipped --pieces 20 \
    --out benchmarks/results/music.json
  runs/designs.sh evaluate "$work/shards" "$designs"
  "$python" -m emsync_train.model_card --run "$run" --config configs/base.toml --device "one NVIDIA H200" \
    --results benchmarks/results/music.json --designs benchmarks/results/designs.json
  "$python" benchmarks/music/affect_figure.py benchmarks/results/music.json --out docs/figures/affect_control.png
  ;;
*)
  sed -n '2,/^set/{/^#/p}' "$0"
  exit 2
  ;;
esac
