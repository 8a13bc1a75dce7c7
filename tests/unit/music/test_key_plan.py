"""What the planned key adds to the logits."""

from __future__ import annotations

import numpy as np
import pytest

from emsync.music.key_plan import KeyPlan
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.types import InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)


@BOTH
def test_only_notes_with_a_pitch_are_moved(vocabulary: Vocabulary) -> None:
    bias = KeyPlan(vocabulary, tonic=0, strength=1.0).bias(0.5)
    tokens = np.arange(vocabulary.size)
    notes = vocabulary.notes_of(tokens)
    is_pitched_on = vocabulary.is_on(tokens) & (notes >= 88)
    assert (bias[~is_pitched_on] == 0).all()
    assert np.unique(bias[is_pitched_on].round(9)).size == 12


def test_all_octaves_groups_and_velocities_of_a_pitch_class_are_moved_alike() -> None:
    bias = KeyPlan(EMSYNC, tonic=2, strength=1.0).bias(1.0)
    tonic = bias[EMSYNC.on_token(PIANO, 62)]
    assert tonic == bias[EMSYNC.on_token(BASS, 38)] == bias[EMSYNC.on_token(STRINGS, 74)]
    normal, soft, loud = EMSYNC.ons
    assert bias[normal.first + 100] == bias[soft.first + 100] == bias[loud.first + 100]


def test_the_tonic_gets_the_most_and_a_tone_outside_the_key_less_than_one_inside() -> None:
    bias = KeyPlan(EMSYNC, tonic=7, strength=1.0).bias(1.0)
    g, f_sharp, f = (bias[EMSYNC.on_token(PIANO, pitch)] for pitch in (67, 66, 65))
    assert g == bias.max()
    assert f_sharp > f


def test_valence_moves_the_third_and_leaves_the_tonic_where_it_was() -> None:
    plan = KeyPlan(EMSYNC, tonic=0, strength=1.0)
    major, middle, minor = (plan.bias(valence) for valence in (0.9, 0.0, -0.9))
    minor_third, major_third = EMSYNC.on_token(PIANO, 63), EMSYNC.on_token(PIANO, 64)
    assert major[major_third] > middle[major_third] > minor[major_third]
    assert major[minor_third] < middle[minor_third] < minor[minor_third]
    for bias in (major, middle, minor):
        assert bias.argmax() in [EMSYNC.on_token(group, 24) for group in InstrumentGroup]


def test_strength_multiplies_and_0_switches_off() -> None:
    once, twice, off = (KeyPlan(EMSYNC, tonic=3, strength=strength).bias(0.2) for strength in (1.0, 2.0, 0.0))
    assert twice == pytest.approx(2 * once)
    assert not off.any()


@pytest.mark.parametrize(("tonic", "strength"), [(12, 1.0), (-1, 1.0), (0, -0.5)])
def test_an_impossible_plan_is_refused(tonic: int, strength: float) -> None:
    with pytest.raises(ValueError, match="got"):
        KeyPlan(EMSYNC, tonic=tonic, strength=strength)
