"""Whatever is picked among the allowed tokens, the result is music that ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from token_names import BANDS, BOTH, KINDS, NAMES, TOKENS, kind_of, note_of, shift_of

from emsync.music.grammar import Grammar, Limits
from emsync.music.tokenizer import decode, encode
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.types import InstrumentGroup

TIGHT = Limits(voices_per_group=3, voices=4, longest_note_ticks=200)
END_TICKS = 2500
SECOND_TICKS = 125
MOST_TOKENS = 20_000
RANKS = {"OFF": 0, "BAR": 1, "CHORD": 2, "ON": 3}


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


@BOTH
def test_room_for_a_chord_is_there_if_any_note_could_begin_one(vocabulary: Vocabulary) -> None:
    found = set()
    for seed in range(6):
        rng, grammar = np.random.default_rng(seed), Grammar(vocabulary, end_ticks=END_TICKS, limits=TIGHT)
        while grammar.now_ticks < END_TICKS:
            voices = grammar._voices()
            ons = grammar._allowed_ons(voices)
            has_room = grammar._has_room_for_chord(ons, voices)
            assert has_room == grammar._chord_notes(ons, voices, set()).any()
            found.add(has_room)
            taste = {"TIME_SHIFT": 0.2, "ON": 0.6, "OFF": 0.1, "BAR": 0.05, "CHORD": 0.05}
            grammar.accept(pick(grammar, rng, taste, set()))
    assert found == {False, True}
