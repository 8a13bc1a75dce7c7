"""The picture is copied bit by bit, the sound starts and ends with it, and failure leaves nothing."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from sound_examples import RATE_HZ, Sound, level_at, make_wav, read_sound, tone
from tests.media import SOUND_HZ, make_sound_only, make_text, make_truncated, make_video

from emsync.audio import mux as module
from emsync.audio.mux import mux
from emsync.errors import AudioError, OutputError, VideoError
from emsync.options import MuxOptions, OriginalSound

MUSIC_HZ = 3000.0
DUCK = MuxOptions(original_sound=OriginalSound.DUCK)
KEEP = MuxOptions(original_sound=OriginalSound.KEEP)
REPLACE = MuxOptions(original_sound=OriginalSound.REPLACE)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return make_wav(tmp_path / "music.wav", tone(MUSIC_HZ, 5.0))


@dataclass(frozen=True)
class Picture:
    """What a player is told of the picture of a file."""

    hashes: list[str]
    times_s: list[float]
    width: int
    pixel_aspect: Fraction | None
    rotation: int
    colours: tuple[int, int, int]


def picture_of(path: Path) -> Picture:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        times_s = [float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None]
        hashes = [hashlib.sha256(bytes(packet)).hexdigest() for packet in packets]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rotation = next(container.decode(stream)).rotation
        colours = (stream.color_primaries, stream.color_trc, stream.colorspace)
        return Picture(hashes, times_s, stream.width, stream.sample_aspect_ratio, rotation, colours)


def sound_start_s(path: Path, *, threshold: float = 0.1) -> float:
    """When the first loud sample is heard, on the file's clock."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(axis=0) > threshold)
            if loud.size and frame.time is not None:
                return frame.time + float(loud[0]) / frame.sample_rate
    raise AssertionError("no loud sample")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".m4v"])
def test_the_picture_is_copied_packet_by_packet(tmp_path: Path, music: Path, suffix: str) -> None:
    film = make_video(tmp_path / "film.mp4", fps=24, audio_streams=1, rotation_degrees=90)
    report = mux(film, music, tmp_path / f"out{suffix}", options=DUCK)
    before, after = picture_of(film), picture_of(report.path)
    assert after.hashes == before.hashes
    assert after.times_s == pytest.approx(before.times_s, abs=0.001)
    assert (after.width, after.rotation, after.colours) == (before.width, before.rotation, before.colours)
    assert report.audio_codec == "aac"


def test_the_shape_of_pixels_survives(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.mp4", pixel_aspect=Fraction(16, 11))
    report = mux(film, music, tmp_path / "out.mp4", options=DUCK)
    assert picture_of(report.path).pixel_aspect == Fraction(16, 11)


def test_a_variable_frame_rate_survives(tmp_path: Path, music: Path) -> None:
    times_s = [0.0, 0.1, 0.15, 0.6, 0.7, 1.4]
    film = make_video(tmp_path / "film.mp4", duration_s=2.0, frame_times_s=times_s)
    report = mux(film, music, tmp_path / "out.mp4", options=DUCK)
    assert sorted(picture_of(report.path).times_s) == pytest.approx(times_s)
    assert report.duration_s == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("fps", [10, 60])
def test_sound_is_as_long_as_the_picture(tmp_path: Path, music: Path, suffix: str, fps: int) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=1.5, fps=fps, audio_streams=1)
    report = mux(film, music, tmp_path / f"out{suffix}", options=DUCK)
    assert report.duration_s == pytest.approx(1.5, abs=1 / fps)
    assert read_sound(report.path).shape[1] / RATE_HZ == pytest.approx(1.5, abs=0.022)
    with av.open(str(report.path)) as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(1.5, abs=max(1 / fps, 0.022))


def test_music_shorter_than_the_film_leaves_the_film_whole(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=2.0, audio_streams=1)
    music = make_wav(tmp_path / "short.wav", tone(MUSIC_HZ, 0.5))
    sound = read_sound(mux(film, music, tmp_path / "out.mp4", options=KEEP).path)
    late = sound[:, RATE_HZ : 2 * RATE_HZ - 4800]
    assert level_at(late, SOUND_HZ[0]) == pytest.approx(0.2, rel=0.1)
    assert level_at(late, MUSIC_HZ) < 0.001


@pytest.mark.parametrize("start_s", [0.0, 0.8])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_music_starts_with_the_first_picture(tmp_path: Path, start_s: float, suffix: str) -> None:
    film = make_video(tmp_path / "film.mp4", fps=24, start_s=start_s)
    click = np.zeros((2, 2 * RATE_HZ), np.float32)
    click[:, RATE_HZ // 2 : RATE_HZ] = tone(1000, 0.5, level=0.5)
    music = make_wav(tmp_path / "click.wav", click)
    report = mux(film, music, tmp_path / f"out{suffix}", options=DUCK)
    first_s = min(picture_of(report.path).times_s)
    assert first_s == pytest.approx(start_s, abs=0.001)
    assert sound_start_s(report.path) - first_s == pytest.approx(0.5, abs=0.004)


def test_the_sound_of_a_film_that_starts_late_stays_where_it_was(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=2.0, start_s=0.8, audio_streams=1)
    music = make_wav(tmp_path / "quiet.wav", np.zeros((2, RATE_HZ), np.float32))
    sound = read_sound(mux(film, music, tmp_path / "out.mp4", options=KEEP).path)
    assert level_at(sound[:, 4_800:48_000], SOUND_HZ[0]) == pytest.approx(0.2, rel=0.1)
    assert level_at(sound[:, 65_000:90_000], SOUND_HZ[0]) < 0.01


def sound_for(tmp_path: Path, music: Path, options: MuxOptions, *, streams: int = 1) -> Sound:
    film = make_video(tmp_path / "film.mp4", duration_s=3.0, audio_streams=streams)
    report = mux(film, music, tmp_path / "out.mp4", options=options)
    return read_sound(report.path)[:, RATE_HZ : 2 * RATE_HZ]


def test_replace_leaves_the_music_alone(tmp_path: Path, music: Path) -> None:
    sound = sound_for(tmp_path, music, REPLACE)
    assert level_at(sound, MUSIC_HZ) == pytest.approx(0.2, rel=0.05)
    assert level_at(sound, SOUND_HZ[0]) < 0.001


@pytest.mark.parametrize("options", [KEEP, DUCK])
def test_the_film_keeps_its_level_and_music_goes_beneath(
    tmp_path: Path, music: Path, options: MuxOptions
) -> None:
    sound = sound_for(tmp_path, music, options)
    assert level_at(sound, SOUND_HZ[0]) == pytest.approx(0.2, rel=0.05)
    assert level_at(sound, MUSIC_HZ) == pytest.approx(0.2 * 10 ** (-9 / 20), rel=0.05)


def test_a_film_without_sound_gets_the_music_at_its_level(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=2.0)
    report = mux(film, music, tmp_path / "out.mp4", options=DUCK)
    assert report.original_sound is None
    assert level_at(read_sound(report.path), MUSIC_HZ) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_the_sound_stream_that_was_asked_for_is_kept(tmp_path: Path, music: Path, stream: int) -> None:
    options = MuxOptions(original_sound=OriginalSound.KEEP, audio_stream=stream)
    sound = sound_for(tmp_path, music, options, streams=3)
    levels = [level_at(sound, pitch_hz) for pitch_hz in SOUND_HZ]
    assert levels[stream] == pytest.approx(0.2, rel=0.05)
    assert sum(levels) - levels[stream] < 0.002


@pytest.mark.parametrize("stream", [2, -1])
def test_a_sound_stream_that_is_not_there_is_refused(tmp_path: Path, music: Path, stream: int) -> None:
    film = make_video(tmp_path / "film.mp4", audio_streams=2)
    with pytest.raises(
        AudioError, match=f"has 2 sound streams, numbered from 0; there is no number {stream}"
    ):
        mux(film, music, tmp_path / "out.mp4", options=MuxOptions(audio_stream=stream))


def test_webm_gets_opus(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.webm", audio_streams=1)
    report = mux(film, music, tmp_path / "out.webm", options=DUCK)
    with av.open(str(report.path)) as container:
        assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
    assert picture_of(report.path).hashes == picture_of(film).hashes


def test_a_codec_that_the_container_cannot_hold_is_sent_to_mkv(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.webm")
    with pytest.raises(OutputError, match=r"\.mp4 files cannot hold vp8 video .*ends in \.mkv"):
        mux(film, music, tmp_path / "out.mp4", options=DUCK)
    assert not (tmp_path / "out.mp4").exists()
    assert mux(film, music, tmp_path / "out.mkv", options=DUCK).video_codec == "vp8"


@pytest.mark.parametrize("name", ["out.avi", "out", "out.mp3"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, music: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"must end in one of \.mp4"):
        mux(make_video(tmp_path / "film.mp4"), music, tmp_path / name, options=DUCK)


def test_music_of_another_rate_is_resampled(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=2.0)
    times_s = np.arange(2 * 22_050) / 22_050
    slow = np.tile(0.2 * np.sin(2 * np.pi * 1000 * times_s), (2, 1)).astype(np.float32)
    music = make_wav(tmp_path / "slow.wav", slow, rate_hz=22_050)
    sound = read_sound(mux(film, music, tmp_path / "out.mp4", options=DUCK).path)
    assert level_at(sound, 1000.0) == pytest.approx(0.2, rel=0.05)


def test_a_loud_mix_stays_below_full_scale(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=2.0, audio_streams=1)
    music = make_wav(tmp_path / "loud.wav", tone(MUSIC_HZ, 2.0, level=3.0))
    report = mux(film, music, tmp_path / "out.mkv", options=KEEP)
    assert report.limited_db > 0.5
    assert np.abs(read_sound(report.path)).max() < 1.0


@pytest.mark.parametrize("which", ["film.mp4", "music.wav"])
def test_an_input_is_never_overwritten(tmp_path: Path, music: Path, which: str) -> None:
    film = make_video(tmp_path / "film.mp4")
    target = tmp_path / which
    if target.suffix == ".wav":
        target = target.rename(tmp_path / "music.mp4")
        music = target
    before = target.read_bytes()
    with pytest.raises(OutputError, match="would replace its own input"):
        mux(film, music, target, options=DUCK, overwrite=True)
    assert target.read_bytes() == before


def test_a_link_to_the_input_is_seen_through(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.mp4")
    (tmp_path / "link.mp4").symlink_to(film)
    with pytest.raises(OutputError, match="would replace its own input"):
        mux(film, music, tmp_path / "link.mp4", options=DUCK, overwrite=True)


def test_an_existing_result_is_kept_unless_overwriting_is_allowed(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.mp4")
    (tmp_path / "out.mp4").write_text("precious")
    with pytest.raises(OutputError, match="already exists"):
        mux(film, music, tmp_path / "out.mp4", options=DUCK)
    assert (tmp_path / "out.mp4").read_text() == "precious"
    mux(film, music, tmp_path / "out.mp4", options=DUCK, overwrite=True)
    assert picture_of(tmp_path / "out.mp4").hashes == picture_of(film).hashes


def test_an_interrupted_mux_leaves_nothing(tmp_path: Path, music: Path) -> None:
    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    film = make_video(tmp_path / "film.mp4")
    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        mux(film, music, tmp_path / "out.mp4", options=DUCK, on_progress=interrupt)
    assert set(tmp_path.iterdir()) == before


def test_an_error_while_sound_is_mixed_ahead_is_told_as_it_is_and_leaves_nothing(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Sound:
        raise AudioError("film.mp4: its sound is damaged")

    film, out = make_video(tmp_path / "film.mp4"), tmp_path / "out.mp4"
    before = set(tmp_path.iterdir())
    monkeypatch.setattr(module.Limiter, "read", fail)
    with pytest.raises(AudioError, match=r"^film\.mp4: its sound is damaged$"):
        mux(film, music, out, options=MuxOptions())
    assert set(tmp_path.iterdir()) == before


def test_a_full_disk_is_one_clear_error(tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, out: object, codec: str) -> None:
        raise av.FFmpegError(errno.ENOSPC, "No space left on device")

    film = make_video(tmp_path / "film.mp4")
    before = set(tmp_path.iterdir())
    monkeypatch.setattr(module._Writer, "write", full)
    with pytest.raises(OutputError, match="the disk is full"):
        mux(film, music, tmp_path / "out.mp4", options=DUCK)
    assert set(tmp_path.iterdir()) == before


def test_a_truncated_film_works_as_far_as_it_goes_or_is_refused(tmp_path: Path, music: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", duration_s=4.0, audio_streams=1)
    film = make_truncated(tmp_path / "film.mkv", whole, keep=0.6)
    report = mux(film, music, tmp_path / "out.mkv", options=DUCK)
    assert 1.0 < report.duration_s < 4.0
    mp4 = make_truncated(tmp_path / "film.mp4", make_video(tmp_path / "whole.mp4"), keep=0.6)
    with pytest.raises(VideoError, match=r"film\.mp4"):
        mux(mp4, music, tmp_path / "out.mp4", options=DUCK)


def test_what_is_not_a_film_or_not_music_is_refused(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.mp4")
    out = tmp_path / "out.mp4"
    with pytest.raises(VideoError, match="there is no video at"):
        mux(tmp_path / "lost.mp4", music, out, options=DUCK)
    with pytest.raises(VideoError, match=r"cannot read .*text\.mp4 as a video"):
        mux(make_text(tmp_path / "text.mp4"), music, out, options=DUCK)
    with pytest.raises(VideoError, match="has no picture"):
        mux(make_sound_only(tmp_path / "sound.mp4"), music, out, options=DUCK)
    with pytest.raises(AudioError, match=r"cannot read sound from .*music\.txt"):
        mux(film, make_text(tmp_path / "music.txt"), out, options=DUCK)
    with pytest.raises(AudioError, match="holds no sound"):
        mux(film, make_video(tmp_path / "silent.mp4"), out, options=DUCK)
    assert not out.exists()


def test_a_film_of_one_frame_works(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=0.1, fps=10)
    report = mux(film, music, tmp_path / "out.mp4", options=DUCK)
    assert report.duration_s == pytest.approx(0.1)


def test_names_with_spaces_quotes_and_accents_work(tmp_path: Path, music: Path) -> None:
    film = make_video(tmp_path / 'l\'été "à" 100% 映画.mp4')
    report = mux(film, music, tmp_path / "das Ergebnis 'ñ'.mp4", options=DUCK)
    assert report.path.stat().st_size > 1000
