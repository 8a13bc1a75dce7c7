"""Senses that read: words with the time at which they were said or shown, and the mood of each sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emsync.emotion.sense import NamingSense
from emsync.emotion.text_emotion import TextEmotion
from emsync.types import Shot

MOMENT_EVERY_S = 1.0
"""A sentence speaks once a second for as long as it lasts, so that long ones count for more."""


@dataclass(frozen=True)
class TimedText:
    """Words from `start_s` to `end_s` of the film."""

    start_s: float
    end_s: float
    text: str


class TextSense(NamingSense):
    """A sense whose moments are sentences; keeps their words, too."""

    feature_name = "text_emotion"
    reach_s = MOMENT_EVERY_S / 2

    def __init__(self, reader: TextEmotion) -> None:
        super().__init__()
        self._reader = reader
        self._texts: list[TimedText] = []

    def keep_text(self, text: TimedText, *, is_english: bool = True) -> None:
        """Keep the words, and their mood if they are understood."""
        self._texts.append(text)
        probabilities = self._reader.read(text.text) if is_english else None
        if probabilities is None:
            return
        count = max(1, round((text.end_s - text.start_s) / MOMENT_EVERY_S))
        for time_s in np.linspace(text.start_s, text.end_s, 2 * count + 1)[1::2]:
            self.keep(float(time_s), probabilities)

    def forget(self) -> None:
        """Begin another film."""
        super().forget()
        self._texts.clear()

    @property
    def texts(self) -> tuple[TimedText, ...]:
        """All that was said or shown so far, in order."""
        return tuple(self._texts)

    def text_in(self, shot: Shot) -> str:
        """The words of the sentences whose middle lies in the shot, each once in a row; "" if there are none."""
        inside = [
            one.text for one in self._texts if shot.start_s <= (one.start_s + one.end_s) / 2 < shot.end_s
        ]
        return " ".join(text for text, before in zip(inside, ("", *inside), strict=False) if text != before)
