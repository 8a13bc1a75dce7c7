"""From a trained composer to the ONNX graph that `emsync.music.model` decodes with.

Command: python -m emsync_train.export --checkpoint RUN/weights.safetensors --out FILE [--calibrate SHARDS]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import onnx
from onnx import helper
from safetensors import SafetensorError
from safetensors.torch import load_file

from emsync.errors import EmsyncError, InputError
from emsync.music.model import FORMAT
from emsync.music.vocabulary import VOCABULARIES
from emsync.output_file import atomic_output
from emsync.weights import ASSETS, COMPOSER, register_weights
from emsync_train.cache_range import CachePeaks, cache_peaks, calibration_batches
from emsync_train.dataset import Shards
from emsync_train.decode_graph import build_graph
from emsync_train.graph_nodes import Quantisation
from emsync_train.model import ROPE_BASE, Composer
from emsync_train.model_config import ModelConfig

SHIPPED_NAME = "composer.onnx"


def export(
    model: Composer,
    path: Path,
    *,
    metadata: Mapping[str, str],
    quantisation: Quantisation = "int8",
    peaks: CachePeaks | None = None,
) -> None:
    """Write the network as one ONNX file; the same weights give the same bytes.

    Args:
        model: the trained network.
        path: the file to write; an existing one is replaced, by a whole file or not at all.
        metadata: `vocabulary` (a name of `VOCABULARIES`, required) and anything else worth keeping, such
            as the training run; the sizes of the network are added.
        quantisation: how matrices are stored, see `build_graph`.
        peaks: of `cache_range.cache_peaks`; with them the KV cache is int8, without fp32.
    Raises: ValueError if the vocabulary is unknown or has another size than the network, or if the network is
        of a kind that the decode engine does not run (`configs/paper.toml` and some ablations).
    """
    _check_kind(model.config)
    if quantisation not in get_args(Quantisation):
        raise ValueError(f"quantisation must be one of {get_args(Quantisation)}, not {quantisation!r}")
    properties = _properties(model.config, metadata, quantisation, "fp32" if peaks is None else "int8")
    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()}
    proto = build_graph(model.config, weights, quantisation, peaks)
    helper.set_model_props(proto, dict(sorted(properties.items())))
    onnx.checker.check_model(proto)
    with atomic_output(path, overwrite=True) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))


def _check_kind(config: ModelConfig) -> None:
    """The engine runs the network that is shipped, in any size."""
    shipped = ModelConfig(config.vocabulary_size)
    for name in ("positions", "conditioning", "norm", "activation"):
        if getattr(config, name) != getattr(shipped, name):
            raise ValueError(f"a network with {name} {getattr(config, name)!r} cannot be exported")


def _properties(
    config: ModelConfig, metadata: Mapping[str, str], quantisation: str, cache: str
) -> dict[str, str]:
    """Everything the runtime must know, as text."""
    vocabulary = VOCABULARIES.get(metadata.get("vocabulary", ""))
    if vocabulary is None:
        raise ValueError(f"metadata must name a vocabulary of {sorted(VOCABULARIES)}, got {dict(metadata)}")
    if vocabulary.size != config.vocabulary_size:
        raise ValueError(
            f"vocabulary {vocabulary.name!r} has {vocabulary.size} tokens, "
            f"the network {config.vocabulary_size}"
        )
    kinds = {"dropout", "positions", "conditioning", "norm", "activation", "tied_output", "initialisation"}
    sizes = {name: str(value) for name, value in asdict(config).items() if name not in kinds}
    facts = {
        **sizes,
        "format": FORMAT,
        "quantisation": quantisation,
        "cache": cache,
        "rope_base": str(ROPE_BASE),
    }
    clash = facts.keys() & metadata.keys()
    if clash:
        raise ValueError(f"metadata must not set {sorted(clash)}: they follow from the network")
    return {**metadata, **facts}


def load_checkpoint(weights: Path) -> tuple[Composer, dict[str, Any]]:
    """The network in a run folder and its `config.json`.

    Args:
        weights: a `.safetensors` file; `config.json` with the keys `model` and `vocabulary` lies beside it.
    Raises: InputError naming the file that is missing, damaged, or does not fit the other.
    """
    config_path = weights.parent / "config.json"
    try:
        settings = json.loads(config_path.read_text(encoding="utf-8"))
        model = Composer(ModelConfig(**settings["model"]))
        settings["vocabulary"] = str(settings["vocabulary"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{config_path}: not the configuration of a run ({error})") from error
    try:
        model.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{weights}: not the weights that {config_path} describes ({reason})") from error
    return model.eval(), settings


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights.safetensors of a run folder")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, help="the ONNX file to write")
    place.add_argument("--ship", action="store_true", help="write and register the weights of the package")
    parser.add_argument("--quantisation", choices=get_args(Quantisation), default="int8")
    parser.add_argument("--calibrate", type=Path, help="shard folder; the KV cache is then kept in int8")
    parser.add_argument("--run", help="training run id to note in the file; else the name of the run folder")
    options = parser.parse_args(arguments)
    try:
        model, settings = load_checkpoint(options.checkpoint)
        metadata = {
            "vocabulary": settings["vocabulary"],
            "run": options.run or options.checkpoint.resolve().parent.name,
            "tokens_sha256": str(settings.get("tokens_sha256", "")),
        }
        path = ASSETS / SHIPPED_NAME if options.ship else options.out
        peaks = None
        if options.calibrate:
            peaks = cache_peaks(model, calibration_batches(Shards(options.calibrate), settings))
        export(model, path, metadata=metadata, quantisation=options.quantisation, peaks=peaks)
        if options.ship:
            register_weights(COMPOSER, (SHIPPED_NAME,))
    except (EmsyncError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {model.parameter_count} parameters")


if __name__ == "__main__":
    main()
