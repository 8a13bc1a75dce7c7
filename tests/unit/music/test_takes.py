"""Takes: every seed is composed as it would be alone, and the best without a fault is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_composer import MadeUpModel, cue_sheet_of, unhurried
from numpy.typing import NDArray

from emsync.music import compose as room
from emsync.music.compose import compose_takes, compose_together, compose_with
from emsync.music.degenerate import Fault
from emsync.music.model import ComposerModel
from emsync.music.takes import (
    SONGS_NATS,
    Takes,
    TakeScore,
    affect_distance,
    best_of,
    hit_share,
    score_take,
)
from emsync.options import ComposeOptions
from emsync.types import NOTE_DTYPE, AffectCurve, AffectPoint, Boundary, Composition, Hit, InstrumentGroup

OPTIONS = ComposeOptions(seed=5, takes=3, affect_guidance=1.0)
SEEDS = range(5, 8)
FILM = cue_sheet_of(12, 4, 8)
STORM = Fault("note storm", "a storm of 80 notes a second", 2.0)
PAUSE = Fault("silence", "3.0 s of silence", 1.2)


def take(
    seed: int = 0, *, hits: float = 1.0, affect: float = 0.0, faults: tuple[Fault, ...] = ()
) -> TakeScore:
    return TakeScore(seed, hits, affect, SONGS_NATS, faults)


class SideBySide:
    """In place of the engine, rows that are made-up networks; nothing is rounded in another order."""

    vocabulary_name, horizon_s = MadeUpModel().vocabulary_name, MadeUpModel.horizon_s

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._rows = [unhurried() for _ in range(batch)]

    def position_of(self, rows: slice) -> int:
        return self._rows[rows.start].position

    def reset(self, rows: slice) -> None:
        for model in self._rows[rows]:
            model.reset()

    def truncate(self, position: int, rows: slice) -> None:
        for model in self._rows[rows]:
            model.truncate(position)

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = zip(self._rows, tokens, conditions, strict=True)
        return np.concatenate([model.step(own[None], told[None]) for model, own, told in parts])


def side_by_side(batch: int = 3) -> ComposerModel:
    return cast(ComposerModel, SideBySide(batch))


@pytest.fixture(scope="module")
def composed() -> tuple[Composition, ...]:
    return compose_together(side_by_side(), FILM, OPTIONS, SEEDS)


# Composing.


def test_every_take_is_what_its_seed_gives_alone(composed: tuple[Composition, ...]) -> None:
    assert [composition.seed for composition in composed] == [5, 6, 7]
    for composition in composed:
        alone = compose_with(unhurried(), FILM, replace(OPTIONS, seed=composition.seed))
        assert np.array_equal(alone.notes, composition.notes)
        assert alone.nats_per_token == composition.nats_per_token
    assert not np.array_equal(composed[0].notes, composed[1].notes)


def test_progress_covers_all_takes() -> None:
    seen: list[float] = []
    compose_together(side_by_side(), FILM, OPTIONS, SEEDS, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert any(part < 1 / 3 for part in seen) and any(1 / 3 < part < 2 / 3 for part in seen)


def test_of_many_takes_four_are_written_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    seen: list[float] = []

    def load(*_: object, batch: int, **__: object) -> ComposerModel:
        batches.append(batch)
        return side_by_side(batch)

    monkeypatch.setattr(ComposerModel, "load", load)
    monkeypatch.setattr(room, "load_weights", lambda _: b"")
    made = compose_takes(cue_sheet_of(3), replace(OPTIONS, takes=9), on_progress=seen.append)
    assert [composition.seed for composition in made] == list(range(5, 14))
    assert batches == [4, 1]  # the second four take the network of the first
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_no_take_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="takes must be 1 or more, got 0"):
        compose_takes(FILM, replace(OPTIONS, takes=0))


# Scoring.


def test_a_chord_within_what_nobody_notices_is_a_hit() -> None:
    boundary = Boundary(4.0, 1.0, "cut")
    ticks = [None, 500 - 6, 500 - 5, 500, 500 + 15, 500 + 16]
    assert [hit_share([Hit(boundary, onset)]) for onset in ticks] == [0, 0, 1, 1, 1, 0]
    assert hit_share([Hit(boundary, 500), Hit(boundary, None)]) == 0.5
    assert hit_share([]) == 1.0


def steady(piece: Composition, *, gap_ticks: int, pitch: int) -> Composition:
    """The piece with one piano note after another in place of its own."""
    onsets = range(0, piece.chord_onsets_ticks[-1], gap_ticks)
    notes = [(onset, gap_ticks, InstrumentGroup.PIANO, pitch + onset % 5, 64) for onset in onsets]
    return replace(piece, notes=np.array(notes, NOTE_DTYPE))


@pytest.mark.parametrize(("arousal", "nearer", "farther"), [(-1.0, "slow", "fast"), (1.0, "fast", "slow")])
def test_slow_notes_obey_calm_and_fast_notes_excitement(
    composed: tuple[Composition, ...], arousal: float, nearer: str, farther: str
) -> None:
    pieces = {
        "slow": steady(composed[0], gap_ticks=250, pitch=50),
        "fast": steady(composed[0], gap_ticks=12, pitch=70),
    }
    film = cue_sheet_of(12, affect=AffectCurve((AffectPoint(0.0, 0.0, arousal),)))
    assert affect_distance(pieces[nearer], film) < affect_distance(pieces[farther], film) - 0.3


def test_affect_is_compared_at_its_own_time(composed: tuple[Composition, ...]) -> None:
    piece = composed[0]
    fast, slow = steady(piece, gap_ticks=12, pitch=70).notes, steady(piece, gap_ticks=250, pitch=50).notes
    notes = np.concatenate([fast[fast["onset_ticks"] < 500], slow[slow["onset_ticks"] >= 500]])
    falling, rising = (
        cue_sheet_of(12, affect=AffectCurve((AffectPoint(0.0, 0.0, one), AffectPoint(8.0, 0.0, -one))))
        for one in (1.0, -1.0)
    )
    calming = replace(piece, notes=notes)
    assert affect_distance(calming, falling) < affect_distance(calming, rising)


def test_the_last_chord_does_not_count_for_affect(composed: tuple[Composition, ...]) -> None:
    piece = composed[0]
    last = piece.notes["onset_ticks"] >= piece.chord_onsets_ticks[-1]
    other = replace(piece, notes=piece.notes.copy())
    other.notes["pitch"][last] = 30
    assert affect_distance(other, FILM) == affect_distance(piece, FILM)


def test_the_made_up_pieces_hit_every_boundary(composed: tuple[Composition, ...]) -> None:
    scored = score_take(composed[0], FILM)
    assert (scored.seed, scored.hits) == (5, 1.0)
    assert scored.nats_per_token == composed[0].nats_per_token
    assert scored.score <= 1.0


def test_a_take_without_known_likelihood_has_a_score() -> None:
    assert TakeScore(0, 1.0, 0.4, np.nan).score == pytest.approx(take(affect=0.4).score)


# Choosing.


def test_affect_decides_between_takes_that_hit_alike() -> None:
    assert best_of([take(affect=0.5), take(affect=0.2), take(affect=0.3)]) == 1


def test_a_missed_boundary_outweighs_affect() -> None:
    assert best_of([take(hits=0.8, affect=0.0), take(hits=1.0, affect=0.75)]) == 1


def test_the_less_odd_of_takes_alike_in_all_else_is_kept() -> None:
    odd = TakeScore(0, 1.0, 0.3, SONGS_NATS + 2)
    plain = TakeScore(1, 1.0, 0.3, SONGS_NATS - 2)
    typical = TakeScore(2, 1.0, 0.3, SONGS_NATS)
    assert best_of([odd, plain, typical]) == 2


def test_a_fault_rejects_the_otherwise_best() -> None:
    assert best_of([take(faults=(PAUSE,)), take(hits=0.0, affect=2.0)]) == 1


def test_of_takes_that_all_have_faults_the_least_bad_is_kept() -> None:
    assert best_of([take(faults=(STORM,)), take(faults=(PAUSE,)), take(faults=(PAUSE, STORM))]) == 1


def test_the_first_of_equals_is_kept() -> None:
    assert best_of([take(), take()]) == 0


scores = st.lists(
    st.builds(
        take,
        hits=st.floats(0, 1),
        affect=st.floats(0, 2.8),
        faults=st.sampled_from([(), (STORM,), (PAUSE,), (STORM, PAUSE)]),
    ),
    min_size=1,
    max_size=8,
)


@given(scores)
def test_a_faulty_take_is_kept_only_if_all_are_faulty(made: list[TakeScore]) -> None:
    kept = made[best_of(made)]
    assert kept.is_rejected == all(one.is_rejected for one in made)


def test_the_verdicts_say_why(composed: tuple[Composition, ...]) -> None:
    takes = Takes(composed, (take(faults=(PAUSE, STORM)), take(), take(affect=0.5)), 1)
    assert [takes.verdict(index) for index in range(3)] == [
        "rejected: 3.0 s of silence; a storm of 80 notes a second",
        "kept",
        "another is better",
    ]
    assert takes.best is composed[1]


def test_the_verdict_on_the_least_bad_says_so(composed: tuple[Composition, ...]) -> None:
    takes = Takes(composed[:2], (take(faults=(STORM,)), take(faults=(PAUSE,))), 1)
    assert takes.verdict(1) == "kept as the least bad, though it has 3.0 s of silence"
    alone = Takes(composed[:1], (take(faults=(PAUSE,)),), 0)
    assert alone.verdict(0) == "kept, though it has 3.0 s of silence"
