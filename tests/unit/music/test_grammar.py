"""Whatever is picked among the allowed tokens, the result is music that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from emsync.music.grammar import Grammar, Limits
from emsync.music.tokenizer import decode, encode
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.types import InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup

BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)
ROOMY = Limits(voices_per_group=8, voices=20, longest_note_ticks=12 * 125)
TIGHT = Limits(voices_per_group=3, voices=4, longest_note_ticks=200)
END_TICKS = 2500
SECOND_TICKS = 125
MOST_TOKENS = 20_000
RANKS = {"OFF": 0, "BAR": 1, "CHORD": 2, "ON": 3}
BANDS = [
    frozenset(band)
    for band in (
        InstrumentGroup,
        {BASS},
        {GUITAR},
        {PIANO},
        {STRINGS},
        {DRUMS, BASS},
        {DRUMS, STRINGS},
        {BASS, STRINGS},
        {DRUMS, GUITAR, PIANO},
    )
]

NAMES = {
    vocabulary: [vocabulary.name_of(token) for token in range(vocabulary.size)]
    for vocabulary in (EMSYNC, PAPER)
}
KINDS = {vocabulary: np.array([name.split()[0] for name in names]) for vocabulary, names in NAMES.items()}
TOKENS = {
    vocabulary: {name: token for token, name in enumerate(names)} for vocabulary, names in NAMES.items()
}


def kind_of(name: str) -> str:
    return name.split(maxsplit=1)[0]


def note_of(name: str) -> str:
    """Group and pitch of an ON or OFF, however hard it is struck."""
    return " ".join(name.split()[1:3])


@dataclass(frozen=True)
class Walk:
    """Names of random allowed tokens up to the end, and the rules under which they were picked."""

    names: list[str]
    limits: Limits
    band: frozenset[InstrumentGroup]
    bars_ticks: list[int] | None


def pick(grammar: Grammar, rng: np.random.Generator, taste: dict[str, float], required: set[str]) -> int:
    """A random allowed token: first a kind by taste, then evenly, so that rare kinds are common too."""
    allowed = grammar.allowed(chord_required="CHORD" in required, bar_required="BAR" in required)
    tokens = np.flatnonzero(allowed)
    assert len(tokens), f"nothing is allowed at tick {grammar.now_ticks}"
    kinds = KINDS[grammar.vocabulary][tokens]
    present = [kind for kind in taste if (kinds == kind).any()]
    weights = np.array([taste[kind] for kind in present])
    kind = present[int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum()))]
    of_kind = tokens[kinds == kind]
    return int(of_kind[rng.integers(len(of_kind))])


def random_bars(rng: np.random.Generator) -> list[int]:
    """Bar lines from 0 on, some only a tick apart."""
    lengths = np.where(rng.random(400) < 0.2, rng.integers(1, 5, 400), rng.integers(5, 400, 400))
    lines = np.cumsum(lengths) - lengths[0]
    return [int(ticks) for ticks in lines[lines < END_TICKS]]


def walk(
    vocabulary: Vocabulary,
    seed: int,
    limits: Limits | None = None,
    *,
    band: frozenset[InstrumentGroup] = BANDS[0],
    is_planned: bool = False,
) -> Walk:
    """Random allowed tokens up to the end; at some instants a chord is required, at planned bars a BAR."""
    limits, rng = limits or Limits(), np.random.default_rng(seed)
    bars = random_bars(rng) if is_planned else []
    grammar = Grammar(
        vocabulary, end_ticks=END_TICKS, limits=limits, groups=band, bars_are_planned=is_planned
    )
    kinds = ("TIME_SHIFT", "ON", "OFF", "BAR", "CHORD")
    taste = dict(zip(kinds, rng.dirichlet(np.ones(len(kinds))) + 0.05, strict=True))
    demand = rng.uniform(0, 0.5)
    names: list[str] = []
    waiting = list(bars)
    required = {"BAR"} if 0 in bars else set[str]()
    while grammar.now_ticks < END_TICKS:
        token = pick(grammar, rng, taste, required)
        if token in vocabulary.time_shift and waiting:  # as composing does, no step passes a bar line
            token = min(token, vocabulary.shift_token(min(waiting[0] - grammar.now_ticks, SECOND_TICKS)))
        grammar.accept(token)
        names.append(NAMES[vocabulary][token])
        assert len(names) < MOST_TOKENS
        required.discard(names[-1])
        if names[-1] == "BAR" and is_planned:
            waiting.pop(0)
        if shift_of(names[-1]) and grammar.now_ticks < END_TICKS:
            required = {"CHORD"} if rng.random() < demand else set()
            required |= {"BAR"} if waiting and waiting[0] == grammar.now_ticks else set()
    names += [NAMES[vocabulary][token] for token in grammar.release_all()]
    return Walk(names, limits, band, bars if is_planned else None)


def walks(vocabulary: Vocabulary) -> Iterable[Walk]:
    for seed in range(12):
        yield walk(vocabulary, seed)
        yield walk(vocabulary, seed, TIGHT)
        yield walk(vocabulary, seed, band=BANDS[seed % len(BANDS)], is_planned=True)
        yield walk(vocabulary, seed, TIGHT, band=BANDS[(seed + 5) % len(BANDS)], is_planned=seed % 2 == 0)


def shift_of(name: str) -> int:
    kind, _, ticks = name.partition(" ")
    return int(ticks) if kind == "TIME_SHIFT" else 0


def instants(names: list[str]) -> Iterable[list[str]]:
    """Events of each instant, shifts left out."""
    events: list[str] = []
    for name in names:
        if shift_of(name):
            yield events
            events = []
        else:
            events.append(name)
    yield events


@pytest.fixture(scope="module")
def all_walks() -> dict[str, list[Walk]]:
    return {vocabulary.name: list(walks(vocabulary)) for vocabulary in (EMSYNC, PAPER)}


@BOTH
def test_random_walks_reach_the_end_and_never_pass_it(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    for one in all_walks[vocabulary.name]:
        assert sum(shift_of(name) for name in one.names) == END_TICKS


@BOTH
def test_random_walks_are_long_and_use_every_kind(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    names = [name for one in all_walks[vocabulary.name] for name in one.names]
    assert len(names) > 1500
    assert {kind_of(name) for name in names} == {"TIME_SHIFT", "ON", "OFF", "BAR", "CHORD"}
    assert sum(name == "CHORD" for name in names) > 100


@BOTH
def test_random_walks_strike_only_silent_notes_and_release_only_sounding_ones(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    groups_with_off = {group.name for group in vocabulary.off_groups}
    for one in all_walks[vocabulary.name]:
        now, sounding, limits = 0, dict[str, int](), one.limits
        for name in one.names:
            now += shift_of(name)
            kind, note = kind_of(name), note_of(name)
            if kind == "ON" and note.split()[0] in groups_with_off:
                assert note not in sounding
                sounding[note] = now
                groups = [each.split()[0] for each in sounding]
                assert len(groups) <= limits.voices
                assert groups.count(note.split()[0]) <= limits.voices_per_group
            elif kind == "OFF":
                assert now - sounding.pop(note) < limits.longest_note_ticks + SECOND_TICKS
        assert not sounding


@BOTH
def test_random_walks_follow_the_order_of_one_instant(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    for one in all_walks[vocabulary.name]:
        for events in instants(one.names):
            ranks = [RANKS[kind_of(name)] for name in events]
            assert ranks == sorted(ranks)
            struck = [TOKENS[vocabulary][f"ON {note_of(name)}"] for name in events if kind_of(name) == "ON"]
            assert struck == sorted(set(struck))
            assert events.count("BAR") <= 1
            assert events.count("CHORD") <= 1


@BOTH
def test_in_random_walks_three_pitches_are_struck_with_every_chord(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    for one in all_walks[vocabulary.name]:
        for events in instants(one.names):
            if "CHORD" in events:
                notes = [note_of(name).split() for name in events if kind_of(name) == "ON"]
                assert len({pitch for group, pitch in notes if group != "DRUMS"}) >= 3


@BOTH
def test_random_walks_shift_time_as_the_tokenizer_does(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    for one in all_walks[vocabulary.name]:
        for earlier, later in pairwise(one.names):
            assert not (shift_of(later) and 0 < shift_of(earlier) < SECOND_TICKS)


def bars_of(names: list[str]) -> list[int]:
    times = np.cumsum([shift_of(name) for name in names])
    return [int(now) for now, name in zip(times, names, strict=True) if name == "BAR"]


@BOTH
def test_bars_of_random_walks_last_at_least_three_quarters_of_a_second_unless_planned(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    for one in all_walks[vocabulary.name]:
        if one.bars_ticks is None:
            assert all(later - earlier >= 93 for earlier, later in pairwise(bars_of(one.names)))


@BOTH
def test_in_random_walks_bars_come_exactly_where_they_are_planned(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    planned = [one for one in all_walks[vocabulary.name] if one.bars_ticks is not None]
    assert len(planned) == 18
    for one in planned:
        assert bars_of(one.names) == one.bars_ticks


@BOTH
def test_in_random_walks_only_the_groups_of_the_band_play(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    for one in all_walks[vocabulary.name]:
        played = {note_of(name).split()[0] for name in one.names if kind_of(name) == "ON"}
        assert played == {group.name for group in one.band}


@BOTH
def test_random_walks_strike_notes_in_every_way_the_vocabulary_has(
    vocabulary: Vocabulary, all_walks: dict[str, list[Walk]]
) -> None:
    names = [name.split() for one in all_walks[vocabulary.name] for name in one.names]
    ways = {tuple(name[3:]) for name in names if name[0] == "ON"}
    assert ways == ({(), ("soft",), ("loud",)} if vocabulary is EMSYNC else {()})


@pytest.mark.parametrize("seed", range(6))
def test_what_a_random_walk_wrote_is_what_the_tokenizer_would_write(seed: int) -> None:
    names = walk(EMSYNC, seed).names
    again = encode(decode(np.array([TOKENS[EMSYNC][name] for name in ["START", *names, "END"]], np.uint16)))
    written = [NAMES[EMSYNC][token] for token in again[1:-1]]
    assert [_with_sorted_offs(events) for events in instants(written)] == [
        _with_sorted_offs(events) for events in instants(names)
    ]


def _with_sorted_offs(events: list[str]) -> list[str]:
    """The grammar lets notes end in any order."""
    offs = [name for name in events if kind_of(name) == "OFF"]
    return [*sorted(offs), *events[len(offs) :]]


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
