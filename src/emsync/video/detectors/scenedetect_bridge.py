"""PySceneDetect's detectors behind our contract: frames come from our decode pass, times are exact.

PySceneDetect counts frames here, and its own minimum scene length is switched off: times come from
timestamps and `emsync.video.cuts.CutFilter` keeps the distance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from scenedetect.common import FrameTimecode
from scenedetect.detector import SceneDetector
from scenedetect.stats_manager import StatsManager

from emsync.types import Cut
from emsync.video.pictures import Picture

_COUNTING_RATE = Fraction(25)
"""PySceneDetect wants a rate beside a frame number; it enters no decision."""


class SceneDetectBridge:
    """One PySceneDetect detector watching one video."""

    def __init__(
        self, name: str, detector: SceneDetector, *, score_key: str, strength_of: Callable[[float], float]
    ) -> None:
        """`score_key` is the metric that says how much a frame differs; `strength_of` maps it to [0, 1]."""
        self._name = name
        self._detector = detector
        self._strength_of = strength_of
        self._scores = _RecentScores(score_key, capacity=self.lag_frames + 1)
        self._times_s: deque[float] = deque(maxlen=self.lag_frames + 1)
        self._frame_count = 0
        detector.stats_manager = self._scores

    @property
    def name(self) -> str:
        """The word that chooses this detector."""
        return self._name

    @property
    def lag_frames(self) -> int:
        """How many later frames the detector waits for."""
        return int(self._detector.event_buffer_length)

    def watch(self, picture: Picture) -> tuple[Cut, ...]:
        """See the next frame; return the cuts now certain."""
        self._times_s.append(picture.time_s)
        timecode = FrameTimecode(self._frame_count, _COUNTING_RATE)
        self._frame_count += 1
        cut_timecodes = self._detector.process_frame(timecode, picture.small)
        return tuple(self._cut_at(found.frame_num) for found in cut_timecodes)

    def finish(self) -> tuple[Cut, ...]:
        """None: the detectors used here hold nothing back but a window that the end leaves incomplete."""
        return ()

    def _cut_at(self, frame_number: int) -> Cut:
        time_s = self._times_s[frame_number - self._frame_count]
        return Cut(time_s=time_s, strength=self._strength_of(self._scores.of_frame(frame_number)))


class _RecentScores(StatsManager):  # type: ignore[misc, unused-ignore]
    """The scores of the last few frames: PySceneDetect's own store keeps those of the whole video."""

    def __init__(self, score_key: str, *, capacity: int) -> None:
        super().__init__()
        self._score_key = score_key
        self._recent: deque[tuple[int, float]] = deque(maxlen=capacity)

    def set_metrics(self, timecode: int | FrameTimecode, metric_kv_dict: Mapping[str, Any]) -> None:
        """Called by the detector for every frame."""
        if self._score_key in metric_kv_dict:
            number = timecode if isinstance(timecode, int) else timecode.frame_num
            self._recent.append((number, float(metric_kv_dict[self._score_key])))

    def of_frame(self, frame_number: int) -> float:
        """The score of a recent frame; 0 for a frame without one, as the first is."""
        return dict(self._recent).get(frame_number, 0.0)
