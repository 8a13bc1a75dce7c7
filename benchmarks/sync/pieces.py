"""Compose, render and listen to one piece."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.sync.films import Film, others_of_its_kind, without_boundaries
from benchmarks.sync.listening_model import ListeningModel
from benchmarks.sync.own_sound import chords_speak_s
from benchmarks.sync.records import ANSWERS, FREE_BARS, NONE_GIVEN, Record
from benchmarks.sync.sound import RISE_REACH_S, listen, rises_s

import emsync.music
from emsync.music.compose import compose_with
from emsync.music.guidance import guidance_rows
from emsync.music.model import ComposerModel
from emsync.options import ComposeOptions, SyncMode
from emsync.types import Composition, Floats
from emsync.weights import COMPOSER, load_weights, weights_entry
from emsync_train.evaluation.boundaries import announced_chords_s, struck_chords_s
from emsync_train.evaluation.music import FIGURES, Stretch


def settings_of(duration_s: float) -> dict[str, Any]:
    """What must not change within one run: length, options, weights and the code that composes.

    The seed of a piece is the number of its film in the run, the mode its condition.
    """
    options = asdict(ComposeOptions())
    kept = {name: value for name, value in options.items() if name not in {"seed", "sync", "threads"}}
    return {
        "seconds": duration_s,
        "weights_sha256": weights_entry(COMPOSER).sha256,
        "code_sha256": code_sha256(),
        **kept,
    }


@cache
def code_sha256() -> str:
    """Hash of the source files of `emsync.music`, shortened to 12 digits."""
    digest = hashlib.sha256()
    for path in sorted(Path(emsync.music.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def make_piece(number: int, film: Film, condition: str, *, films: Sequence[Film], threads: int) -> Record:
    """Compose with the seed `number`, render, listen, measure."""
    is_told = condition != NONE_GIVEN
    has_own_mode = condition in list(SyncMode)
    options = ComposeOptions(
        seed=number,
        sync=SyncMode(condition) if has_own_mode else SyncMode.PAPER,
        planned_bars=condition != FREE_BARS,
        threads=threads,
    )
    batch = len(guidance_rows(options))
    model = ListeningModel(ComposerModel.load(load_weights(COMPOSER), threads=threads, batch=batch))
    piece = compose_with(model, film.sheet if is_told else without_boundaries(film.sheet), options)
    return measure(piece, film, condition, films=films, nats=model.nats)


def measure(piece: Composition, film: Film, condition: str, *, films: Sequence[Film], nats: Floats) -> Record:
    """Everything about a piece that needs the notes or their sound."""
    heard = listen(piece, film.sheet)
    others = [other.boundaries_s for other in others_of_its_kind(film, films)]
    elsewhere_s = np.concatenate(others) if others else np.zeros(0)
    found = (announced_chords_s(piece), struck_chords_s(piece), heard.onsets_s, heard.beats_s)
    stretch = Stretch.of(piece)
    return Record(
        film=film.name,
        kind=film.kind,
        condition=condition,
        settings=settings_of(film.sheet.duration_s),
        cuts_s=_listed(film.cuts_s),
        boundaries_s=_listed(film.boundaries_s),
        answers_s={
            name: _listed(before_the_ending(times, film)) for name, times in zip(ANSWERS, found, strict=True)
        },
        speaks_s=_known(chords_speak_s(piece, film.sheet, film.boundaries_s, reach_s=RISE_REACH_S)),
        rises_s=_known(rises_s(heard.stems, heard.rate_hz, film.boundaries_s)),
        chance_rises_s=_known(rises_s(heard.stems, heard.rate_hz, elsewhere_s)),
        tokens=len(nats),
        nats=float(nats.sum()),
        note_count=len(piece.notes),
        music={name: _known([figure(stretch)])[0] for name, figure in FIGURES.items()},
    )


def before_the_ending(times_s: Floats, film: Film) -> Floats:
    """Answers up to a second after the last moment that counts: an answer may be late, the last chord is none."""
    return np.asarray(times_s[times_s <= film.measured_to_s + 1.0])


def _listed(times_s: Floats) -> list[float]:
    return [round(float(time_s), 5) for time_s in times_s]


def _known(values: Sequence[float] | Floats) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]
