"""All tracks in one stereo sound, before it is brought to its loudness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from emsync.audio.loudness import LoudnessMeter
from emsync.audio.synthesiser import Substitution, Synthesiser
from emsync.audio.wav_file import Sound, SoundStore


class Mixdown:
    """What a synthesiser plays, kept on disk and measured as it is made."""

    def __init__(self, folder: Path, synthesiser: Synthesiser) -> None:
        """It lies in a nameless file in `folder` until it is closed."""
        self._synthesiser = synthesiser
        self._meter = LoudnessMeter(synthesiser.rate_hz)
        self.sound = SoundStore(folder)

    def take(self, windows: Iterable[Sound]) -> Iterator[int]:
        """Add windows of shape (2, frames); gives how many frames there are after each."""
        for window in windows:
            self.sound.append(window)
            self._meter.feed(window)
            yield self.sound.frames

    @property
    def loudness_lufs(self) -> float:
        """Integrated loudness of what there is."""
        return self._meter.integrated_lufs()

    @property
    def substitutions(self) -> tuple[Substitution, ...]:
        """Programs of it that the soundfont lacks."""
        return self._synthesiser.substitutions

    def close(self) -> None:
        """Give the disk back."""
        self.sound.close()
