"""What is asked of the music beside what is got: tempo, key, instruments, density, and all of them in mid-film.

Command: python benchmarks/music/control.py --out benchmarks/results/control.json [--films 4] [--workers 2]

Made-up films of 20 s with cuts 4 to 10 s apart and one affect each; the shipped weights, default options, the film's
number as seed. Every film is composed once with nothing asked, which is the baseline of every figure: how often the
film's own music would have satisfied the wish. Tempo: median over the bars of 240 / seconds of the bar, within 10 % of
the one asked for. Key: the best of 24 correlations of all notes' pitch classes, by how long they sound, with the
profiles of Krumhansl & Kessler (1982). Instruments: the groups heard are the groups asked for. Density: notes a second
up to the last chord, over the one asked for. Mid-film: half of the film one wish, the other half another, each half
measured by itself. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from emsync.control import Key, Mode, parse_key
from emsync.music.music_features import key_correlations
from emsync.options import ComposeOptions
from emsync.types import TICKS_PER_S, Composition, Direction, InstrumentGroup
from emsync.weights import COMPOSER, weights_entry
from emsync_train.evaluation.composing import Job, Subject, compose_all, film_of

COMMAND = "python benchmarks/music/control.py --out benchmarks/results/control.json"
DURATION_S = 20.0
HALF_S = 10.0
AFFECTS = ((0.6, 0.4), (-0.6, -0.5), (0.3, -0.4), (-0.5, 0.5), (0.0, 0.0), (0.7, -0.7))
"""Valence and arousal of the films."""
DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup


@dataclass(frozen=True)
class Wish:
    """What is asked of a piece; None: nothing."""

    tempo_bpm: float | None = None
    key: str | None = None
    instruments: tuple[InstrumentGroup, ...] | None = None
    density: float | None = None

    def fields(self) -> dict[str, Any]:
        """As `ComposeOptions` and `Direction` want it."""
        return vars(self) | {"key": None if self.key is None else parse_key(self.key)}


WISHES = (
    Wish(tempo_bpm=75.0, key="D major"),
    Wish(tempo_bpm=135.0, key="F# minor"),
    Wish(instruments=(PIANO, STRINGS), key="Bb minor"),
    Wish(instruments=(DRUMS, BASS, GUITAR), key="A major"),
    Wish(density=3.0),
    Wish(density=5.0),
    Wish(density=8.0),
    Wish(density=16.0),
)
FIRST_HALF = Wish(80.0, "A minor", (PIANO, STRINGS), 5.0)
SECOND_HALF = Wish(120.0, "E major", (DRUMS, BASS, GUITAR, PIANO), 12.0)


@dataclass(frozen=True)
class Heard:
    """What a stretch of a piece turned out to be."""

    tempo_bpm: float
    key: Key
    groups: frozenset[InstrumentGroup]
    density: float

    @classmethod
    def of(cls, piece: Composition, begin_s: float = 0.0, end_s: float = DURATION_S) -> Heard:
        """From `begin_s` up to `end_s` or the last chord, whichever is earlier."""
        begin, end = begin_s * TICKS_PER_S, min(end_s * TICKS_PER_S, piece.chord_onsets_ticks[-1])
        onsets = piece.notes["onset_ticks"]
        notes = piece.notes[(onsets >= begin) & (onsets < end)]
        bars = [ticks for ticks in piece.bar_onsets_ticks if begin <= ticks <= end]
        tempo_bpm = 240 * TICKS_PER_S / float(np.median(np.diff(bars)))
        groups = frozenset(InstrumentGroup(int(group)) for group in notes["group"])
        return cls(tempo_bpm, _key_of(notes), groups, len(notes) * TICKS_PER_S / (end - begin))


def _key_of(notes: np.ndarray[Any, Any]) -> Key:
    pitched = notes[notes["group"] != DRUMS]
    profile = np.bincount(pitched["pitch"] % 12, weights=pitched["duration_ticks"], minlength=12)
    fits = np.concatenate(key_correlations(profile[None].astype(float)), axis=1)[0]
    place = int(fits.argmax())
    return Key(place % 12, Mode.MAJOR if place < 12 else Mode.MINOR)


def tempo_figures(pairs: Sequence[tuple[float, Heard]]) -> dict[str, Any]:
    """Share within 10 %, and the largest deviation."""
    off = [abs(heard.tempo_bpm / asked - 1) for asked, heard in pairs]
    return {"within_10_percent": _share(one <= 0.1 for one in off), "largest_deviation": round(max(off), 3)}


def key_figures(pairs: Sequence[tuple[Key, Heard]]) -> dict[str, Any]:
    """Share of keys met exactly; of tonics; of modes."""
    return {
        "key": _share(heard.key == asked for asked, heard in pairs),
        "tonic": _share(heard.key.tonic == asked.tonic for asked, heard in pairs),
        "mode": _share(heard.key.mode == asked.mode for asked, heard in pairs),
    }


def instrument_figures(pairs: Sequence[tuple[tuple[InstrumentGroup, ...], Heard]]) -> dict[str, Any]:
    """Share of pieces in which exactly the groups asked for are heard, and in which no other is."""
    return {
        "exactly": _share(heard.groups == set(asked) for asked, heard in pairs),
        "no_other": _share(heard.groups <= set(asked) for asked, heard in pairs),
    }


def density_figures(pairs: Sequence[tuple[float, Heard]]) -> dict[str, Any]:
    """Notes a second got over asked: median and range."""
    ratios = [heard.density / asked for asked, heard in pairs]
    return {
        "median_ratio": round(median(ratios), 3),
        "range": [round(min(ratios), 3), round(max(ratios), 3)],
    }


FIGURES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "tempo_bpm": tempo_figures,
    "key": key_figures,
    "instruments": instrument_figures,
    "density": density_figures,
}


def _share(facts: Any) -> float:
    found = list(facts)
    return round(float(np.mean(found)), 3)


def figures_of(wish: Wish, asked: Sequence[Heard], own: Sequence[Heard]) -> dict[str, Any]:
    """For each field that the wish names: what was got, and what the films' own music would have given."""
    wanted = {name: value for name, value in wish.fields().items() if value is not None}
    return {
        name: {
            "got": FIGURES[name]([(value, heard) for heard in asked]),
            "baseline": FIGURES[name]([(value, heard) for heard in own]),
            "pieces": len(asked),
        }
        for name, value in wanted.items()
    }


def named(wish: Wish) -> str:
    """A wish in words."""
    words = {name: value for name, value in vars(wish).items() if value is not None}
    if wish.instruments is not None:
        words["instruments"] = ",".join(group.name.lower() for group in wish.instruments)
    return ", ".join(f"{name} {value}" for name, value in words.items())


def measure(films: int, workers: int) -> dict[str, Any]:
    """Compose everything and look at it."""
    numbers = range(films)
    sheets = [film_of(number, duration_s=DURATION_S, affect=AFFECTS[number]) for number in numbers]
    turned = [replace(film, directions=(Direction(HALF_S, **SECOND_HALF.fields()),)) for film in sheets]
    jobs = [Job(film, ComposeOptions(seed=n)) for n, film in enumerate(sheets)]
    for wish in WISHES:
        jobs += [Job(film, ComposeOptions(seed=n, **wish.fields())) for n, film in enumerate(sheets)]
    jobs += [Job(film, ComposeOptions(seed=n, **FIRST_HALF.fields())) for n, film in enumerate(turned)]
    pieces = compose_all(Subject(), jobs, workers=workers, description="asked")
    rows = [pieces[first : first + films] for first in range(0, len(pieces), films)]
    own, asked, halves = rows[0], rows[1:-1], rows[-1]
    return {
        "asked_for_the_whole_film": _whole(own, asked),
        "asked_for_half_of_the_film": {
            named(wish): figures_of(
                wish,
                [Heard.of(piece, begin_s, begin_s + HALF_S) for piece in halves],
                [Heard.of(piece, begin_s, begin_s + HALF_S) for piece in own],
            )
            for wish, begin_s in ((FIRST_HALF, 0.0), (SECOND_HALF, HALF_S))
        },
        "own_density": [round(Heard.of(piece).density, 1) for piece in own],
    }


def _whole(own: Sequence[Composition], asked: Sequence[Sequence[Composition]]) -> Mapping[str, Any]:
    baseline = [Heard.of(piece) for piece in own]
    return {
        named(wish): figures_of(wish, [Heard.of(piece) for piece in row], baseline)
        for wish, row in zip(WISHES, asked, strict=True)
    }


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--films", type=int, default=4, choices=range(1, len(AFFECTS) + 1))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    figures = measure(arguments.films, arguments.workers)
    settings = {"films": arguments.films, "duration_s": DURATION_S, "affects": AFFECTS[: arguments.films]}
    head = {"command": COMMAND, "weights_sha256": weights_entry(COMPOSER).sha256, "settings": settings}
    arguments.out.write_text(json.dumps(head | figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
