#!/usr/bin/env bash
# The whole training path in about two minutes on a CPU, with any folder of MIDI files. Nothing is shipped.
#   runs/smoke.sh MIDI_FOLDER WORK_FOLDER
set -euo pipefail
midi=$1 work=$2
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

"$python" -m emsync_train.corpus --midi "$midi" --out "$work/shards" --workers 2
"$python" -m emsync_train.train --config configs/tiny.toml --shards "$work/shards" --run "$work/run" --minutes 1
"$python" -m emsync_train.export --checkpoint "$work/run/weights.safetensors" --out "$work/composer.onnx"
