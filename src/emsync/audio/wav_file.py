"""Write WAV files: 24-bit PCM for the mix, 32-bit float for stems; and hold sound that is still being made."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emsync.errors import OutputError

Sound = NDArray[np.float32]
Encoding = Literal["pcm24", "float32"]

_LARGEST_BYTES = 2**32 - 64
_PCM, _FLOAT = 1, 3


class WavWriter:
    """A stereo WAV file of known length, written window by window."""

    def __init__(self, path: Path, rate_hz: int, frames: int, encoding: Encoding) -> None:
        """Open the file and write its header. Raises `OutputError` if 4 GB would not hold the sound."""
        self._encoding = encoding
        bits = 24 if encoding == "pcm24" else 32
        size = frames * 2 * bits // 8
        if size > _LARGEST_BYTES:
            raise OutputError(
                f"{path.name} would need {size / 1e9:.1f} GB, more than a WAV file can hold (4 GB); "
                "render the music in parts"
            )
        self._file = path.open("wb")
        self._file.write(_header(rate_hz, bits, size, _PCM if encoding == "pcm24" else _FLOAT))

    def write(self, sound: Sound) -> Sound:
        """Append a window of shape (2, frames); returns it as the file now holds it."""
        if self._encoding == "float32":
            self._file.write(np.ascontiguousarray(sound.T, "<f4").tobytes())
            return sound
        whole = np.rint(np.clip(sound, -1.0, 1.0).astype(np.float64) * 8388607).astype("<i4")
        lowest_three = np.ascontiguousarray(whole.T).view(np.uint8).reshape(-1, 4)[:, :3]
        self._file.write(np.ascontiguousarray(lowest_three).tobytes())
        return (whole / 8388607).astype(np.float32)

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def _header(rate_hz: int, bits: int, size: int, kind: int) -> bytes:
    frame_bytes = 2 * bits // 8
    layout = struct.pack("<HHIIHH", kind, 2, rate_hz, rate_hz * frame_bytes, frame_bytes, bits)
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout
    if kind == _FLOAT:
        chunks += b"fact" + struct.pack("<II", 4, size // frame_bytes)
    chunks += b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + size) + b"WAVE" + chunks


class SoundStore:
    """Stereo sound on its way, kept in a nameless temporary file: 384 kB of disk a second at 48 kHz."""

    def __init__(self, folder: Path) -> None:
        """The file lives in `folder` and vanishes when closed or when the program ends."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by close())
        self._frames = 0

    @property
    def frames(self) -> int:
        """Frames stored so far."""
        return self._frames

    def append(self, sound: Sound) -> None:
        """Add a window of shape (2, frames)."""
        self._file.seek(self._frames * 8)
        self._file.write(np.ascontiguousarray(sound.T, "<f4").tobytes())
        self._frames += sound.shape[1]

    def read(self, start: int, stop: int) -> Sound:
        """Frames from `start` up to `stop`, shape (2, stop - start); silence outside what is stored."""
        sound = np.zeros((2, stop - start), np.float32)
        first, last = max(start, 0), min(stop, self._frames)
        if first < last:
            self._file.seek(first * 8)
            stored = np.frombuffer(self._file.read((last - first) * 8), "<f4")
            sound[:, first - start : last - start] = stored.reshape(-1, 2).T
        return sound

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
