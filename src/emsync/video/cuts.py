"""The contract of cut detectors, and what happens to their raw cuts.

A detector watches every frame once and names the frames that open a new shot; fades and dissolves are found
beside it (`fades.py`, `dissolves.py`). `CutFilter` then drops what no editor would call a cut: changes too
small to see, flashes, and cuts that follow one another faster than 0.2 s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emsync.types import Cut, SampledFrame, Shot
from emsync.video.pictures import Picture

MINIMUM_DISTANCE_S = 0.2
"""Raw cuts closer than this are one event. Five frames at 24 fps; spotting thins further."""

LONGEST_RUN_S = 1.0
"""A run of raw cuts is judged after this time at the latest, so that strobe light cannot fill memory."""

LEAST_CHANGE_LEVELS = 8.0
"""A cut changes the thumbnail by at least this much, in 8-bit levels averaged over pixels and colours. Hue
and saturation of nearly black pixels are noise, so that detectors see cuts inside fades: 6 of 14 in one
trailer, all below 5 levels, while its weakest real cut, between two dark shots, has 16."""

FLASH_RATIO = 1 / 3
"""A cut was a flash if the picture 0.2 s after it differs from the one before it by less than this share of
what the cut itself changed."""

DETECTOR_NAMES = ("adaptive", "content", "ffmpeg", "histogram")


class CutDetector(Protocol):
    """Finds the first frame of every new shot. One detector watches one video."""

    @property
    def name(self) -> str:
        """The word that chooses it in `detector_named`."""
        ...

    @property
    def lag_frames(self) -> int:
        """How many later frames it may want to see before it names a cut."""
        ...

    def watch(self, picture: Picture) -> tuple[Cut, ...]:
        """See the next frame, in order of time; return the cuts now certain.

        The time of a cut is that of a picture seen, at most `lag_frames` ago; strength is in [0, 1].
        """
        ...

    def finish(self) -> tuple[Cut, ...]:
        """Return the cuts that were still uncertain when the video ended."""
        ...


def detector_named(name: str) -> CutDetector:
    """A fresh detector of one of `DETECTOR_NAMES`. Raises: ValueError for another name."""
    if name not in DETECTOR_NAMES:
        raise ValueError(f"no cut detector {name!r}; choose one of {', '.join(DETECTOR_NAMES)}")
    make: Callable[[], CutDetector] = import_module(f"emsync.video.detectors.{name}").make_detector
    return make()


def shots_between(cuts: Sequence[Cut], duration_s: float) -> tuple[Shot, ...]:
    """The shots from 0 to the end; one more than there are cuts.

    Raises: ValueError if the cuts are not strictly increasing inside (0, duration_s).

    >>> shots_between([Cut(2.0, 1.0)], 5.0)
    (Shot(start_s=0.0, end_s=2.0), Shot(start_s=2.0, end_s=5.0))
    """
    edges_s = [0.0, *(cut.time_s for cut in cuts), duration_s]
    if any(end_s <= start_s for start_s, end_s in pairwise(edges_s)):
        raise ValueError(f"cuts must be strictly increasing inside (0, {duration_s}), got {edges_s[1:-1]}")
    return tuple(Shot(start_s, end_s) for start_s, end_s in pairwise(edges_s))


@dataclass(frozen=True)
class Candidate:
    """A raw cut with the first frame of its shot, and thumbnails of the frames on both sides.

    Of a gradual change `opening` may come a little after the cut, and the thumbnails are those of this frame.
    """

    cut: Cut
    opening: SampledFrame
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


class CutFilter:
    """Turns raw cuts into cuts at least 0.2 s apart.

    A raw cut that hardly changes the picture is ignored. Raw cuts that follow one another within 0.2 s form a
    run, which counts as one cut: the strongest. If the picture after the run is again the one before it, the
    run was a flash and counts as none. `shown` is the thumbnail of the last frame that is known not to
    open another shot.
    """

    def __init__(self) -> None:
        self._run: list[Candidate] = []
        self._last_kept_s = -MINIMUM_DISTANCE_S

    def add(self, candidate: Candidate) -> None:
        """Take the next raw cut; call `settle` with its time first."""
        if _mean_difference(candidate.before, candidate.after) >= LEAST_CHANGE_LEVELS:
            self._append(candidate)

    def add_gradual(self, candidate: Candidate, begin_s: float) -> None:
        """Take a change of shot that began at `begin_s`, unless a cut was found in it already.

        From frame to frame it may change little. Call `settle` with its time first.
        """
        latest_s = self._run[-1].cut.time_s if self._run else self._last_kept_s
        if latest_s < begin_s:
            self._append(candidate)

    def _append(self, candidate: Candidate) -> None:
        self._run.append(candidate)
        if len(self._run) > 2:
            strongest = _strongest(self._run[:-1])
            middle = [strongest] if strongest is not self._run[0] else []
            self._run = [self._run[0], *middle, candidate]

    def settle(self, now_s: float, shown: NDArray[np.uint8]) -> Candidate | None:
        """The cut that has become final, if any, once every raw cut before `now_s` was added."""
        if not self._run:
            return None
        run_lasts = now_s - self._run[0].cut.time_s < LONGEST_RUN_S
        if run_lasts and _is_too_close(self._run[-1].cut.time_s, now_s):
            return None
        return self.finish(shown)

    def finish(self, shown: NDArray[np.uint8]) -> Candidate | None:
        """The cut still pending at the end of the video, if any."""
        run, self._run = self._run, []
        if not run or _is_flash(run[0], shown):
            return None
        kept = _strongest(run)
        if _is_too_close(self._last_kept_s, kept.cut.time_s):
            return None
        self._last_kept_s = kept.cut.time_s
        return kept

    @property
    def pending_s(self) -> float:
        """The earliest time at which a cut may still appear among those added; infinite if there is none."""
        return self._run[0].cut.time_s if self._run else float("inf")


def _is_too_close(earlier_s: float, later_s: float) -> bool:
    """Less than 0.2 s apart; a microsecond of rounding does not count (0.6 - 0.4 is less than 0.2)."""
    return later_s - earlier_s < MINIMUM_DISTANCE_S - 1e-6


def _strongest(run: Sequence[Candidate]) -> Candidate:
    """The strongest of a run, the first of equals."""
    return max(run, key=lambda candidate: candidate.cut.strength)


def _is_flash(first: Candidate, shown: NDArray[np.uint8]) -> bool:
    changed = _mean_difference(first.before, first.after)
    return _mean_difference(first.before, shown) < FLASH_RATIO * changed


def _mean_difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Mean absolute difference in 8-bit levels; the whole range for pictures of different sizes."""
    if first.shape != second.shape:
        return 255.0
    return float(np.mean(np.abs(first.astype(np.int16) - second.astype(np.int16))))
