"""Notes to tokens and back, exact on the tick grid.

At one instant the order is OFF, BAR, CHORD, ON; within a kind DRUMS, BASS, GUITAR, PIANO, STRINGS, then pitch,
however hard a note is struck.
The paper puts ON before OFF; releasing first lets a pitch be struck again at the instant it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from emsync.music.overlaps import without_overlaps
from emsync.music.vocabulary import (
    EMSYNC,
    HIGHEST_PITCH,
    LONGEST_SHIFT_TICKS,
    LOWEST_PITCH,
    PITCHES,
    Vocabulary,
)
from emsync.types import NOTE_DTYPE, InstrumentGroup, Notes, Ticks

Tokens: TypeAlias = NDArray[np.uint16]

DRUM_HIT_TICKS = 12
DEFAULT_VELOCITY = 80
VELOCITIES = (DEFAULT_VELOCITY, 60, 100)
"""What an ON says, in the order of `Vocabulary.ons`: normal, soft, loud."""
LEVEL_STEP = 15
"""A note is soft or loud if it is this much further from the median of its group and piece."""
_RANK_OFF, _RANK_BAR, _RANK_CHORD, _RANK_ON, _RANK_END = range(5)


@dataclass(frozen=True)
class Piece:
    """A piece of music on the tick grid: what a token sequence says."""

    notes: Notes
    bar_onsets_ticks: Ticks
    chord_onsets_ticks: Ticks
    end_ticks: int


def canonical(notes: Notes, vocabulary: Vocabulary = EMSYNC) -> Notes:
    """The notes a vocabulary can say: `decode(encode(canonical(notes)))` gives them back.

    Pitches outside 21..108 are left out; of equal onsets in one group and pitch the longest stays; a note
    ends where its pitch is struck again; nothing is shorter than a tick; drums without OFF last
    `DRUM_HIT_TICKS`. Sorted by onset, group, pitch. Velocities become one of `VELOCITIES`, by their distance
    from the median of their group: loudness of whole tracks and files cannot be compared. They are kept where
    the vocabulary has no velocity.
    """
    kept = _sayable(notes, vocabulary)
    if vocabulary.has_velocity:
        kept["velocity"] = _levelled(kept)
    return kept


def _sayable(notes: Notes, vocabulary: Vocabulary) -> Notes:
    """All of `canonical` but the velocities."""
    in_range = (notes["pitch"] >= LOWEST_PITCH) & (notes["pitch"] <= HIGHEST_PITCH)
    kept = notes[in_range & (notes["onset_ticks"] >= 0)].copy()
    kept["duration_ticks"] = np.maximum(kept["duration_ticks"], 1)
    if InstrumentGroup.DRUMS not in vocabulary.off_groups:
        kept["duration_ticks"][kept["group"] == InstrumentGroup.DRUMS] = DRUM_HIT_TICKS
    return without_overlaps(kept)


def _levelled(notes: Notes) -> NDArray[np.uint8]:
    """Velocity of each note as the nearest thing an ON can say, shape (N,)."""
    normal, soft, loud = VELOCITIES
    levelled = np.full(len(notes), normal, np.uint8)
    for group in InstrumentGroup:
        members = np.flatnonzero(notes["group"] == group)
        if len(members):
            velocities = notes["velocity"][members].astype(np.float64)
            above = velocities - np.median(velocities)
            levelled[members[above < -LEVEL_STEP]] = soft
            levelled[members[above > LEVEL_STEP]] = loud
    return levelled


def encode(piece: Piece, vocabulary: Vocabulary = EMSYNC) -> Tokens:
    """Tokens of a piece with canonical notes: START, events with time shifts between, END if there is one.

    Raises: ValueError if a note, bar or chord lies before 0 or after `end_ticks`.
    """
    ticks, ranks, tokens = _events(piece, vocabulary)
    if len(ticks) and int(ticks.max()) > piece.end_ticks:
        raise ValueError(f"an event at tick {int(ticks.max())} lies after the end, tick {piece.end_ticks}")
    if len(ticks) and int(ticks.min()) < 0:
        raise ValueError(f"an event at tick {int(ticks.min())} lies before the beginning, tick 0")
    order = np.lexsort((vocabulary.notes_of(tokens), ranks, ticks))
    start = np.array([vocabulary.special("START")], np.uint16)
    return np.concatenate((start, with_time_shifts(tokens[order], ticks[order], vocabulary)))


def with_time_shifts(tokens: Ticks, ticks: Ticks, vocabulary: Vocabulary = EMSYNC) -> Tokens:
    """Events with the time shifts that lead to them; a long gap is longest shifts, then the rest.

    Args:
        tokens: the events, shape (N,), in order.
        ticks: their times, shape (N,), never falling, from 0 on.
    """
    gaps = np.diff(ticks, prepend=0)
    shifts = -(-gaps // LONGEST_SHIFT_TICKS)  # time shift tokens before each event
    event_positions = np.cumsum(shifts + 1) - 1
    longest = vocabulary.shift_token(LONGEST_SHIFT_TICKS)
    out = np.full(int(event_positions[-1]) + 1 if len(ticks) else 0, longest, np.uint16)
    out[event_positions] = tokens
    shifted = shifts > 0
    remainders = (gaps[shifted] - 1) % LONGEST_SHIFT_TICKS + 1
    out[event_positions[shifted] - 1] = vocabulary.time_shift.first + remainders - 1
    return out


def _events(piece: Piece, vocabulary: Vocabulary) -> tuple[Ticks, Ticks, Ticks]:
    notes = piece.notes
    onset = notes["onset_ticks"].astype(np.int64)
    pitch_index = notes["pitch"].astype(np.int64) - LOWEST_PITCH
    ons = on_tokens(notes, vocabulary)
    off_lane = np.full(max(InstrumentGroup) + 1, -1)
    off_lane[list(vocabulary.off_groups)] = np.arange(len(vocabulary.off_groups))
    lanes = off_lane[notes["group"]]
    has_off = lanes >= 0
    off_tokens = (vocabulary.off.first + lanes * PITCHES + pitch_index)[has_off]
    parts = [
        (onset, _RANK_ON, ons),
        ((onset + notes["duration_ticks"])[has_off], _RANK_OFF, off_tokens),
        (piece.bar_onsets_ticks, _RANK_BAR, vocabulary.special("BAR")),
        (piece.chord_onsets_ticks, _RANK_CHORD, vocabulary.special("CHORD")),
    ]
    if "END" in vocabulary.specials:
        parts.append((np.array([piece.end_ticks]), _RANK_END, vocabulary.special("END")))
    ticks = np.concatenate([np.asarray(part, np.int64) for part, _, _ in parts])
    ranks = np.concatenate([np.full(len(part), rank) for part, rank, _ in parts])
    tokens = np.concatenate([np.broadcast_to(token, len(part)) for part, _, token in parts])
    return ticks, ranks, tokens.astype(np.int64)


def on_tokens(notes: Notes, vocabulary: Vocabulary = EMSYNC) -> Ticks:
    """ON of every note; where there is velocity, the one whose velocity is nearest."""
    numbers = notes["group"].astype(np.int64) * PITCHES + notes["pitch"].astype(np.int64) - LOWEST_PITCH
    if not vocabulary.has_velocity:
        return numbers + vocabulary.on.first
    distances = np.abs(notes["velocity"].astype(np.int64)[:, None] - np.array(VELOCITIES))
    firsts = np.array([on.first for on in vocabulary.ons])
    return np.asarray(numbers + firsts[distances.argmin(axis=1)])


def token_times_ticks(tokens: Tokens | Ticks, vocabulary: Vocabulary = EMSYNC) -> Ticks:
    """Time of the music after each token, shape of `tokens`; a time shift counts at once."""
    shifts = tokens.astype(np.int64) - vocabulary.time_shift.first + 1
    is_shift = (shifts >= 1) & (shifts <= LONGEST_SHIFT_TICKS)
    return np.cumsum(np.where(is_shift, shifts, 0))


def decode(tokens: Tokens, vocabulary: Vocabulary = EMSYNC) -> Piece:
    """The piece that a token sequence says.

    A note without OFF ends at the last token's time, or after `DRUM_HIT_TICKS` where the group has no OFF.
    An OFF without ON says nothing (a window may begin inside a note). Velocity is one of `VELOCITIES`.
    """
    codes = tokens.astype(np.int64)
    times = token_times_ticks(tokens, vocabulary)
    end_ticks = int(times[-1]) if len(times) else 0
    notes = _sayable(_paired_notes(codes, times, end_ticks, vocabulary), vocabulary)
    return Piece(
        notes=notes,
        bar_onsets_ticks=times[codes == vocabulary.special("BAR")],
        chord_onsets_ticks=times[codes == vocabulary.special("CHORD")],
        end_ticks=end_ticks,
    )


def _paired_notes(codes: Ticks, times: Ticks, end_ticks: int, vocabulary: Vocabulary) -> Notes:
    is_on = vocabulary.is_on(codes)
    lanes = vocabulary.notes_of(codes)
    events = np.flatnonzero(lanes >= 0)
    order = np.argsort(lanes[events], kind="stable")
    events = events[order]
    lane = lanes[events]
    following_ticks = np.full(len(events), end_ticks)
    same = lane[1:] == lane[:-1]
    following_ticks[:-1][same] = times[events[1:]][same]
    struck = is_on[events]
    notes = np.zeros(int(struck.sum()), NOTE_DTYPE)
    notes["onset_ticks"] = times[events[struck]]
    notes["duration_ticks"] = following_ticks[struck] - notes["onset_ticks"]
    notes["group"], notes["pitch"] = np.divmod(lane[struck], PITCHES)
    notes["pitch"] += LOWEST_PITCH
    levels = np.searchsorted([on.first for on in vocabulary.ons], codes[events[struck]], side="right") - 1
    notes["velocity"] = np.array(VELOCITIES)[levels]
    return notes
