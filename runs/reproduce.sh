#!/usr/bin/env bash
# The recipe of the shipped composer, from MIDI files to model card: shards, training, export, evaluation.
#   runs/reproduce.sh MIDI_FOLDER MANIFEST.csv WORK_FOLDER
# Two CPU cores train configs/small.toml in about an hour and a half. Interrupted, it goes on where it stopped.
set -euo pipefail
midi=$1 manifest=$2 work=$3
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if [ ! -f "$work/shards/corpus.json" ]; then
  "$python" -m emsync_train.corpus --midi "$midi" --manifest "$manifest" --out "$work/shards" --workers 2
fi
# One thread per process: with small matrices two processes of one thread beat one process of two.
"$python" -m emsync_train.train --config configs/small.toml --shards "$work/shards" --run "$work/run" \
  --processes 2 --threads 1
"$python" -m emsync_train.train --config configs/small_second.toml --shards "$work/shards" --run "$work/second" \
  --start "$work/run/weights.safetensors" --processes 2 --threads 1
"$python" -m emsync_train.export --checkpoint "$work/second/weights.safetensors" --ship
"$python" -m emsync_train.evaluate --run "$work/second" --shards "$work/shards" --out benchmarks/results/music.json
"$python" -m emsync_train.model_card --run "$work/second" --results benchmarks/results/music.json
