#!/usr/bin/env bash
# The recipe of the shipped composer, from MIDI files to model card: shards, training, export, evaluation.
#   runs/reproduce.sh MIDI_FOLDER MANIFEST.csv WORK_FOLDER FIRST_WEIGHTS.onnx
# FIRST_WEIGHTS.onnx is `git show 66c0e73:src/emsync/assets/composer.onnx`, the weights this run goes on from.
# Two CPU cores train configs/small.toml in about an hour. Interrupted, it goes on where it stopped.
set -euo pipefail
midi=$1 manifest=$2 work=$3 first=$4
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

"$python" -m emsync_train.corpus --midi "$midi" --manifest "$manifest" --out "$work/shards" --workers 2
# One thread per process: with small matrices two processes of one thread beat one process of two.
"$python" -m emsync_train.train --config configs/small.toml --shards "$work/shards" --run "$work/run" \
  --start "$first" --fresh condition_encoder. --processes 2 --threads 1
"$python" -m emsync_train.export --checkpoint "$work/run/weights.safetensors" --ship
"$python" -m emsync_train.evaluate --run "$work/run" --shards "$work/shards" --shipped \
  --out benchmarks/results/music.json
runs/designs.sh "$work"
"$python" -m emsync_train.model_card --run "$work/run" --config configs/small.toml \
  --results benchmarks/results/music.json --designs benchmarks/results/designs.json --tokens-before 37036032
