"""What the grammar allows at one moment of a piece, and what it never allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from token_names import BANDS, BOTH, NAMES, TOKENS, kind_of, note_of

from emsync.music.grammar import Grammar, Limits
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.types import InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
ROOMY = Limits(voices_per_group=8, voices=20, longest_note_ticks=12 * 125)


def forbidden_at_all(vocabulary: Vocabulary) -> list[int]:
    return [vocabulary.special(name) for name in vocabulary.specials if name not in ("BAR", "CHORD")]


@BOTH
def test_no_other_special_token_is_ever_allowed(vocabulary: Vocabulary) -> None:
    rng = np.random.default_rng(1)
    grammar = Grammar(vocabulary, end_ticks=400)
    while grammar.now_ticks < 400:
        for required in (False, True):
            assert not grammar.allowed(chord_required=required)[forbidden_at_all(vocabulary)].any()
        grammar.accept(int(rng.choice(np.flatnonzero(grammar.allowed()))))


def after(vocabulary: Vocabulary, *names: str, limits: Limits = ROOMY, end_ticks: int = 10_000) -> Grammar:
    """The grammar after these tokens, each of which was allowed."""
    grammar = Grammar(vocabulary, end_ticks=end_ticks, limits=limits)
    for name in names:
        assert grammar.allowed()[TOKENS[vocabulary][name]], f"{name} is not allowed"
        grammar.accept(TOKENS[vocabulary][name])
    return grammar


def names_allowed(grammar: Grammar, *, chord_required: bool = False, bar_required: bool = False) -> list[str]:
    allowed = grammar.allowed(chord_required=chord_required, bar_required=bar_required)
    return [NAMES[grammar.vocabulary][token] for token in np.flatnonzero(allowed)]


def kinds_allowed(grammar: Grammar, *, chord_required: bool = False, bar_required: bool = False) -> set[str]:
    names = names_allowed(grammar, chord_required=chord_required, bar_required=bar_required)
    return {kind_of(name) for name in names}


def test_a_piece_begins_with_a_bar_a_chord_a_note_or_silence() -> None:
    assert kinds_allowed(Grammar(EMSYNC, end_ticks=500)) == {"BAR", "CHORD", "ON", "TIME_SHIFT"}


def test_a_required_chord_comes_before_notes_and_before_time_goes_on() -> None:
    grammar = after(EMSYNC, "ON PIANO 60", "TIME_SHIFT 100")
    assert kinds_allowed(grammar, chord_required=True) == {"OFF", "BAR", "CHORD"}
    grammar.accept(EMSYNC.special("BAR"))
    assert kinds_allowed(grammar, chord_required=True) == {"CHORD"}


VOICES = [
    f"ON {group} {pitch}" for group in ("BASS", "GUITAR", "PIANO", "STRINGS") for pitch in range(30, 35)
]


@BOTH
def test_with_every_voice_taken_a_required_chord_first_makes_room(vocabulary: Vocabulary) -> None:
    grammar = after(vocabulary, *VOICES, "TIME_SHIFT 100")
    released = 0
    while kinds_allowed(grammar, chord_required=True) == {"OFF"}:
        grammar.accept(TOKENS[vocabulary][names_allowed(grammar, chord_required=True)[0]])
        released += 1
    assert released == 3
    assert "CHORD" in names_allowed(grammar, chord_required=True)


def test_pitches_of_a_chord_are_young_for_half_a_second_and_other_notes_never() -> None:
    chord = (
        "ON PIANO 30",
        "TIME_SHIFT 30",
        "CHORD",
        "ON PIANO 60",
        "ON PIANO 64",
        "ON PIANO 67",
        "ON PIANO 70",
    )
    grammar = after(EMSYNC, *chord, "TIME_SHIFT 61")
    young = [NAMES[EMSYNC][token] for token in np.flatnonzero(grammar.chord_offs())]
    assert young == ["OFF PIANO 60", "OFF PIANO 64", "OFF PIANO 67"]
    later = after(EMSYNC, *chord, "TIME_SHIFT 62")
    assert not later.chord_offs().any()


def test_with_every_voice_taken_only_drums_can_be_struck() -> None:
    grammar = after(EMSYNC, *VOICES, "TIME_SHIFT 100")
    struck = {name.split()[1] for name in names_allowed(grammar) if kind_of(name) == "ON"}
    assert struck == {"DRUMS"}


def test_a_full_group_strikes_no_more() -> None:
    grammar = after(EMSYNC, *(f"ON PIANO {pitch}" for pitch in range(60, 68)))
    assert {name.split()[1] for name in names_allowed(grammar) if kind_of(name) == "ON"} == {"STRINGS"}


def complete(grammar: Grammar, choose: Callable[[list[str]], str]) -> list[str]:
    """Strike notes until the chord is complete; the names struck."""
    struck: list[str] = []
    while grammar.chord_is_due:
        names = names_allowed(grammar)
        assert {kind_of(name) for name in names} == {"ON"}
        struck.append(choose(names))
        grammar.accept(TOKENS[grammar.vocabulary][struck[-1]])
    return struck


def test_the_highest_notes_that_complete_a_chord_are_the_top_of_the_strings() -> None:
    struck = complete(after(EMSYNC, "CHORD"), lambda names: names[-1])
    assert [note_of(name) for name in struck] == ["STRINGS 106", "STRINGS 107", "STRINGS 108"]


def test_one_pitch_in_three_groups_is_no_chord_yet() -> None:
    grammar = after(EMSYNC, "CHORD", "ON BASS 60", "ON GUITAR 60", "ON PIANO 60")
    assert grammar.chord_is_due
    struck = complete(grammar, lambda names: names[0])
    assert struck == ["ON PIANO 61", "ON PIANO 62"]


def test_a_chord_is_never_begun_in_a_group_without_voices_for_the_rest_of_it() -> None:
    grammar = after(EMSYNC, *(f"ON STRINGS {pitch}" for pitch in range(40, 46)), "TIME_SHIFT 50", "CHORD")
    struck = complete(grammar, lambda names: names[-1])
    assert len({name.split()[2] for name in struck}) == 3
    assert [name.split()[1] for name in struck].count("STRINGS") <= 2


def test_drums_that_need_a_voice_leave_three_for_the_chord() -> None:
    limits = Limits(voices_per_group=4, voices=4)
    grammar = after(PAPER, "CHORD", limits=limits)
    struck = complete(grammar, lambda names: names[0])
    assert [name.split()[1] for name in struck] == ["DRUMS", "BASS", "BASS", "BASS"]


def test_a_note_that_sounds_as_long_as_it_may_is_released_before_anything_else() -> None:
    twelve_seconds = ["TIME_SHIFT 125"] * 12
    grammar = after(EMSYNC, "ON PIANO 60", "ON PIANO 64", *twelve_seconds)
    assert names_allowed(grammar) == ["OFF PIANO 60", "OFF PIANO 64"]
    assert names_allowed(grammar, chord_required=True) == ["OFF PIANO 60", "OFF PIANO 64"]


def test_no_note_begins_at_the_end() -> None:
    grammar = after(EMSYNC, "ON PIANO 60", "TIME_SHIFT 30", end_ticks=30)
    assert "ON" not in kinds_allowed(grammar)
    assert "CHORD" not in kinds_allowed(grammar)
    assert "TIME_SHIFT" not in kinds_allowed(grammar)


def test_release_all_ends_what_sounds_in_order_of_group_and_pitch() -> None:
    grammar = after(
        EMSYNC, "ON DRUMS 38", "ON BASS 40", "ON PIANO 64", "ON STRINGS 50", "TIME_SHIFT 9", "OFF PIANO 64"
    )
    assert [EMSYNC.name_of(token) for token in grammar.release_all()] == ["OFF BASS 40", "OFF STRINGS 50"]


def test_limits_that_leave_no_room_for_a_chord_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 voices"):
        Limits(voices_per_group=2)
    with pytest.raises(ValueError, match="at least 3 voices"):
        Limits(voices=2)


def planned(*names: str, band: frozenset[InstrumentGroup] = BANDS[0]) -> Grammar:
    """A grammar with planned bars after these tokens."""
    grammar = Grammar(EMSYNC, end_ticks=10_000, groups=band, bars_are_planned=True)
    for name in names:
        grammar.accept(TOKENS[EMSYNC][name])
    return grammar


def test_where_bars_are_planned_none_comes_unasked() -> None:
    assert kinds_allowed(planned()) == {"CHORD", "ON", "TIME_SHIFT"}
    assert kinds_allowed(planned("TIME_SHIFT 125", "TIME_SHIFT 125")) == {"CHORD", "ON", "TIME_SHIFT"}


def test_at_a_planned_bar_line_nothing_but_off_comes_before_its_bar() -> None:
    assert kinds_allowed(planned(), bar_required=True) == {"BAR"}
    grammar = planned("ON PIANO 60 loud", "TIME_SHIFT 100")
    assert kinds_allowed(grammar, bar_required=True) == {"OFF", "BAR"}
    grammar.accept(EMSYNC.special("BAR"))
    assert kinds_allowed(grammar) == {"CHORD", "ON", "TIME_SHIFT"}


def test_planned_bars_may_be_a_tick_apart() -> None:
    assert "BAR" in names_allowed(planned("BAR", "TIME_SHIFT 1"), bar_required=True)


def test_a_required_chord_comes_after_the_required_bar() -> None:
    grammar = planned("ON PIANO 60", "TIME_SHIFT 100")
    assert kinds_allowed(grammar, chord_required=True, bar_required=True) == {"OFF", "BAR"}
    grammar.accept(EMSYNC.special("BAR"))
    assert kinds_allowed(grammar, chord_required=True) == {"CHORD"}


def test_with_every_voice_taken_room_for_a_required_chord_is_made_before_the_required_bar() -> None:
    grammar = planned(
        *(f"ON BASS {pitch}" for pitch in range(30, 36)), "TIME_SHIFT 9", band=frozenset({BASS})
    )
    for _ in range(3):
        names = names_allowed(grammar, chord_required=True, bar_required=True)
        assert {kind_of(name) for name in names} == {"OFF"}
        grammar.accept(TOKENS[EMSYNC][names[0]])
    assert "BAR" in names_allowed(grammar, chord_required=True, bar_required=True)


def test_a_note_that_is_overdue_is_released_before_the_required_bar() -> None:
    grammar = planned("ON PIANO 60 soft", *["TIME_SHIFT 125"] * 4)
    assert names_allowed(grammar, bar_required=True) == ["OFF PIANO 60"]


@pytest.mark.parametrize("band", BANDS, ids=lambda band: "+".join(group.name for group in sorted(band)))
def test_a_chord_can_be_completed_from_the_top_by_any_band(band: frozenset[InstrumentGroup]) -> None:
    highest = max(band).name
    struck = complete(planned("CHORD", band=band), lambda names: max(names, key=TOKENS[EMSYNC].__getitem__))
    assert [note_of(name) for name in struck] == [f"{highest} {pitch}" for pitch in (106, 107, 108)]


@pytest.mark.parametrize("band", [frozenset(), frozenset({DRUMS})], ids=["nobody", "drums alone"])
def test_a_band_without_pitches_is_refused(band: frozenset[InstrumentGroup]) -> None:
    with pytest.raises(ValueError, match="at least one group with pitches must play"):
        Grammar(EMSYNC, end_ticks=100, groups=band)


def test_a_note_struck_softly_can_be_struck_again_only_after_its_off() -> None:
    grammar = after(EMSYNC, "ON PIANO 60 soft", "TIME_SHIFT 9")
    again = {"ON PIANO 60", "ON PIANO 60 soft", "ON PIANO 60 loud"}
    assert not again & set(names_allowed(grammar))
    grammar.accept(TOKENS[EMSYNC]["OFF PIANO 60"])
    assert again <= set(names_allowed(grammar))


def test_after_a_loud_note_only_higher_notes_of_its_instant_follow_however_hard() -> None:
    struck = {name for name in names_allowed(after(EMSYNC, "ON DRUMS 107 loud")) if "DRUMS" in name}
    assert struck == {"ON DRUMS 108", "ON DRUMS 108 soft", "ON DRUMS 108 loud"}
