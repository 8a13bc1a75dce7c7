"""What `probe` says of every kind of file a user may hand in."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from tests.media import (
    make_corrupt,
    make_sound_only,
    make_text,
    make_truncated,
    make_video,
    make_video_without_frames,
)

from emsync.errors import VideoError
from emsync.types import AudioStream
from emsync.video.probe import probe


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_duration_and_rate_are_exact_in_every_container(tmp_path: Path, suffix: str) -> None:
    info = probe(make_video(tmp_path / f"film{suffix}", duration_s=2.0, fps=10))
    assert info.duration_s == pytest.approx(2.0, abs=1e-9)
    assert info.frame_rate_fps == 10
    assert not info.is_variable_frame_rate
    assert (info.width, info.height) == (64, 36)
    assert info.start_s == 0


def test_ntsc_rate_is_an_exact_fraction(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "film.mp4", duration_s=1.001, fps=Fraction(30000, 1001)))
    assert info.frame_rate_fps == Fraction(30000, 1001)
    assert info.duration_s == pytest.approx(1.001, abs=1e-9)


def test_a_container_clock_of_milliseconds_does_not_make_the_rate_variable(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "film.mkv", duration_s=2.0, fps=30))
    assert not info.is_variable_frame_rate
    assert info.frame_rate_fps == 30


def test_variable_frame_rate_is_seen_and_the_last_frame_counts(tmp_path: Path) -> None:
    times_s = [0, 0.1, 0.15, 0.4, 0.5, 0.9, 1.1, 1.3, 1.8]
    info = probe(make_video(tmp_path / "phone.mp4", duration_s=2.0, frame_times_s=times_s))
    assert info.is_variable_frame_rate
    assert info.duration_s == pytest.approx(2.0, abs=1e-9)
    assert info.frame_rate_fps == Fraction(40, 9)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_late_start_does_not_lengthen_the_video(tmp_path: Path, suffix: str) -> None:
    info = probe(make_video(tmp_path / f"late{suffix}", duration_s=1.0, start_s=1.5, audio_streams=1))
    assert info.duration_s == pytest.approx(1.0, abs=2e-3)
    assert info.start_s == pytest.approx(1.5, abs=2e-3)


@pytest.mark.parametrize(("rotation_degrees", "size"), [(90, (36, 64)), (180, (64, 36)), (270, (36, 64))])
def test_rotation_is_clockwise_and_turns_the_displayed_size(
    tmp_path: Path, rotation_degrees: int, size: tuple[int, int]
) -> None:
    info = probe(make_video(tmp_path / "phone.mp4", rotation_degrees=rotation_degrees))
    assert info.rotation_degrees == rotation_degrees
    assert (info.width, info.height) == size


def test_pixel_aspect_widens_the_displayed_size(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "tape.mp4", pixel_aspect=Fraction(16, 11)))
    assert (info.width, info.height) == (93, 36)


@pytest.mark.parametrize(
    ("name", "pixel_format", "codec", "size"),
    [
        ("odd.mp4", "yuv444p", None, (65, 37)),
        ("ten bit.mp4", "yuv420p10le", None, (64, 36)),
        ("gray.mkv", "gray", "ffv1", (64, 36)),
    ],
)
def test_unusual_pictures_are_described(
    tmp_path: Path, name: str, pixel_format: str, codec: str | None, size: tuple[int, int]
) -> None:
    info = probe(make_video(tmp_path / name, pixel_format=pixel_format, codec=codec, size=size))
    assert info.pixel_format == pixel_format
    assert (info.width, info.height) == size


def test_every_sound_stream_is_listed(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "film.mp4", duration_s=0.5, audio_streams=2))
    assert info.audio_streams == tuple(
        AudioStream(index=index, codec="aac", channels=2, sample_rate_hz=48_000) for index in (0, 1)
    )


def test_codecs_have_their_own_names_not_those_of_a_decoder(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "film.webm", duration_s=0.5, audio_streams=1))
    assert info.codec == "vp8"
    assert info.audio_streams[0].codec == "opus"


def test_one_frame_is_a_video_as_long_as_that_frame(tmp_path: Path) -> None:
    assert probe(make_video(tmp_path / "one.mp4", duration_s=0.1)).duration_s == pytest.approx(0.1)


def test_a_truncated_file_is_as_long_as_what_is_left(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", duration_s=4.0, key_frame_every=5)
    cut_off = make_truncated(tmp_path / "part.mkv", whole, keep=0.5)
    assert 1.0 < probe(cut_off).duration_s < 3.0


@pytest.mark.parametrize(
    "name", ["twelve:30.mp4", 'it\'s "mine" & 50% off.mp4', "фильм 映画 é.mp4", "-i.mp4"]
)
def test_odd_file_names_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make_video(tmp_path / "film.mp4", duration_s=0.2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).duration_s == pytest.approx(0.2)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _empty(path: Path) -> Path:
    path.touch()
    return path


def _truncated(path: Path) -> Path:
    return make_truncated(path, make_video(path.with_name("whole.mp4")), keep=0.6)


def _noise(path: Path) -> Path:
    return make_corrupt(path, make_video(path.with_name("whole.mp4")), share=(0.0, 1.0))


def _cover_art(path: Path) -> Path:
    """A song with a picture attached, as music players show it."""
    make_sound_only(path, duration_s=0.2)
    with_art = path.with_name("with art.mp4")
    with av.open(str(path)) as source, av.open(str(with_art), "w") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        art = target.add_stream("png", rate=1)
        art.width = art.height = 16
        art.pix_fmt = "rgb24"
        art.disposition = av.stream.Disposition.attached_pic
        target.mux(art.encode(av.VideoFrame(16, 16, "rgb24")))
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                target.mux(packet)
    return with_art


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path, "no such file"),
        (_folder, "folder"),
        (_empty, "empty"),
        (make_text, "not a video"),
        (_noise, "not a video"),
        (_truncated, "damaged beyond reading"),
        (make_sound_only, "sound but no picture"),
        (_cover_art, "sound but no picture"),
        (make_video_without_frames, "holds no frames"),
    ],
)
def test_what_is_not_a_video_is_refused_in_one_line(tmp_path: Path, make, reason: str) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path / "film.mp4")
    with pytest.raises(VideoError, match=reason) as caught:
        probe(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_frames_that_cannot_be_decoded_are_refused(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", duration_s=1.0, codec="ffv1", size=(320, 180))
    damaged = make_corrupt(tmp_path / "damaged.mkv", whole, share=(0.02, 0.98))
    with pytest.raises(VideoError, match=r"can be decoded|damaged beyond|holds no frames"):
        probe(damaged)


def test_an_unreadable_file_is_told_apart(tmp_path: Path) -> None:
    path = make_video(tmp_path / "film.mp4", duration_s=0.2)
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        with pytest.raises(VideoError, match="no permission"):
            probe(path)
    else:
        pytest.skip("this user may read every file")


def test_probing_twice_says_the_same(tmp_path: Path) -> None:
    path = make_video(tmp_path / "film.mp4", duration_s=0.5, audio_streams=1)
    assert probe(path) == replace(probe(path), path=path)
