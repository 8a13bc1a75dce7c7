"""How music answers the cuts of a film, in every mode of sync, beside chance and beside music that knows no cut.

    python -m benchmarks.sync.run --pieces 50 --seconds 25 --work WORK     # goes on where it stopped
    python -m benchmarks.sync.table                                        # then writes docs/sync.md

Needs the extra `train` and `pip install librosa`. Composing and rendering take about a third of a second per second of
music and condition on one free core; processes with disjoint `--conditions` may share the work folder. With --midi and
--manifest, music by people is measured beside the composed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.sync.films import films
from benchmarks.sync.human import human_stretches
from benchmarks.sync.pieces import make_piece, settings_of
from benchmarks.sync.records import CONDITIONS, append_record, missing_pieces, read_records
from benchmarks.sync.summary import music, summary

from emsync.errors import EmsyncError
from emsync_train.evaluation.music import FIGURES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "sync.json"


def compose_missing(arguments: argparse.Namespace) -> None:
    """Make every piece that the work folder lacks."""
    path = arguments.work / "pieces.jsonl"
    all_films = films(arguments.pieces, arguments.seconds)
    records = read_records(path, settings_of(arguments.seconds))
    for number, film, condition in missing_pieces(all_films, records, arguments.conditions):
        record = make_piece(number, film, condition, films=all_films, threads=arguments.threads)
        append_record(path, record)
        print(f"{film.name}, {condition}: {record.note_count} notes", flush=True)


def document(arguments: argparse.Namespace) -> dict[str, Any]:
    """The results as they are committed."""
    settings = settings_of(arguments.seconds)
    wanted = {film.name for film in films(arguments.pieces, arguments.seconds)}
    records = [one for one in read_records(arguments.work / "pieces.jsonl", settings) if one.film in wanted]
    result: dict[str, Any] = {
        "command": f"python -m benchmarks.sync.run --pieces {arguments.pieces} --seconds {arguments.seconds:g}",
        "settings": settings,
        "cores": len(os.sched_getaffinity(0)),
        "conditions": summary(records),
    }
    if arguments.midi:
        weights = tomllib.loads(arguments.config.read_text("utf-8")).get("source_weights", {})
        stretches = human_stretches(
            arguments.midi, arguments.manifest, weights, count=arguments.human, duration_s=arguments.seconds
        )
        rows = [{name: float(figure(stretch)) for name, figure in FIGURES.items()} for stretch in stretches]
        result["human"] = {"pieces": len(rows), "music": music(rows)}
    return result


def parsed() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pieces", type=int, default=50, help="films; each is composed for once per condition"
    )
    parser.add_argument("--seconds", type=float, default=25.0, help="length of every film")
    parser.add_argument("--work", type=Path, required=True, help="folder for pieces.jsonl; outside the tree")
    parser.add_argument("--conditions", nargs="+", default=CONDITIONS, choices=CONDITIONS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--midi", type=Path, help="folder of MIDI files by people")
    parser.add_argument("--manifest", type=Path, help="CSV with path, song, source")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "configs" / "base.toml", help="weights of the sources"
    )
    parser.add_argument("--human", type=int, default=96, help="stretches by people")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    """Command line."""
    arguments = parsed()
    np.seterr(all="ignore")
    try:
        compose_missing(arguments)
        result = document(arguments)
    except EmsyncError as error:
        sys.exit(f"error: {error}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, allow_nan=False) + "\n", "utf-8")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
