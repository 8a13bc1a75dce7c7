"""One piano roll of the Lakh Pianoroll Dataset to a piece on the tick grid.

The file is a zip of numpy arrays (`pianoroll_0_csc_data`, `.._csc_indices`, `.._csc_indptr`, `.._csc_shape` for
each track; `tempo` and `downbeat` for each time step) with `info.json`: steps in a quarter note, and program and
drum flag of each track. A note is a run of filled steps of one pitch. Format: pypianoroll 1.0, `save`.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from emsync.music.midi_file import group_of_program
from emsync.music.tokenizer import Piece
from emsync.music.vocabulary import Vocabulary
from emsync.types import NOTE_DTYPE, TICKS_PER_S, Floats, InstrumentGroup, Notes, Ticks
from emsync_train.midi_reader import (
    FASTEST_BPM,
    UnusableError,
    check_length,
    check_note_count,
    check_size,
    piece_of,
    seconds_to_ticks,
)

LARGEST_UNPACKED_BYTES = 256_000_000
DEFAULT_BPM = 120.0
MOST_TRACKS = 64
MOST_STEPS = 10_000_000
BINARY_VELOCITY = 64
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, KeyError, TypeError, ValueError, IndexError)


def read_roll_piece(path: Path, vocabulary: Vocabulary) -> Piece:
    """The canonical piece of a piano roll; without downbeats it has no bars.

    Raises: UnusableError with the reason.
    """
    check_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked_bytes = sum(member.file_size for member in archive.infolist())
        if unpacked_bytes > LARGEST_UNPACKED_BYTES:
            raise UnusableError(f"unpacks to more than {LARGEST_UNPACKED_BYTES / 1e6:.0f} MB")
        with np.load(path, allow_pickle=False) as arrays:
            return _piece(arrays, vocabulary)
    except _DAMAGE as error:
        raise UnusableError("is damaged or not a piano roll") from error


def _piece(arrays: NpzFile, vocabulary: Vocabulary) -> Piece:
    info = json.loads(bytes(arrays["info.json"]))
    resolution = int(info["resolution"] if "resolution" in info else info["beat_resolution"])
    if resolution < 1:
        raise ValueError("no steps in a quarter note")
    tracks = [(str(index), info[str(index)]) for index in range(MOST_TRACKS) if str(index) in info]
    rolls = [_runs(arrays, f"pianoroll_{index}_csc") for index, _ in tracks]
    check_note_count(sum(len(runs) for runs in rolls))
    steps = max(int(runs[:, 1].max(initial=0)) for runs in rolls)
    times_s = _step_times_s(arrays, steps, resolution)
    check_length(0.0, float(times_s[-1]))
    parts = [_notes(runs, times_s, track) for runs, (_, track) in zip(rolls, tracks, strict=True)]
    beats_s = np.append(times_s[::resolution], times_s[-1] + np.arange(1, 3))
    bars = seconds_to_ticks(times_s[_downbeats(arrays, steps)])
    return piece_of(np.concatenate(parts), bars, seconds_to_ticks(beats_s), vocabulary)


def _runs(arrays: NpzFile, name: str) -> NDArray[np.int64]:
    """The notes of one track: first step, step after the last, pitch, velocity; shape (N, 4)."""
    data = arrays[f"{name}_data"]
    steps, starts = arrays[f"{name}_indices"].astype(np.int64), arrays[f"{name}_indptr"].astype(np.int64)
    pitches = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((steps, pitches))
    order = order[data[order] > 0]
    values, steps, pitches = data[order].astype(np.int64), steps[order], pitches[order]
    if not len(order):
        return np.zeros((0, 4), np.int64)
    if pitches.max() > 127 or steps.min() < 0 or steps.max() > MOST_STEPS:
        raise ValueError("a pitch or step outside the roll")
    begins = (np.diff(steps, prepend=-2) != 1) | (np.diff(pitches, prepend=-1) != 0)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(steps)) - 1
    velocities = np.clip(values[first], 1, 127)
    if data.dtype == np.bool_:
        velocities[:] = BINARY_VELOCITY
    return np.stack((steps[first], steps[last] + 1, pitches[first], velocities), axis=1)


def _step_times_s(arrays: NpzFile, steps: int, resolution: int) -> Floats:
    """Seconds at which each step begins, and at which the last ends, shape (steps + 1,); without rounding dust."""
    given = np.asarray(arrays.get("tempo", [DEFAULT_BPM]), np.float64).reshape(-1)
    bpm = np.concatenate((given[:steps], np.full(max(steps - len(given), 0), given[-1])))
    if not np.isfinite(bpm).all() or bpm.min() <= 0 or bpm.max() > FASTEST_BPM:
        raise UnusableError(f"has a tempo above {FASTEST_BPM} beats a minute, or of 0")
    return np.concatenate(([0.0], np.round(np.cumsum(60 / (bpm * resolution)), 9)))


def _downbeats(arrays: NpzFile, steps: int) -> NDArray[np.int64]:
    marked = np.asarray(arrays.get("downbeat", []), bool).reshape(-1)
    return np.flatnonzero(marked[:steps])


def _notes(runs: NDArray[np.int64], times_s: Floats, track: dict[str, Any]) -> Notes:
    def ticks(steps: NDArray[np.int64]) -> Ticks:
        return np.floor(times_s[steps] * TICKS_PER_S + 0.5).astype(np.int64)

    notes = np.zeros(len(runs), NOTE_DTYPE)
    notes["onset_ticks"] = ticks(runs[:, 0])
    notes["duration_ticks"] = np.maximum(ticks(runs[:, 1]) - notes["onset_ticks"], 1)
    notes["group"] = _group(track)
    notes["pitch"], notes["velocity"] = runs[:, 2], runs[:, 3]
    return notes


def _group(track: dict[str, Any]) -> InstrumentGroup:
    return group_of_program(int(track["program"] or 0), bool(track["is_drum"]))
