"""Speech: found by the detector, cut out, written down by Whisper; a window at a time, however long the film."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from emsync.emotion.features.speech_detector import FRAME_SAMPLES, SpeechDetector
from emsync.emotion.features.speech_stretches import Samples, SpeechWindow, StretchFinder, WindowPacker
from emsync.emotion.features.whisper import Transcript, Whisper
from emsync.emotion.text_emotion import TextEmotion
from emsync.emotion.text_sense import TextSense, TimedText
from emsync.types import SOUND_PATCH_SAMPLES, SOUND_RATE_HZ, SoundPatch
from emsync.weights import ASSETS

LARGEST_SLIP_S = 0.01
"""A patch that begins further from the end of the one before begins a new stream."""


class Detector(Protocol):
    """What tells speech from the rest: `SpeechDetector`."""

    def forget(self) -> None:
        """Begin another stream."""

    def probabilities(self, frames: Samples) -> Samples:
        """How likely speech is in each of the next frames (N, 512), shape (N,)."""
        ...


class SpeechSense(TextSense):
    """What is said. Keeps at most a minute of sound (4 MB): a stretch that is open and a window that fills up."""

    name = "speech"
    _due_s: float
    _rest: Samples
    _finder: StretchFinder
    _packer: WindowPacker

    def __init__(
        self, detector: Detector, transcribe: Callable[[Samples], Transcript], reader: TextEmotion
    ) -> None:
        super().__init__(reader)
        self._detector, self._transcribe = detector, transcribe
        self._begin(0.0)

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS, speech_weights: Path | None = None) -> SpeechSense:
        """With its weights; `speech_weights` is the folder with Whisper's, None the user's cache.

        Raises: WeightsError if any are missing or altered; the message says how to fetch Whisper's.
        """
        whisper = Whisper.load(speech_weights, threads)
        return cls(SpeechDetector.load(threads, folder), whisper.transcribe, TextEmotion.load(folder))

    def accept_sound(self, patch: SoundPatch) -> None:
        """Take in the next patch of sound, silent or not."""
        start_s = patch.time_s - SOUND_PATCH_SAMPLES / SOUND_RATE_HZ / 2
        if abs(start_s - self._due_s) > LARGEST_SLIP_S:
            self.finish()
            self._begin(start_s)
        self._due_s = start_s + patch.samples.size / SOUND_RATE_HZ
        sound = np.concatenate([self._rest, patch.samples])
        whole = sound.size // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = sound[whole:]
        frames = sound[:whole].reshape(-1, FRAME_SAMPLES)
        for frame, speech in zip(frames, self._detector.probabilities(frames), strict=True):
            stretch = self._finder.add(frame, float(speech))
            for window in self._packer.add(stretch) if stretch is not None else ():
                self._write_down(window)

    def finish(self) -> None:
        """The film ended: read what waits."""
        last = self._finder.finish()
        for window in [*(self._packer.add(last) if last is not None else ()), *self._packer.finish()]:
            self._write_down(window)
        self._begin(self._due_s)

    def forget(self) -> None:
        """Begin another film."""
        super().forget()
        self._begin(0.0)

    def _begin(self, start_s: float) -> None:
        self._due_s = start_s
        self._detector.forget()
        self._finder = StretchFinder(start_s)
        self._packer = WindowPacker()
        self._rest = np.zeros(0, np.float32)

    def _write_down(self, window: SpeechWindow) -> None:
        for text, is_english in self._said(window):
            self.keep_text(text, is_english=is_english)

    def _said(self, window: SpeechWindow) -> Iterator[tuple[TimedText, bool]]:
        """What was said, and whether in English; a window that gave nothing is tried once more, piece by piece."""
        said = self._transcribe(window.samples)
        if said.is_doubtful and len(window.stretches) > 1:
            for stretch in window.stretches:
                yield from self._said(SpeechWindow((stretch,)))
        for sentence in said.sentences:
            start_s, end_s = window.film_span_s(sentence.start_s, sentence.end_s)
            yield TimedText(start_s, end_s, sentence.text), said.is_english
