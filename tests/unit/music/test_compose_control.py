"""What a user asks for besides the film: who plays, how strongly the film is followed, in which key."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_composer import (
    BOTH,
    MadeUpModel,
    compose,
    cue_sheet_of,
)

from emsync.music import compose as room
from emsync.music.compose import compose_with
from emsync.music.conditions import GROUP_CONDITIONS, Condition
from emsync.music.guidance import GuidanceRow, guidance_rows
from emsync.music.key_plan import KeyPlan
from emsync.music.model import ComposerModel
from emsync.music.vocabulary import EMSYNC, Vocabulary
from emsync.options import ComposeOptions, SyncMode
from emsync.types import AffectCurve, AffectPoint, Composition, InstrumentGroup

EXACT, PAPER_MODE = SyncMode.EXACT, SyncMode.PAPER
DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup


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
    options = ComposeOptions(
        affect_guidance=affect, boundary_guidance=boundary, key_strength=0.0, chord_candidates=1
    )
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
    bias = KeyPlan(EMSYNC, tonic=0, strength=options.key_strength).bias(1.0)
    assert not bias.any()


# The cadence.


@pytest.mark.parametrize(
    ("valence", "last_chord"), [(0.6, {0, 4, 7}), (-0.6, {0, 3, 7})], ids=["major", "minor"]
)
def test_the_last_chord_is_the_tonic_of_the_films_mode_after_its_dominant(
    valence: float, last_chord: set[int]
) -> None:
    affect = AffectCurve((AffectPoint(0.0, valence, 0.0),))
    found: set[int] = set()
    dominant = np.zeros(12, int)
    for seed in range(6):
        options = ComposeOptions(seed=seed, affect_guidance=1.0, tempo_bpm=120.0)
        notes = compose_with(
            MadeUpModel(seed=seed, spread=1.0), cue_sheet_of(20, affect=affect), options
        ).notes
        tonic = int(np.random.default_rng(seed).integers(12))
        pitched = notes[notes["group"] != DRUMS]
        degrees = (pitched["pitch"].astype(int) - tonic) % 12
        struck = pitched["onset_ticks"]
        found |= set(degrees[struck == 2500 - 375].tolist())
        before = (struck >= 2500 - 375 - 250) & (struck < 2500 - 375)
        dominant += np.bincount(degrees[before], minlength=12)
    assert found == last_chord
    assert dominant[[2, 5, 7, 11]].sum() > 2 * dominant[[0, 1, 3, 4, 6, 8, 9, 10]].sum()
