"""Bars of the music are bars of a DAW, without drift."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_examples import (
    absolute,
    assert_same,
    composition_of,
    cue_sheet_of,
    expected,
    heard,
    notes_of,
    random_bars,
    random_notes,
)

from emsync.music.midi_file import read_midi, write_midi


def test_two_hours_do_not_drift(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    end_ticks = 2 * 3600 * 125
    bars = tuple(np.cumsum(generator.integers(223, 261, end_ticks // 243)).tolist())
    notes = random_notes(generator, end_ticks, 6000)
    write_midi(composition_of(notes, bars, end_ticks), cue_sheet_of(7200.0), tmp_path / "long.mid")
    file = mido.MidiFile(tmp_path / "long.mid")
    assert_same(heard(file), expected(notes))
    assert np.array_equal(read_midi(tmp_path / "long.mid"), notes)
    assert max(bars) * 0.008 > 7000
    assert bar_line_errors_s(file, bars).max() < 0.0005


def bar_line_errors_s(file: mido.MidiFile, bars: tuple[int, ...]) -> np.ndarray:
    """How far each bar onset lies from the nearest bar line that a DAW draws."""
    lines_s = np.array(bar_lines_s(file))
    return np.array([np.abs(lines_s - onset * 0.008).min() for onset in bars])


def bar_lines_s(file: mido.MidiFile) -> list[float]:
    """Bar lines by the rules of a DAW: a time signature starts a bar, which its beats fill."""
    signatures, now = [], 0
    for message in file.tracks[0]:
        now += message.time
        if message.type == "time_signature":
            signatures.append((now, message.numerator * 4 * file.ticks_per_beat // message.denominator))
    lines = mido.MidiTrack()
    line_ticks: list[int] = []
    for (start, length), (stop, _) in zip(signatures, [*signatures[1:], (now + 1, 0)], strict=True):
        line_ticks += range(start, stop, length)
    for before, after in zip([0, *line_ticks], line_ticks, strict=False):
        lines.append(mido.MetaMessage("text", time=after - before))
    return [at for at, _ in absolute(file, lines)]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_bars_of_a_daw_fall_on_the_bars(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    generator = np.random.default_rng(seed)
    bars = random_bars(generator, 60 * 125)
    path = tmp_path_factory.mktemp("midi") / "score.mid"
    write_midi(composition_of(notes_of(), bars, 60 * 125), cue_sheet_of(60.0), path)
    if bars:
        assert bar_line_errors_s(mido.MidiFile(path), bars).max() < 0.0005


def meters_and_tempi(path: Path) -> list[tuple[str, int]]:
    """(`4/4`, bpm) of each span, in order."""
    found, meter = [], ""
    for message in mido.MidiFile(path).tracks[0]:
        if message.type == "time_signature":
            meter = f"{message.numerator}/{message.denominator}"
        if message.type == "set_tempo":
            found.append((meter, round(mido.tempo2bpm(message.tempo))))
    return found


@pytest.mark.parametrize(
    ("bars", "spans"),
    [
        ((), [("4/4", 120)]),
        ((0,), [("4/4", 120)]),
        ((0, 250, 500, 750, 1000), [("4/4", 120)]),
        ((0, 250, 500, 1000, 1250), [("4/4", 120)]),
        ((250, 500, 750), [("4/4", 120)]),
        ((0, 200, 400, 600), [("4/4", 150)]),
        ((0, 250, 500, 812, 1125), [("4/4", 120), ("4/4", 96)]),
        ((0, 600, 1200, 1800), [("6/4", 75)]),
    ],
)
def test_meter_and_tempo_are_the_plausible_ones(
    bars: tuple[int, ...], spans: list[tuple[str, int]], tmp_path: Path
) -> None:
    write_midi(composition_of(notes_of(), bars, 2000), cue_sheet_of(16.0), tmp_path / "score.mid")
    assert meters_and_tempi(tmp_path / "score.mid")[: len(spans)] == spans
    assert len(spans) > 1 or len(meters_and_tempi(tmp_path / "score.mid")) == 1


def test_a_bar_of_three_beats_among_bars_of_four_keeps_the_tempo(tmp_path: Path) -> None:
    bars = (0, 250, 500, 688, 938, 1188)
    write_midi(composition_of(notes_of(), bars, 1400), cue_sheet_of(11.2), tmp_path / "score.mid")
    assert [meter for meter, _ in meters_and_tempi(tmp_path / "score.mid")][:3] == ["4/4", "3/4", "4/4"]


@pytest.mark.parametrize("bars", [(0, 100, 100), (200, 100), (-5, 100)])
def test_bars_out_of_order_are_refused(bars: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        write_midi(composition_of(notes_of(), bars, 1000), cue_sheet_of(8.0), tmp_path / "score.mid")
