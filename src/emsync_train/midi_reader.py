"""One MIDI file to a piece on the tick grid, or the reason why it cannot be used.

Instants too near to be heard apart become one (`tighten`). Two faults of real files are mended here, both audible
once a network has learned them. Generated guitars repeat
a pitch before they release it and leave the last releases to the end of the piece, so that notes seem to last
minutes: a pitched note above `LONGEST_NOTE_TICKS` ends at the first release of its pitch, and there at the latest.
And a metre of one beat throughout (most of POP909) counts beats, not bars: such a piece has no bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TrackTick

from emsync.errors import MidiError
from emsync.music.chords import chord_onsets
from emsync.music.midi_file import group_of_program, read_score, seconds_at
from emsync.music.tokenizer import Piece, canonical
from emsync.music.vocabulary import Vocabulary
from emsync.types import NOTE_DTYPE, TICKS_PER_S, InstrumentGroup, Notes, Ticks
from emsync_train.tighten import tightened

LARGEST_FILE_BYTES = 8_000_000
MOST_NOTES = 200_000
FEWEST_NOTES = 16
SHORTEST_PIECE_S = 4.0
LONGEST_PIECE_S = 3600.0
LONGEST_NOTE_TICKS = 8 * TICKS_PER_S
FASTEST_BPM = 1000
FREE_TIME_BEAT_TICKS = 63
"""Beats of half a second for music without a beat."""
LARGEST_DENOMINATOR = 64
"""A time signature in still smaller notes than 64ths is damage."""


class UnusableError(Exception):
    """A file that teaches nothing; the message is the reason, without a name, so that it can be counted."""


def read_midi_piece(path: Path, vocabulary: Vocabulary, *, free_time: bool) -> Piece:
    """The canonical piece of a MIDI file of format 0 or 1.

    Args:
        free_time: a performance whose tempo map nobody followed: no bars, beats of half a second.
    Raises: UnusableError with the reason.
    """
    score = _sound_score(path)
    end_ticks = _last_release(score)
    check_length(0.0, float(seconds_at(np.array(end_ticks), score)))
    notes = np.concatenate([_track_notes(track, score) for track in score.tracks])
    if free_time:
        last = int((notes["onset_ticks"] + notes["duration_ticks"]).max())
        return piece_of(notes, np.zeros(0, np.int64), regular_beats(last), vocabulary)
    bars = seconds_to_ticks(seconds_at(_bars(score, end_ticks), score))
    beats = np.arange(0, end_ticks + 2 * score.ticks_per_quarter, score.ticks_per_quarter)
    return piece_of(notes, bars, seconds_to_ticks(seconds_at(beats, score)), vocabulary)


def piece_of(notes: Notes, bars: Ticks, beats: Ticks, vocabulary: Vocabulary) -> Piece:
    """The piece from its first note (or the bar that holds it) to the end of its last.

    Args:
        notes: in any order, velocities as played.
        bars, beats: onsets in ticks, strictly increasing; bars may be empty, beats are at least two.
    Raises: UnusableError if there are too few notes, no pitched one, or they last too short or too long a time.
    """
    notes = canonical(tightened(with_capped_durations(notes), bars), vocabulary)
    if not (notes["group"] != InstrumentGroup.DRUMS).any():
        raise UnusableError("has no pitched note")
    if len(notes) < FEWEST_NOTES:
        raise UnusableError(f"has fewer than {FEWEST_NOTES} notes")
    last = int((notes["onset_ticks"] + notes["duration_ticks"]).max())
    first = int(notes["onset_ticks"].min())
    check_length(first / TICKS_PER_S, last / TICKS_PER_S)
    begin = int(bars[bars <= first].max(initial=0)) if len(bars) else first
    moved = notes.copy()
    moved["onset_ticks"] -= begin
    bars = bars[(bars >= begin) & (bars < last)] - begin
    return Piece(moved, bars, chord_onsets(moved, beats - begin, bar_onsets_ticks=bars), last - begin)


def check_length(first_s: float, last_s: float) -> None:
    """Raise UnusableError unless a piece from `first_s` to `last_s` is of a usable length."""
    if last_s - first_s < SHORTEST_PIECE_S:
        raise UnusableError(f"lasts less than {SHORTEST_PIECE_S:.0f} s")
    if last_s - first_s > LONGEST_PIECE_S:
        raise UnusableError(f"lasts longer than {LONGEST_PIECE_S:.0f} s")


def check_size(path: Path) -> None:
    """Raise UnusableError if the file is missing or larger than any piece of music."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror or error}") from error
    if size > LARGEST_FILE_BYTES:
        raise UnusableError(f"is larger than {LARGEST_FILE_BYTES / 1e6:.0f} MB")


def check_note_count(count: int) -> None:
    """Raise UnusableError if there are no notes, or more than a piece has."""
    if not count:
        raise UnusableError("has no notes")
    if count > MOST_NOTES:
        raise UnusableError(f"has more than {MOST_NOTES:,} notes")


def with_capped_durations(notes: Notes) -> Notes:
    """A copy in which no pitched note lasts longer than `LONGEST_NOTE_TICKS`; drums stay."""
    capped = notes.copy()
    pitched = capped["group"] != InstrumentGroup.DRUMS
    capped["duration_ticks"][pitched] = np.minimum(capped["duration_ticks"][pitched], LONGEST_NOTE_TICKS)
    return capped


def regular_beats(end_ticks: int) -> Ticks:
    """Beats of about half a second that cover music without a beat."""
    return np.arange(0, end_ticks + 2 * FREE_TIME_BEAT_TICKS, FREE_TIME_BEAT_TICKS)


def seconds_to_ticks(times_s: NDArray[np.float64]) -> Ticks:
    """Nearest 8 ms ticks, sorted, each once."""
    return np.unique(np.floor(times_s * TICKS_PER_S + 0.5).astype(np.int64))


def _sound_score(path: Path) -> ScoreTick:
    """The file as symusic reads it, once nothing in it would break the arithmetic that follows."""
    check_size(path)
    try:
        score = read_score(path)
    except MidiError as error:
        raise UnusableError(str(error).removeprefix(f"{path}: ").split(";")[0]) from error
    check_note_count(score.note_num())
    if any(tempo.mspq * FASTEST_BPM < 60_000_000 for tempo in score.tempos):
        raise UnusableError(f"has a tempo above {FASTEST_BPM} beats a minute, or of 0")
    return score


def _last_release(score: ScoreTick) -> int:
    """MIDI tick at which the last note ends; what else happens later (a stray controller) is no music."""
    parts = [track.notes.numpy() for track in score.tracks]
    return max(int((part["time"].astype(np.int64) + part["duration"]).max(initial=0)) for part in parts)


def _track_notes(track: TrackTick, score: ScoreTick) -> Notes:
    """The notes of one track on the tick grid; none shorter than a tick."""
    played = track.notes.numpy()
    starts = played["time"].astype(np.int64)
    onsets = np.floor(seconds_at(starts, score) * TICKS_PER_S + 0.5).astype(np.int64)
    ends = np.floor(seconds_at(starts + played["duration"], score) * TICKS_PER_S + 0.5).astype(np.int64)
    notes = np.zeros(len(starts), NOTE_DTYPE)
    notes["onset_ticks"] = onsets
    notes["group"] = group_of_program(track.program, track.is_drum)
    notes["pitch"], notes["velocity"] = played["pitch"], played["velocity"]
    ends = np.where(ends - onsets > LONGEST_NOTE_TICKS, _first_releases(notes["pitch"], onsets, ends), ends)
    notes["duration_ticks"] = np.maximum(ends - onsets, 1)
    return notes


def _first_releases(pitches: NDArray[np.uint8], onsets: Ticks, ends: Ticks) -> Ticks:
    """For each note the earliest end, of any note of its pitch in the track, after its onset: as synthesisers do."""
    lane = int(ends.max(initial=0)) + 2
    lanes = pitches.astype(np.int64) * lane
    releases = np.sort(lanes + np.maximum(ends, onsets + 1))
    return np.asarray(releases[np.searchsorted(releases, lanes + onsets, side="right")] - lanes)


def _bars(score: ScoreTick, end_ticks: int) -> Ticks:
    """Onsets of bars in MIDI ticks by the file's time signatures; none where a bar is one beat throughout."""
    signatures = _time_signatures(score)
    spans = list(pairwise([*signatures, (max(end_ticks, signatures[-1][0]), 1, 4)]))
    one_beat = sum(
        stop - begin
        for (begin, numerator, denominator), (stop, _, _) in spans
        if numerator == 1 and denominator >= 4
    )
    if one_beat > end_ticks / 2:
        return np.zeros(0, np.int64)
    return np.unique(np.concatenate([_span_bars(*span, score.ticks_per_quarter) for span in spans]))


def _span_bars(
    signature: tuple[int, int, int], following: tuple[int, int, int], ticks_per_quarter: int
) -> NDArray[np.int64]:
    begin, numerator, denominator = signature
    return np.arange(begin, following[0], max(4 * numerator * ticks_per_quarter // denominator, 1))


def _time_signatures(score: ScoreTick) -> Sequence[tuple[int, int, int]]:
    """(MIDI tick, numerator, denominator) sorted by tick, from 0 on; 4/4 until the file says otherwise."""
    marks = [
        (int(mark.time), int(mark.numerator), int(mark.denominator))
        for mark in score.time_signatures
        if mark.numerator > 0 and 0 < mark.denominator <= LARGEST_DENOMINATOR
    ]
    signatures = sorted(marks)
    return signatures if signatures and signatures[0][0] == 0 else [(0, 4, 4), *signatures]
