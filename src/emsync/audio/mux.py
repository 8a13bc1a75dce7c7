"""Join music and film: the picture is copied packet by packet, only the sound is encoded.

The clock is the file's own: the first sample of the new sound has the timestamp of the first picture.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from emsync.ahead import made_ahead
from emsync.audio.loudness import Limiter
from emsync.audio.mix import RollingSource, mixed_windows
from emsync.audio.sound_reader import MIX_RATE_HZ, Sound, SoundReader
from emsync.errors import AudioError, OutputError, VideoError
from emsync.options import MuxOptions, OriginalSound
from emsync.output_file import atomic_output, check_output

CEILING_DB = -1.0
"""True peak of the mix; the limiter only works where film and music together would pass it."""
BIT_RATE = 192_000
WINDOWS_AHEAD = 2
"""Windows of one second, 0.4 MB each, that are mixed before the encoder takes them."""
SOUND_CODECS = {".mp4": "aac", ".m4v": "aac", ".mov": "aac", ".mkv": "aac", ".webm": "libopus"}
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_MUXER_OPTIONS = {".mp4": {"movflags": "+faststart"}, ".m4v": {"movflags": "+faststart"}}
_CONTAINER_METADATA = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time"}
)

_SYSTEM_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS}
)

VideoPacket: TypeAlias = "Packet[VideoStream]"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class MuxReport:
    """What was written. `original_sound` is None when the video had no sound to keep.

    `left_out` names streams of the video that are not in the result, such as subtitles. `damaged_packets`
    counts pieces of the original sound that could not be decoded and are silent. `limited_db` is the
    deepest cut the mix needed to stay below -1 dBTP.
    """

    path: Path
    duration_s: float
    video_codec: str
    audio_codec: str
    original_sound: OriginalSound | None
    left_out: tuple[str, ...]
    damaged_packets: int
    limited_db: float


@dataclass(frozen=True)
class _Span:
    """First picture to the end of the last, in seconds on the file's clock."""

    start_s: float
    stop_s: float


def mux(
    video_path: Path,
    wav_path: Path,
    out_path: Path,
    *,
    options: MuxOptions,
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> MuxReport:
    """Write the film with its music to `out_path` (.mp4, .m4v, .mov, .mkv: AAC; .webm: Opus).

    The sound is as long as the picture: music that is longer is cut, music that is shorter is followed by
    what the film has. Raises: `VideoError` or `AudioError` if an input cannot be read or
    `options.audio_stream` names no stream; `OutputError` if the result exists, is an input, cannot be
    written, or its container cannot hold the video's codec.
    """
    _check_paths(video_path, wav_path, out_path, overwrite=overwrite)
    with contextlib.ExitStack() as stack:
        film = stack.enter_context(_open_film(video_path))
        picture = _picture(film, video_path)
        span = _measure(video_path, picture.index)
        original = _open_original(video_path, film, span, options)
        if original is not None:
            stack.enter_context(contextlib.closing(original))
        music = stack.enter_context(contextlib.closing(SoundReader(wav_path)))
        frames = round((span.stop_s - span.start_s) * MIX_RATE_HZ)
        source = RollingSource(mixed_windows(music, original, options, frames), frames)
        limiter = Limiter(source, MIX_RATE_HZ, gain=1.0, ceiling_db=CEILING_DB)
        with (
            atomic_output(out_path, overwrite) as draft,
            made_ahead(_limited(limiter, frames), depth=WINDOWS_AHEAD) as windows,
        ):
            writer = _Writer(film, picture, span, windows, frames, on_progress or (lambda fraction: None))
            _write(writer, draft, out_path)
    return MuxReport(
        path=out_path,
        duration_s=frames / MIX_RATE_HZ,
        video_codec=picture.codec_context.name,
        audio_codec=SOUND_CODECS[out_path.suffix.lower()],
        original_sound=None if original is None else OriginalSound(options.original_sound),
        left_out=tuple(
            stream.type for stream in film.streams if stream.type not in ("video", "audio") and stream.type
        ),
        damaged_packets=0 if original is None else original.damaged_packets,
        limited_db=limiter.deepest_db,
    )


class _Writer:
    """Sends picture packets and encoded sound to the new file in step, so that neither piles up."""

    def __init__(
        self,
        film: InputContainer,
        picture: VideoStream,
        span: _Span,
        windows: Iterator[Sound],
        frames: int,
        on_progress: Progress,
    ) -> None:
        """`windows` hold the new sound, `frames` frames in all."""
        self._film, self._picture, self._span = film, picture, span
        self._windows, self._frames, self._on_progress = windows, frames, on_progress
        self._written = 0

    @property
    def codec(self) -> str:
        """Name of the codec that the picture comes in."""
        return self._picture.codec_context.name

    def write(self, out: OutputContainer, codec: str) -> None:
        """Write everything and the trailer."""
        picture = out.add_stream_from_template(self._picture, opaque=True)
        sound = cast(AudioStream, out.add_stream(codec, rate=MIX_RATE_HZ, layout="stereo"))
        sound.bit_rate = BIT_RATE
        _copy_metadata(self._film, out)
        picture.metadata.update(self._picture.metadata)
        out.start_encoding()
        for packet in _picture_packets(self._film, self._picture):
            self._sound_until(out, sound, packet)
            packet.stream = picture
            out.mux(packet)
        self._sound_until(out, sound, None)
        out.mux(sound.encode(None))

    def _sound_until(self, out: OutputContainer, sound: AudioStream, packet: VideoPacket | None) -> None:
        """Encode sound up to a picture packet's time, or all that is left."""
        due = self._frames
        if packet is not None and packet.dts is not None:
            due = round((float(packet.dts * packet.time_base) - self._span.start_s) * MIX_RATE_HZ)
        while self._written < self._frames and self._written <= due:
            samples = next(self._windows)
            out.mux(sound.encode(self._frame(samples)))
            self._written += samples.shape[1]
            self._on_progress(self._written / self._frames)

    def _frame(self, samples: Sound) -> AudioFrame:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate = MIX_RATE_HZ
        frame.time_base = Fraction(1, MIX_RATE_HZ)
        frame.pts = round(self._span.start_s * MIX_RATE_HZ) + self._written
        return frame


def _limited(limiter: Limiter, frames: int) -> Iterator[Sound]:
    """The new sound as windows of up to one second; they are mixed while those before them are encoded."""
    for start in range(0, frames, MIX_RATE_HZ):
        yield limiter.read(start, min(start + MIX_RATE_HZ, frames))


def _write(writer: _Writer, draft: Path, out_path: Path) -> None:
    suffix = out_path.suffix.lower()
    try:
        with av.open(str(draft), "w", format=_FORMATS[suffix], options=_MUXER_OPTIONS.get(suffix, {})) as out:
            writer.write(out, SOUND_CODECS[suffix])
    except (av.FFmpegError, ValueError) as error:
        code = getattr(error, "errno", None)
        if code in _SYSTEM_ERRORS:
            raise OSError(code, os.strerror(code)) from error
        advice = "save it as .mp4 first" if suffix == ".mkv" else "choose a name that ends in .mkv"
        raise OutputError(
            f"cannot write {out_path}: {suffix} files cannot hold {writer.codec} video as it is "
            f"({_plain(error)}); {advice}"
        ) from error


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _check_paths(video_path: Path, wav_path: Path, out_path: Path, *, overwrite: bool) -> None:
    if out_path.suffix.lower() not in SOUND_CODECS:
        raise OutputError(f"cannot write {out_path}: the name must end in one of {', '.join(SOUND_CODECS)}")
    for source in (video_path, wav_path):
        if out_path.resolve() == source.resolve() or (
            out_path.exists() and source.exists() and out_path.samefile(source)
        ):
            raise OutputError(f"the result would replace its own input {source}; choose another name with -o")
    check_output(out_path, overwrite)


def _open_film(video_path: Path) -> InputContainer:
    if not video_path.exists():
        raise VideoError(f"there is no video at {video_path}")
    try:
        return av.open(str(video_path))
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"cannot read {video_path} as a video: {_plain(error)}") from error


def _picture(film: InputContainer, video_path: Path) -> VideoStream:
    """The first video stream that is not a cover picture."""
    for stream in film.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise VideoError(f"{video_path} has no picture, only sound; music can only be added to a video")


def _picture_packets(film: InputContainer, picture: VideoStream) -> Iterator[VideoPacket]:
    """Packets in file order; those without a decoding time get the next one that can follow."""
    last_dts: int | None = None
    step = 1
    try:
        for packet in film.demux(picture):
            if packet.size == 0:
                continue
            step = packet.duration or step
            if packet.dts is None:
                packet.dts = packet.pts if last_dts is None else last_dts + step
            if packet.pts is None:
                packet.pts = packet.dts
            last_dts = packet.dts
            yield packet
    except av.FFmpegError as error:
        raise VideoError(f"{film.name} is damaged: {_plain(error)}") from error


def _measure(video_path: Path, index: int) -> _Span:
    """Where the picture starts and ends, from the timestamps of all its packets (nothing is decoded)."""
    starts: list[float] = []
    stop_s = 0.0
    with _open_film(video_path) as film:
        picture = cast(VideoStream, film.streams[index])
        for packet in _picture_packets(film, picture):
            unit = float(packet.time_base)
            starts.append((packet.pts or 0) * unit)
            stop_s = max(stop_s, starts[-1] + (packet.duration or 0) * unit)
    if not starts:
        raise VideoError(f"{video_path} holds no picture that can be read")
    starts.sort()
    if stop_s <= starts[-1]:
        rate = picture.average_rate or Fraction(25)
        step_s = (starts[-1] - starts[0]) / (len(starts) - 1) if len(starts) > 1 else float(1 / rate)
        stop_s = starts[-1] + step_s
    return _Span(starts[0], stop_s)


def _open_original(
    video_path: Path, film: InputContainer, span: _Span, options: MuxOptions
) -> SoundReader | None:
    """The film's own sound, None if it has none or is to be replaced."""
    count = len(film.streams.audio)
    if options.original_sound == OriginalSound.REPLACE or count == 0:
        return None
    if not 0 <= options.audio_stream < count:
        raise AudioError(
            f"{video_path} has {count} sound stream{'s' if count > 1 else ''}, numbered from 0; "
            f"there is no number {options.audio_stream}"
        )
    try:
        return SoundReader(video_path, stream=options.audio_stream, start_s=span.start_s)
    except AudioError as error:
        raise VideoError(f"the sound of {video_path} cannot be read: {error}") from error


def _copy_metadata(film: InputContainer, out: OutputContainer) -> None:
    """Title and the like; what describes the old container stays behind."""
    for key, value in film.metadata.items():
        if key.lower() not in _CONTAINER_METADATA:
            out.metadata[key] = value
