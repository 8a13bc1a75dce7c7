"""A WAV of the promised length, loudness and peak, and nothing left behind when it fails."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_examples import RATE_HZ, Sound, control, make_midi, make_soundfont, note, read_sound

from emsync.audio import wav_file
from emsync.audio.fade import Fade, plan_fade
from emsync.audio.loudness import LoudnessMeter
from emsync.audio.performance import read_performance
from emsync.audio.render import render
from emsync.errors import MidiError, OutputError
from emsync.options import RenderOptions

OPTIONS = RenderOptions()


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    melody = [message for key in (60, 64, 67, 72, 71, 67) for message in note(key, ticks=400)]
    drums = [message for _ in range(5) for message in note(38, ticks=480, channel=9)]
    return make_midi(tmp_path / "tune.mid", melody, drums)


@pytest.fixture
def tiny(tmp_path: Path) -> RenderOptions:
    return replace(OPTIONS, soundfont=make_soundfont(tmp_path / "tiny.sf2"))


def loudness(sound: Sound) -> float:
    meter = LoudnessMeter(RATE_HZ)
    meter.feed(sound)
    return meter.integrated_lufs()


@pytest.mark.parametrize("duration_s", [3.0, 1.23456, 0.5])
def test_the_file_has_exactly_the_duration_asked_for(tmp_path: Path, tune: Path, duration_s: float) -> None:
    report = render(tune, tmp_path / "a.wav", duration_s=duration_s, options=OPTIONS)
    with wave.open(str(report.path)) as file:
        assert file.getparams()[:4] == (2, 3, RATE_HZ, round(duration_s * RATE_HZ))
    assert report.duration_s == round(duration_s * RATE_HZ) / RATE_HZ


def test_loudness_is_met_and_reported_as_measured(tmp_path: Path, tune: Path) -> None:
    report = render(tune, tmp_path / "a.wav", duration_s=3.0, options=OPTIONS)
    assert report.loudness_reached
    assert report.loudness_lufs == pytest.approx(-16.0, abs=0.5)
    assert loudness(read_sound(report.path)) == pytest.approx(report.loudness_lufs, abs=0.05)
    assert report.soundfont.origin in ("bundled", "system")


def test_loud_music_is_limited_and_still_meets_its_loudness(tmp_path: Path, tune: Path) -> None:
    loud = replace(OPTIONS, loudness_lufs=-11.0)
    report = render(tune, tmp_path / "a.wav", duration_s=3.0, options=loud)
    assert report.limited_db > 1.0
    assert report.true_peak_db <= -1.0
    assert report.loudness_lufs == pytest.approx(-11.0, abs=0.5)


def test_a_target_out_of_reach_is_reported_as_missed(tmp_path: Path, tune: Path) -> None:
    report = render(tune, tmp_path / "a.wav", duration_s=3.0, options=replace(OPTIONS, loudness_lufs=-1.0))
    assert not report.loudness_reached
    assert report.true_peak_db <= -1.0


def test_a_click_too_short_to_measure_is_still_rendered(tmp_path: Path, tune: Path) -> None:
    report = render(tune, tmp_path / "a.wav", duration_s=0.1, options=OPTIONS)
    assert read_sound(report.path).shape == (2, 4800)
    assert report.true_peak_db <= -1.0


def test_notes_that_no_zone_answers_give_silence(tmp_path: Path, tiny: RenderOptions) -> None:
    midi = make_midi(tmp_path / "a.mid", [control(7, 0), *note(60)])
    report = render(midi, tmp_path / "a.wav", duration_s=1.0, options=tiny)
    assert not read_sound(report.path).any()
    assert not report.loudness_reached
    assert report.loudness_lufs == -70.0


def test_without_a_duration_the_music_rings_out(tmp_path: Path, tune: Path) -> None:
    report = render(tune, tmp_path / "a.wav", duration_s=None, options=OPTIONS)
    sound = read_sound(report.path)
    assert report.duration_s > 2.4 + 0.5
    assert np.abs(sound[:, -480:]).max() < 1e-3


def test_a_cut_is_faded_to_nothing(tmp_path: Path, tiny: RenderOptions) -> None:
    midi = make_midi(tmp_path / "a.mid", [control(91, 0), *note(69, ticks=9000)])
    sound = read_sound(render(midi, tmp_path / "a.wav", duration_s=4.0, options=tiny).path)
    second = [np.abs(sound[:, start : start + RATE_HZ]).max() for start in range(0, 4 * RATE_HZ, RATE_HZ)]
    assert second[1] == pytest.approx(second[0], rel=0.25)
    assert second[3] < 0.6 * second[1]
    assert np.abs(sound[:, -48:]).max() < 1e-3 * second[1]


def test_the_fade_waits_for_the_last_onset(tmp_path: Path) -> None:
    performance = read_performance(make_midi(tmp_path / "a.mid", note(60, ticks=3000) + note(64, ticks=9000)))
    fade = plan_fade(performance, 4 * RATE_HZ, RATE_HZ)
    assert fade == Fade(3 * RATE_HZ, 4 * RATE_HZ)


def test_music_that_ends_in_time_is_not_faded(tmp_path: Path) -> None:
    performance = read_performance(make_midi(tmp_path / "a.mid", note(60)))
    fade = plan_fade(performance, 5 * RATE_HZ, RATE_HZ)
    assert fade.stop - fade.start == RATE_HZ // 100


def test_nothing_clicks_at_the_start_or_at_the_end(tmp_path: Path, tiny: RenderOptions) -> None:
    midi = make_midi(tmp_path / "a.mid", note(69, ticks=9000))
    sound = read_sound(render(midi, tmp_path / "a.wav", duration_s=2.0, options=tiny).path)
    edges = np.pad(sound, ((0, 0), (1, 1)))
    steepest = 2 * np.pi * 480 / RATE_HZ * np.abs(sound).max()
    assert np.abs(np.diff(edges)).max() < 1.5 * steepest


def test_stems_add_up_to_the_mix(tmp_path: Path, tune: Path) -> None:
    folder = tmp_path / "stems"
    folder.mkdir()
    quiet = replace(OPTIONS, loudness_lufs=-24.0)
    report = render(tune, tmp_path / "a.wav", duration_s=3.0, options=quiet, stems_folder=folder)
    assert report.limited_db == 0.0
    assert [path.name for path in report.stems] == ["a.01.wav", "a.02.wav"]
    stems = [read_sound(path) for path in report.stems]
    assert all(np.abs(stem).max() > 0.01 for stem in stems)
    assert np.abs(sum(stems) - read_sound(report.path)).max() < 1e-5


def test_progress_rises_to_one(tmp_path: Path, tune: Path) -> None:
    seen: list[float] = []
    render(tune, tmp_path / "a.wav", duration_s=3.0, options=OPTIONS, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 3


@pytest.mark.parametrize("moment", [0.0, 0.9])
def test_an_interrupted_render_leaves_nothing_new(tmp_path: Path, tune: Path, moment: float) -> None:
    def interrupt(fraction: float) -> None:
        if fraction > moment:
            raise KeyboardInterrupt

    (tmp_path / "a.wav").write_text("yesterday's music")
    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        render(tune, tmp_path / "a.wav", duration_s=3.0, options=OPTIONS, on_progress=interrupt)
    assert set(tmp_path.iterdir()) == before
    assert (tmp_path / "a.wav").read_text() == "yesterday's music"


def test_a_full_disk_is_one_clear_error(tmp_path: Path, tune: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, sound: Sound) -> Sound:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wav_file.WavWriter, "write", full)
    with pytest.raises(OutputError, match="the disk is full"):
        render(tune, tmp_path / "a.wav", duration_s=1.0, options=OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["tune.mid"]


def test_a_missing_folder_is_refused(tmp_path: Path, tune: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        render(tune, tmp_path / "nowhere" / "a.wav", duration_s=1.0, options=OPTIONS)


def test_a_score_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="holds no notes"):
        render(make_midi(tmp_path / "a.mid", []), tmp_path / "a.wav", duration_s=1.0, options=OPTIONS)


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan")])
def test_a_duration_that_is_none_is_a_callers_mistake(tmp_path: Path, tune: Path, duration_s: float) -> None:
    with pytest.raises(ValueError, match="duration_s"):
        render(tune, tmp_path / "a.wav", duration_s=duration_s, options=OPTIONS)


def test_more_than_4_gb_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="more than a WAV file can hold"):
        wav_file.WavWriter(tmp_path / "a.wav", RATE_HZ, 5 * 3600 * RATE_HZ, "pcm24")
    assert not (tmp_path / "a.wav").exists()
