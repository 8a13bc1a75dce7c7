"""Foreign MIDI files become notes; bad ones one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mido
import pytest
from midi_examples import (
    composition_of,
    cue_sheet_of,
    one_note_per_group,
)

from emsync.errors import MidiError
from emsync.music.midi_file import Marker, read_markers, read_midi, write_midi
from emsync.types import (
    InstrumentGroup,
)


def save(path: Path, *tracks: list[Any], kind: int = 1) -> Path:
    file = mido.MidiFile(type=kind, ticks_per_beat=480)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    file.save(path)
    return path


def struck(pitch: int, *, at: int, ticks: int, channel: int = 0) -> list[mido.Message]:
    return [
        mido.Message("note_on", note=pitch, velocity=80, channel=channel, time=at),
        mido.Message("note_off", note=pitch, channel=channel, time=ticks),
    ]


def test_foreign_tracks_fold_into_groups_by_channel_program_and_name(tmp_path: Path) -> None:
    flute = [mido.Message("program_change", program=73, channel=1), *struck(60, at=0, ticks=480, channel=1)]
    drums = struck(38, at=0, ticks=480, channel=9)
    named = [mido.MetaMessage("track_name", name="Slap Bass"), *struck(40, at=0, ticks=480, channel=2)]
    plain = struck(70, at=0, ticks=480, channel=3)
    notes = read_midi(save(tmp_path / "a.mid", flute, drums, named, plain))
    groups = {int(note["pitch"]): InstrumentGroup(note["group"]).name for note in notes}
    assert groups == {60: "STRINGS", 38: "DRUMS", 40: "BASS", 70: "PIANO"}


def test_tempo_changes_of_foreign_files_count(tmp_path: Path) -> None:
    tempi = [mido.MetaMessage("set_tempo", tempo=1_000_000, time=480)]
    notes = read_midi(save(tmp_path / "a.mid", tempi, struck(60, at=960, ticks=480)))
    assert notes[["onset_ticks", "duration_ticks"]].tolist() == [(188, 125)]  # 0.5 + 1 s, 1 s


def test_overlaps_of_folded_tracks_are_resolved(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.mid",
        struck(60, at=0, ticks=960),
        struck(60, at=480, ticks=480, channel=1),
        struck(60, at=480, ticks=960, channel=2),
    )
    rows = read_midi(path)[["onset_ticks", "duration_ticks"]].tolist()
    assert rows == [(0, 63), (63, 125)]


def test_a_very_short_note_is_kept(tmp_path: Path) -> None:
    notes = read_midi(save(tmp_path / "a.mid", struck(60, at=480, ticks=1)))
    assert notes["duration_ticks"].tolist() == [1]


def test_files_without_markers_have_none(tmp_path: Path) -> None:
    assert read_markers(save(tmp_path / "a.mid", struck(60, at=0, ticks=1))) == ()


def test_markers_come_in_order_of_time(tmp_path: Path) -> None:
    late = [mido.MetaMessage("marker", text="late", time=960)]
    early = [mido.MetaMessage("marker", text="early", time=480)]
    assert read_markers(save(tmp_path / "a.mid", late, early)) == (Marker(0.5, "early"), Marker(1.0, "late"))


HEADER = b"MThd\x00\x00\x00\x06"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not a MIDI file"),
        (b"RIFF0000WAVEfmt 00000000", "is not a MIDI file"),
        (HEADER + b"\x00\x02\x00\x01\x01\xe0", "format 2"),
        (HEADER + b"\x00\x01\x00\x01\xe7\x28", "SMPTE"),
        (HEADER + b"\x00\x01\x00\x01\x00\x00", "SMPTE"),
        (HEADER + b"\x00\x01\x00\x01\x01\xe0" + b"MTrk\x00\x00\xff\xff\x00", "is damaged"),
        (HEADER + b"\x00\x01\x00\x00\x01\xe0", "holds no notes"),
    ],
)
def test_bad_files_are_one_clear_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.mid").write_bytes(content)
    with pytest.raises(MidiError, match=rf"bad\.mid: .*{message}") as caught:
        read_midi(tmp_path / "bad.mid")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match=r"none\.mid: cannot be read: No such file"):
        read_midi(tmp_path / "none.mid")
    with pytest.raises(MidiError, match="cannot be read"):
        read_markers(tmp_path)


def test_a_truncated_score_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "score.mid"
    write_midi(composition_of(one_note_per_group(), (), 1000), cue_sheet_of(8.0), path)
    whole = path.read_bytes()
    for length in range(1, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(MidiError):
            read_midi(path)


def test_a_score_of_more_than_a_day_is_refused(tmp_path: Path) -> None:
    slow = [mido.MetaMessage("set_tempo", tempo=16_000_000), *struck(60, at=480 * 6000, ticks=1)]
    with pytest.raises(MidiError, match=r"slow\.mid: lasts longer than 24 hours"):
        read_midi(save(tmp_path / "slow.mid", slow))
