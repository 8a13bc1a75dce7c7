"""Groups that were asked for come in, sooner or later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_composer import MadeUpModel, cue_sheet_of

from emsync.music.compose import compose_with
from emsync.music.presence import LARGEST_PUSH, PATIENCE_S, PresenceShaping
from emsync.music.vocabulary import EMSYNC
from emsync.options import ComposeOptions
from emsync.types import TICKS_PER_S, Direction, InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
PIANO_NOTE, BASS_NOTE = EMSYNC.on_token(PIANO, 60), EMSYNC.on_token(BASS, 40)


def test_a_group_asked_for_that_is_silent_gains_until_it_plays() -> None:
    shaping = PresenceShaping(EMSYNC, lambda ticks: (PIANO, BASS))
    now_ticks = round((PATIENCE_S + 1) * TICKS_PER_S)
    shaping.accept(BASS_NOTE, now_ticks)
    assert shaping.bias(now_ticks)[[PIANO_NOTE, BASS_NOTE]].tolist() == [2.0, 0.0]
    twin = shaping.copy()
    twin.accept(PIANO_NOTE, now_ticks)
    assert not twin.bias(now_ticks).any()
    assert shaping.bias(100 * now_ticks).max() == LARGEST_PUSH


def test_nothing_is_added_at_once_or_where_nobody_is_asked_for() -> None:
    asked = PresenceShaping(EMSYNC, lambda ticks: (PIANO,))
    assert not asked.bias(round(PATIENCE_S * TICKS_PER_S)).any()
    assert PresenceShaping(EMSYNC, lambda ticks: None).bias(99999) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_group_the_network_shuns_plays_once_a_direction_asks_for_it(seed: int) -> None:
    model = MadeUpModel(seed=seed)
    for on in EMSYNC.ons:
        model.bias[on.first + 88 * GUITAR : on.first + 88 * (GUITAR + 1)] = -6
    sheet = replace(cue_sheet_of(20, 5), directions=(Direction(8.0, instruments=(GUITAR, BASS)),))
    options = ComposeOptions(affect_guidance=1.0, seed=seed, instruments=(PIANO,))
    notes = compose_with(model, sheet, options).notes
    guitar = notes["onset_ticks"][notes["group"] == GUITAR]
    assert 8 * TICKS_PER_S <= guitar.min() <= 14 * TICKS_PER_S
