"""Train the paper's fusion head on extracted Ekman-6 features, test it on the test list, write it as ONNX.

    python -m emsync_train.emotion.vemoclap.train --data EKMAN6 --modalities clip beats face speech --out fusion.onnx

Beside the network, `fusion.json` holds what it was tested at. `--missing zeros` is the paper's way with a modality that
says nothing; `mask` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emsync.errors import EmsyncError
from emsync.output_file import atomic_output
from emsync.types import EMOTIONS
from emsync_train.emotion.measure import accuracy, macro_f1
from emsync_train.emotion.vemoclap.contract import Examples
from emsync_train.emotion.vemoclap.ekman6 import SPLITS, load_ekman6, load_features
from emsync_train.emotion.vemoclap.fusion import FusionConfig, parameter_count
from emsync_train.emotion.vemoclap.fusion_graph import fusion_graph
from emsync_train.emotion.vemoclap.fusion_training import (
    TrainedFusion,
    TrainingOptions,
    class_logits,
    train_fusion,
)


def figures_of(trained: TrainedFusion, examples: Examples) -> dict[str, Any]:
    """How good a head is on films it has not seen."""
    predicted = class_logits(trained.head, examples).argmax(axis=1)
    return {
        "modalities": {spec.name: spec.dimension for spec in examples.specs},
        "parameters": parameter_count(trained.head.config),
        "missing": trained.head.config.missing,
        "best_epoch": trained.best_epoch,
        "validation_losses": [round(loss, 4) for loss in trained.validation_losses],
        "test_films": len(examples.labels),
        "test_accuracy": round(accuracy(predicted, examples.labels), 4),
        "test_macro_f1": round(macro_f1(predicted, examples.labels), 4),
    }


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="Ekman-6 with extracted features")
    options.add_argument("--modalities", nargs="+", default=["clip", "beats", "face", "speech"])
    options.add_argument("--missing", choices=["zeros", "mask"], default="zeros")
    options.add_argument("--out", type=Path, required=True, help="the network (.onnx)")
    options.add_argument("--epochs", type=int, default=TrainingOptions.epochs)
    options.add_argument("--seed", type=int, default=TrainingOptions.seed)
    options.add_argument("--overwrite", action="store_true")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Train, test and write; 1 if something the user gave cannot be used."""
    arguments = parser().parse_args(argv)
    try:
        _train(arguments)
    except EmsyncError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _train(arguments: argparse.Namespace) -> None:
    card = arguments.out.with_suffix(".json")
    with (
        atomic_output(arguments.out, arguments.overwrite) as network_path,
        atomic_output(card, arguments.overwrite) as card_path,
    ):
        videos = load_ekman6(arguments.data)
        train, test = (
            load_features(arguments.data, [v for v in videos if v.split == split], arguments.modalities)
            for split in SPLITS
        )
        config = FusionConfig(train.specs, classes=len(EMOTIONS), missing=arguments.missing)
        trained = train_fusion(train, config, TrainingOptions(epochs=arguments.epochs, seed=arguments.seed))
        figures = json.dumps(figures_of(trained, test), indent=1)
        network_path.write_bytes(fusion_graph(trained.head).SerializeToString())
        card_path.write_text(figures + "\n", encoding="utf-8")
    print(figures)


if __name__ == "__main__":
    sys.exit(main())
