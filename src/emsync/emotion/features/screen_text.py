"""Words on the screen, read by RapidOCR (the extra `screen-text`) from a few large frames."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.text_emotion import TextEmotion
from emsync.emotion.text_sense import TextSense, TimedText
from emsync.errors import WeightsError
from emsync.types import SampledFrame
from emsync.weights import ASSETS

INSTALL = "pip install 'emsync[screen-text]'"

LARGE_HEIGHT = 480
"""Height in pixels of the frames that are read: a subtitle is then about 24 high."""

READ_EVERY_S = 3.0
"""At most 20 frames a minute are read: a title stands for three seconds or longer."""

PIXEL_CHANGE = 24
LEAST_CHANGED_SHARE = 0.01
"""A frame is read only if a hundredth of its pixels differ by 24 of 255 from the one read last."""

LEAST_CERTAINTY = 0.8
"""Lines that the reader is less sure of are left out, and those without two letters: icons look like those."""

DETECTOR_SIDE = 736
"""Larger frames are made so wide to find text in; smaller ones are not enlarged, to save two thirds of the time."""

Frame = NDArray[np.uint8]


class ScreenTextSense(TextSense):
    """What stands on the screen."""

    name = "screen_text"

    def __init__(self, read_lines: Callable[[Frame], list[str]], reader: TextEmotion) -> None:
        """`read_lines` gives the lines of an RGB frame (h, w, 3)."""
        super().__init__(reader)
        self._read_lines = read_lines
        self._last: SampledFrame | None = None

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> ScreenTextSense:
        """With RapidOCR and its own weights.

        Raises: WeightsError if the extra is not installed; the message says how to install it.
        """
        return cls(_rapid_reader(threads), TextEmotion.load(folder))

    def accept_frame(self, frame: SampledFrame) -> None:
        """Read a frame if its turn has come and the picture changed.

        Raises: ValueError if the frame has no large picture.
        """
        if frame.large is None:
            raise ValueError("frames with a large picture expected; scan with `large_height`")
        if self._last is not None:
            too_early = frame.time_s < self._last.time_s + READ_EVERY_S
            if too_early or not has_changed(self._last.rgb, frame.rgb):
                return
        self._last = frame
        text = " ".join(self._read_lines(frame.large)).strip()
        if text:
            self.keep_text(TimedText(frame.time_s, frame.time_s, text))

    def forget(self) -> None:
        """Begin another film."""
        super().forget()
        self._last = None


def has_changed(before: Frame, now: Frame) -> bool:
    """Whether two frames of the same shape (h, w, 3) differ enough for a new line of text."""
    difference = np.abs(before[::2, ::2].astype(np.int16) - now[::2, ::2]).max(axis=2)
    return bool((difference > PIXEL_CHANGE).mean() >= LEAST_CHANGED_SHARE)


def lines_of(result: list[list[Any]] | None) -> list[str]:
    """The texts of RapidOCR's answer, [box, text, certainty] each, that are certain enough, in its order."""
    certain = [str(text) for _, text, certainty in result or [] if float(certainty) >= LEAST_CERTAINTY]
    return [text for text in certain if sum(letter.isalpha() for letter in text) >= 2]


def _rapid_reader(threads: int) -> Callable[[Frame], list[str]]:
    try:
        library = importlib.import_module("rapidocr_onnxruntime")
    except ImportError as error:
        raise WeightsError(
            f"The sense for words on the screen needs its extra: {INSTALL} ({error})"
        ) from error
    count = threads or -1
    engine = library.RapidOCR(
        intra_op_num_threads=count, det_limit_side_len=DETECTOR_SIDE, det_limit_type="max", use_cls=False
    )

    def read_lines(frame: Frame) -> list[str]:
        result, _ = engine(np.ascontiguousarray(frame[:, :, ::-1]), use_cls=False)  # it expects BGR
        return lines_of(result)

    return read_lines
