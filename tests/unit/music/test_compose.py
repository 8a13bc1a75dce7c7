"""The autoregressive loop, driven by a made-up network: the promises hold whatever the weights say."""

from __future__ import annotations

import gc
import weakref
from fractions import Fraction

import numpy as np
import pytest
from made_up_composer import (
    BOTH,
    CUT_LISTS,
    SILENCE_TICKS,
    MadeUpModel,
    compose,
    cue_sheet_of,
)
from numpy.typing import NDArray

from emsync.errors import CueSheetError, WeightsError
from emsync.music.compose import compose_with
from emsync.music.conditions import Condition
from emsync.music.sampling import surprise_nats
from emsync.music.tokenizer import token_times_ticks
from emsync.music.vocabulary import EMSYNC, Vocabulary
from emsync.options import ComposeOptions, SyncMode
from emsync.types import TICKS_PER_S, AffectCurve, AffectPoint, Composition, InstrumentGroup

EXACT, PAPER_MODE = SyncMode.EXACT, SyncMode.PAPER
DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup


def pitches_at(composition: Composition, ticks: int) -> set[int]:
    notes = composition.notes
    struck = (notes["onset_ticks"] == ticks) & (notes["group"] != InstrumentGroup.DRUMS)
    return set(notes["pitch"][struck].tolist())


def ends_of(composition: Composition) -> NDArray[np.int64]:
    return (composition.notes["onset_ticks"] + composition.notes["duration_ticks"]).astype(np.int64)


def test_the_same_seed_gives_the_same_music() -> None:
    sheet = cue_sheet_of(12, 3, 7)
    first, second = compose(sheet, seed=5), compose(sheet, seed=5)
    assert first.notes.tobytes() == second.notes.tobytes()
    assert first.bar_onsets_ticks == second.bar_onsets_ticks
    assert first.chord_onsets_ticks == second.chord_onsets_ticks
    assert first.hits == second.hits


def test_another_seed_gives_other_music() -> None:
    sheet = cue_sheet_of(12, 3, 7)
    assert compose(sheet, seed=5).notes.tobytes() != compose(sheet, seed=6).notes.tobytes()


def test_a_model_is_reset_before_it_composes() -> None:
    model = MadeUpModel()
    first = compose(cue_sheet_of(5), model)
    assert compose(cue_sheet_of(5), model).notes.tobytes() == first.notes.tobytes()
    assert model.tokens[0] == EMSYNC.special("START")


@BOTH
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("duration_s", "boundaries_s"), CUT_LISTS)
def test_in_exact_mode_a_chord_of_three_pitches_lies_on_every_boundary(
    vocabulary: Vocabulary, duration_s: float, boundaries_s: tuple[float, ...], seed: int
) -> None:
    model = MadeUpModel(vocabulary, seed=seed)
    composition = compose(cue_sheet_of(duration_s, *boundaries_s), model, seed=seed)
    for hit in composition.hits:
        assert hit.chord_onset_ticks is not None
        assert abs(hit.chord_onset_ticks / TICKS_PER_S - hit.boundary.time_s) <= 0.004 + 1e-9
        assert len(pitches_at(composition, hit.chord_onset_ticks)) >= 3
    assert [hit.boundary.time_s for hit in composition.hits] == list(boundaries_s)


@pytest.mark.parametrize("seed", range(4))
def test_with_a_network_that_never_wants_to_release_a_note_boundaries_are_still_answered(seed: int) -> None:
    model = MadeUpModel(seed=seed)
    model.bias[EMSYNC.off.first : EMSYNC.off.stop] = -50
    for on in EMSYNC.ons:
        model.bias[on.first : on.stop] = 2
    composition = compose(cue_sheet_of(20, 4, 4.3, 8, 8.008), model, seed=seed)
    assert [hit.chord_onset_ticks for hit in composition.hits] == [500, 538, 1000, 1001]


def test_a_boundary_at_the_very_end_is_reported_as_missed() -> None:
    composition = compose(cue_sheet_of(20, 5, 20))
    assert [hit.chord_onset_ticks for hit in composition.hits] == [625, None]


@pytest.mark.parametrize("seed", range(3))
def test_paper_mode_forces_no_chord_but_the_last(seed: int) -> None:
    model = MadeUpModel(seed=seed)
    model.bias[EMSYNC.special("CHORD")] = -50
    composition = compose(cue_sheet_of(20, 4, 8, 12), model, sync=PAPER_MODE, seed=seed)
    assert composition.chord_onsets_ticks == (2500 - 375,)
    assert [hit.chord_onset_ticks for hit in composition.hits] == [None, None, None]


def test_in_paper_mode_a_chord_within_a_second_answers_a_boundary() -> None:
    model = MadeUpModel()
    model.bias[EMSYNC.special("CHORD")] = model.bias[EMSYNC.shift_token(40)] = 9
    model.bias[EMSYNC.off.first : EMSYNC.off.stop] = 7
    boundaries_ticks = [500, 1000, 1500]
    composition = compose(cue_sheet_of(20, 4, 8, 12), model, sync=PAPER_MODE)
    times = token_times_ticks(np.array(model.tokens, np.uint16))
    answered_early = 0
    for hit, boundary, following in zip(
        composition.hits, boundaries_ticks, [*boundaries_ticks[1:], 2125], strict=True
    ):
        near = [chord for chord in composition.chord_onsets_ticks if abs(chord - boundary) <= TICKS_PER_S]
        assert hit.chord_onset_ticks == (min(near, key=lambda chord: abs(chord - boundary)) if near else None)
        early = [chord for chord in near if chord < boundary]
        if early:
            answered_early += 1
            between = (times > early[0]) & (times < boundary)
            offsets = model.conditions[between, Condition.BOUNDARY_OFFSET_S]
            assert offsets == pytest.approx((following - times[between]) / TICKS_PER_S, abs=1e-6)
    assert answered_early > 0


@BOTH
@pytest.mark.parametrize("sync", SyncMode)
@pytest.mark.parametrize("duration_s", [0.04, 0.056, 0.2, 1.0, 1.5, 8.04, 60.0])
def test_every_film_gets_music_exactly_as_long(
    vocabulary: Vocabulary, sync: SyncMode, duration_s: float
) -> None:
    composition = compose(cue_sheet_of(duration_s), MadeUpModel(vocabulary), sync=sync)
    end_ticks = int(Fraction(str(duration_s)) * TICKS_PER_S)
    assert composition.duration_ticks == end_ticks
    assert len(composition.notes) >= 3
    assert ends_of(composition).max() <= end_ticks
    assert composition.notes["duration_ticks"].min() >= 1
    assert composition.notes["onset_ticks"].min() >= 0


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_nothing_sounds_in_the_last_third_of_a_second_and_the_last_chord_lasts_until_then(
    vocabulary: Vocabulary, seed: int
) -> None:
    composition = compose(cue_sheet_of(20, 5, 10), MadeUpModel(vocabulary, seed=seed), seed=seed)
    release_ticks = 2500 - SILENCE_TICKS
    assert composition.chord_onsets_ticks[-1] == 2500 - 375
    assert ends_of(composition).max() == release_ticks
    last = composition.notes["onset_ticks"] == 2500 - 375
    pitched = composition.notes["group"] != InstrumentGroup.DRUMS
    assert set(ends_of(composition)[last & pitched].tolist()) == {release_ticks}
    assert not (composition.notes["onset_ticks"] > 2500 - 375).any()


def test_a_boundary_a_second_before_the_end_takes_the_last_chord() -> None:
    composition = compose(cue_sheet_of(20, 10, 18.99))
    assert composition.chord_onsets_ticks[-1] == 2374
    held = composition.notes["onset_ticks"] == 2374
    assert ends_of(composition)[held].max() == 2500 - SILENCE_TICKS


def test_a_last_chord_with_hardly_any_time_left_sounds_to_the_very_end() -> None:
    composition = compose(cue_sheet_of(20, 10, 19.6))
    held = composition.notes["onset_ticks"] == 2450
    assert set(ends_of(composition)[held].tolist()) >= {2500}


def test_a_drum_hit_in_the_last_instant_ends_with_the_music() -> None:
    model = MadeUpModel()
    model.bias[EMSYNC.on_token(InstrumentGroup.DRUMS, 38)] = 30
    composition = compose(cue_sheet_of(0.04), model)
    drums = composition.notes["group"] == InstrumentGroup.DRUMS
    assert drums.any()
    assert ends_of(composition).max() <= 5


def test_bars_and_chords_are_strictly_increasing_and_inside_the_film() -> None:
    model = MadeUpModel()
    model.bias[EMSYNC.special("BAR")] = model.bias[EMSYNC.special("CHORD")] = 12
    composition = compose(cue_sheet_of(20, 5), model)
    for onsets in (composition.bar_onsets_ticks, composition.chord_onsets_ticks):
        assert len(onsets) > 5
        assert list(onsets) == sorted(set(onsets))
        assert 0 <= onsets[0] <= onsets[-1] < 2500


def offsets_expected(model: MadeUpModel, asked_ticks: list[int]) -> list[float]:
    """Boundary offsets in exact mode, recomputed from the tokens that were fed."""
    waiting = list(asked_ticks)
    times = token_times_ticks(np.array(model.tokens, np.uint16))
    expected = []
    for token, now in zip(model.tokens, times.tolist(), strict=True):
        if token == EMSYNC.special("CHORD") and waiting and waiting[0] == now:
            waiting.pop(0)
        expected.append(min((waiting[0] - now) / TICKS_PER_S, 8.0) if waiting else 8.0)
    return expected


@pytest.mark.parametrize("seed", range(3))
def test_every_token_is_fed_with_the_affect_of_its_time_and_the_next_unanswered_boundary(seed: int) -> None:
    model = MadeUpModel(seed=seed)
    compose(cue_sheet_of(30, 2, 12, 12.3), model, seed=seed)
    times_s = token_times_ticks(np.array(model.tokens, np.uint16)) / TICKS_PER_S
    valence, arousal, offset_s = model.conditions.T[:3]
    assert valence == pytest.approx(np.minimum(-1 + times_s / 10, 1.0), abs=1e-6)
    assert arousal == pytest.approx(np.maximum(0.5 - times_s / 20, -0.5), abs=1e-6)
    asked_ticks = [250, 1500, 1538, 3750 - 375]
    assert offset_s == pytest.approx(offsets_expected(model, asked_ticks), abs=1e-6)
    assert offset_s.max() == 8.0
    assert offset_s.min() == 0.0
    assert offset_s[-1] == 8.0


def test_in_paper_mode_a_boundary_that_passed_unanswered_is_looked_at_no_more() -> None:
    model = MadeUpModel()
    model.bias[EMSYNC.special("CHORD")] = -50
    compose(cue_sheet_of(30, 2, 12), model, sync=PAPER_MODE)
    times = token_times_ticks(np.array(model.tokens, np.uint16))
    before_last = times < 3750 - 375
    boundaries = np.array([250, 1500, 3750 - 375])
    following = boundaries[np.searchsorted(boundaries, times[before_last])]
    expected = np.minimum((following - times[before_last]) / TICKS_PER_S, 8.0)
    assert model.conditions[before_last, Condition.BOUNDARY_OFFSET_S] == pytest.approx(expected, abs=1e-6)


def test_a_horizon_of_the_weights_is_respected() -> None:
    model = MadeUpModel()
    model.horizon_s = 3.0
    compose(cue_sheet_of(30), model)
    assert model.conditions[:, Condition.BOUNDARY_OFFSET_S].max() == 3.0
    assert model.conditions[:, Condition.END_OFFSET_S].max() == 3.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_give_no_finite_numbers_end_in_one_clear_line(value: float) -> None:
    model = MadeUpModel()
    model.bias[40] = value
    with pytest.raises(WeightsError, match="numbers that are not finite; install emsync again"):
        compose(cue_sheet_of(5), model)


def test_weights_that_write_endlessly_dense_music_end_in_one_clear_line() -> None:
    model = MadeUpModel(spread=0.1)
    model.bias[EMSYNC.on.first : EMSYNC.on.first + 88] = np.arange(500, 60, -5)
    model.bias[EMSYNC.shift_token(1)] = 30
    options = ComposeOptions(affect_guidance=1.0, density_ceiling=None)
    with pytest.raises(WeightsError, match="too dense to end"):
        compose_with(model, cue_sheet_of(5), options)


@pytest.mark.parametrize("duration_s", [0.001, 0.039])
def test_a_film_too_short_for_music_is_refused_by_name(duration_s: float) -> None:
    with pytest.raises(CueSheetError, match=f"^Film: {duration_s:.3f} s is too short for music"):
        compose(cue_sheet_of(duration_s))


def test_progress_rises_to_one() -> None:
    seen: list[float] = []
    options = ComposeOptions(affect_guidance=1.0)
    model = MadeUpModel()
    compose_with(model, cue_sheet_of(20, 5), options, on_progress=seen.append)
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] == 1.0


def test_the_network_is_let_go_with_the_last_note() -> None:
    model = MadeUpModel()
    alive = weakref.ref(model)
    gc.disable()
    try:
        composition = compose_with(model, cue_sheet_of(5), ComposeOptions(affect_guidance=1.0))
        del model
        assert alive() is None
    finally:
        gc.enable()
    assert len(composition.notes)


def test_the_composition_says_which_seed_and_weights_made_it() -> None:
    options = ComposeOptions(seed=99, affect_guidance=1.0)
    composition = compose_with(MadeUpModel(), cue_sheet_of(3), options, weights_sha256="ab" * 32)
    assert (composition.seed, composition.weights_sha256) == (99, "ab" * 32)


def test_a_network_that_repeats_itself_is_heated_until_it_does_not() -> None:
    cold = MadeUpModel(spread=1.0)
    cold.bias[EMSYNC.on_token(InstrumentGroup.DRUMS, 40)] = 14
    cold.bias[EMSYNC.shift_token(10)] = 13
    composition = compose(cue_sheet_of(40), cold)
    drums = composition.notes["group"] == InstrumentGroup.DRUMS
    before_the_end = composition.notes["onset_ticks"] < 40 * TICKS_PER_S - 400
    assert (before_the_end & ~drums).any()


def test_notes_are_struck_softly_and_loudly() -> None:
    flat = AffectCurve((AffectPoint(0.0, 0.0, 0.0),))
    notes = compose(cue_sheet_of(20, affect=flat)).notes
    piano = notes["velocity"][notes["group"] == PIANO]
    assert {46, 66, 86} <= set(piano.tolist())


def test_of_several_candidates_for_a_chord_that_had_to_come_the_least_surprising_is_struck() -> None:
    """The more are tried, the likelier the notes that follow the CHORDs of boundaries."""

    def surprise_of_chords(candidates: int) -> float:
        model = MadeUpModel(spread=1.0, seed=3)
        options = ComposeOptions(affect_guidance=1.0, key_strength=0.0, chord_candidates=candidates)
        composition = compose_with(model, cue_sheet_of(20, *range(2, 17, 2)), options)
        assert [hit.chord_onset_ticks for hit in composition.hits] == [250 * n for n in range(1, 9)]
        replay = MadeUpModel(spread=1.0, seed=3)
        found = []
        for token, following, row in zip(model.tokens, model.tokens[1:], model.rows, strict=False):
            logits = replay.step(np.array([[token]]), row[:, None])[0]
            if token == EMSYNC.special("CHORD"):
                found.append(surprise_nats(logits, following))
        return float(np.mean(found))

    assert surprise_of_chords(12) < surprise_of_chords(1) - 0.3


@pytest.mark.parametrize(("sync", "is_held"), [("exact", True), ("beat", True), ("paper", False)])
def test_the_chord_of_a_boundary_rings_for_half_a_second_unless_nothing_is_forced(
    sync: str, is_held: bool
) -> None:
    restless = MadeUpModel()
    restless.bias[EMSYNC.off.first : EMSYNC.off.stop] = 8
    boundaries = tuple(range(2, 17, 2))
    composition = compose_with(
        restless,
        cue_sheet_of(20, *boundaries),
        ComposeOptions(affect_guidance=1.0, key_strength=0.0, sync=SyncMode(sync)),
    )
    notes = composition.notes[composition.notes["group"] != InstrumentGroup.DRUMS]
    held = [
        len(set(notes["pitch"][(notes["onset_ticks"] == chord) & (notes["duration_ticks"] >= 62)].tolist()))
        >= 3
        for chord in (hit.chord_onset_ticks for hit in composition.hits)
    ]
    assert all(held) == is_held


def test_the_surprise_of_the_whole_piece_is_reported_for_each_token() -> None:
    model = MadeUpModel()
    composition = compose_with(model, cue_sheet_of(6, 3), ComposeOptions(affect_guidance=1.0))
    replay, total = MadeUpModel(), 0.0
    for token, following, row in zip(model.tokens, model.tokens[1:], model.rows, strict=False):
        total += surprise_nats(replay.step(np.array([[token]]), row[:, None])[0], following)
    assert composition.nats_per_token == pytest.approx(total / (len(model.tokens) - 1))
