"""Read the sound of any file, in step with a clock, a little at a time; as 48 kHz stereo if not asked otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from emsync.errors import AudioError

Sound: TypeAlias = NDArray[np.float32]

MIX_RATE_HZ = 48_000
LARGEST_SLIP_S = 0.05
"""A gap between the stream's clock and the samples counted so far that is larger than this is filled."""
MOST_DAMAGED = 10_000
"""Damaged packets after which the rest of a stream counts as silent."""


class SoundReader:
    """One sound stream from `start_s` of the file's clock on; silence before its first sample and after its last.

    Channels are mixed down to stereo and rates converted by libswresample. `mono` is the mean of the two, so
    that sound in one channel and the same sound in both are equally loud. `damaged_packets` counts what could
    not be decoded and was left silent.
    """

    def __init__(
        self,
        path: Path,
        *,
        stream: int = 0,
        start_s: float = 0.0,
        rate_hz: int = MIX_RATE_HZ,
        mono: bool = False,
    ) -> None:
        """Open sound stream number `stream`. Raises `AudioError` if the file holds no such readable stream."""
        self._path, self._start_s = path, start_s
        self._rate_hz, self._channels = rate_hz, 1 if mono else 2
        self.damaged_packets = 0
        self._blocks = self._placed(stream)
        self._pending: Sound = np.zeros((self._channels, 0), np.float32)
        try:
            self._container = av.open(str(path))
        except (av.FFmpegError, OSError) as error:
            raise AudioError(f"cannot read sound from {path}: {error}") from error
        if not 0 <= stream < len(self._container.streams.audio):
            self._container.close()
            raise AudioError(f"{path} holds no sound")

    def read(self, frames: int) -> Sound:
        """The next `frames` frames, shape (channels, frames)."""
        blocks = [self._pending]
        have = self._pending.shape[1]
        while have < frames:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((self._channels, frames - have), np.float32)
            blocks.append(block)
            have += block.shape[1]
        joined = np.concatenate(blocks, axis=1)
        self._pending = joined[:, frames:]
        return joined[:, :frames]

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _placed(self, stream: int) -> Iterator[Sound]:
        """Blocks that follow one another without a gap from `start_s` on."""
        position: int | None = None
        for time_s, block in self._decoded(stream):
            due = position
            if time_s is not None:
                due = round((time_s - self._start_s) * self._rate_hz)
            if position is None:
                position = min(due or 0, 0)
            if due is not None and due - position > (LARGEST_SLIP_S * self._rate_hz if position else 0):
                yield np.zeros((self._channels, due - position), np.float32)
                position = due
            skipped = min(max(-position, 0), block.shape[1])
            position += block.shape[1]
            yield block[:, skipped:]

    def _decoded(self, stream: int) -> Iterator[tuple[float | None, Sound]]:
        """Resampled blocks, each with the time of its first sample on the file's clock where it is known."""
        resampler, layout = None, ("", "", 0)
        for frame in self._frames(stream):
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or now != layout:
                yield from self._rest(resampler)
                resampler = self._resampler(frame)
            layout, time_s = now, frame.time
            for part in resampler.resample(frame):
                yield time_s, self._samples(part)
                time_s = None
        yield from self._rest(resampler)

    def _rest(self, resampler: av.AudioResampler | None) -> Iterator[tuple[None, Sound]]:
        """What a resampler still holds."""
        if resampler is not None:
            yield from ((None, self._samples(part)) for part in resampler.resample(None))

    def _frames(self, stream: int) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._container.streams.audio[stream])
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError:
                self.damaged_packets += 1
                if self.damaged_packets > MOST_DAMAGED:
                    return

    def _resampler(self, frame: AudioFrame) -> av.AudioResampler:
        # One channel spread over two by libswresample loses 3 dB, which is right only for two loudspeakers.
        is_plain = self._channels == 1 and frame.layout.nb_channels == 1
        layout = "mono" if is_plain else "stereo"
        return av.AudioResampler(format="fltp", layout=layout, rate=self._rate_hz)

    def _samples(self, part: AudioFrame) -> Sound:
        samples = np.asarray(part.to_ndarray(), np.float32)
        return samples.mean(axis=0, keepdims=True) if self._channels == 1 else samples
