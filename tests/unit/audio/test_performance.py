"""What a MIDI file asks a player to do."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from sound_examples import control, make_midi, note

from emsync.audio.performance import Curve, read_performance
from emsync.errors import MidiError


def test_times_follow_the_tempo_map(tmp_path: Path) -> None:
    tempi = [
        mido.MetaMessage("set_tempo", tempo=500_000),
        mido.MetaMessage("set_tempo", tempo=1_000_000, time=500),
    ]
    path = make_midi(tmp_path / "a.mid", tempi, note(60, wait=500, ticks=500) + note(62, wait=0))
    onsets = [(each.onset_s, each.release_s) for each in read_performance(path).notes]
    assert onsets == [(0.5, 1.5), (1.5, 2.5)]


def test_the_pedal_holds_a_note_until_it_is_lifted(tmp_path: Path) -> None:
    messages = [control(64, 127), *note(60, ticks=100), control(64, 0, wait=900)]
    path = make_midi(tmp_path / "a.mid", messages)
    assert read_performance(path).notes[0].release_s == pytest.approx(1.0)


def test_a_key_struck_again_ends_the_earlier_note(tmp_path: Path) -> None:
    first, second = (mido.Message("note_on", note=60, velocity=90, time=time) for time in (0, 300))
    path = make_midi(tmp_path / "a.mid", [first, second, mido.Message("note_off", note=60, time=300)])
    spans = [(each.onset_s, each.release_s) for each in read_performance(path).notes]
    assert spans == [(0.0, 0.3), (0.3, 0.6)]


def test_a_note_never_released_ends_with_the_file(tmp_path: Path) -> None:
    messages = [mido.Message("note_on", note=60, velocity=90), control(7, 100, wait=700)]
    assert read_performance(make_midi(tmp_path / "a.mid", messages)).notes[0].release_s == 0.7


def test_all_notes_off_releases_a_channel_and_no_other(tmp_path: Path) -> None:
    on = [mido.Message("note_on", note=60, velocity=90, channel=channel) for channel in (0, 1)]
    path = make_midi(
        tmp_path / "a.mid", [*on, control(123, 0, wait=200), control(7, 90, wait=200, channel=1)]
    )
    assert [each.release_s for each in read_performance(path).notes] == [0.2, 0.4]


def test_volume_and_expression_multiply_as_squares(tmp_path: Path) -> None:
    path = make_midi(tmp_path / "a.mid", [control(7, 64), control(11, 64), *note(60)])
    gain = read_performance(path).automation[0].gain.between(0.1, 10, 48_000)
    assert gain == pytest.approx((64 / 127) ** 4)


def test_the_pitch_wheel_obeys_its_range(tmp_path: Path) -> None:
    bend_range = [control(101, 0), control(100, 0), control(6, 12)]
    path = make_midi(tmp_path / "a.mid", [*bend_range, mido.Message("pitchwheel", pitch=-8192), *note(60)])
    assert read_performance(path).automation[0].bend_cents.between(0.1, 10, 48_000) == -1200


def test_a_controller_step_becomes_a_short_ramp() -> None:
    curve = Curve([0.0], [0.0])
    curve.step(1.0, 1.0)
    values = curve.between(0.99, 1920, 48_000)
    assert isinstance(values, np.ndarray)
    assert values[479] == 0.0
    assert values[-1] == 1.0
    assert np.abs(np.diff(values)).max() < 0.01


def test_ramps_join_across_windows() -> None:
    curve = Curve([0.0], [0.2])
    for step in range(1, 20):
        curve.step(step * 0.013, 0.2 + 0.04 * (step % 3))
    whole = curve.between(0.0, 14_400, 48_000)
    parts = [
        np.broadcast_to(curve.between(start / 48_000, 100, 48_000), 100) for start in range(0, 14_400, 100)
    ]
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-3


@pytest.mark.parametrize(
    "content", [b"", b"eggs, flour, milk", b"MThd\0\0\0\6\0\1\0\1\1\xf4MTrk\0\0\1\0\x90"]
)
def test_what_is_not_midi_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(content)
    with pytest.raises(MidiError, match=r"a\.mid cannot be read as a MIDI file"):
        read_performance(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="there is no MIDI file at"):
        read_performance(tmp_path / "a.mid")


def test_a_file_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="holds no notes"):
        read_performance(make_midi(tmp_path / "a.mid", [control(7, 100)]))
