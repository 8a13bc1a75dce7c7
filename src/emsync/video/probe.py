"""What a video file is, learnt by reading its packets and decoding one frame.

Headers lie (truncated copies, edit lists, streams without a declared duration), packets do not: time zero
is the first shown frame, the duration ends with the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emsync.errors import VideoError
from emsync.types import AudioStream, VideoInfo

UNKNOWN_FRAME_RATE_FPS = Fraction(25)
"""Assumed where a file has one frame and does not say how long it lasts."""

IRREGULAR_SHARE = 0.01
"""A video has a variable frame rate if more than this share of its frame spacings is irregular."""


def probe(path: Path) -> VideoInfo:
    """Describe a video from its packets; only the first frame is decoded.

    Raises: VideoError, one line, if the file is missing, is not a video, has sound only, or none of its
    frames can be decoded.
    """
    with open_video(path) as container:
        stream = first_video_stream(container, path)
        survey = _survey(container, stream)
        if not survey.frame_pts:
            raise VideoError(
                f"{path}: the video holds no frames; it is empty or was cut off, so use another copy"
            )
        if survey.first_frame is None:
            raise VideoError(
                f"{path}: none of its {len(survey.frame_pts)} frames can be decoded; "
                "the file is damaged, so use another copy"
            )
        return _describe(path, container, stream=stream, survey=survey, frame=survey.first_frame)


@contextmanager
def open_video(path: Path) -> Iterator[InputContainer]:
    """Open a video for reading, with every failure told as one VideoError line.

    Only local files are opened: a playlist in disguise cannot reach the network.
    """
    if not path.exists():
        raise VideoError(f"{path}: no such file; check the path")
    if path.is_dir():
        raise VideoError(f"{path}: this is a folder; name one video file")
    if path.is_file() and path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty; use another copy")
    try:
        container = av.open(
            f"file:{path}", mode="r", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except PermissionError as error:
        raise VideoError(f"{path}: no permission to read it; change its permissions") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(
            f"{path}: not a video, or damaged beyond reading; check that a player opens it"
        ) from error
    with container:
        yield container


def first_video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first moving picture of the file; cover art of a sound file does not count.

    Raises: VideoError if there is none, or no decoder for it.
    """
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
    ]
    if not streams:
        reason = "it has sound but no picture" if container.streams.audio else "it has no picture"
        raise VideoError(f"{path}: {reason}; a video is needed")
    if streams[0].codec_context is None:
        raise VideoError(f"{path}: its picture is stored in an unknown format; convert it to H.264 first")
    return streams[0]


def packet_pts(packet: Packet[VideoStream]) -> int | None:
    """Presentation time in stream ticks; the decode time where a container stores no other (AVI)."""
    return packet.dts if packet.pts is None else packet.pts


@dataclass
class _Survey:
    """Timestamps of all shown frames, in stream ticks and file order, and the first frame itself."""

    frame_pts: list[int] = field(default_factory=list)
    key_frame_pts: int | None = None
    end_pts: int = 0
    last_duration: int = 0
    first_frame: VideoFrame | None = None


def _survey(container: InputContainer, stream: VideoStream) -> _Survey:
    """Read every packet; decode only until one frame came out. A file that breaks off ends the survey."""
    survey = _Survey()
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                _note_packet(survey, packet)
            if survey.first_frame is None:
                survey.first_frame = _first_frame_in(packet)
    except (av.error.FFmpegError, OSError):
        pass
    return survey


def _note_packet(survey: _Survey, packet: Packet[VideoStream]) -> None:
    pts = packet_pts(packet)
    if pts is None:
        return
    if survey.key_frame_pts is None and packet.is_keyframe:
        survey.key_frame_pts = pts
    survey.frame_pts.append(pts)
    if pts >= survey.end_pts or len(survey.frame_pts) == 1:
        survey.end_pts, survey.last_duration = pts, packet.duration or 0


def _first_frame_in(packet: Packet[VideoStream]) -> VideoFrame | None:
    try:
        frames = packet.decode()
    except (av.error.FFmpegError, OSError):
        return None
    return next((frame for frame in frames if not frame.is_corrupt), None)


def _describe(
    path: Path, container: InputContainer, *, stream: VideoStream, survey: _Survey, frame: VideoFrame
) -> VideoInfo:
    time_base = _time_base(stream)
    shown_pts = _shown_pts(survey)
    spacings = np.diff(shown_pts)
    rate_fps = _frame_rate(stream, shown_pts, time_base=time_base)
    last_s = survey.last_duration * time_base or _usual_spacing(spacings) * time_base or 1 / rate_fps
    rotation_degrees = -frame.rotation % 360
    width, height = _displayed_size(stream, frame, rotation_degrees)
    return VideoInfo(
        path=path,
        duration_s=float(int(shown_pts[-1] - shown_pts[0]) * time_base + last_s),
        width=width,
        height=height,
        frame_rate_fps=rate_fps,
        is_variable_frame_rate=_is_variable(spacings),
        rotation_degrees=rotation_degrees,
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=frame.format.name,
        container=container.format.name,
        audio_streams=_audio_streams(container),
        start_s=float(int(shown_pts[0]) * time_base),
    )


def _time_base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, av.time_base)


def _shown_pts(survey: _Survey) -> NDArray[np.int64]:
    """Distinct timestamps in order, without the frames before the first key frame: no decoder shows those."""
    pts = np.unique(np.array(survey.frame_pts, dtype=np.int64))
    return pts if survey.key_frame_pts is None else pts[pts >= survey.key_frame_pts]


def _usual_spacing(spacings: NDArray[np.int64]) -> int:
    return int(np.median(spacings)) if spacings.size else 0


def _frame_rate(stream: VideoStream, shown_pts: NDArray[np.int64], *, time_base: Fraction) -> Fraction:
    """Mean rate of the frames; the rate the container declares where the two agree within 0.5 %."""
    declared = stream.guessed_rate or stream.average_rate
    span_s = int(shown_pts[-1] - shown_pts[0]) * time_base
    if not span_s:
        return declared or UNKNOWN_FRAME_RATE_FPS
    measured = (shown_pts.size - 1) / span_s
    if declared and abs(declared / measured - 1) < Fraction(5, 1000):
        return Fraction(declared)
    return measured.limit_denominator(1001)


def _is_variable(spacings: NDArray[np.int64]) -> bool:
    """Irregular: off the median by more than a tenth and more than the rounding of the container's clock."""
    if not spacings.size:
        return False
    usual = float(np.median(spacings))
    irregular = np.abs(spacings - usual) > max(1.5, usual / 10)
    return bool(np.mean(irregular) > IRREGULAR_SHARE)


def _displayed_size(stream: VideoStream, frame: VideoFrame, rotation_degrees: int) -> tuple[int, int]:
    """Width and height in square pixels after rotation."""
    width = round(frame.width * (stream.sample_aspect_ratio or 1))
    return (frame.height, width) if rotation_degrees in {90, 270} else (width, frame.height)


def _audio_streams(container: InputContainer) -> tuple[AudioStream, ...]:
    """All sound streams; `index` counts sound streams only, from 0, as `--audio-stream` does."""
    return tuple(
        AudioStream(
            index=index,
            codec=stream.codec_context.codec.canonical_name,
            channels=stream.codec_context.channels,
            sample_rate_hz=stream.codec_context.sample_rate,
        )
        for index, stream in enumerate(container.streams.audio)
        if stream.codec_context is not None
    )
