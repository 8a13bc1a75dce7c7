"""From a video file to what the extractors are given: 16 frames over the whole film, and all of its sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from emsync.audio.sound_reader import SoundReader
from emsync.errors import VideoError
from emsync.types import SOUND_RATE_HZ, VideoInfo
from emsync.video.probe import first_video_stream, open_video, probe
from emsync_train.emotion.vemoclap.contract import FILM_INSTANTS, Film, Frames, Samples


def read_film(path: Path, *, instants: int = FILM_INSTANTS) -> Film:
    """Frames in the middle of equal parts of the film, and its first sound stream.

    Raises: VideoError if the video cannot be read; AudioError if its sound cannot be opened.
    """
    info = probe(path)
    frames = _frames(info, (np.arange(instants) + 0.5) * info.duration_s / instants)
    return Film(frames, _samples(info))


def _frames(info: VideoInfo, times_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Frames:
    """The frame shown at each time, as displayed; the last one stands in for what lies behind it."""
    kept: list[Frames] = []
    shown: VideoFrame | None = None
    with open_video(info.path) as container:
        stream = first_video_stream(container, info.path)
        stream.thread_type = "AUTO"
        time_base = stream.time_base or Fraction(1, av.time_base)
        for frame in container.decode(stream):
            time_s = float((frame.pts or 0) * time_base) - info.start_s
            while shown is not None and len(kept) < len(times_s) and times_s[len(kept)] < time_s:
                kept.append(_upright(shown, info))
            shown = frame
            if len(kept) == len(times_s):
                break
    if shown is None:
        raise VideoError(
            f"{info.path}: none of its frames can be decoded; the file is damaged, use another copy"
        )
    last = [_upright(shown, info)] * (len(times_s) - len(kept))
    return np.stack([*kept, *last])


def _upright(frame: VideoFrame, info: VideoInfo) -> Frames:
    turns = info.rotation_degrees // 90
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), -turns), np.uint8)


def _samples(info: VideoInfo) -> Samples:
    if not info.audio_streams:
        return np.zeros(0, np.float32)
    reader = SoundReader(info.path, stream=0, start_s=info.start_s, rate_hz=SOUND_RATE_HZ, mono=True)
    try:
        samples = reader.read(round(info.duration_s * SOUND_RATE_HZ))[0]
    finally:
        reader.close()
    return np.asarray(samples.clip(-1, 1), np.float32)
