"""Pitch, level, place and end of what the synthesiser plays."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from sound_examples import RATE_HZ, Sound, control, level_at, make_midi, make_soundfont, note

from emsync.audio import synthesiser as module
from emsync.audio.performance import read_performance
from emsync.audio.soundfont import BUNDLED
from emsync.audio.soundfont_file import SoundFontFile
from emsync.audio.synthesiser import Synthesiser
from emsync.audio.voice import cut_wave

Messages = list[mido.Message]


@pytest.fixture
def font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "REVERB_LEVEL", 0.0)
    return make_soundfont(tmp_path / "tiny.sf2")


def play(font: Path, messages: Messages, *, duration_s: float = 1.0) -> Sound:
    performance = read_performance(make_midi(font.parent / "a.mid", messages))
    player = Synthesiser(performance, font, RATE_HZ)
    return np.concatenate([window[0] for window in player.windows(round(duration_s * RATE_HZ))], axis=1)


def rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))


@pytest.mark.parametrize(("key", "pitch_hz"), [(69, 480.0), (81, 960.0), (57, 240.0), (76, 719.19)])
def test_a_key_sounds_at_its_pitch(font: Path, key: int, pitch_hz: float) -> None:
    sound = play(font, note(key, ticks=1000))
    level = level_at(sound, pitch_hz)
    assert level == pytest.approx((100 / 127) ** 4 * np.sqrt(0.5), rel=0.02)
    assert level_at(sound, pitch_hz * 1.03) < 0.01 * level


def test_the_pitch_wheel_bends(font: Path) -> None:
    sound = play(font, [mido.Message("pitchwheel", pitch=8191), *note(69, ticks=1000)])
    assert level_at(sound, 480 * 2 ** (2 / 12)) > 100 * level_at(sound, 480)


def test_a_note_starts_at_its_onset(font: Path) -> None:
    sound = play(font, note(69, wait=250))
    onset = round(0.25 * RATE_HZ)
    assert not sound[:, :onset].any()
    assert np.abs(sound[:, onset : onset + 100]).max() > 0.1


def test_half_the_velocity_is_a_quarter_of_the_amplitude(font: Path) -> None:
    loud, soft = (rms(play(font, note(69, velocity=velocity))) for velocity in (120, 60))
    assert loud / soft == pytest.approx(4.0, rel=0.01)


def test_volume_and_expression_are_obeyed(font: Path) -> None:
    full = rms(play(font, [control(7, 127), *note(69)]))
    assert rms(play(font, [control(7, 127), control(11, 64), *note(69)])) / full == pytest.approx(
        0.254, rel=0.01
    )


def test_pan_moves_the_sound_and_keeps_its_power(font: Path) -> None:
    centre = play(font, note(69))
    left = play(font, [control(10, 0), *note(69)])
    assert rms(left[1]) < 1e-6
    assert np.sum(left**2) == pytest.approx(np.sum(centre**2), rel=0.01)


def test_a_released_note_dies_away_and_leaves_silence(font: Path) -> None:
    sound = play(font, note(69, ticks=200), duration_s=2.0)
    assert rms(sound[:, 9_700:10_000]) > 0.05
    assert not sound[:, RATE_HZ:].any()


def test_nothing_sounds_after_the_end_that_is_announced(font: Path) -> None:
    performance = read_performance(make_midi(font.parent / "a.mid", note(69) + note(60, channel=9)))
    player = Synthesiser(performance, font, RATE_HZ)
    sound = np.concatenate([window[0] for window in player.windows(5 * RATE_HZ)], axis=1)
    assert not sound[:, round(player.end_s * RATE_HZ) :].any()


def test_a_note_runs_on_smoothly_from_window_to_window(font: Path) -> None:
    sound = play(font, [control(7, 127), *note(69, ticks=3000, velocity=127)], duration_s=3.0)
    steepest = 2 * np.pi * 480 / RATE_HZ * np.abs(sound).max()
    assert np.abs(np.diff(sound[:, 1000:-1000])).max() < 1.05 * steepest


def test_the_same_file_gives_the_same_samples(tmp_path: Path) -> None:
    messages = note(60) + note(64) + note(38, channel=9)
    midi = make_midi(tmp_path / "a.mid", messages)
    first, second = (
        np.concatenate(list(Synthesiser(read_performance(midi), BUNDLED, RATE_HZ).windows(RATE_HZ)), axis=2)
        for _ in range(2)
    )
    assert np.array_equal(first, second)
    assert first.any()


def test_a_drum_silences_the_one_before_it_in_its_class(font: Path) -> None:
    hats = note(42, ticks=200, channel=9) + note(46, ticks=10, channel=9, velocity=1)
    assert rms(play(font, hats)[:, 12_000:]) < 0.001 * rms(play(font, hats)[:, :9_600])
    make_soundfont(font, drum_class=0)
    assert rms(play(font, hats)[:, 12_000:20_000]) > 0.5 * rms(play(font, hats)[:, :9_600])


def test_channel_ten_plays_drums_whatever_its_program(font: Path) -> None:
    sound = play(font, [mido.Message("program_change", channel=9, program=3), *note(69, channel=9)])
    assert rms(sound[:, 1000:2000]) == pytest.approx(float(sound[0, 1500]), rel=1e-3)


def test_a_program_that_the_font_lacks_is_replaced_and_reported(font: Path) -> None:
    messages = [mido.Message("program_change", program=40), *note(69)]
    performance = read_performance(make_midi(font.parent / "a.mid", messages))
    player = Synthesiser(performance, font, RATE_HZ)
    (substitution,) = player.substitutions
    assert (substitution.program, substitution.preset, substitution.is_drums) == (40, "Sine", False)
    assert next(iter(player.windows(RATE_HZ))).any()


def test_the_hall_rings_on_after_the_note(tmp_path: Path) -> None:
    font = make_soundfont(tmp_path / "tiny.sf2", release_timecents=-12_000)
    wet = play(font, [control(91, 127), *note(69, ticks=300)])
    dry = play(font, [control(91, 0), *note(69, ticks=300)])
    assert not dry[:, 18_000:].any()
    assert 0.001 < rms(wet[:, 18_000:24_000]) < rms(dry[:, :14_000])


def test_buses_add_up_to_the_mix(tmp_path: Path) -> None:
    tracks = (note(60), note(67, channel=1), note(38, channel=9))
    performance = read_performance(make_midi(tmp_path / "a.mid", *tracks))
    mix, buses = (
        np.concatenate(list(Synthesiser(performance, BUNDLED, RATE_HZ, buses=split).windows(RATE_HZ)), axis=2)
        for split in (False, True)
    )
    assert buses.shape[0] == 3
    assert all(bus.any() for bus in buses)
    assert np.abs(buses.sum(axis=0) - mix[0]).max() < 1e-5


def test_a_loop_that_lost_its_last_frames_keeps_its_pitch(font: Path) -> None:
    zone = SoundFontFile(font).preset(0, 0).zones[0]
    sine = SoundFontFile(font).audio(zone.sample)
    wave = cut_wave(zone, sine[:280])
    assert (wave.loop_start, wave.loop_length) == (80, 200)
    assert wave.frames[1 + 280] == pytest.approx(wave.frames[1 + 80], abs=1e-3)
