"""Small synthetic videos for tests, encoded in milliseconds.

    make_video(tmp_path / "film.mp4", duration_s=3, cuts_s=(1.0, 2.0), audio_streams=2)

The suffix chooses the container: mp4, mov, mkv (H.264 and AAC), webm (VP8 and Opus), avi (MPEG-4, no sound).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

SHOT_COLOURS = (
    (200, 40, 40),
    (90, 220, 230),
    (40, 30, 160),
    (235, 235, 235),
    (30, 30, 30),
    (230, 210, 60),
    (90, 30, 110),
    (150, 240, 150),
)
"""RGB around which the first shot, the second, ... vary; neighbours differ much in hue and in brightness."""

SOUND_RATE_HZ = 48_000
SOUND_HZ = (440.0, 880.0, 1760.0)
"""Pitch of the first sound stream, the second, ..."""

TIME_BASE = Fraction(1, 12_000)
"""Clock of the frames written: exact for 10, 12, 20, 24, 25, 30, 48, 50 and 60 frames a second."""

_PICTURE_CODECS = {".webm": "libvpx", ".avi": "mpeg4"}
_SOUND_CODECS = {".webm": "libopus"}
_PICTURE_OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "12"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "1M"},
}


def make_video(
    path: Path,
    *,
    duration_s: float = 2.0,
    fps: Fraction | int = 10,
    size: tuple[int, int] = (64, 36),
    cuts_s: Sequence[float] = (),
    flashes_s: Sequence[float] = (),
    fades_s: Sequence[tuple[float, float]] = (),
    dissolves_s: Sequence[tuple[float, float]] = (),
    still: bool = False,
    black: bool = False,
    audio_streams: int = 0,
    sounds_hz: Sequence[float] = SOUND_HZ,
    rotation_degrees: int = 0,
    pixel_format: str = "yuv420p",
    codec: str | None = None,
    pixel_aspect: Fraction = Fraction(1),
    start_s: float = 0.0,
    frame_times_s: Sequence[float] | None = None,
    key_frame_every: int = 12,
) -> Path:
    """Write a video and return its path.

    Args:
        size: width and height of the stored picture; odd numbers need `pixel_format="yuv444p"`.
        cuts_s: a new colour and texture from the first frame at or after each of these times.
        flashes_s: one white frame at each of these times.
        fades_s: darker and darker from the first of two times, black in the middle, bright again at the second.
        dissolves_s: from the shot of the first of two times to that of the second; a cut should lie between them.
        still: no motion within a shot.
        black: nothing to see at all.
        audio_streams: how many sine tones of `sounds_hz` go with it, as long as the picture; 0 Hz is silence.
        rotation_degrees: clockwise turn a player makes; shots are drawn brighter towards the stored top.
        pixel_format: for instance yuv444p or yuv420p10le (H.264), or gray (with `codec="ffv1"` in mkv).
        codec: FFmpeg's name of an encoder, instead of the one that goes with the suffix.
        start_s: when the first frame is shown; every time given here counts from that frame.
        frame_times_s: start of every frame for a variable frame rate; replaces `fps`.
    """
    times_s = frame_times_s if frame_times_s is not None else _frame_times_s(duration_s, Fraction(fps))
    with av.open(str(path), "w") as container:
        encoder = codec or _PICTURE_CODECS.get(path.suffix, "libx264")
        stream = _add_picture(container, encoder, Fraction(fps), size, pixel_format)
        stream.codec_context.gop_size = key_frame_every
        if pixel_aspect != 1:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation_degrees:
            stream.set_display_rotation(-rotation_degrees)
        sounds = [_add_sound(container, path.suffix) for _ in range(audio_streams)]
        edges = [*times_s, duration_s]
        for number, (time_s, end_s) in enumerate(pairwise(edges)):
            pixels = _pixels(number, time_s, size, cuts_s, flashes_s, still=still)
            for begin_s, stop_s in dissolves_s:
                if begin_s < time_s < stop_s:
                    ends = [
                        _pixels(number, one_s, size, cuts_s, (), still=still) for one_s in (begin_s, stop_s)
                    ]
                    share = (time_s - begin_s) / (stop_s - begin_s)
                    pixels = (ends[0] * (1 - share) + ends[1] * share).astype(np.uint8)
            pixels = np.zeros_like(pixels) if black else _faded(pixels, time_s, fades_s)
            _write_frame(container, stream, pixels, time_s + start_s, end_s - time_s)
        container.mux(stream.encode())
        for sound, pitch_hz in zip(sounds, sounds_hz, strict=False):
            _write_tone(container, sound, pitch_hz, duration_s)
    return path


def make_sound_only(path: Path, *, duration_s: float = 1.0) -> Path:
    """Write a file with a tone and no picture."""
    with av.open(str(path), "w") as container:
        sound = _add_sound(container, path.suffix)
        _write_tone(container, sound, SOUND_HZ[0], duration_s)
    return path


def make_video_without_frames(path: Path) -> Path:
    """Write an MP4 file that declares a picture stream of zero length."""
    options = {"movflags": "empty_moov+frag_keyframe"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        _add_picture(container, "libx264", Fraction(10), (64, 36), "yuv420p")
        container.start_encoding()
    return path


def make_truncated(path: Path, source: Path, *, keep: float) -> Path:
    """Copy the first part of a file: `keep` is the share of its bytes, in (0, 1)."""
    content = source.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def make_corrupt(path: Path, source: Path, *, share: tuple[float, float], seed: int = 0) -> Path:
    """Copy a file with noise in place of the bytes between two shares of its length."""
    content = bytearray(source.read_bytes())
    start, end = (int(len(content) * edge) for edge in share)
    content[start:end] = np.random.default_rng(seed).bytes(end - start)
    path.write_bytes(content)
    return path


def make_text(path: Path) -> Path:
    """Write plain text under whatever name was given."""
    path.write_text("This is a shopping list, not a film.\nEggs, flour, milk.\n", encoding="utf-8")
    return path


def _frame_times_s(duration_s: float, fps: Fraction) -> list[float]:
    return [float(number / fps) for number in range(max(1, round(duration_s * fps)))]


def _add_picture(
    container: OutputContainer, codec: str, fps: Fraction, size: tuple[int, int], pixel_format: str
) -> VideoStream:
    stream = container.add_stream(codec, rate=fps, options=_PICTURE_OPTIONS.get(codec, {}))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = size
    stream.pix_fmt = pixel_format
    stream.codec_context.time_base = 1 / fps if codec == "mpeg4" else TIME_BASE
    if codec == "libx264":
        stream.codec_context.flags |= Flags.frame_duration
    return stream


def _add_sound(container: OutputContainer, suffix: str) -> AudioStream:
    stream = container.add_stream(_SOUND_CODECS.get(suffix, "aac"), rate=SOUND_RATE_HZ, layout="stereo")
    assert isinstance(stream, AudioStream)
    return stream


def _pixels(
    number: int,
    time_s: float,
    size: tuple[int, int],
    cuts_s: Sequence[float],
    flashes_s: Sequence[float],
    *,
    still: bool,
) -> NDArray[np.uint8]:
    """A shot is one colour with stripes of its own width that move, brighter towards the top."""
    width, height = size
    if any(abs(time_s - flash_s) < 1e-6 for flash_s in flashes_s):
        return np.full((height, width, 3), 255, dtype=np.uint8)
    shot = sum(cut_s <= time_s + 1e-6 for cut_s in cuts_s)
    rows, columns = np.mgrid[0:height, 0:width]
    shift = 0 if still else number
    stripes = 16 * np.sign(np.sin((columns + rows * (shot % 3) + shift) * (0.3 + 0.2 * (shot % 4))))
    slope = 24 * (0.5 - rows / height)
    colour = np.array(SHOT_COLOURS[shot % len(SHOT_COLOURS)])
    pixels: NDArray[np.uint8] = np.clip(colour + (stripes + slope)[..., None], 0, 255).astype(np.uint8)
    return pixels


def _faded(
    pixels: NDArray[np.uint8], time_s: float, fades_s: Sequence[tuple[float, float]]
) -> NDArray[np.uint8]:
    share = min(
        (
            abs(time_s - (begin + end) / 2) * 2 / (end - begin)
            for begin, end in fades_s
            if begin < time_s < end
        ),
        default=1.0,
    )
    return (pixels * share).astype(np.uint8)


def _write_frame(
    container: OutputContainer, stream: VideoStream, pixels: NDArray[np.uint8], time_s: float, length_s: float
) -> None:
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.time_base = stream.codec_context.time_base
    frame.pts = round(Fraction(time_s) / frame.time_base)
    frame.duration = round(Fraction(length_s) / frame.time_base)
    container.mux(stream.encode(frame))


def _write_tone(container: OutputContainer, stream: AudioStream, pitch_hz: float, duration_s: float) -> None:
    times_s = np.arange(round(duration_s * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    tone = (0.2 * np.sin(2 * np.pi * pitch_hz * times_s)).astype(np.float32)
    for start in range(0, tone.size, 960):
        samples = np.ascontiguousarray(np.tile(tone[start : start + 960], (2, 1)))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = SOUND_RATE_HZ
        frame.time_base = Fraction(1, SOUND_RATE_HZ)
        frame.pts = start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
