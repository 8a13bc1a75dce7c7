"""The thermostat of notes a second: which way it pushes, how far, and when not at all."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_composer import BOTH, MadeUpModel, cue_sheet_of

from emsync.music.compose import compose_with
from emsync.music.density import LARGEST_PUSH, DensityShaping
from emsync.music.vocabulary import EMSYNC, Vocabulary
from emsync.options import ComposeOptions
from emsync.types import TICKS_PER_S, Composition, InstrumentGroup

NOTE = EMSYNC.on_token(InstrumentGroup.PIANO, 60)


def played(
    notes_per_s: int, *, asked: float | None, ceiling: float | None = None, seconds: int = 6
) -> DensityShaping:
    """The thermostat after some seconds of evenly spread notes."""
    shaping = DensityShaping(EMSYNC, lambda ticks: asked, ceiling=ceiling)
    step = TICKS_PER_S // notes_per_s
    for now_ticks in range(0, seconds * TICKS_PER_S, step):
        shaping.accept(NOTE, now_ticks)
        shaping.accept(EMSYNC.shift_token(step), now_ticks + step)
    return shaping


END = 6 * TICKS_PER_S


def test_too_few_notes_push_ons_up_and_long_steps_down() -> None:
    bias = played(5, asked=20.0).bias(END)
    assert bias[NOTE] > 1
    assert bias[EMSYNC.shift_token(64)] < -1 < bias[EMSYNC.shift_token(16)] == 0 < bias[EMSYNC.shift_token(4)]


def test_too_many_notes_push_ons_down_and_long_steps_up() -> None:
    bias = played(25, asked=5.0).bias(END)
    assert bias[NOTE] < -1
    assert bias[EMSYNC.shift_token(64)] > 1


def test_off_bar_and_end_are_never_pushed() -> None:
    bias = played(5, asked=20.0).bias(END)
    assert not bias[EMSYNC.off.first : EMSYNC.off.stop].any()
    assert not bias[[EMSYNC.special(name) for name in ("PAD", "START", "BAR", "END")]].any()


def test_notes_as_asked_for_are_left_alone() -> None:
    assert played(5, asked=5.0).push(END) == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize(
    ("notes_per_s", "asked", "bound"), [(1, 40.0, LARGEST_PUSH), (25, 0.5, -LARGEST_PUSH)]
)
def test_the_push_is_bounded(notes_per_s: int, asked: float, bound: float) -> None:
    assert played(notes_per_s, asked=asked, seconds=30).push(30 * TICKS_PER_S) == bound


def test_the_ceiling_holds_back_what_is_above_it_and_pushes_nothing_below() -> None:
    assert played(25, asked=None, ceiling=20.0).push(END) < -1
    assert played(25, asked=None, ceiling=30.0).push(END) == 0
    assert played(25, asked=None, ceiling=None).push(END) == 0


def test_a_density_asked_for_counts_instead_of_the_ceiling() -> None:
    assert played(25, asked=40.0, ceiling=10.0).push(END) > 0


@pytest.mark.parametrize("ceiling", [0.0, -1.0, float("nan")])
def test_a_ceiling_is_above_0(ceiling: float) -> None:
    with pytest.raises(ValueError, match="ceiling of density must be above 0"):
        DensityShaping(EMSYNC, lambda ticks: None, ceiling=ceiling)


def test_a_copy_goes_its_own_way() -> None:
    shaping = played(5, asked=5.0)
    twin, before = shaping.copy(), shaping.push(END)
    for _ in range(30):
        twin.accept(NOTE, END)
    assert twin.push(END) < before == shaping.push(END)


def composed(model: MadeUpModel, **options: float | None) -> Composition:
    return compose_with(model, cue_sheet_of(20, 5, 11), ComposeOptions(affect_guidance=1.0, **options))  # type: ignore[arg-type]


def notes_per_s(composition: Composition) -> float:
    end_ticks = composition.chord_onsets_ticks[-1]
    return int((composition.notes["onset_ticks"] < end_ticks).sum()) * TICKS_PER_S / end_ticks


@BOTH
@pytest.mark.parametrize("density", [4.0, 10.0, 25.0])
def test_music_comes_near_the_density_asked_for(vocabulary: Vocabulary, density: float) -> None:
    composition = composed(MadeUpModel(vocabulary), density=density)
    assert notes_per_s(composition) == pytest.approx(density, rel=0.35)
    assert [hit.chord_onset_ticks for hit in composition.hits] == [625, 1375]


def test_below_the_ceiling_the_music_is_the_same_to_the_bit() -> None:
    free = composed(MadeUpModel(), density_ceiling=None)
    busiest = max(np.convolve(np.bincount(free.notes["onset_ticks"], minlength=2500), np.ones(250)))
    held = composed(MadeUpModel(), density_ceiling=busiest)
    assert held.notes.tobytes() == free.notes.tobytes()


def test_a_low_ceiling_thins_the_music() -> None:
    model = MadeUpModel()
    model.bias[EMSYNC.shift_token(1) : EMSYNC.shift_token(12)] = 6
    free, held = (composed(model, density_ceiling=ceiling) for ceiling in (None, 8.0))
    assert notes_per_s(held) < 0.7 * notes_per_s(free)
