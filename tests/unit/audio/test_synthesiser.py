"""Pitch, level, place and end of what is played."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import pytest
from sound_examples import RATE_HZ, Sound, control, level_at, make_midi, make_soundfont, note

from emsync.audio import synthesiser as module
from emsync.audio.performance import Performance, Program, read_performance
from emsync.audio.soundfont import BUNDLED
from emsync.audio.synthesiser import ENSEMBLE, Substitution, Synthesiser, nearest_preset, played_ahead
from emsync.errors import AudioError
from emsync.music.midi_groups import DRUM_CHANNEL, PLAYERS
from emsync.types import PlayedMessage

Messages = list[mido.Message]


@pytest.fixture
def font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "REVERB_LEVEL", 0.0)
    return make_soundfont(tmp_path / "tiny.sf2")


@dataclass(frozen=True)
class Player:
    """A file and what plays it."""

    performance: Performance
    synthesiser: Synthesiser

    def sound(self, duration_s: float, track: int | None = None) -> Sound:
        frames = round(duration_s * RATE_HZ)
        return np.concatenate(
            list(self.synthesiser.windows(self.performance.messages, frames, track=track)), axis=1
        )


def player_of(font: Path, *tracks: Messages, folder: Path | None = None) -> Player:
    performance = read_performance(make_midi((folder or font.parent) / "a.mid", *tracks))
    return Player(performance, Synthesiser(font, RATE_HZ, performance.programs))


def play(font: Path, *tracks: Messages, duration_s: float = 1.0) -> Sound:
    return player_of(font, *tracks).sound(duration_s)


def rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))


@pytest.mark.parametrize(("key", "pitch_hz"), [(69, 480.0), (81, 960.0), (57, 240.0)])
def test_a_key_sounds_at_its_pitch(font: Path, key: int, pitch_hz: float) -> None:
    sound = play(font, note(key, ticks=1000))
    level = level_at(sound, pitch_hz)
    assert level > 0.01
    assert level_at(sound, pitch_hz * 1.03) < 0.02 * level


def test_a_note_starts_at_its_onset_to_the_frame(font: Path) -> None:
    sound = play(font, note(69, wait=250))
    onset = round(0.25 * RATE_HZ)
    assert not sound[:, :onset].any()
    assert np.abs(sound[:, onset : onset + 100]).max() > 0.01


def test_a_harder_touch_is_louder(font: Path) -> None:
    levels = [rms(play(font, note(69, velocity=velocity))) for velocity in (30, 60, 90, 120)]
    assert all(louder > 1.3 * softer for softer, louder in pairwise(levels))


def test_volume_and_expression_are_obeyed(font: Path) -> None:
    full = rms(play(font, [control(7, 127), *note(69)]))
    assert rms(play(font, [control(7, 64), *note(69)])) < 0.6 * full
    assert rms(play(font, [control(7, 127), control(11, 64), *note(69)])) < 0.6 * full


def test_pan_moves_the_sound(font: Path) -> None:
    left = play(font, [control(10, 0), *note(69)])
    assert rms(left[1]) < 0.01 * rms(left[0])


def test_the_pitch_wheel_bends(font: Path) -> None:
    sound = play(font, [mido.Message("pitchwheel", pitch=8191), *note(69, ticks=1000)])
    assert level_at(sound, 480 * 2 ** (2 / 12)) > 20 * level_at(sound, 480)


def test_a_released_note_dies_away_before_the_announced_end(font: Path) -> None:
    player = player_of(font, note(69, ticks=200))
    sound = player.sound(5.0)
    assert rms(sound[:, : round(0.2 * RATE_HZ)]) > 0.01
    assert rms(sound[:, round(player.performance.end_s * RATE_HZ) :]) < 1e-5


def test_a_note_runs_on_smoothly_from_window_to_window(font: Path) -> None:
    sound = play(font, note(69, ticks=3000, velocity=127), duration_s=3.0)
    steepest = 2 * np.pi * 480 / RATE_HZ * np.abs(sound).max()
    assert np.abs(np.diff(sound[:, 1000:-1000])).max() < 1.1 * steepest


def test_playing_again_gives_the_same_samples(tmp_path: Path) -> None:
    messages = [mido.Message("program_change", program=48), *note(60), *note(64), *note(38, channel=9)]
    player = player_of(BUNDLED, messages, folder=tmp_path)
    first, second = player.sound(2.0), player.sound(2.0)
    assert np.array_equal(first, second)
    assert first.any()


def test_channel_ten_plays_drums_whatever_its_program(font: Path) -> None:
    sound = play(font, [mido.Message("program_change", channel=9, program=3), *note(69, channel=9)])
    assert level_at(sound, 480) < 0.1 * np.abs(sound).max()
    assert np.abs(sound[:, 1000:2000]).min() > 0.001


def test_a_program_that_the_font_lacks_is_replaced_and_reported(font: Path) -> None:
    player = player_of(font, [mido.Message("program_change", program=40), *note(69)])
    assert player.sound(0.5).any()
    assert player.synthesiser.substitutions == (Substitution(40, is_drums=False, preset="Sine"),)


def test_the_program_a_channel_starts_with_is_no_substitution(tmp_path: Path) -> None:
    player = player_of(BUNDLED, note(60), folder=tmp_path)
    assert player.sound(0.5).any()
    assert player.synthesiser.substitutions == ()


def test_strings_play_ahead_and_their_program_change_with_them_and_others_do_not(tmp_path: Path) -> None:
    strings, piano, drums = 3, 2, 9
    path = tmp_path / "score.mid"
    midi = mido.MidiFile(ticks_per_beat=500)
    for channel in (strings, piano, drums):
        track = mido.MidiTrack()
        track.append(mido.Message("note_on", channel=channel, note=60, velocity=90, time=0))
        track.append(mido.Message("note_off", channel=channel, note=60, time=500))
        if channel == strings:
            track.append(mido.Message("program_change", channel=channel, program=48))
        track.append(mido.Message("note_on", channel=channel, note=64, velocity=90, time=0))
        track.append(mido.Message("note_off", channel=channel, note=64, time=500))
        midi.tracks.append(track)
    midi.save(path)
    by_channel: dict[int, list[tuple[str, float]]] = {strings: [], piano: [], drums: []}
    for played in played_ahead(read_performance(path).messages):
        by_channel[played.message.channel].append((played.message.type, round(played.time_s, 3)))
    notes = ["note_on", "note_off", "note_on", "note_off"]
    assert by_channel[piano] == by_channel[drums] == list(zip(notes, (0.0, 0.5, 0.5, 1.0), strict=True))
    ahead = [("program_change", 0.48), ("note_on", 0.48), ("note_off", 0.5), ("note_off", 0.98)]
    assert by_channel[strings] == [("note_on", 0.0), *ahead]


def test_a_window_is_made_as_soon_as_what_comes_after_it_is_known(font: Path) -> None:
    strokes = [*note(69, ticks=400), *note(69, wait=1700, ticks=100), *note(69, wait=1800, ticks=100)]
    performance = player_of(font, strokes).performance
    given: list[float] = []

    def told() -> Iterator[PlayedMessage]:
        for played in performance.messages:
            given.append(played.time_s)
            yield played

    windows = Synthesiser(font, RATE_HZ).windows(told(), 5 * RATE_HZ)
    assert next(windows).any()
    assert given == pytest.approx([0.0, 0.4, 2.1, 2.2])
    assert not next(windows)[:, RATE_HZ // 2 :].any()
    assert next(windows)[:, RATE_HZ // 10 :].any()
    assert given == pytest.approx([0.0, 0.4, 2.1, 2.2, 4.0, 4.1])


def test_what_our_scores_are_played_on_is_loaded_whatever_a_piece_plays(tmp_path: Path) -> None:
    assert {
        Program(player.program, player.channel == DRUM_CHANNEL) for player in PLAYERS.values()
    } == ENSEMBLE
    performance = player_of(BUNDLED, note(60), note(38, channel=9), folder=tmp_path).performance
    sounds = [
        list(Synthesiser(BUNDLED, RATE_HZ, programs).windows(performance.messages, RATE_HZ))
        for programs in (performance.programs, ())
    ]
    assert np.array_equal(*sounds)


def test_a_missing_program_is_played_by_its_family_first() -> None:
    available = [(0, 0), (0, 23), (0, 31), (128, 0), (128, 40)]
    assert nearest_preset(available, 0, 24) == (0, 31)
    assert nearest_preset(available, 0, 100) == (0, 31)
    assert nearest_preset(available, 128, 25) == (128, 0)


def test_a_missing_violin_is_played_by_the_string_ensemble() -> None:
    assert nearest_preset([(0, 44), (0, 48)], 0, 40) == (0, 48)
    assert nearest_preset([(0, 44)], 0, 40) == (0, 44)


def test_the_hall_rings_on_after_the_note(font: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_soundfont(font, release_timecents=-12_000)
    dry = play(font, note(69, ticks=300))
    monkeypatch.setattr(module, "REVERB_LEVEL", 0.16)
    wet = play(font, note(69, ticks=300))
    assert rms(dry[:, 18_000:]) < 1e-5
    assert 1e-4 < rms(wet[:, 18_000:24_000]) < rms(dry[:, :14_000])


def test_tracks_add_up_to_the_whole(tmp_path: Path) -> None:
    tracks = (note(60), note(67, channel=1), note(38, channel=9))
    player = player_of(BUNDLED, *tracks, folder=tmp_path)
    alone = [player.sound(1.0, track) for track in (0, 1, 2)]
    assert all(sound.any() for sound in alone)
    assert np.abs(sum(alone) - player.sound(1.0)).max() < 1e-5


def test_a_file_that_only_looks_like_a_soundfont_is_refused(tmp_path: Path) -> None:
    font = tmp_path / "odd.sf2"
    font.write_bytes(b"RIFF\x10\0\0\0sfbkLIST\4\0\0\0INFO")
    with pytest.raises(AudioError, match=r"odd\.sf2"):
        player_of(font, note(60))


def test_without_a_synthesiser_the_way_to_one_is_told(font: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(AudioError, match="pip install --no-deps tinysoundfont"):
        player_of(font, note(60))
