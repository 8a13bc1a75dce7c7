"""Where every event lies among the tokens, in numbers that can be checked by pencil."""

from __future__ import annotations

import numpy as np
import pytest

from emsync.music.vocabulary import EMSYNC, NOTE_COUNT, PAPER, VOCABULARIES, TokenRange, Vocabulary
from emsync.types import InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)


def test_emsync_2_has_5_specials_125_shifts_352_offs_and_3_times_440_ons() -> None:
    assert EMSYNC.time_shift == TokenRange(5, 125)
    assert EMSYNC.on == TokenRange(130, 440)
    assert EMSYNC.off == TokenRange(570, 352)
    assert EMSYNC.ons == (TokenRange(130, 440), TokenRange(922, 440), TokenRange(1362, 440))
    assert EMSYNC.size == 1802


def test_paper_has_6_specials_125_shifts_440_ons_and_440_offs() -> None:
    assert PAPER.time_shift == TokenRange(6, 125)
    assert PAPER.on == TokenRange(131, 440)
    assert PAPER.off == TokenRange(571, 440)
    assert PAPER.ons == (PAPER.on,)
    assert PAPER.size == 1011


def test_vocabularies_are_found_by_the_name_that_shards_and_weights_store() -> None:
    assert VOCABULARIES == {"emsync-2": EMSYNC, "paper": PAPER}


def test_a_range_holds_its_first_token_and_not_its_stop() -> None:
    assert [token in EMSYNC.time_shift for token in (4, 5, 129, 130)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("vocabulary", "token", "name"),
    [
        (EMSYNC, 0, "PAD"),
        (EMSYNC, 1, "START"),
        (EMSYNC, 2, "END"),
        (EMSYNC, 3, "BAR"),
        (EMSYNC, 4, "CHORD"),
        (EMSYNC, 5, "TIME_SHIFT 1"),
        (EMSYNC, 129, "TIME_SHIFT 125"),
        (EMSYNC, 130, "ON DRUMS 21"),
        (EMSYNC, 218, "ON BASS 21"),
        (EMSYNC, 433, "ON PIANO 60"),
        (EMSYNC, 569, "ON STRINGS 108"),
        (EMSYNC, 570, "OFF BASS 21"),
        (EMSYNC, 785, "OFF PIANO 60"),
        (EMSYNC, 921, "OFF STRINGS 108"),
        (EMSYNC, 922, "ON DRUMS 21 soft"),
        (EMSYNC, 1225, "ON PIANO 60 soft"),
        (EMSYNC, 1361, "ON STRINGS 108 soft"),
        (EMSYNC, 1362, "ON DRUMS 21 loud"),
        (EMSYNC, 1665, "ON PIANO 60 loud"),
        (EMSYNC, 1801, "ON STRINGS 108 loud"),
        (PAPER, 4, "LESS_INSTRUMENTS"),
        (PAPER, 5, "MORE_INSTRUMENTS"),
        (PAPER, 6, "TIME_SHIFT 1"),
        (PAPER, 571, "OFF DRUMS 21"),
        (PAPER, 1010, "OFF STRINGS 108"),
    ],
)
def test_name_of_says_a_token_in_words(vocabulary: Vocabulary, token: int, name: str) -> None:
    assert vocabulary.name_of(token) == name


@BOTH
def test_no_two_tokens_have_one_name(vocabulary: Vocabulary) -> None:
    names = [vocabulary.name_of(token) for token in range(vocabulary.size)]
    assert len(set(names)) == vocabulary.size


@BOTH
@pytest.mark.parametrize("pitch", [21, 60, 108])
@pytest.mark.parametrize("group", InstrumentGroup)
def test_on_token_is_the_token_of_that_name(
    vocabulary: Vocabulary, group: InstrumentGroup, pitch: int
) -> None:
    assert vocabulary.name_of(vocabulary.on_token(group, pitch)) == f"ON {group.name} {pitch}"


@BOTH
def test_every_off_ends_the_on_of_its_group_and_pitch(vocabulary: Vocabulary) -> None:
    for group in vocabulary.off_groups:
        for pitch in range(21, 109):
            off_token = vocabulary.off_token(group, pitch)
            assert vocabulary.name_of(off_token) == f"OFF {group.name} {pitch}"
            on_token = vocabulary.on_token(group, pitch)
            off_note, on_note = vocabulary.notes_of(np.array([off_token, on_token]))
            assert off_note == on_note


@BOTH
def test_an_on_strikes_one_note_however_hard(vocabulary: Vocabulary) -> None:
    for on in vocabulary.ons:
        tokens = np.arange(on.first, on.stop)
        assert vocabulary.notes_of(tokens).tolist() == list(range(NOTE_COUNT))
        assert vocabulary.is_on(tokens).all()


@BOTH
def test_only_ons_and_offs_have_a_note_and_only_ons_are_on(vocabulary: Vocabulary) -> None:
    tokens = np.arange(vocabulary.size)
    kinds = np.array([vocabulary.name_of(token).split()[0] for token in range(vocabulary.size)])
    assert ((vocabulary.notes_of(tokens) >= 0) == np.isin(kinds, ["ON", "OFF"])).all()
    assert (vocabulary.is_on(tokens) == (kinds == "ON")).all()


def test_notes_are_asked_for_in_any_shape() -> None:
    tokens = np.array([[433, 785], [3, 1225]])
    assert EMSYNC.notes_of(tokens).tolist() == [[303, 303], [-1, 303]]
    assert EMSYNC.is_on(tokens).tolist() == [[True, False], [False, True]]


def test_shift_token_counts_from_one_tick() -> None:
    assert [EMSYNC.name_of(EMSYNC.shift_token(ticks)) for ticks in (1, 125)] == [
        "TIME_SHIFT 1",
        "TIME_SHIFT 125",
    ]


@pytest.mark.parametrize("ticks", [-1, 0, 126])
def test_a_shift_outside_1_to_125_ticks_is_refused(ticks: int) -> None:
    with pytest.raises(ValueError, match=f"spans 1 to 125 ticks, not {ticks}"):
        EMSYNC.shift_token(ticks)


@pytest.mark.parametrize("pitch", [20, 109])
def test_a_pitch_outside_21_to_108_is_refused(pitch: int) -> None:
    with pytest.raises(ValueError, match=rf"pitch {pitch} is outside 21\.\.108"):
        EMSYNC.on_token(PIANO, pitch)
    with pytest.raises(ValueError, match=rf"pitch {pitch} is outside 21\.\.108"):
        EMSYNC.off_token(PIANO, pitch)


def test_drums_have_an_off_in_paper_only() -> None:
    assert PAPER.off_token(DRUMS, 38) == 571 + 17
    with pytest.raises(ValueError, match="'emsync-2' has no OFF for DRUMS"):
        EMSYNC.off_token(DRUMS, 38)


def test_end_is_in_emsync_2_only() -> None:
    assert EMSYNC.special("END") == 2
    with pytest.raises(ValueError, match="'paper' has no END token, only PAD, START, BAR"):
        PAPER.special("END")


@BOTH
def test_a_token_outside_the_vocabulary_has_no_name(vocabulary: Vocabulary) -> None:
    for token in (-1, vocabulary.size):
        with pytest.raises(ValueError, match=rf"token {token} is outside 0\.\.{vocabulary.size - 1}"):
            vocabulary.name_of(token)
