"""Histograms of what is played, for the affect evaluator: none is a feature of the affect labels.

Everything is a share: which intervals, lengths, gaps, octaves and chords a window is made of. A share of one
piano and a share of a band are comparable, which a sum is not. Drums and velocities are never looked at.
All of it is numpy over whole arrays: a row per event, summed over windows by differences of running sums.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from emsync.errors import MidiError
from emsync.music.affect_reading import nearest_index, window_count
from emsync.music.midi_file import read_midi
from emsync.types import TICKS_PER_S, Floats, InstrumentGroup, Notes, Ticks
from emsync_train.affect_fit import AXES, FILES_PER_SOURCE, RATING_LAG_S, SOURCE_WEIGHTS

HOP_S = 4.0
WINDOW_S = 12.0
CENTRES = 128
CENTRE_ROUNDS = 12

BLOCKS: dict[str, int] = {
    "above_lowest": 12,
    "above_ground": 12,
    "chord_type": 8,
    "harmonic_motion": 12,
    "octave": 7,
    "melodic_interval": 10,
    "onset_gap": 13,
    "gap_ratio": 5,
    "duration": 15,
}
"""Histograms of `window_histograms` in order, and how many bins each has."""
BINS = sum(BLOCKS.values())

FRAME_TICKS = 25
"""Harmony is heard every 0.2 s ..."""
HARMONY_FRAMES = 5
"""... as what sounded within 1 s, so that a broken chord is a chord."""
MOTION_FRAMES = 10
"""Harmonic motion compares a moment with 2 s before."""
GROUND_MARGIN_S = 6.0
"""What lies above the usual lowest notes is heard from this long before a window to this long after."""
SAME_ONSET_TICKS = 5

CHORDS: tuple[tuple[int, ...], ...] = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 3, 6),
    (0, 4, 8),
    (0, 5, 7),
    (0, 1),
    (0, 1, 2),
)
"""Major, minor, diminished, augmented and suspended triad, semitone, chromatic cluster; the last bin is none."""
MELODIC_EDGES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12)
"""Smallest size in semitones of each bin of melodic intervals."""


@dataclass(frozen=True)
class Stream:
    """Events in time and what each adds to a histogram: sorted `ticks` (E,) and `rows` (E, B)."""

    ticks: Floats
    rows: Floats

    def shares(self, starts: Floats, ends: Floats) -> Floats:
        """Histogram of each window, (W, B), of sum 1; without events that of all; without any, even."""
        sums = np.vstack([np.zeros(self.rows.shape[1]), np.cumsum(self.rows, axis=0)])
        totals = sums[np.searchsorted(self.ticks, ends)] - sums[np.searchsorted(self.ticks, starts)]
        even = np.full(self.rows.shape[1], 1.0 / self.rows.shape[1])
        overall = sums[-1] / sums[-1].sum() if sums[-1].sum() > 0 else even
        mass = totals.sum(axis=1, keepdims=True)
        return np.where(mass > 1e-6, np.maximum(totals, 0) / np.maximum(mass, 1e-6), overall)


def window_histograms(notes: Notes, starts_s: Floats, window_s: float) -> Floats | None:
    """Histograms of the pitched music in each window.

    Args:
        notes: any number of notes, sorted by onset.
        starts_s: beginning of each window, shape (W,); may be negative.
        window_s: length of every window, above 0.
    Returns: shape (W, BINS), each block of `BLOCKS` of sum 1; a row is NaN throughout where no pitched note
        sounds. None if no pitched note is there at all.
    Raises: ValueError if the notes are not sorted or the window has no length.
    """
    if window_s <= 0:
        raise ValueError(f"window_s must be above 0, got {window_s}")
    if np.any(np.diff(notes["onset_ticks"].astype(np.int64)) < 0):
        raise ValueError("notes must be sorted by onset")
    pitched = notes[notes["group"] != InstrumentGroup.DRUMS]
    if pitched.size == 0:
        return None
    starts = np.asarray(starts_s, np.float64) * TICKS_PER_S
    ends = starts + window_s * TICKS_PER_S
    roll = _piano_roll(pitched)
    streams = _harmony_streams(roll) | _rhythm_streams(pitched)
    streams["melodic_interval"] = _melodic_intervals(pitched)
    blocks = {name: stream.shares(starts, ends) for name, stream in streams.items()}
    margin = GROUND_MARGIN_S * TICKS_PER_S
    blocks["above_ground"] = _above_ground(roll, starts - margin, ends + margin)
    histograms = np.hstack([blocks[name] for name in BLOCKS])
    frames = np.arange(len(roll) + 1) * FRAME_TICKS
    sounding = np.concatenate([[0], np.cumsum(roll.any(axis=1))])
    heard = np.interp(ends, frames, sounding) - np.interp(starts, frames, sounding)
    histograms[heard < 1e-6] = np.nan
    return histograms


def soft_bins(values: Floats, *, lowest: float, step: float, count: int) -> Floats:
    """Each value shared between its two nearest bin centres, (E, count); beyond the ends, the end's bin.

    >>> soft_bins(np.array([0.25]), lowest=0.0, step=1.0, count=3).tolist()
    [[0.75, 0.25, 0.0]]
    """
    position = np.clip((values - lowest) / step, 0, count - 1)
    return np.asarray(np.maximum(0.0, 1 - np.abs(position[:, None] - np.arange(count))))


def _piano_roll(pitched: Notes) -> NDArray[np.bool_]:
    """Which pitches sound during each frame, however briefly, shape (F, 128)."""
    onsets = pitched["onset_ticks"].astype(np.int64)
    ends = onsets + np.maximum(pitched["duration_ticks"], 1)
    changes = np.zeros((int(ends.max()) // FRAME_TICKS + 2, 128), np.int32)
    pitch = pitched["pitch"].astype(np.int64) & 127
    np.add.at(changes, (onsets // FRAME_TICKS, pitch), 1)
    np.add.at(changes, ((ends - 1) // FRAME_TICKS + 1, pitch), -1)
    return np.cumsum(changes[:-1], axis=0) > 0


def _harmony_streams(roll: NDArray[np.bool_]) -> dict[str, Stream]:
    """What sounds together within a second: intervals, chords and their changes; and octaves."""
    recent = roll.copy()
    for back in range(1, min(HARMONY_FRAMES, len(roll))):
        recent[back:] |= roll[:-back]
    classes: NDArray[np.bool_] = np.any(np.pad(recent, ((0, 0), (0, 4))).reshape(-1, 11, 12), axis=1)
    sounds: NDArray[np.bool_] = np.any(roll, axis=1)
    ticks = np.arange(len(roll), dtype=np.float64) * FRAME_TICKS
    above = np.take_along_axis(
        classes, (np.arange(12) + np.argmax(recent, axis=1)[:, None]) % 12, axis=1
    ).astype(np.float64)
    size = classes.sum(axis=1, keepdims=True)
    octaves = soft_bins(np.arange(128.0), lowest=30, step=12, count=BLOCKS["octave"])
    rows = {
        "above_lowest": above / np.maximum(size, 1),
        "chord_type": _chord_types(classes),
        "harmonic_motion": _harmonic_motion(classes.astype(np.float64)),
        "octave": roll @ octaves,
    }
    return {name: Stream(ticks, values * sounds[:, None]) for name, values in rows.items()}


def _above_ground(roll: NDArray[np.bool_], starts: Floats, ends: Floats) -> Floats:
    """Shares of the pitch classes of each window above those that are lowest most of its time, (W, 12).

    Every lowest pitch class counts with the square of its share, so that passing basses hardly do.
    """
    ticks = np.arange(len(roll), dtype=np.float64) * FRAME_TICKS
    sounds = np.any(roll, axis=1)[:, None]
    lowest = np.eye(12)[np.argmax(roll, axis=1) % 12] * sounds
    classes = np.any(np.pad(roll, ((0, 0), (0, 4))).reshape(-1, 11, 12), axis=1).astype(np.float64)
    shares = Stream(ticks, classes).shares(starts, ends)
    ground = Stream(ticks, lowest).shares(starts, ends) ** 2
    ground /= ground.sum(axis=1, keepdims=True)
    return np.stack([np.sum(ground * np.roll(shares, -k, axis=1), axis=1) for k in range(12)], axis=1)


def _chord_types(classes: NDArray[np.bool_]) -> Floats:
    """Which of `CHORDS` are contained in each frame on any root, shared evenly; last bin: none. (F, 8)."""
    found = [
        np.logical_and.reduce([np.roll(classes, -step, axis=1) for step in chord]).any(axis=1)
        for chord in CHORDS
    ]
    rows = np.stack([*found, ~np.any(found, axis=0)], axis=1).astype(np.float64)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _harmonic_motion(classes: Floats) -> Floats:
    """Intervals from every pitch class 2 s ago to every one now, in semitones upwards modulo 12, (F, 12)."""
    rows = np.zeros_like(classes)
    now, before = classes[MOTION_FRAMES:], classes[:-MOTION_FRAMES]
    for interval in range(12):
        rows[MOTION_FRAMES:, interval] = np.sum(before * np.roll(now, -interval, axis=1), axis=1)
    return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1))


def _melodic_intervals(pitched: Notes) -> Stream:
    """Sizes of the steps between the highest notes of successive onsets; the bass instrument has no melody."""
    upper = pitched[pitched["group"] != InstrumentGroup.BASS]
    onsets = _distinct_onsets(upper["onset_ticks"].astype(np.int64))
    if onsets.size < 2:
        return Stream(np.zeros(0), np.zeros((0, BLOCKS["melodic_interval"])))
    at = np.searchsorted(upper["onset_ticks"], onsets)
    top = np.maximum.reduceat(upper["pitch"].astype(np.int64), at)
    kind = np.searchsorted(MELODIC_EDGES, np.abs(np.diff(top)), side="right") - 1
    return Stream(onsets[1:].astype(np.float64), np.eye(BLOCKS["melodic_interval"])[kind])


def _rhythm_streams(pitched: Notes) -> dict[str, Stream]:
    """Gaps between onsets of one instrument group, ratios of successive gaps, and note lengths.

    Groups are heard one by one and pooled: five players at an easy pace are not one frantic player.
    """
    parts = [_group_rhythm(pitched[pitched["group"] == group]) for group in np.unique(pitched["group"])]
    return {name: _pooled([part[name] for part in parts]) for name in parts[0]}


def _group_rhythm(notes: Notes) -> dict[str, Stream]:
    """The rhythm histograms of one instrument group; every onset counts the same."""
    note_onsets = notes["onset_ticks"].astype(np.int64)
    onsets = _distinct_onsets(note_onsets)
    log_gaps = np.log2(np.clip(np.diff(onsets) / TICKS_PER_S, 1 / 16, 4.0))
    log_seconds = np.log2(np.clip(notes["duration_ticks"] / TICKS_PER_S, 1 / 16, 8.0))
    at, at_note = onsets.astype(np.float64), note_onsets.astype(np.float64)
    gap_rows = soft_bins(log_gaps, lowest=-4, step=0.5, count=BLOCKS["onset_gap"])
    ratio_rows = soft_bins(np.diff(log_gaps), lowest=-2, step=1, count=BLOCKS["gap_ratio"])
    return {
        "onset_gap": Stream(at[:-1], gap_rows),
        "gap_ratio": Stream(at[1:-1], ratio_rows),
        "duration": Stream(at_note, soft_bins(log_seconds, lowest=-4, step=0.5, count=BLOCKS["duration"])),
    }


def _distinct_onsets(onsets: Ticks) -> Ticks:
    """Onsets without those within the tolerance after the one before."""
    return onsets[np.diff(onsets, prepend=-TICKS_PER_S) > SAME_ONSET_TICKS]


def _pooled(streams: list[Stream]) -> Stream:
    """All events of several streams, in time."""
    ticks = np.concatenate([stream.ticks for stream in streams])
    order = np.argsort(ticks, kind="stable")
    return Stream(ticks[order], np.concatenate([stream.rows for stream in streams])[order])


def window_centres_s(duration_s: float) -> Floats:
    """Centres of the stretches of `HOP_S` seconds that cover the duration, as the labeller has them."""
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration_s must be above 0, got {duration_s}")
    return np.asarray((np.arange(window_count(duration_s, HOP_S)) + 0.5) * HOP_S, np.float64)


def heard_histograms(notes: Notes, duration_s: float) -> Floats | None:
    """Histograms of the windows around every `HOP_S`, gaps filled from the nearest; None without pitch."""
    inside = notes[notes["onset_ticks"] < duration_s * TICKS_PER_S]
    histograms = window_histograms(inside, window_centres_s(duration_s) - WINDOW_S / 2, WINDOW_S)
    if histograms is None:
        return None
    heard = np.flatnonzero(~np.isnan(histograms[:, 0]))
    return np.asarray(histograms[heard[nearest_index(heard, np.arange(len(histograms)))]])


def position_of(histograms: Floats, scale: Floats) -> Floats:
    """Square roots of shares: their distances are Hellinger's, so that rare bins count too."""
    return np.asarray(np.sqrt(histograms) / scale)


def kernel_of(positions: Floats, centres: Floats, gamma: float) -> Floats:
    """exp(-gamma d^2) of every position and centre, (W, K)."""
    squares = np.sum(positions**2, axis=1)[:, None] + np.sum(centres**2, axis=1) - 2 * positions @ centres.T
    return np.asarray(np.exp(-gamma * np.maximum(squares, 0)))


def centres_of(positions: Floats, seed: int = 0) -> Floats:
    """Means of `CENTRES` clusters of windows, by Lloyd's algorithm; a cluster may have one member."""
    start = np.random.default_rng(seed).permutation(len(positions))[:CENTRES]
    centres = positions[start]
    for _ in range(CENTRE_ROUNDS):
        nearest = np.argmax(kernel_of(positions, centres, 0.01), axis=1)
        members = np.eye(len(centres))[nearest]
        counts = members.sum(axis=0)[:, None]
        centres = np.where(counts > 0, members.T @ positions / np.maximum(counts, 1), centres)
    return centres


@dataclass(frozen=True)
class RatedHistograms:
    """Histograms and mean ratings of one piece's windows: (W, BINS) and (W, 2), columns as in `AXES`."""

    name: str
    histograms: Floats
    ratings: Floats


def read_rated(ratings_csv: Path, midi: Path) -> list[RatedHistograms]:
    """Every rated piece whose MIDI file is there, with the ratings given `RATING_LAG_S` after the music."""
    measures: dict[str, list[dict[str, str]]] = defaultdict(list)
    with ratings_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            measures[row["midi"]].append(row)
    pieces = []
    for name, rows in measures.items():
        if (midi / name).exists():
            duration_s, count = float(rows[0]["duration"]), float(rows[0]["n_measures"])
            histograms = heard_histograms(read_midi(midi / name), duration_s)
            if histograms is None:
                continue
            heard_s = (np.array([float(row["measure"]) for row in rows]) + 0.5) / count * duration_s
            heard_s -= RATING_LAG_S
            means = np.array([[float(row[f"{axis}_mean"]) for axis in AXES] for row in rows])
            is_inside = np.abs(heard_s - window_centres_s(duration_s)[:, None]) <= WINDOW_S / 2
            rated = is_inside.any(axis=1)
            if not rated.any():
                continue
            ratings = (is_inside[rated] @ means) / is_inside[rated].sum(axis=1, keepdims=True)
            pieces.append(RatedHistograms(name, histograms[rated], ratings))
    return pieces


def exchange_ratings(pieces: list[RatedHistograms]) -> list[RatedHistograms]:
    """Every piece with name and ratings of a random other, both cut to the shorter."""
    exchanged = []
    for piece, k in zip(pieces, np.random.default_rng(1).permutation(len(pieces)), strict=True):
        ratings = pieces[k].ratings[: len(piece.ratings)]
        exchanged.append(RatedHistograms(pieces[k].name, piece.histograms[: len(ratings)], ratings))
    return exchanged


def read_quadrants(labelled_csv: Path) -> dict[str, Floats]:
    """Sign of valence and arousal by MIDI file; left out where a piece's phrases disagree."""
    phrases: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with labelled_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            piece = Path(row["midi"]).stem.rpartition("_")[0]
            phrases[f"{piece}.mid"].append((float(row["valence"]), float(row["arousal"])))
    return {name: np.array(signs[0]) for name, signs in phrases.items() if len(set(signs)) == 1}


@dataclass(frozen=True)
class CorpusFile:
    """Music of the corpus, the weight of each of its windows, and its rank among the files of its source."""

    source: str
    rank: int
    weight: float
    notes: Notes
    duration_s: float


def read_corpus(midi: Path, manifest: Path) -> Iterator[CorpusFile]:
    """A random `FILES_PER_SOURCE` files of every source, each source weighted as for the labels."""
    files: dict[str, list[str]] = defaultdict(list)
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["source"] != "vgmidi":
                files[row["source"]].append(row["path"])
    generator = np.random.default_rng(0)
    for source, paths in track(sorted(files.items()), description="mapping over the corpus"):
        chosen = generator.permutation(len(paths))[:FILES_PER_SOURCE]
        weight = SOURCE_WEIGHTS.get(source, 1.0) * len(paths) / len(chosen)
        for rank, k in enumerate(chosen):
            try:
                notes = read_midi(midi / paths[k])
            except MidiError:
                continue
            end_ticks = (notes["onset_ticks"] + notes["duration_ticks"]).max(initial=1)
            yield CorpusFile(source, rank, weight, notes, float(end_ticks) / TICKS_PER_S)
