"""Whatever is picked among the allowed tokens, the result is music that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pytest

from emsync.music.grammar import Grammar, Limits
from emsync.music.tokenizer import decode, encode
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary

BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)
ROOMY = Limits(voices_per_group=8, voices=20, longest_note_ticks=12 * 125)
TIGHT = Limits(voices_per_group=3, voices=4, longest_note_ticks=200)
END_TICKS = 2500
SECOND_TICKS = 125
RANKS = {"OFF": 0, "BAR": 1, "CHORD": 2, "ON": 3}


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


def pick(grammar: Grammar, rng: np.random.Generator, taste: dict[str, float], *, required: bool) -> int:
    """A random allowed token: first a kind by taste, then evenly, so that rare kinds are common too."""
    tokens = np.flatnonzero(grammar.allowed(chord_required=required))
    assert len(tokens), f"nothing is allowed at tick {grammar.now_ticks}"
    kinds = KINDS[grammar.vocabulary][tokens]
    present = [kind for kind in taste if (kinds == kind).any()]
    weights = np.array([taste[kind] for kind in present])
    kind = present[int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum()))]
    of_kind = tokens[kinds == kind]
    return int(of_kind[rng.integers(len(of_kind))])


def walk(vocabulary: Vocabulary, seed: int, limits: Limits | None = None) -> list[str]:
    """Names of random allowed tokens up to the end; at some instants a chord is required."""
    rng = np.random.default_rng(seed)
    grammar = Grammar(vocabulary, end_ticks=END_TICKS, limits=limits)
    kinds = ("TIME_SHIFT", "ON", "OFF", "BAR", "CHORD")
    taste = dict(zip(kinds, rng.dirichlet(np.ones(len(kinds))) + 0.05, strict=True))
    demand = rng.uniform(0, 0.5)
    names: list[str] = []
    required = False
    while grammar.now_ticks < END_TICKS:
        token = pick(grammar, rng, taste, required=required)
        grammar.accept(token)
        names.append(NAMES[vocabulary][token])
        if kind_of(names[-1]) == "TIME_SHIFT":
            required = bool(rng.random() < demand) and grammar.now_ticks < END_TICKS
        elif names[-1] == "CHORD":
            required = False
    return [*names, *(NAMES[vocabulary][token] for token in grammar.release_all())]


def walks(vocabulary: Vocabulary) -> Iterable[tuple[list[str], Limits]]:
    for seed in range(12):
        yield walk(vocabulary, seed), Limits()
        yield walk(vocabulary, seed, TIGHT), TIGHT


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
def all_walks() -> dict[str, list[tuple[list[str], Limits]]]:
    return {vocabulary.name: list(walks(vocabulary)) for vocabulary in (EMSYNC, PAPER)}


@BOTH
def test_random_walks_reach_the_end_and_never_pass_it(
    vocabulary: Vocabulary, all_walks: dict[str, list[tuple[list[str], Limits]]]
) -> None:
    for names, _ in all_walks[vocabulary.name]:
        assert sum(shift_of(name) for name in names) == END_TICKS


@BOTH
def test_random_walks_are_long_and_use_every_kind(
    vocabulary: Vocabulary, all_walks: dict[str, list[tuple[list[str], Limits]]]
) -> None:
    names = [name for walked, _ in all_walks[vocabulary.name] for name in walked]
    assert len(names) > 1500
    assert {kind_of(name) for name in names} == {"TIME_SHIFT", "ON", "OFF", "BAR", "CHORD"}
    assert sum(name == "CHORD" for name in names) > 100


@BOTH
def test_random_walks_strike_only_silent_notes_and_release_only_sounding_ones(
    vocabulary: Vocabulary, all_walks: dict[str, list[tuple[list[str], Limits]]]
) -> None:
    groups_with_off = {group.name for group in vocabulary.off_groups}
    for names, limits in all_walks[vocabulary.name]:
        now, sounding = 0, dict[str, int]()
        for name in names:
            now += shift_of(name)
            kind, _, note = name.partition(" ")
            if kind == "ON" and note.split()[0] in groups_with_off:
                assert note not in sounding
                sounding[note] = now
                groups = [one.split()[0] for one in sounding]
                assert len(groups) <= limits.voices
                assert groups.count(note.split()[0]) <= limits.voices_per_group
            elif kind == "OFF":
                assert now - sounding.pop(note) < limits.longest_note_ticks + SECOND_TICKS
        assert not sounding


@BOTH
def test_random_walks_follow_the_order_of_one_instant(
    vocabulary: Vocabulary, all_walks: dict[str, list[tuple[list[str], Limits]]]
) -> None:
    for names, _ in all_walks[vocabulary.name]:
        for events in instants(names):
            ranks = [RANKS[kind_of(name)] for name in events]
            assert ranks == sorted(ranks)
            struck = [TOKENS[vocabulary][name] for name in events if kind_of(name) == "ON"]
            assert struck == sorted(set(struck))
            assert events.count("BAR") <= 1
            assert events.count("CHORD") <= 1


@BOTH
def test_in_random_walks_three_pitches_are_struck_with_every_chord(
    vocabulary: Vocabulary, all_walks: dict[str, list[tuple[list[str], Limits]]]
) -> None:
    for names, _ in all_walks[vocabulary.name]:
        for events in instants(names):
            if "CHORD" in events:
                notes = [name.split() for name in events if kind_of(name) == "ON"]
                assert len({pitch for _, group, pitch in notes if group != "DRUMS"}) >= 3


@BOTH
def test_random_walks_shift_time_as_the_tokenizer_does(
    vocabulary: Vocabulary, all_walks: dict[str, list[tuple[list[str], Limits]]]
) -> None:
    for names, _ in all_walks[vocabulary.name]:
        for earlier, later in pairwise(names):
            assert not (shift_of(later) and 0 < shift_of(earlier) < SECOND_TICKS)


@BOTH
def test_bars_of_random_walks_last_at_least_three_quarters_of_a_second(
    vocabulary: Vocabulary, all_walks: dict[str, list[tuple[list[str], Limits]]]
) -> None:
    for names, _ in all_walks[vocabulary.name]:
        times = np.cumsum([shift_of(name) for name in names])
        bars = [int(now) for now, name in zip(times, names, strict=True) if name == "BAR"]
        assert all(later - earlier >= 93 for earlier, later in pairwise(bars))


@pytest.mark.parametrize("seed", range(6))
def test_what_a_random_walk_wrote_is_what_the_tokenizer_would_write(seed: int) -> None:
    names = walk(EMSYNC, seed)
    again = encode(decode(np.array([TOKENS[EMSYNC][name] for name in ["START", *names, "END"]], np.uint16)))
    written = [NAMES[EMSYNC][token] for token in again[1:-1]]
    assert [sorted(events) for events in instants(written)] == [sorted(events) for events in instants(names)]


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


def names_allowed(grammar: Grammar, *, chord_required: bool = False) -> list[str]:
    return [
        NAMES[grammar.vocabulary][token]
        for token in np.flatnonzero(grammar.allowed(chord_required=chord_required))
    ]


def kinds_allowed(grammar: Grammar, *, chord_required: bool = False) -> set[str]:
    return {kind_of(name) for name in names_allowed(grammar, chord_required=chord_required)}


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
    assert struck == ["ON STRINGS 106", "ON STRINGS 107", "ON STRINGS 108"]


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
