"""Music by people, of the length of the pieces: songs that no composer was trained on, read from MIDI files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from emsync.music.tokenizer import Piece
from emsync.music.vocabulary import EMSYNC
from emsync.types import TICKS_PER_S
from emsync_train.corpus import FREE_TIME_SOURCES
from emsync_train.corpus_layouts import Source, sources_of, split_of
from emsync_train.evaluation.music import Stretch
from emsync_train.midi_reader import UnusableError, read_midi_piece

SEED = 17


def human_stretches(
    midi: Path, manifest: Path, weights: Mapping[str, float], *, count: int, duration_s: float
) -> list[Stretch]:
    """`count` stretches of test songs, sources drawn by weight times their number of files."""
    by_source: dict[str, list[Source]] = defaultdict(list)
    for source in sources_of(midi, manifest, frozenset({"vgmidi"})):
        if split_of(source.song) == "test":
            by_source[source.source].append(source)
    rng = np.random.default_rng(SEED)
    length_ticks = round(duration_s * TICKS_PER_S)
    stretches: list[Stretch] = []
    for piece in _pieces(by_source, weights, rng):
        if piece.end_ticks >= length_ticks:
            begin = int(rng.integers(piece.end_ticks - length_ticks + 1))
            stretches.append(stretch_of(piece, begin, length_ticks))
        if len(stretches) == count:
            break
    return stretches


def stretch_of(piece: Piece, begin_ticks: int, length_ticks: int) -> Stretch:
    """The notes struck within the stretch, cut off at its end, and its bars."""
    onset = piece.notes["onset_ticks"]
    notes = piece.notes[(onset >= begin_ticks) & (onset < begin_ticks + length_ticks)].copy()
    notes["onset_ticks"] -= begin_ticks
    notes["duration_ticks"] = np.minimum(notes["duration_ticks"], length_ticks - notes["onset_ticks"])
    bars = piece.bar_onsets_ticks
    inside = (bars >= begin_ticks) & (bars < begin_ticks + length_ticks)
    return Stretch(notes, bars[inside] - begin_ticks, length_ticks)


def _pieces(
    by_source: Mapping[str, list[Source]], weights: Mapping[str, float], rng: np.random.Generator
) -> Iterator[Piece]:
    """Endless readable pieces."""
    names = sorted(by_source)
    shares = np.array([weights.get(name, 1.0) * len(by_source[name]) for name in names])
    while True:
        name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        source = by_source[name][int(rng.integers(len(by_source[name])))]
        try:
            yield read_midi_piece(source.path, EMSYNC, free_time=name in FREE_TIME_SOURCES)
        except UnusableError:
            continue
