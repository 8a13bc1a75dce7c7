"""Small pictures of a film, kept while it is watched, in a few megabytes however long it is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from emsync.types import SampledFrame, Shot, VideoInfo

HEIGHT = 96
LARGEST_WIDTH = 320
JPEG_QUALITY = 70
MOST_KEPT = 1024
"""About 5 MB: a picture of a 16:9 film takes about 5 kB."""


@dataclass(frozen=True)
class Thumbnail:
    """One small picture; `jpeg` holds a JPEG file of `width` x `height` pixels."""

    time_s: float
    width: int
    height: int
    jpeg: bytes


@dataclass(frozen=True)
class ShotPicture:
    """A thumbnail that lies inside the shot of this index."""

    shot_index: int
    thumbnail: Thumbnail


class ThumbnailCollector:
    """Takes the sampled frames of a scan, in order of time, and keeps evenly spaced ones as JPEG.

    Once more than `most` are held, every second one goes and the spacing doubles.
    """

    def __init__(self, info: VideoInfo, *, most: int = MOST_KEPT) -> None:
        self.width, self.height = _size(info.width, info.height)
        self._most = most
        self._spacing_s = 0.0
        self._kept: list[Thumbnail] = []

    def accept(self, frame: SampledFrame) -> None:
        """Keep the frame if it is far enough from the last kept one."""
        if self._kept and frame.time_s - self._kept[-1].time_s < self._spacing_s:
            return
        self._kept.append(Thumbnail(frame.time_s, self.width, self.height, self._jpeg(frame)))
        if len(self._kept) > self._most:
            self._kept = self._kept[::2]
            span_s = self._kept[-1].time_s - self._kept[0].time_s
            self._spacing_s = max(2 * self._spacing_s, span_s / len(self._kept))

    @property
    def thumbnails(self) -> tuple[Thumbnail, ...]:
        """What is kept so far, in order of time; at most `most`."""
        return tuple(self._kept)

    def _jpeg(self, frame: SampledFrame) -> bytes:
        """The square sample in the shape of the film again."""
        size = (self.width, self.height)
        upright = cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)
        bgr = cv2.cvtColor(upright, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return bytes(encoded)


def pictures_of_shots(
    shots: Sequence[Shot], thumbnails: Sequence[Thumbnail], *, most: int
) -> tuple[ShotPicture, ...]:
    """One picture a shot, the nearest to its middle; of more than `most` shots, `most` evenly chosen.

    A shot inside which no thumbnail lies gets none. `thumbnails` are in order of time.
    """
    times_s = [one.time_s for one in thumbnails]
    pictures = []
    for index, shot in enumerate(shots):
        inside = thumbnails[bisect_left(times_s, shot.start_s) : bisect_left(times_s, shot.end_s)]
        if inside:
            middle_s = (shot.start_s + shot.end_s) / 2
            pictures.append(ShotPicture(index, min(inside, key=lambda one: abs(one.time_s - middle_s))))
    if len(pictures) <= most:
        return tuple(pictures)
    chosen = np.linspace(0, len(pictures) - 1, most).round().astype(int)
    return tuple(pictures[index] for index in chosen)


def _size(film_width: int, film_height: int) -> tuple[int, int]:
    """Width and height in pixels with the film's aspect ratio; very wide films are less high."""
    scale = min(HEIGHT / film_height, LARGEST_WIDTH / film_width)
    return max(1, round(film_width * scale)), max(1, round(film_height * scale))
