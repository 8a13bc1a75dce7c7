"""What a MIDI file asks a player to do."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest
from sound_examples import control, make_midi, note

from emsync.audio.performance import read_performance
from emsync.errors import MidiError


def test_times_follow_the_tempo_map(tmp_path: Path) -> None:
    tempi = [
        mido.MetaMessage("set_tempo", tempo=500_000),
        mido.MetaMessage("set_tempo", tempo=1_000_000, time=500),
    ]
    path = make_midi(tmp_path / "a.mid", tempi, note(60, wait=500, ticks=500) + note(62, wait=0))
    performance = read_performance(path)
    assert performance.onsets_s == (0.5, 1.5)
    assert performance.last_message_s == 2.5


def test_only_messages_of_channels_are_played(tmp_path: Path) -> None:
    path = make_midi(tmp_path / "a.mid", [mido.MetaMessage("marker", text="cut"), control(7, 90), *note(60)])
    kinds = [played.message.type for played in read_performance(path).messages]
    assert kinds == ["control_change", "note_on", "note_off"]


def test_tracks_with_notes_are_known_by_number_and_name(tmp_path: Path) -> None:
    title = [mido.MetaMessage("track_name", name="Title")]
    strings = [mido.MetaMessage("track_name", name=" Strings "), *note(60)]
    performance = read_performance(make_midi(tmp_path / "a.mid", title, strings))
    assert performance.sounding_tracks == (1,)
    assert performance.track_names == ("Title", "Strings")


def test_a_note_on_of_velocity_zero_is_no_onset(tmp_path: Path) -> None:
    silent = mido.Message("note_on", note=60, velocity=0, time=10)
    assert read_performance(make_midi(tmp_path / "a.mid", [*note(62), silent])).onsets_s == (0.0,)


def test_a_file_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="holds no notes"):
        read_performance(make_midi(tmp_path / "a.mid", [control(7, 90)]))


@pytest.mark.parametrize(
    "content", [b"", b"MThd", b"hello, world", b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4"]
)
def test_what_is_no_midi_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.mid").write_bytes(content)
    with pytest.raises(MidiError, match=r"bad\.mid"):
        read_performance(tmp_path / "bad.mid")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match=r"there is no MIDI file at .*lost\.mid"):
        read_performance(tmp_path / "lost.mid")


def test_independent_sequences_are_refused(tmp_path: Path) -> None:
    midi = mido.MidiFile(type=2)
    midi.tracks.append(mido.MidiTrack(note(60)))
    midi.save(str(tmp_path / "two.mid"))
    with pytest.raises(MidiError, match="type 1"):
        read_performance(tmp_path / "two.mid")
