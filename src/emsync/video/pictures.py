"""Decoded frames made small: for the cut detector at every frame, for the classifier now and then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from emsync.types import SampledFrame

SMALL_HEIGHT = 64
SAMPLE_SIZE = 224


@dataclass(frozen=True)
class Picture:
    """One decoded frame on its way through a scan.

    `small` is its BGR thumbnail, uint8, 64 pixels high or less, shape (h, w, 3), not rotated; `frame` is the
    full frame, for detectors that need every pixel.
    """

    time_s: float
    small: NDArray[np.uint8]
    frame: VideoFrame


class PictureMaker:
    """Shrinks the frames of one video; libswscale reads each frame once for each picture."""

    def __init__(
        self, rotation_degrees: int = 0, *, aspect: float = 1.0, large_height: int | None = None
    ) -> None:
        """`rotation_degrees` is clockwise, a multiple of 90, as in `VideoInfo`; `aspect` is as displayed.

        With `large_height`, samples hold a large picture, too, at most so high before it is turned upright.
        """
        self._aspect = aspect
        self._quarter_turns = rotation_degrees // 90
        self._small_scaler = VideoReformatter()
        self._sample_scaler = VideoReformatter()
        self._large_height = large_height
        self._large_scaler = VideoReformatter()

    def picture(self, time_s: float, frame: VideoFrame) -> Picture:
        """The frame with its thumbnail. From 1080p fast bilinear takes 0.14 ms, area averaging 1 ms."""
        height = min(SMALL_HEIGHT, frame.height)
        width = max(1, round(frame.width * height / frame.height))
        small = self._small_scaler.reformat(
            frame, width, height, "bgr24", interpolation=Interpolation.FAST_BILINEAR, threads=1
        )
        return Picture(time_s=time_s, small=_pixels(small), frame=frame)

    def sample(self, picture: Picture) -> SampledFrame:
        """The whole frame squeezed to 224 x 224 RGB, upright."""
        squeezed = self._sample_scaler.reformat(
            picture.frame, SAMPLE_SIZE, SAMPLE_SIZE, "rgb24", interpolation=Interpolation.AREA, threads=1
        )
        large = None if self._large_height is None else self._large(picture.frame, self._large_height)
        return SampledFrame(picture.time_s, self._upright(squeezed), self._aspect, large)

    def _large(self, frame: VideoFrame, most_height: int) -> NDArray[np.uint8]:
        height = min(most_height, frame.height)
        width = max(1, round(frame.width * height / frame.height))
        return self._upright(
            self._large_scaler.reformat(
                frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1
            )
        )

    def _upright(self, frame: VideoFrame) -> NDArray[np.uint8]:
        return np.ascontiguousarray(np.rot90(_pixels(frame), k=-self._quarter_turns))


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(), dtype=np.uint8)
