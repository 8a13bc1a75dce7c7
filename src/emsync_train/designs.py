"""Compare designs of the network that were trained on the same corpus for the same number of tokens.

Command: python -m emsync_train.designs --runs RUN [RUN ...] --shards DIR [DIR ...] --out FILE [--keep]

A run is named by its folder; its shards are those of its corpus among the folders given. Nats per token of different
vocabularies cannot be compared, nats per note can: validation windows tell how many tokens a note has. Where
`RUN/results.json` holds what `emsync_train.evaluate` measured of it, likelihood, boundary and affect control are taken
over.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from emsync.errors import EmsyncError, InputError
from emsync.output_file import atomic_output
from emsync_train.dataset import Shards, WindowOptions, WindowSampler
from emsync_train.model import Composer
from emsync_train.throughput import read_model_config
from emsync_train.train import held_out_batches

Json = dict[str, Any]
TOLERANCE = "250_ms"
AFFECT = (
    "valence_ccc",
    "arousal_ccc",
    "valence_ccc_standard_error",
    "arousal_ccc_standard_error",
    "valence_spearman",
    "arousal_spearman",
    "quadrant_accuracy",
)


def design(run: Path, corpora: Sequence[Shards]) -> Json:
    """What is known of one run.

    Raises: OSError, ValueError or KeyError for a folder that is no finished run, InputError if none of `corpora` is
        the run's.
    """
    with torch.device("meta"):
        network = Composer(read_model_config(run / "config.json"))
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    last = rows[-1]
    figures: Json = {
        "parameters": network.parameter_count,
        "tokens": last["tokens"],
        "minutes": round(last["seconds"] / 60, 1),
        "validation_nats_per_token": last["validation_nats_per_token"],
        "validation_nats_per_note": round(
            last["validation_nats_per_token"] * tokens_per_note(run, corpora), 4
        ),
    }
    averaged = last.get("validation_nats_per_token_of_averages")
    if averaged is not None:
        figures["validation_nats_per_token_of_averages"] = averaged
    results = run / "results.json"
    return figures | (_measured(json.loads(results.read_text(encoding="utf-8"))) if results.exists() else {})


def tokens_per_note(run: Path, corpora: Sequence[Shards]) -> float:
    """Tokens for each note in the windows that a run was validated on."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    shards = next((one for one in corpora if one.tokens_sha256 == config["tokens_sha256"]), None)
    if shards is None:
        raise InputError(f"{run}: trained on another corpus than those given; name its folder with --shards")
    held_out = WindowSampler(
        shards, shards.of_split("validation"), config["source_weights"], WindowOptions(**config["windows"])
    )
    tokens = notes = 0
    for batch in held_out_batches(held_out, config["training"]["validation_batches"]):
        targets = batch.tokens[:, 1:]
        tokens += int((targets != shards.vocabulary.special("PAD")).sum())
        notes += int(shards.vocabulary.is_on(targets).sum())
    return tokens / notes


def _measured(results: Json) -> Json:
    """The figures of an evaluation that the table shows."""
    found: Json = {}
    if "likelihood" in results:
        models = results["likelihood"]["models"]
        told = models["all_conditions"]["nats_per_note"]
        found["nats_per_note"] = told
        for name in ("affect", "boundaries", "conditions"):
            found[f"nats_per_note_without_{name}"] = models[f"no_{name}"]["nats_per_note"]
    if "boundaries" in results:
        soft = results["boundaries"]["soft"]
        found |= {
            "boundary_f1": soft["announced_own"][TOLERANCE]["f1"],
            "boundary_f1_standard_error": soft["announced_own"][TOLERANCE]["f1_standard_error"],
            "boundary_f1_shuffled": soft["announced_shuffled"][TOLERANCE]["f1"],
        }
    if "affect" in results:
        affect = results["affect"]
        found |= {name: affect["evaluator"][name] for name in AFFECT if name in affect["evaluator"]}
        found |= {f"{name}_shuffled": affect["evaluator_shuffled"][name] for name in AFFECT[:2]}
    found["evaluated_with"] = [part["command"] for part in results.values() if isinstance(part, dict)]
    return found


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--shards", type=Path, nargs="+", required=True, help="one folder for each vocabulary"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--keep", action="store_true", help="add to the designs that FILE has")
    arguments = parser.parse_args()
    try:
        corpora = [Shards(folder) for folder in arguments.shards]
        earlier = json.loads(arguments.out.read_text(encoding="utf-8"))["designs"] if arguments.keep else {}
        designs = earlier | {run.name: design(run, corpora) for run in arguments.runs}
    except (EmsyncError, OSError, ValueError, KeyError, IndexError) as error:
        sys.exit(f"error: {error}")
    with atomic_output(arguments.out, overwrite=True) as temporary:
        temporary.write_text(json.dumps({"designs": designs}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(designs, indent=1))


if __name__ == "__main__":
    main()
