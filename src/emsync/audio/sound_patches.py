"""What can be heard in a film, in pieces of 0.975 s, for the emotion classifier. Decoded as it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from emsync.audio.sound_reader import SoundReader
from emsync.types import SOUND_PATCH_SAMPLES, SOUND_RATE_HZ, SoundPatch

PATCH_S = SOUND_PATCH_SAMPLES / SOUND_RATE_HZ


def sound_patches(
    path: Path,
    *,
    duration_s: float,
    stream: int = 0,
    start_s: float = 0.0,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[SoundPatch]:
    """Patches that follow one another from the start of the film to its end, silent ones included.

    One channel at 16 kHz in [-1, 1]; where the file has no sound or cannot be decoded, the patch is silent. The last
    one is left out if less than half of it lies in the film. No more than a patch and a packet are in memory.

    Args:
        duration_s: of the film, > 0.
        stream: which sound stream, 0 is the first.
        start_s: when the film begins on the file's clock.
        on_progress: called with the fraction done, in [0, 1], ending with 1.
    Raises: AudioError if the file holds no such sound stream or cannot be opened.
    """
    count = max(1, round(duration_s / PATCH_S))
    reader = SoundReader(path, stream=stream, start_s=start_s, rate_hz=SOUND_RATE_HZ, mono=True)
    with contextlib.closing(reader):
        for number in range(count):
            samples = np.clip(reader.read(SOUND_PATCH_SAMPLES)[0], -1, 1)  # lossy codecs overshoot
            yield SoundPatch((number + 0.5) * PATCH_S, samples)
            if on_progress:
                on_progress((number + 1) / count)
