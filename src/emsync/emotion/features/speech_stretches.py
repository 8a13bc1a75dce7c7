"""Cut the speech out of a stream of sound: stretches of speech, packed into windows of at most 30 s.

Whisper reads 30 s at the same cost whatever they hold, and invents text where nobody speaks. So what lies between the
stretches is left out, and a window is read when the next stretch would not fit in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.speech_detector import FRAME_SAMPLES
from emsync.types import SOUND_RATE_HZ

FRAME_S = FRAME_SAMPLES / SOUND_RATE_HZ
WINDOW_S = 30.0

SPEECH_BEGINS = 0.5
SPEECH_ENDS = 0.35
"""Speech begins with a frame at least as likely as the first, and lasts until half a second below the second; as
Silero's own defaults, but for the half second, which keeps sentences together."""

PAUSE_FRAMES = 16
MARGIN_FRAMES = 7
"""0.2 s before and after a stretch are kept with it."""
LEAST_FRAMES = 10
"""Fewer frames of speech (0.3 s) are a cough or a note of music."""
MOST_FRAMES = int(WINDOW_S / FRAME_S)
LATEST_CUT_FRAMES = 150
"""Speech without a pause is cut at the least likely of the last 150 frames (5 s) that fit into a window."""

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Stretch:
    """Speech without a pause: `samples` (N,) from `start_s` of the film on, 16 kHz."""

    start_s: float
    samples: Samples

    @property
    def length_s(self) -> float:
        """Of the samples."""
        return self.samples.size / SOUND_RATE_HZ


@dataclass(frozen=True)
class SpeechWindow:
    """Stretches, one right after the other, at most 30 s in all."""

    stretches: tuple[Stretch, ...]

    @property
    def samples(self) -> Samples:
        """All of them joined."""
        return np.concatenate([stretch.samples for stretch in self.stretches])

    def film_span_s(self, start_s: float, end_s: float) -> tuple[float, float]:
        """When in the film a span of the joined samples was heard: first and last instant.

        A span over several stretches is that from its beginning to its end, gaps included.
        """
        first = self._film_time_s(start_s, is_end=False)
        return first, max(first, self._film_time_s(end_s, is_end=True))

    def _film_time_s(self, time_s: float, *, is_end: bool) -> float:
        """An end on the border of two stretches belongs to the earlier one, a start to the later one."""
        before_s = 0.0
        for number, stretch in enumerate(self.stretches, start=1):
            inside_s = time_s - before_s
            fits = inside_s <= stretch.length_s if is_end else inside_s < stretch.length_s
            if fits or number == len(self.stretches):
                return stretch.start_s + min(max(inside_s, 0.0), stretch.length_s)
            before_s += stretch.length_s
        raise AssertionError("a window holds at least one stretch")


@dataclass
class StretchFinder:
    """Takes frame after frame with the likelihood of speech, hands out stretches once they are over.

    The first frame begins at `start_s` of the film.
    """

    start_s: float = 0.0
    _frames: deque[tuple[Samples, float]] = field(default_factory=deque)
    _passed: int = 0
    _quiet: int = 0
    _speaking: bool = False

    def add(self, frame: Samples, speech: float) -> Stretch | None:
        """The next frame, shape (512,); a stretch if one ended with it."""
        self._frames.append((frame, speech))
        self._passed += 1
        if not self._speaking:
            self._speaking, self._quiet = speech >= SPEECH_BEGINS, 0
            if not self._speaking and len(self._frames) > MARGIN_FRAMES:
                self._frames.popleft()
            return None
        self._quiet = self._quiet + 1 if speech < SPEECH_ENDS else 0
        if self._quiet >= PAUSE_FRAMES:
            return self._end()
        return self._split() if len(self._frames) >= MOST_FRAMES else None

    def finish(self) -> Stretch | None:
        """The sound ended; the stretch that was open, if any."""
        return self._end() if self._speaking else None

    def _end(self) -> Stretch | None:
        """Leave what lies more than the margin behind the speech for the next stretch's margin."""
        kept = len(self._frames) - max(0, self._quiet - MARGIN_FRAMES)
        self._speaking = False
        return self._taken(kept, rest=MARGIN_FRAMES)

    def _split(self) -> Stretch | None:
        recent = [speech for _, speech in self._frames][-LATEST_CUT_FRAMES:]
        return self._taken(
            len(self._frames) - LATEST_CUT_FRAMES + int(np.argmin(recent)) + 1, rest=MOST_FRAMES
        )

    def _taken(self, count: int, *, rest: int) -> Stretch | None:
        """The first `count` frames as a stretch, if there is speech in them; of the others `rest` stay."""
        start_s = self.start_s + (self._passed - len(self._frames)) * FRAME_S
        taken = [self._frames.popleft() for _ in range(count)]
        while len(self._frames) > rest:
            self._frames.popleft()
        if sum(speech >= SPEECH_BEGINS for _, speech in taken) < LEAST_FRAMES:
            return None
        return Stretch(start_s, np.concatenate([frame for frame, _ in taken]))


class WindowPacker:
    """Collects stretches until the next would not fit."""

    def __init__(self) -> None:
        self._waiting: list[Stretch] = []

    def add(self, stretch: Stretch) -> Iterator[SpeechWindow]:
        """Take in a stretch; hand out the window it does not fit into."""
        if sum(one.length_s for one in self._waiting) + stretch.length_s > WINDOW_S:
            yield from self.finish()
        self._waiting.append(stretch)

    def finish(self) -> Iterator[SpeechWindow]:
        """Hand out what waits."""
        if self._waiting:
            yield SpeechWindow(tuple(self._waiting))
            self._waiting = []
