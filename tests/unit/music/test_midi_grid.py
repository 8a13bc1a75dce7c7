"""A planned click track in the MIDI file: meters, few tempi, notes on the grid of a DAW, nothing lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
from made_up_composer import compose, cue_sheet_of, unhurried

from emsync.music.bar_plan import plan_bars
from emsync.music.midi_file import read_midi, write_midi
from emsync.music.midi_tempo import TICKS_PER_QUARTER, US_PER_TICK, tempo_map_of_grid
from emsync.music.tempo_curve import plan_tempo_curve
from emsync.options import SyncMode
from emsync.types import NOTE_DTYPE, BeatGrid, InstrumentGroup

CUTS_S = (5.1, 11.7, 17.03, 22.9)


def messages_of(path: Path, kind: str) -> list[mido.Message]:
    return [message for message in mido.MidiFile(path).tracks[0] if message.type == kind]


def test_a_beat_is_a_quarter_note_and_every_beat_lies_within_a_millisecond() -> None:
    grid = plan_tempo_curve([640, 1463, 2129, 2863], 3750, 103.3, is_asked=True).grid
    assert grid is not None
    times_us = np.rint(np.array(grid.beat_times_s) * 1e6).astype(np.int64)
    ticks = tempo_map_of_grid(grid).ticks_at(times_us)
    assert np.abs(ticks - np.arange(len(ticks)) * TICKS_PER_QUARTER).max() <= 2  # half a millisecond each


def test_two_hours_of_one_tempo_have_one_span_and_do_not_drift() -> None:
    grid = plan_bars([], 125 * 7200, 97.3).grid
    assert grid is not None
    tempo_map = tempo_map_of_grid(grid)
    last = len(grid.beat_times_s) - 1
    assert abs(int(tempo_map.ticks_at(np.array(round(grid.beat_times_s[-1] * 1e6)))) - last * 960) <= 20
    assert len(tempo_map.spans) == 1


@pytest.mark.parametrize("sync", [SyncMode.EXACT, SyncMode.BEAT])
def test_the_file_has_a_tempo_for_each_stretch_and_the_meters_of_the_plan(
    tmp_path: Path, sync: SyncMode
) -> None:
    sheet = cue_sheet_of(30, *CUTS_S)
    composition = compose(sheet, unhurried(), sync=sync)
    write_midi(composition, sheet, tmp_path / "a.mid")
    assert len(messages_of(tmp_path / "a.mid", "set_tempo")) <= len(CUTS_S) + 2
    assert composition.grid is not None
    beats = {*np.diff(composition.grid.bar_beats).tolist()}
    found = {message.numerator for message in messages_of(tmp_path / "a.mid", "time_signature")}
    assert found >= beats
    assert found <= beats | {4}


@pytest.mark.parametrize("sync", [SyncMode.EXACT, SyncMode.BEAT])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_on_a_grid_is_read_back_to_the_tick(
    tmp_path: Path, sync: SyncMode, seed: int
) -> None:
    sheet = cue_sheet_of(30, *CUTS_S)
    composition = compose(sheet, unhurried(seed=seed), sync=sync, seed=seed)
    write_midi(composition, sheet, tmp_path / "a.mid")
    assert read_midi(tmp_path / "a.mid").tobytes() == composition.notes.tobytes()


def test_a_note_planned_for_a_sixteenth_lies_on_the_sixteenth_of_the_daw(tmp_path: Path) -> None:
    sheet = cue_sheet_of(8)
    grid = BeatGrid(tuple(0.5 * beat for beat in range(16)), (0, 4, 8, 12))
    onsets = [0, 16, 31, 47, 62, 70]  # sixteenths are 15.625 ticks; 70 is no place of the grid
    notes = np.array([(onset, 5, InstrumentGroup.PIANO, 60 + onset % 12, 80) for onset in onsets], NOTE_DTYPE)
    made = replace(compose(sheet, unhurried()), notes=notes, grid=grid)
    write_midi(made, sheet, tmp_path / "a.mid")
    track = mido.MidiFile(tmp_path / "a.mid").tracks[1]
    times = np.cumsum([message.time for message in track])
    struck = [int(time) for time, message in zip(times, track, strict=True) if message.type == "note_on"]
    assert np.abs(np.array(struck[:5]) - np.arange(5) * 240).max() <= 1
    assert struck[5] == round(70 * US_PER_TICK / 500_000 * 960)


def test_without_a_grid_the_tempo_map_comes_from_the_bars(tmp_path: Path) -> None:
    sheet = cue_sheet_of(8)
    made = replace(compose(sheet, unhurried()), grid=None, bar_onsets_ticks=(0, 200, 400, 600, 800))
    write_midi(made, sheet, tmp_path / "a.mid")
    assert messages_of(tmp_path / "a.mid", "set_tempo")[0].tempo == 400_000
