"""Notes to tokens and back, and what the notes must be for that to be exact."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_examples import notes_of

from emsync.music.tokenizer import (
    DEFAULT_VELOCITY,
    DRUM_HIT_TICKS,
    VELOCITIES,
    Piece,
    Tokens,
    canonical,
    decode,
    encode,
    token_times_ticks,
)
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.types import NOTE_DTYPE, InstrumentGroup, Notes, Ticks

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)
MANUAL = Path(__file__).parents[3] / "docs" / "tokens.md"

Row = tuple[int, int, InstrumentGroup, int, int]
# Few pitches and short times, so that equal onsets, overlaps and struck-again pitches are common.
RAW_NOTE = st.tuples(
    st.integers(-3, 600) | st.integers(0, 20),
    st.integers(0, 400),
    st.sampled_from(InstrumentGroup),
    st.sampled_from([15, 20, 21, 60, 61, 108, 109]),
    st.integers(1, 127),
)
ONSETS = st.lists(st.integers(0, 700), unique=True, max_size=6).map(sorted)


def words(tokens: Tokens, vocabulary: Vocabulary = EMSYNC) -> list[str]:
    return [vocabulary.name_of(int(token)) for token in tokens]


def tokens_of(*names: str, vocabulary: Vocabulary = EMSYNC) -> Tokens:
    by_name = {vocabulary.name_of(token): token for token in range(vocabulary.size)}
    return np.array([by_name[name] for name in names], np.uint16)


def ticks_of(*onsets: int) -> Ticks:
    return np.array(onsets, np.int64)


def piece_of(*rows: Row, bars: tuple[int, ...] = (), chords: tuple[int, ...] = (), end: int) -> Piece:
    return Piece(notes_of(*rows), ticks_of(*bars), ticks_of(*chords), end)


def without_velocity(notes: Notes) -> list[tuple[int, ...]]:
    return [row[:4] for row in notes.tolist()]


@BOTH
@settings(max_examples=200, deadline=None)
@given(rows=st.lists(RAW_NOTE, max_size=25), bars=ONSETS, chords=ONSETS, silence=st.integers(0, 300))
def test_decode_gives_back_what_encode_was_given(
    vocabulary: Vocabulary, rows: list[Row], bars: list[int], chords: list[int], silence: int
) -> None:
    notes = canonical(notes_of(*rows), vocabulary)
    last = max([0, *bars, *chords, *(notes["onset_ticks"] + notes["duration_ticks"]).tolist()])
    piece = Piece(notes, ticks_of(*bars), ticks_of(*chords), last + silence)
    decoded = decode(encode(piece, vocabulary), vocabulary)
    if not vocabulary.has_velocity:
        notes["velocity"] = DEFAULT_VELOCITY
    assert decoded.notes.tolist() == notes.tolist()
    assert decoded.bar_onsets_ticks.tolist() == bars
    assert decoded.chord_onsets_ticks.tolist() == chords
    assert decoded.end_ticks == (piece.end_ticks if vocabulary is EMSYNC else last)


@BOTH
@settings(max_examples=100, deadline=None)
@given(rows=st.lists(RAW_NOTE, max_size=25))
def test_canonical_notes_are_canonical_and_never_overlap(vocabulary: Vocabulary, rows: list[Row]) -> None:
    notes = canonical(notes_of(*rows), vocabulary)
    assert canonical(notes, vocabulary).tolist() == notes.tolist()
    lanes: dict[tuple[int, int], int] = {}
    for onset, duration, group, pitch, _ in notes.tolist():
        assert duration >= 1
        assert lanes.get((group, pitch), 0) <= onset
        lanes[group, pitch] = onset + duration


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(RAW_NOTE, max_size=25))
def test_the_order_of_tokens_does_not_depend_on_velocity(rows: list[Row]) -> None:
    notes = canonical(notes_of(*rows))
    levelled = notes.copy()
    levelled["velocity"] = DEFAULT_VELOCITY
    end = int((notes["onset_ticks"] + notes["duration_ticks"]).max(initial=0))
    struck, plain = (encode(Piece(one, ticks_of(), ticks_of(), end)) for one in (notes, levelled))
    said = [name.removesuffix(" soft").removesuffix(" loud") for name in words(struck)]
    assert said == words(plain)


def test_soft_and_loud_notes_of_one_instant_stand_in_order_of_group_and_pitch() -> None:
    piece = piece_of(
        (0, 9, PIANO, 64, 80), (0, 9, PIANO, 60, 100), (0, 9, BASS, 40, 60), (0, 12, DRUMS, 36, 100), end=12
    )
    assert words(encode(piece))[1:5] == [
        "ON DRUMS 36 loud",
        "ON BASS 40 soft",
        "ON PIANO 60 loud",
        "ON PIANO 64",
    ]


def test_at_one_instant_the_order_is_off_bar_chord_on_then_group_then_pitch() -> None:
    piece = piece_of(
        (0, 10, STRINGS, 50, 80),
        (0, 10, BASS, 40, 80),
        (0, 10, BASS, 30, 80),
        (10, 5, PIANO, 64, 80),
        (10, 5, PIANO, 60, 80),
        (10, 5, STRINGS, 21, 80),
        (10, 12, DRUMS, 38, 80),
        bars=(10,),
        chords=(10,),
        end=22,
    )
    assert words(encode(piece))[4:15] == [
        "TIME_SHIFT 10",
        "OFF BASS 30",
        "OFF BASS 40",
        "OFF STRINGS 50",
        "BAR",
        "CHORD",
        "ON DRUMS 38",
        "ON PIANO 60",
        "ON PIANO 64",
        "ON STRINGS 21",
        "TIME_SHIFT 5",
    ]


@pytest.mark.parametrize(
    ("gap_ticks", "shifts"),
    [(1, [1]), (125, [125]), (126, [125, 1]), (250, [125, 125]), (300, [125, 125, 50])],
)
def test_a_long_gap_becomes_longest_shifts_and_a_rest(gap_ticks: int, shifts: list[int]) -> None:
    tokens = encode(Piece(np.zeros(0, NOTE_DTYPE), ticks_of(0, gap_ticks), ticks_of(), gap_ticks))
    between = [f"TIME_SHIFT {shift}" for shift in shifts]
    assert words(tokens) == ["START", "BAR", *between, "BAR", "END"]


def test_silence_before_the_first_event_is_kept() -> None:
    assert words(encode(piece_of((130, 1, PIANO, 60, 80), end=131)))[1:3] == [
        "TIME_SHIFT 125",
        "TIME_SHIFT 5",
    ]


def test_a_pitch_struck_again_as_it_ends_is_released_first() -> None:
    piece = piece_of((0, 5, PIANO, 60, 80), (5, 5, PIANO, 60, 80), end=10)
    assert words(encode(piece))[3:5] == ["OFF PIANO 60", "ON PIANO 60"]
    assert without_velocity(decode(encode(piece)).notes) == [(0, 5, PIANO, 60), (5, 5, PIANO, 60)]


def test_an_off_without_on_says_nothing() -> None:
    window = tokens_of("OFF PIANO 60", "TIME_SHIFT 3", "ON PIANO 60", "TIME_SHIFT 4", "OFF PIANO 60")
    assert without_velocity(decode(window).notes) == [(3, 4, PIANO, 60)]


def test_a_note_without_off_ends_where_the_tokens_end() -> None:
    window = tokens_of("ON STRINGS 60", "TIME_SHIFT 125", "TIME_SHIFT 2")
    assert without_velocity(decode(window).notes) == [(0, 127, STRINGS, 60)]


def test_a_note_without_off_ends_where_its_pitch_is_struck_again() -> None:
    window = tokens_of("ON PIANO 60", "TIME_SHIFT 7", "ON PIANO 60", "TIME_SHIFT 2")
    assert without_velocity(decode(window).notes) == [(0, 7, PIANO, 60), (7, 2, PIANO, 60)]


def test_drums_have_no_off_and_last_one_hit_in_emsync_2() -> None:
    piece = piece_of((0, DRUM_HIT_TICKS, DRUMS, 38, 80), end=20)
    assert words(encode(piece)) == ["START", "ON DRUMS 38", "TIME_SHIFT 20", "END"]
    assert without_velocity(decode(encode(piece)).notes) == [(0, DRUM_HIT_TICKS, DRUMS, 38)]


def test_drums_keep_their_length_in_paper() -> None:
    piece = piece_of((0, 30, DRUMS, 38, 80), end=30)
    assert words(encode(piece, PAPER), PAPER) == ["START", "ON DRUMS 38", "TIME_SHIFT 30", "OFF DRUMS 38"]


@BOTH
def test_an_empty_piece_has_no_notes_and_no_length(vocabulary: Vocabulary) -> None:
    tokens = encode(piece_of(end=0), vocabulary)
    assert words(tokens, vocabulary) == (["START", "END"] if vocabulary is EMSYNC else ["START"])
    decoded = decode(tokens, vocabulary)
    assert (len(decoded.notes), decoded.end_ticks) == (0, 0)


def test_no_tokens_are_an_empty_piece() -> None:
    decoded = decode(np.zeros(0, np.uint16))
    assert (len(decoded.notes), len(decoded.bar_onsets_ticks), decoded.end_ticks) == (0, 0, 0)


@pytest.mark.parametrize(
    "piece",
    [
        piece_of((0, 11, PIANO, 60, 80), end=10),
        piece_of(bars=(11,), end=10),
        piece_of(chords=(11,), end=10),
    ],
    ids=["note", "bar", "chord"],
)
def test_an_event_after_the_end_is_refused(piece: Piece) -> None:
    with pytest.raises(ValueError, match="event at tick 11 lies after the end, tick 10"):
        encode(piece)


def test_an_event_before_the_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="event at tick -4 lies before the beginning"):
        encode(piece_of(bars=(-4,), end=10))


def test_token_times_count_a_shift_at_once() -> None:
    tokens = tokens_of("START", "TIME_SHIFT 10", "BAR", "TIME_SHIFT 125", "TIME_SHIFT 1", "END")
    assert token_times_ticks(tokens).tolist() == [0, 10, 10, 135, 136, 136]


def test_canonical_leaves_out_pitches_beyond_the_keyboard_and_notes_before_zero() -> None:
    raw = notes_of(*((5, 5, PIANO, pitch, 80) for pitch in (20, 21, 108, 109)), (-1, 5, PIANO, 60, 80))
    assert without_velocity(canonical(raw)) == [(5, 5, PIANO, 21), (5, 5, PIANO, 108)]


def test_canonical_keeps_the_longest_of_equal_onsets_with_its_velocity() -> None:
    raw = notes_of((3, 4, PIANO, 60, 10), (3, 9, PIANO, 60, 20), (3, 2, PIANO, 60, 30))
    assert canonical(raw, PAPER).tolist() == [(3, 9, PIANO, 60, 20)]
    others = notes_of((3, 1, PIANO, 61, 80), (3, 1, PIANO, 62, 80))
    assert velocities(canonical(np.concatenate((raw, others)))) == [60, 80, 80]


def velocities(notes: Notes) -> list[int]:
    return [int(velocity) for velocity in notes["velocity"]]


def levels(*struck: int) -> list[int]:
    """What canonical makes of piano notes of these velocities, one after another."""
    return velocities(canonical(notes_of(*((place, 1, PIANO, 60, one) for place, one in enumerate(struck)))))


def test_a_note_is_soft_or_loud_if_it_is_more_than_15_from_the_median_of_its_group() -> None:
    assert levels(50, 34, 35, 65, 66) == [80, 60, 80, 80, 100]


def test_the_median_of_an_even_number_of_notes_lies_between_the_middle_two() -> None:
    assert levels(40, 70) == [80, 80]
    assert levels(40, 71) == [60, 100]


def test_each_group_is_levelled_by_itself() -> None:
    raw = notes_of(
        *((place, 1, PIANO, 60, 20) for place in range(3)),
        *((place, 1, STRINGS, 60, 120) for place in range(3)),
        (5, 1, PIANO, 60, 50),
        (5, 1, STRINGS, 60, 90),
    )
    assert velocities(canonical(raw)) == [80] * 6 + [100, 60]


def test_notes_that_cannot_be_said_do_not_count_for_the_median() -> None:
    raw = notes_of((0, 1, PIANO, 60, 50), *((0, 1, PIANO, pitch, 127) for pitch in (1, 2, 3, 4)))
    assert velocities(canonical(raw)) == [80]


def test_paper_keeps_velocities_in_canonical_and_says_none() -> None:
    notes = canonical(notes_of((0, 4, PIANO, 60, 33), (0, 4, PIANO, 64, 120)), PAPER)
    assert velocities(notes) == [33, 120]
    piece = Piece(notes, ticks_of(), ticks_of(), 4)
    assert velocities(decode(encode(piece, PAPER), PAPER).notes) == [DEFAULT_VELOCITY] * 2


def test_an_on_gives_the_velocity_of_its_name() -> None:
    window = tokens_of("ON PIANO 60", "ON PIANO 61 soft", "ON STRINGS 108 loud", "TIME_SHIFT 1")
    assert velocities(decode(window).notes) == list(VELOCITIES) == [80, 60, 100]


@pytest.mark.parametrize(("velocity", "said"), [(1, 60), (69, 60), (71, 80), (89, 80), (91, 100), (127, 100)])
def test_encode_says_the_nearest_velocity(velocity: int, said: int) -> None:
    piece = piece_of((0, 1, PIANO, 60, velocity), end=1)
    assert velocities(decode(encode(piece)).notes) == [said]


def test_a_soft_note_is_ended_by_the_off_of_its_pitch() -> None:
    window = tokens_of("ON PIANO 60 soft", "TIME_SHIFT 7", "OFF PIANO 60", "TIME_SHIFT 2")
    assert decode(window).notes.tolist() == [(0, 7, PIANO, 60, 60)]


def test_a_note_ends_where_its_pitch_is_struck_again_louder() -> None:
    window = tokens_of("ON PIANO 60 soft", "TIME_SHIFT 7", "ON PIANO 60 loud", "TIME_SHIFT 2")
    assert decode(window).notes.tolist() == [(0, 7, PIANO, 60, 60), (7, 2, PIANO, 60, 100)]


def test_canonical_ends_a_note_where_its_pitch_is_struck_again() -> None:
    raw = notes_of((0, 50, PIANO, 60, 80), (20, 10, PIANO, 60, 80), (20, 10, STRINGS, 60, 80))
    assert without_velocity(canonical(raw)) == [
        (0, 20, PIANO, 60),
        (20, 10, PIANO, 60),
        (20, 10, STRINGS, 60),
    ]


def test_canonical_lets_nothing_be_shorter_than_a_tick() -> None:
    assert without_velocity(canonical(notes_of((4, 0, PIANO, 60, 80)))) == [(4, 1, PIANO, 60)]


def test_canonical_gives_drums_one_length_where_they_have_no_off() -> None:
    raw = notes_of((0, 500, DRUMS, 38, 80), (4, 1, DRUMS, 38, 80))
    assert without_velocity(canonical(raw)) == [(0, 4, DRUMS, 38), (4, DRUM_HIT_TICKS, DRUMS, 38)]
    assert without_velocity(canonical(raw, PAPER)) == [(0, 4, DRUMS, 38), (4, 1, DRUMS, 38)]


def test_canonical_sorts_by_onset_then_group_then_pitch() -> None:
    rows = [(2, 1, PIANO, 60, 80), (1, 1, STRINGS, 60, 80), (1, 1, BASS, 62, 80), (1, 1, BASS, 61, 80)]
    found = canonical(np.array(rows, NOTE_DTYPE))
    assert [row[:4] for row in found.tolist()] == [
        (1, 1, BASS, 61),
        (1, 1, BASS, 62),
        (1, 1, STRINGS, 60),
        (2, 1, PIANO, 60),
    ]


def test_canonical_does_not_change_its_input() -> None:
    raw = notes_of((0, 50, PIANO, 60, 80), (20, 0, PIANO, 60, 80))
    before = raw.copy()
    canonical(raw)
    assert raw.tolist() == before.tolist()


def test_the_examples_of_the_manual_are_true() -> None:
    result = doctest.testfile(str(MANUAL), module_relative=False)
    assert result.attempted > 5
    assert result.failed == 0
