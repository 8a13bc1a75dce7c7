"""The autoregressive loop, driven by a made-up network: the promises hold whatever the weights say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.errors import CueSheetError, WeightsError
from emsync.music import compose as room
from emsync.music.bar_plan import on_the_grid, plan_bars
from emsync.music.compose import GuidanceRow, compose_with, guidance_rows
from emsync.music.conditions import GROUP_CONDITIONS, Condition, bar_positions
from emsync.music.model import ComposerModel
from emsync.music.tokenizer import token_times_ticks
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.options import ComposeOptions, SyncMode
from emsync.types import (
    TICKS_PER_S,
    AffectCurve,
    AffectPoint,
    Boundary,
    Composition,
    CueSheet,
    InstrumentGroup,
)

EXACT, PAPER_MODE = SyncMode.EXACT, SyncMode.PAPER
SILENCE_TICKS = 38
DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
RISING = AffectCurve((AffectPoint(0.0, -1.0, 0.5), AffectPoint(20.0, 1.0, -0.5)))
BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)


class MadeUpModel:
    """The interface of `ComposerModel` with seeded random logits; remembers what it was asked.

    `heard` is added to the logits of every row that is told the condition.
    """

    horizon_s = 8.0

    def __init__(
        self, vocabulary: Vocabulary = EMSYNC, *, seed: int = 0, spread: float = 2.0, batch: int = 1
    ) -> None:
        self.vocabulary_name, self._size = vocabulary.name, vocabulary.size
        self._seed, self._spread, self._batch = seed, spread, batch
        self.bias = np.zeros(vocabulary.size, np.float32)
        self.heard: dict[Condition, NDArray[np.float32]] = {}
        self.tokens: list[int] = []
        self.rows: list[NDArray[np.float32]] = []

    @property
    def conditions(self) -> NDArray[np.float32]:
        """What the first row was told, shape (T, 11)."""
        return np.array(self.rows)[:, 0]

    def reset(self) -> None:
        self.tokens, self.rows = [], []

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        assert tokens.shape == (self._batch, 1)
        assert conditions.shape == (self._batch, 1, len(Condition))
        assert conditions.dtype == np.float32
        assert len(set(tokens[:, 0].tolist())) == 1
        self.tokens.append(int(tokens[0, 0]))
        self.rows.append(conditions[:, 0].copy())
        rng = np.random.default_rng((self._seed, *self.tokens[-8:], len(self.tokens)))
        logits = self._spread * rng.standard_normal(self._size) + self.bias
        rows = np.repeat(logits.astype(np.float32)[None], self._batch, axis=0)
        for condition, heard in self.heard.items():
            rows[np.isfinite(conditions[:, 0, condition])] += heard
        return rows


def cue_sheet_of(duration_s: float, *boundaries_s: float, affect: AffectCurve = RISING) -> CueSheet:
    return CueSheet(
        title="Film",
        duration_s=duration_s,
        frame_rate_fps=Fraction(25),
        cuts=(),
        shots=(),
        boundaries=tuple(Boundary(time_s, 1.0, "cut") for time_s in boundaries_s),
        dropped=(),
        affect=affect,
    )


def compose(
    cue_sheet: CueSheet,
    model: MadeUpModel | None = None,
    *,
    sync: SyncMode = EXACT,
    seed: int = 0,
    tempo_bpm: float | None = None,
    instruments: tuple[InstrumentGroup, ...] | None = None,
) -> Composition:
    options = ComposeOptions(
        seed=seed, sync=sync, tempo_bpm=tempo_bpm, instruments=instruments, affect_guidance=1.0
    )
    return compose_with(model or MadeUpModel(), cue_sheet, options)


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


CUT_LISTS = [
    (20, (4, 8, 12.5, 16)),
    (20, (5, 5.3, 5.6, 5.9)),
    (20, (0.05, 10)),
    (20, (0.0, 10)),
    (20, (3, 18.99)),
    (20, (3, 3.008, 3.016)),
    (20, (3.0, 3.001, 3.002)),
    (20, (18, 18.5, 19, 19.6)),
    (20, (17.4, 19.9)),
    (20, (3, 19.992)),
    (2, (0.4, 0.7)),
    (60, tuple(float(second) for second in range(1, 60))),
]


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
    with pytest.raises(WeightsError, match="too dense to end"):
        compose(cue_sheet_of(5), model)


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


# Planned bars.


def unhurried(vocabulary: Vocabulary = EMSYNC, *, seed: int = 0) -> MadeUpModel:
    """A network that likes long steps, so that a minute of music is soon written."""
    model = MadeUpModel(vocabulary, seed=seed)
    model.bias[vocabulary.shift_token(30) : vocabulary.time_shift.stop] = 3.0
    return model


def asked_ticks(duration_s: float, boundaries_s: tuple[float, ...], last_chord_ticks: int) -> list[int]:
    end_ticks = int(duration_s * TICKS_PER_S)
    ticks = {round(time_s * TICKS_PER_S) for time_s in boundaries_s}
    return sorted({one for one in ticks if one < end_ticks} | {last_chord_ticks})


@BOTH
@pytest.mark.parametrize("sync", SyncMode)
@pytest.mark.parametrize(("duration_s", "boundaries_s"), CUT_LISTS)
def test_a_bar_begins_at_every_boundary_unless_one_began_within_three_quarters_of_a_second(
    vocabulary: Vocabulary, sync: SyncMode, duration_s: float, boundaries_s: tuple[float, ...]
) -> None:
    composition = compose(cue_sheet_of(duration_s, *boundaries_s), unhurried(vocabulary), sync=sync)
    bars, last_chord = np.array(composition.bar_onsets_ticks), composition.chord_onsets_ticks[-1]
    for ticks in asked_ticks(duration_s, boundaries_s, last_chord):
        before = bars[bars < ticks].max(initial=-1000)
        assert ticks in bars or ticks - before < 0.75 * TICKS_PER_S


@BOTH
@pytest.mark.parametrize("sync", SyncMode)
@pytest.mark.parametrize("tempo_bpm", [60.0, 97.3, 180.0])
def test_bars_lie_exactly_where_they_are_planned_up_to_the_last_chord(
    vocabulary: Vocabulary, sync: SyncMode, tempo_bpm: float
) -> None:
    sheet = cue_sheet_of(30, 2, 12, 12.3, 20)
    composition = compose(sheet, unhurried(vocabulary), sync=sync, tempo_bpm=tempo_bpm)
    planned = plan_bars([250, 1500, 1538, 2500, 3750 - 375], 3750, tempo_bpm)
    assert composition.bar_onsets_ticks == tuple(planned[planned <= 3750 - 375].tolist())


@pytest.mark.parametrize("tempo_bpm", [60.0, 75.5, 100.0, 133.0, 180.0])
def test_without_boundaries_the_tempo_asked_for_is_kept_within_a_tenth(tempo_bpm: float) -> None:
    bars = np.array(compose(cue_sheet_of(60), unhurried(), tempo_bpm=tempo_bpm).bar_onsets_ticks)
    bar_ticks = 4 * 60 * TICKS_PER_S / tempo_bpm
    assert len(bars) > 10
    assert np.diff(bars)[:-1] == pytest.approx(bar_ticks, rel=0.1)


@pytest.mark.parametrize(("arousal", "tempo_bpm"), [(-1.0, 70), (0.0, 100), (1.0, 130)])
def test_without_a_tempo_the_mean_arousal_of_the_film_sets_it(arousal: float, tempo_bpm: float) -> None:
    flat = AffectCurve((AffectPoint(0.0, 0.0, arousal),))
    bars = compose(cue_sheet_of(30, affect=flat), unhurried()).bar_onsets_ticks
    assert bars == tuple(ticks for ticks in plan_bars([3375], 3750, tempo_bpm).tolist() if ticks <= 3375)


def test_a_tempo_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a tempo lies in 60\.\.180 bpm, got 200"):
        compose(cue_sheet_of(10), tempo_bpm=200.0)


@pytest.mark.parametrize("seed", range(3))
def test_every_token_is_told_its_place_in_the_planned_bars(seed: int) -> None:
    model = MadeUpModel(seed=seed)
    compose(cue_sheet_of(30, 2, 12), model, seed=seed, tempo_bpm=90.0)
    bars = plan_bars([250, 1500, 3750 - 375], 3750, 90.0)
    expected = bar_positions(token_times_ticks(np.array(model.tokens, np.uint16)), bars)
    found = model.conditions[:, [Condition.BAR_LENGTH_S, Condition.BAR_PHASE]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.isfinite(found).all()


def test_every_token_is_told_when_the_last_chord_is_released() -> None:
    model = MadeUpModel()
    compose(cue_sheet_of(30), model)
    times = token_times_ticks(np.array(model.tokens, np.uint16))
    expected = np.clip((3750 - SILENCE_TICKS - times) / TICKS_PER_S, 0.0, 8.0)
    assert model.conditions[:, Condition.END_OFFSET_S] == pytest.approx(expected, abs=1e-6)


# Instruments.

BANDS = [
    (PIANO,),
    (BASS,),
    (STRINGS, GUITAR),
    (DRUMS, BASS),
    (DRUMS, BASS, GUITAR, PIANO, STRINGS),
]


@BOTH
@pytest.mark.parametrize("sync", SyncMode)
@pytest.mark.parametrize("band", BANDS)
def test_the_groups_asked_for_play_and_no_others(
    vocabulary: Vocabulary, sync: SyncMode, band: tuple[InstrumentGroup, ...]
) -> None:
    composition = compose(cue_sheet_of(20, 4, 8), MadeUpModel(vocabulary), sync=sync, instruments=band)
    assert set(composition.notes["group"].tolist()) == set(band)
    if sync is EXACT:
        assert [hit.chord_onset_ticks for hit in composition.hits] == [500, 1000]


def test_every_token_is_told_which_groups_were_asked_for() -> None:
    model = MadeUpModel()
    compose(cue_sheet_of(5), model, instruments=(STRINGS, BASS))
    assert (model.conditions[:, GROUP_CONDITIONS] == [0, 1, 0, 0, 1]).all()


def test_without_instruments_it_is_left_to_the_network_who_plays() -> None:
    model = MadeUpModel()
    compose(cue_sheet_of(5), model)
    assert np.isnan(model.conditions[:, GROUP_CONDITIONS]).all()
    assert np.isfinite(model.conditions[:, : GROUP_CONDITIONS.start]).all()


@pytest.mark.parametrize("band", [(), (DRUMS,)])
def test_a_band_that_cannot_play_a_chord_is_refused(band: tuple[InstrumentGroup, ...]) -> None:
    with pytest.raises(ValueError, match="at least one group with pitches must play"):
        compose(cue_sheet_of(5), instruments=band)


# Guidance.

AFFECT = (Condition.VALENCE, Condition.AROUSAL)
BOUNDARY = (Condition.BOUNDARY_OFFSET_S,)


def test_guidance_of_1_needs_one_row() -> None:
    assert guidance_rows(ComposeOptions(affect_guidance=1.0)) == [GuidanceRow((), 1.0)]


@pytest.mark.parametrize(
    ("affect", "boundary", "rows"),
    [
        (2.5, 1.0, [GuidanceRow((), 2.5), GuidanceRow(AFFECT, -1.5)]),
        (1.0, 3.0, [GuidanceRow((), 3.0), GuidanceRow(BOUNDARY, -2.0)]),
        (2.0, 3.0, [GuidanceRow((), 4.0), GuidanceRow(AFFECT, -1.0), GuidanceRow(BOUNDARY, -2.0)]),
        (0.0, 1.0, [GuidanceRow((), 0.0), GuidanceRow(AFFECT, 1.0)]),
        (0.5, 0.5, [GuidanceRow((), 0.0), GuidanceRow(AFFECT, 0.5), GuidanceRow(BOUNDARY, 0.5)]),
    ],
)
def test_guidance_adds_a_row_without_each_condition_it_strengthens(
    affect: float, boundary: float, rows: list[GuidanceRow]
) -> None:
    found = guidance_rows(ComposeOptions(affect_guidance=affect, boundary_guidance=boundary))
    assert found == rows
    assert sum(row.weight for row in found) == pytest.approx(1.0)


def guided(model: MadeUpModel, *, affect: float = 1.0, boundary: float = 1.0) -> Composition:
    options = ComposeOptions(affect_guidance=affect, boundary_guidance=boundary, key_strength=0.0)
    return compose_with(model, cue_sheet_of(10, 4), options)


def test_each_row_is_fed_without_its_conditions_and_with_all_others() -> None:
    model = MadeUpModel(batch=3)
    guided(model, affect=2.0, boundary=2.0)
    rows = np.array(model.rows)
    missing = np.isnan(rows[:, :, : GROUP_CONDITIONS.start])
    assert not missing[:, 0].any()
    for row, dropped in ((1, AFFECT), (2, BOUNDARY)):
        expected = np.isin(np.arange(GROUP_CONDITIONS.start), dropped)
        assert (missing[:, row] == expected).all()
        kept = np.flatnonzero(~expected)
        np.testing.assert_array_equal(rows[:, row, kept], rows[:, 0, kept])


def test_the_group_conditions_stay_in_every_row() -> None:
    model = MadeUpModel(batch=2)
    options = ComposeOptions(affect_guidance=2.0, instruments=(PIANO,))
    compose_with(model, cue_sheet_of(5), options)
    assert (np.array(model.rows)[:, :, GROUP_CONDITIONS] == [0, 0, 0, 1, 0]).all()


@pytest.mark.parametrize(("affect", "boundary"), [(3.0, 1.0), (1.0, 0.0), (2.0, 4.0)])
def test_guidance_multiplies_what_a_condition_does_to_the_logits(affect: float, boundary: float) -> None:
    """To the network's own logits come `affect` times what valence says and `boundary` times what the offset says."""
    more_bass, more_drums = np.zeros((2, EMSYNC.size), np.float32)
    more_bass[EMSYNC.on_token(BASS, 40)] = 1.5
    more_drums[EMSYNC.on_token(DRUMS, 40)] = 1.25
    model = MadeUpModel(batch=1 + (affect != 1) + (boundary != 1))
    model.heard = {Condition.VALENCE: more_bass, Condition.BOUNDARY_OFFSET_S: more_drums}
    plain = MadeUpModel()
    plain.bias = affect * more_bass + boundary * more_drums
    found, expected = guided(model, affect=affect, boundary=boundary), guided(plain)
    assert found.notes.tobytes() == expected.notes.tobytes()
    assert found.notes.tobytes() != guided(MadeUpModel()).notes.tobytes()


def test_with_every_option_the_same_seed_gives_the_same_music() -> None:
    options = ComposeOptions(
        seed=5,
        tempo_bpm=80.0,
        instruments=(DRUMS, PIANO),
        affect_guidance=2.0,
        boundary_guidance=1.5,
    )
    first, second = (compose_with(MadeUpModel(batch=3), cue_sheet_of(12, 3, 7), options) for _ in range(2))
    assert first.notes.tobytes() == second.notes.tobytes()
    assert first.bar_onsets_ticks == second.bar_onsets_ticks


@pytest.mark.parametrize(("affect", "batch"), [(1.0, 1), (2.0, 2)])
def test_the_shipped_weights_are_loaded_with_a_row_for_each_copy(
    monkeypatch: pytest.MonkeyPatch, affect: float, batch: int
) -> None:
    loaded: list[int] = []

    def load(_: bytes, *, threads: int, batch: int) -> MadeUpModel:
        loaded.append(batch)
        return MadeUpModel(batch=batch)

    monkeypatch.setattr(room, "load_weights", lambda _: b"")
    monkeypatch.setattr(ComposerModel, "load", load)
    composition = room.compose(cue_sheet_of(5), ComposeOptions(affect_guidance=affect))
    assert loaded == [batch]
    assert len(composition.weights_sha256) == 64


def test_notes_are_struck_softly_and_loudly() -> None:
    flat = AffectCurve((AffectPoint(0.0, 0.0, 0.0),))
    notes = compose(cue_sheet_of(20, affect=flat)).notes
    piano = notes["velocity"][notes["group"] == PIANO]
    assert {46, 66, 86} <= set(piano.tolist())


@pytest.mark.parametrize(("valence", "third"), [(0.8, 4), (-0.8, 3)])
def test_the_key_leans_on_the_tonic_of_the_seed_and_on_the_third_that_valence_asks_for(
    valence: float, third: int
) -> None:
    affect = AffectCurve((AffectPoint(0.0, valence, 0.0),))
    counts = np.zeros(12, int)
    for seed in range(6):
        options = ComposeOptions(seed=seed, affect_guidance=1.0, key_strength=2.0)
        notes = compose_with(MadeUpModel(seed=seed), cue_sheet_of(20, affect=affect), options).notes
        tonic = int(np.random.default_rng(seed).integers(12))
        pitched = notes["pitch"][notes["group"] != DRUMS].astype(int)
        counts += np.bincount((pitched - tonic) % 12, minlength=12)
    assert counts[third] > 1.5 * counts[7 - third]
    assert counts[0] > counts.mean()


def test_without_key_strength_the_seed_leaves_pitch_classes_alone() -> None:
    options = ComposeOptions(affect_guidance=1.0, key_strength=0.0)
    bias = room.KeyPlan(EMSYNC, tonic=0, strength=options.key_strength).bias(1.0)
    assert not bias.any()


def test_with_planned_bars_onsets_next_to_the_grid_lie_on_it() -> None:
    options = ComposeOptions(affect_guidance=1.0, tempo_bpm=120.0)
    composition = compose_with(MadeUpModel(spread=0.5), cue_sheet_of(60), options)
    bars = np.array(composition.bar_onsets_ticks)
    onsets = np.unique(composition.notes["onset_ticks"]).astype(np.int64)
    struck_after_a_rest = onsets[1:][np.diff(onsets) > 3]  # others had no room to move
    beside = [ticks for ticks in struck_after_a_rest.tolist() if on_the_grid(ticks, bars) != ticks]
    assert len(struck_after_a_rest) > 50
    assert len(beside) < 0.02 * len(struck_after_a_rest)
