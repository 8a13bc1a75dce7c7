"""Piano rolls of the Lakh Pianoroll Dataset, built by hand in their format."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from emsync.music.tokenizer import Piece
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.types import InstrumentGroup
from emsync_train import roll_reader
from emsync_train.midi_reader import UnusableError
from emsync_train.roll_reader import read_roll_piece

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
RESOLUTION = 24
STEPS = 32 * RESOLUTION
Roll = NDArray[Any]


def roll(notes: list[tuple[int, int, int, int]]) -> Roll:
    """(first step, step after the last, pitch, velocity)."""
    filled = np.zeros((STEPS, 128), np.uint8)
    for first, stop, pitch, velocity in notes:
        filled[first:stop, pitch] = velocity
    return filled


def quarter_notes(pitch: int = 60) -> Roll:
    """A note on every beat, released a step early."""
    return roll([(RESOLUTION * beat, RESOLUTION * (beat + 1) - 1, pitch, 70) for beat in range(32)])


def write_roll(
    path: Path,
    tracks: list[tuple[int, bool, Roll]],
    *,
    info: dict[str, object] | None = None,
    **arrays: Roll,
) -> Path:
    """`tracks` are (program, is_drum, roll); `arrays` are tempo and downbeat."""
    facts: dict[str, object] = {"resolution": RESOLUTION, "name": "made up"} if info is None else dict(info)
    for index, (program, is_drum, filled) in enumerate(tracks):
        sparse = csc_matrix(filled)
        for part in ("data", "indices", "indptr", "shape"):
            arrays[f"pianoroll_{index}_csc_{part}"] = np.asarray(getattr(sparse, part))
        facts[str(index)] = {"program": program, "is_drum": is_drum, "name": ""}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("info.json", json.dumps(facts))
    return path


def tempo_of(bpm: float) -> Roll:
    return np.full((STEPS, 1), bpm)


def read(path: Path, vocabulary: Vocabulary = EMSYNC) -> Piece:
    return read_roll_piece(path, vocabulary)


def test_runs_of_filled_steps_are_notes_with_times_by_the_tempo(tmp_path: Path) -> None:
    piece = read(write_roll(tmp_path / "a.npz", [(0, False, quarter_notes())], tempo=tempo_of(60)))
    assert piece.notes["onset_ticks"].tolist() == [125 * beat for beat in range(32)]
    assert set(piece.notes["duration_ticks"].tolist()) == {round(125 * 23 / 24)}
    assert set(piece.notes["pitch"].tolist()) == {60}


def test_a_tempo_change_moves_what_follows_it(tmp_path: Path) -> None:
    tempo = tempo_of(60)
    tempo[2 * RESOLUTION :] = 120
    piece = read(write_roll(tmp_path / "a.npz", [(0, False, quarter_notes())], tempo=tempo))
    assert piece.notes["onset_ticks"].tolist()[:5] == [0, 125, 250, 313, 375]


def test_without_a_tempo_there_are_120_beats_a_minute(tmp_path: Path) -> None:
    piece = read(write_roll(tmp_path / "a.npz", [(0, False, quarter_notes())]))
    assert piece.notes["onset_ticks"].tolist()[:3] == [0, 63, 125]


def test_downbeats_are_bars(tmp_path: Path) -> None:
    downbeat = np.zeros(STEPS, bool)
    downbeat[:: 4 * RESOLUTION] = True
    tracks = [(0, False, quarter_notes())]
    piece = read(write_roll(tmp_path / "a.npz", tracks, tempo=tempo_of(60), downbeat=downbeat))
    assert piece.bar_onsets_ticks.tolist() == [500 * bar for bar in range(8)]


def test_without_downbeats_there_are_no_bars(tmp_path: Path) -> None:
    piece = read(write_roll(tmp_path / "a.npz", [(0, False, quarter_notes())], tempo=tempo_of(60)))
    assert len(piece.bar_onsets_ticks) == 0


def test_tracks_go_to_the_group_of_their_program_or_to_drums(tmp_path: Path) -> None:
    tracks = [(0, True, roll([(0, 1, 36, 90)])), (33, False, quarter_notes(40)), (48, False, quarter_notes())]
    piece = read(write_roll(tmp_path / "a.npz", tracks, tempo=tempo_of(60)))
    assert np.bincount(piece.notes["group"], minlength=5).tolist() == [1, 32, 0, 0, 32]


def test_the_velocity_is_that_of_the_first_step(tmp_path: Path) -> None:
    filled = quarter_notes()
    filled[0, 60], filled[1, 60] = 33, 99
    piece = read(write_roll(tmp_path / "a.npz", [(0, False, filled)], tempo=tempo_of(60)), PAPER)
    assert piece.notes["velocity"].tolist()[:2] == [33, 70]


def test_a_binary_roll_has_the_velocity_in_the_middle(tmp_path: Path) -> None:
    path = write_roll(tmp_path / "a.npz", [(0, False, quarter_notes() > 0)], tempo=tempo_of(60))
    piece = read(path, PAPER)
    assert set(piece.notes["velocity"].tolist()) == {64}


def test_the_older_name_of_the_resolution_is_read(tmp_path: Path) -> None:
    info: dict[str, object] = {"beat_resolution": RESOLUTION // 2, "name": ""}
    path = write_roll(tmp_path / "a.npz", [(0, False, quarter_notes())], info=info, tempo=tempo_of(120))
    assert read(path).notes["onset_ticks"].tolist()[:3] == [0, 125, 250]


@pytest.mark.parametrize("bpm", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_tempo_that_nobody_plays_is_refused(tmp_path: Path, bpm: float) -> None:
    path = write_roll(tmp_path / "a.npz", [(0, False, quarter_notes())], tempo=tempo_of(bpm))
    with pytest.raises(UnusableError, match=r"^has a tempo above 1000 beats a minute, or of 0$"):
        read(path)


def test_a_roll_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match=r"^has no notes$"):
        read(write_roll(tmp_path / "a.npz", [(0, False, roll([]))]))


def test_drums_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match=r"^has no pitched note$"):
        read(write_roll(tmp_path / "a.npz", [(0, True, quarter_notes())]))


def test_a_roll_that_unpacks_to_gigantic_arrays_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll_reader, "LARGEST_UNPACKED_BYTES", 1_000_000)
    path = write_roll(tmp_path / "a.npz", [(0, False, quarter_notes())], tempo=np.zeros(200_000))
    with pytest.raises(UnusableError, match=r"^unpacks to more than 1 MB$"):
        read(path)


def damaged(path: Path, how: str) -> Path:
    if how == "text":
        path.write_text("eggs", encoding="utf-8")
    elif how == "pickled objects":
        np.savez(path, tempo=np.array([{}], object))
    elif how == "other arrays":
        np.savez(path, features=np.zeros(3))
    elif how == "resolution 0":
        write_roll(path, [(0, False, quarter_notes())], info={"resolution": 0})
    elif how == "program 200":
        write_roll(path, [(200, False, quarter_notes())])
    else:
        whole = write_roll(path, [(0, False, quarter_notes())]).read_bytes()
        path.write_bytes(whole[:200] + bytes(100) + whole[300:])
    return path


@pytest.mark.parametrize(
    "how", ["text", "pickled objects", "other arrays", "resolution 0", "program 200", "overwritten"]
)
def test_a_file_that_is_no_piano_roll_is_refused(tmp_path: Path, how: str) -> None:
    with pytest.raises(UnusableError, match=r"^is damaged or not a piano roll$"):
        read(damaged(tmp_path / "a.npz", how))
