"""Patterns of unusable music: each is found where it is, at the number a pencil gives, and not in plain music."""

from __future__ import annotations

import numpy as np
import pytest

from emsync.music.degenerate import (
    LONGEST_NOTE_TICKS,
    PATTERNS,
    Music,
    densest_notes_per_s,
    drums_alone_s,
    empty_bar_share,
    faults,
    held_share,
    longest_silence_s,
    one_group_alone_s,
    same_bar_in_a_row,
)
from emsync.music.grammar import Limits
from emsync.types import NOTE_DTYPE, InstrumentGroup

DRUMS, BASS, _, PIANO, _ = InstrumentGroup
BAR = 200
"""Ticks of a bar in these tests: 1.6 s."""
Row = tuple[int, int, InstrumentGroup, int]


def music_of(*rows: Row, bars: int = 8) -> Music:
    notes = np.array(sorted((*row, 80) for row in rows), NOTE_DTYPE)
    return Music(notes, np.arange(bars) * BAR, bars * BAR)


def bar_of(number: int, pitch: int) -> list[Row]:
    return [(number * BAR + step * 50, 50, PIANO, pitch + step) for step in range(4)]


def tune(bars: int = 8) -> list[Row]:
    return [row for number in range(bars) for row in bar_of(number, 50 + number)]


def names_of(music: Music) -> list[str]:
    return [fault.name for fault in faults(music)]


def test_a_plain_tune_has_no_fault() -> None:
    assert faults(music_of(*tune())) == ()


@pytest.mark.parametrize("bars", [0, 8])
def test_music_without_a_note_is_silence_and_no_error(bars: int) -> None:
    silence = Music(np.zeros(0, NOTE_DTYPE), np.arange(bars) * BAR, 8 * BAR)
    assert names_of(silence) == (["silence", "empty bars"] if bars else ["silence"])


def test_the_same_bar_is_counted_while_it_goes_on() -> None:
    rows = [
        row for number, pitch in enumerate((50, 60, 60, 60, 60, 52, 60, 60)) for row in bar_of(number, pitch)
    ]
    assert same_bar_in_a_row(music_of(*rows)) == 4
    assert names_of(music_of(*rows)) == ["stuck"]


def test_an_empty_bar_ends_a_row_of_same_bars() -> None:
    rows = [row for number in (0, 1, 3, 4, 5) for row in bar_of(number, 60)]
    assert same_bar_in_a_row(music_of(*rows)) == 3


def test_bars_that_differ_in_group_or_pitch_are_not_the_same() -> None:
    rows = [(number * BAR, 50, (PIANO, BASS)[number % 2], 60) for number in range(8)]
    assert same_bar_in_a_row(music_of(*rows)) == 1


def test_silence_is_told_in_seconds_and_as_a_share_of_bars() -> None:
    music = music_of(*[row for number in (0, 1, 2, 5, 6, 7) for row in bar_of(number, 50 + number)])
    assert longest_silence_s(music) == pytest.approx(3.2)
    assert empty_bar_share(music) == 0.25
    assert names_of(music) == ["silence", "empty bars"]


def test_a_storm_is_measured_where_it_is_densest() -> None:
    storm = [(800 + k * 3, 3, PIANO, 40 + k % 40) for k in range(160)]
    assert densest_notes_per_s(music_of(*tune(), *storm)) == pytest.approx((160 + 10) / 4, abs=1)
    assert names_of(music_of(*tune(), *storm)) == ["note storm"]


def test_drums_alone_end_where_a_pitch_sounds() -> None:
    drums = [(ticks, 5, DRUMS, 36) for ticks in range(0, 1600, 50)]
    music = music_of((0, 100, PIANO, 60), (1000, 600, PIANO, 62), *drums)
    assert drums_alone_s(music) == pytest.approx(900 * 0.008)
    assert "drums alone" in names_of(music)


def test_silence_without_drums_is_not_drums_alone() -> None:
    assert drums_alone_s(music_of((0, 100, PIANO, 60), (1000, 600, PIANO, 62))) == 0.0


def test_one_group_of_a_band_may_not_play_alone_for_long() -> None:
    band = music_of((0, 50, BASS, 40), *tune(16)[1:], (16 * BAR - 10, 10, BASS, 40), bars=16)
    assert one_group_alone_s(band) == pytest.approx((16 * BAR - 10 - 50) * 0.008)
    assert names_of(band) == ["one group alone"]


def test_a_piece_for_one_group_is_not_a_band_that_fell_silent() -> None:
    assert one_group_alone_s(music_of(*tune(16), bars=16)) == 0.0


def test_notes_held_to_the_limit_count_but_not_the_last_chord() -> None:
    held = [(number * BAR, LONGEST_NOTE_TICKS, PIANO, 40 + number) for number in range(4)]
    plain = [(number * BAR + 50, 50, PIANO, 70 + number) for number in range(4)]
    last = [(7 * BAR, 2 * LONGEST_NOTE_TICKS, PIANO, pitch) for pitch in (48, 52, 55)]
    assert held_share(music_of(*held, *plain, *last)) == 0.5
    assert "held notes" in names_of(music_of(*held, *plain, *last))


def test_the_limit_of_held_notes_is_the_grammars() -> None:
    assert Limits().longest_note_ticks == LONGEST_NOTE_TICKS


def test_a_fault_tells_its_number_and_how_far_beyond_the_limit_it_is() -> None:
    (limit,) = (pattern.limit for pattern in PATTERNS if pattern.name == "silence")
    (fault,) = (
        fault
        for fault in faults(music_of((0, 975, PIANO, 60), (1600, 0, PIANO, 60)))
        if fault.name == "silence"
    )
    assert fault.words == "5.0 s of silence"
    assert fault.excess == pytest.approx(5.0 / limit)
