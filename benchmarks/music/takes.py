"""What takes are worth: their limits beside human songs, and the kept one of several beside the first.

    python benchmarks/music/takes.py songs --shards SHARDS
    python benchmarks/music/takes.py films --films 12 --takes 4

The films are the made-up ones of `emsync_train.evaluation.composing`; the judge of affect is the independent one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from emsync.music.compose import compose_takes
from emsync.music.degenerate import PATTERNS, Music, densest_notes_per_s, faults
from emsync.music.takes import Takes
from emsync.music.tokenizer import DEFAULT_VELOCITY
from emsync.options import ComposeOptions
from emsync.types import TICK_S, Composition, CueSheet
from emsync_train.affect_evaluator import AffectEvaluator
from emsync_train.affect_fit import SOURCE_WEIGHTS
from emsync_train.dataset import Shards
from emsync_train.evaluation import music
from emsync_train.evaluation.composing import film_of

FILM_S = 20.0
STRETCHES = 600
PERCENTILES = (50, 90, 95, 99, 100)


def songs(shards: Path) -> None:
    """Percentiles of every pattern over stretches of held-out songs, and the share beyond its limit."""
    found = [
        Music(one.notes, one.bars, one.length_ticks)
        for one in music.human_stretches(Shards(shards), SOURCE_WEIGHTS, STRETCHES, split="test")
    ]
    print(
        f"{len(found)} stretches of {music.STRETCH_S:.0f} s; percentiles {PERCENTILES}, share beyond the limit"
    )
    for pattern in PATTERNS:
        values = np.array([pattern.measure(one) for one in found])
        row = " ".join(f"{value:6.2f}" for value in np.percentile(values, PERCENTILES))
        print(f"{pattern.name:<16} {row}  {np.mean(values > pattern.limit):.3f}")
    print(f"any fault {np.mean([bool(faults(one)) for one in found]):.3f}")


def films(count: int, takes: int) -> None:
    """Means over films of the first take and of the kept one."""
    options = ComposeOptions(takes=takes, threads=1)
    rows, scores = [], []
    for number in range(count):
        film = film_of(number, duration_s=FILM_S)
        started_s = time.process_time()
        made = compose_takes(film, replace(options, seed=number * takes))
        composed_s = time.process_time()
        chosen = Takes.of(made, film)
        scored_s = time.process_time()
        rows.append([*facts(made[0], film), *facts(chosen.best, film)])
        rows[-1] += [composed_s - started_s, scored_s - composed_s]
        scores += chosen.scores
        print(f"film {number}: {np.round(rows[-1], 3).tolist()}, take {chosen.kept + 1} kept", flush=True)
    report(np.array(rows), [len(one.faults) > 0 for one in scores])


def facts(piece: Composition, film: CueSheet) -> list[float]:
    """Error of affect by the independent judge, without the last chord; densest notes a second; whether faulty."""
    end_ticks = piece.chord_onsets_ticks[-1]
    notes = piece.notes[piece.notes["onset_ticks"] < end_ticks].copy()
    notes["velocity"] = DEFAULT_VELOCITY  # it follows arousal by rule
    judged = AffectEvaluator.load().judge(notes, end_ticks * TICK_S)
    asked = film.affect.points[0]
    error = float(np.hypot(judged.valence - asked.valence, judged.arousal - asked.arousal))
    whole = Music(piece.notes, np.array(piece.bar_onsets_ticks), piece.duration_ticks)
    return [error, densest_notes_per_s(whole), float(bool(faults(whole)))]


def report(rows: np.ndarray, rejected: Sequence[bool]) -> None:
    """A line for the first take, one for the kept one, the cost."""
    means, errors = rows.mean(axis=0), rows.std(axis=0) / np.sqrt(len(rows))
    for name, first in (("first take", 0), ("kept take", 3)):
        told = f"affect error {means[first]:.3f} (standard error {errors[first]:.3f}), "
        print(f"{name}: {told}densest {means[first + 1]:.1f} notes/s, faulty {means[first + 2]:.0%}")
    gain = rows[:, 0] - rows[:, 3]
    print(f"gain {gain.mean():.3f} (standard error {gain.std() / np.sqrt(len(gain)):.3f})")
    print(
        f"CPU seconds a film: composing {means[6]:.1f}, scoring {means[7]:.3f}; takes rejected {np.mean(rejected):.0%}"
    )


def main() -> None:
    """Command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("songs").add_argument("--shards", type=Path, required=True)
    of_films = commands.add_parser("films")
    of_films.add_argument("--films", type=int, default=12)
    of_films.add_argument("--takes", type=int, default=4)
    arguments = parser.parse_args()
    if arguments.command == "songs":
        songs(arguments.shards)
    else:
        films(arguments.films, arguments.takes)


if __name__ == "__main__":
    main()
