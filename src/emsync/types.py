"""The values that cross a stage border, all frozen.

    video -probe-> VideoInfo -scan-> Cuts -classify-> ShotEmotion per shot -to_affect_curve-> AffectCurve
          -spot-> CueSheet -compose-> Composition -write-> score.mid -render-> music.wav -mux-> scored.mp4

Seconds are floats counted from the first video frame; ticks are integers of 8 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emsync.control import Key

TICKS_PER_S = 125
TICK_S = 1 / TICKS_PER_S

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
NAMED = (*EMOTIONS, "neutral")
"""What a face or a sentence can be named: one of the categories, or none of them."""

SOUND_RATE_HZ = 16_000
SOUND_PATCH_SAMPLES = 15_600
"""What the classifier hears at a time: 0.975 s."""

Floats: TypeAlias = NDArray[np.float64]
Ticks: TypeAlias = NDArray[np.int64]
Notes: TypeAlias = NDArray[np.void]
"""A structured array of dtype `NOTE_DTYPE`, shape (N,), sorted by onset, then group, then pitch."""
Message: TypeAlias = Any
"""A mido message: its fields depend on its type, so the type checker cannot know them."""


class InstrumentGroup(IntEnum):
    """The five instrument groups of the paper, in the order in which they sound at one instant."""

    DRUMS = 0
    BASS = 1
    GUITAR = 2
    PIANO = 3
    STRINGS = 4


NOTE_DTYPE = np.dtype(
    [
        ("onset_ticks", np.int32),
        ("duration_ticks", np.int32),
        ("group", np.uint8),
        ("pitch", np.uint8),
        ("velocity", np.uint8),
    ]
)


@dataclass(frozen=True)
class AudioStream:
    """One sound stream of a video file."""

    index: int
    codec: str
    channels: int
    sample_rate_hz: int


@dataclass(frozen=True)
class VideoInfo:
    """What a probe learns without decoding the whole film.

    `duration_s` comes from exact timestamps: end of the last frame minus start of the first. Width and
    height are as displayed, after rotation and pixel aspect are applied. `rotation_degrees` is the clockwise
    turn, 0, 90, 180 or 270, that sets a decoded frame upright. `start_s` is when the first frame is shown on
    the container's own clock; every other time in this package counts from that frame.
    """

    path: Path
    duration_s: float
    width: int
    height: int
    frame_rate_fps: Fraction
    is_variable_frame_rate: bool
    rotation_degrees: int
    codec: str
    pixel_format: str
    container: str
    audio_streams: tuple[AudioStream, ...]
    start_s: float = 0.0


@dataclass(frozen=True)
class Cut:
    """The instant between two shots. `strength` in [0, 1]: 1 is the most abrupt change."""

    time_s: float
    strength: float


@dataclass(frozen=True)
class Shot:
    """Frames of one camera take, from `start_s` up to but not including `end_s`."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class SampledFrame:
    """One frame picked for feature extraction: `rgb` is uint8, shape (224, 224, 3), the whole frame squeezed.

    `aspect` is width over height of the frame as displayed: what undoes the squeezing. `large`, uint8 (h, w, 3), is the
    same frame in its own shape, only there if a sense must read small things.
    """

    time_s: float
    rgb: NDArray[np.uint8]
    aspect: float = 1.0
    large: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class SoundPatch:
    """What is heard around `time_s`, its middle: `samples` is float32, shape (15600,), 16 kHz, full scale 1."""

    time_s: float
    samples: NDArray[np.float32]


@dataclass(frozen=True)
class EmotionProbabilities:
    """Classifier output over `EMOTIONS`, in that order; each in [0, 1], summing to 1."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(EMOTIONS):
            raise ValueError(f"{len(EMOTIONS)} probabilities expected, got {len(self.values)}")
        if not all(0.0 <= value <= 1.0 for value in self.values):
            raise ValueError(f"probabilities must lie in [0, 1], got {self.values}")
        if abs(sum(self.values) - 1.0) > 1e-3:
            raise ValueError(f"probabilities must sum to 1, got {sum(self.values)}")


@dataclass(frozen=True)
class ShotEmotion:
    """A shot and what the classifier felt in it.

    `valence` and `arousal`, in [-1, 1], are estimated beside the probabilities, because those know no calm;
    0, 0 where nothing is known. `senses` names those that spoke, some of `emsync.emotion.senses.SENSES`.
    `speech` and `screen_text` are what was said and shown, where those senses were asked for; the music does not
    depend on them.
    """

    shot: Shot
    probabilities: EmotionProbabilities
    valence: float = 0.0
    arousal: float = 0.0
    senses: tuple[str, ...] = ()
    speech: str = ""
    screen_text: str = ""

    def __post_init__(self) -> None:
        if not (-1.0 <= self.valence <= 1.0 and -1.0 <= self.arousal <= 1.0):
            raise ValueError(
                f"valence and arousal must lie in [-1, 1], got {self.valence} and {self.arousal}"
            )


@dataclass(frozen=True)
class AffectPoint:
    """Affect at one time; valence and arousal in [-1, 1]."""

    time_s: float
    valence: float
    arousal: float


@dataclass(frozen=True)
class AffectCurve:
    """Affect over time: straight lines between points, constant before the first and after the last."""

    points: tuple[AffectPoint, ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("an affect curve needs at least one point")
        times_s = [point.time_s for point in self.points]
        if any(later <= earlier for earlier, later in pairwise(times_s)):
            raise ValueError("the points of an affect curve must be strictly increasing in time")

    def valence_at(self, times_s: Floats) -> Floats:
        """Valence at the given times, same shape as `times_s`, in [-1, 1]."""
        return np.asarray(np.interp(times_s, self._columns[0], self._columns[1]))

    def arousal_at(self, times_s: Floats) -> Floats:
        """Arousal at the given times, same shape as `times_s`, in [-1, 1]."""
        return np.asarray(np.interp(times_s, self._columns[0], self._columns[2]))

    @cached_property
    def _columns(self) -> Floats:
        """Times, valence and arousal of the points, shape (3, N); the composer asks at every token."""
        rows = [(point.time_s, point.valence, point.arousal) for point in self.points]
        return np.array(rows, np.float64).T.copy()


@dataclass(frozen=True)
class Boundary:
    """A moment that the music must answer. `source` says who asked for it."""

    time_s: float
    strength: float
    source: Literal["cut", "user"]
    label: str = ""


@dataclass(frozen=True)
class DroppedBoundary:
    """A moment that did not survive spotting, and why."""

    time_s: float
    strength: float
    reason: str


@dataclass(frozen=True)
class Direction:
    """What the user asks of the music from `time_s` on, until a later direction says otherwise; None: nothing new.

    `tempo_bpm` is in 60..180 quarter notes a minute, `density` in 0.5..40 notes a second.
    """

    time_s: float
    instruments: tuple[InstrumentGroup, ...] | None = None
    tempo_bpm: float | None = None
    key: Key | None = None
    density: float | None = None


@dataclass(frozen=True)
class CueSheet:
    """All that music knows of the video. `boundaries` and `directions` are strictly increasing in time."""

    title: str
    duration_s: float
    frame_rate_fps: Fraction
    cuts: tuple[Cut, ...]
    shots: tuple[ShotEmotion, ...]
    boundaries: tuple[Boundary, ...]
    dropped: tuple[DroppedBoundary, ...]
    affect: AffectCurve
    directions: tuple[Direction, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A boundary and the onset of the chord that answered it; None if none did within a second."""

    boundary: Boundary
    chord_onset_ticks: int | None


@dataclass(frozen=True)
class BeatGrid:
    """The click track of a score: exact times of all its beats, strictly increasing, and which of them begin a bar."""

    beat_times_s: tuple[float, ...]
    bar_beats: tuple[int, ...]

    @cached_property
    def beat_times_us(self) -> Floats:
        """The same times in microseconds, shape (N,)."""
        return np.array(self.beat_times_s) * 1e6

    def place_of(self, time_ticks: int) -> Literal["downbeat", "beat", "between"]:
        """Where a moment falls, to a tick."""
        times_ticks = np.array(self.beat_times_s) * TICKS_PER_S
        beat = int(np.abs(times_ticks - time_ticks).argmin())
        if abs(times_ticks[beat] - time_ticks) > 1:
            return "between"
        return "downbeat" if beat in self.bar_beats else "beat"


@dataclass(frozen=True, slots=True)
class PlayedMessage:
    """A channel message of a MIDI file, when it is played, in seconds from the start, and the track it is on."""

    time_s: float
    track: int
    message: Message

    @property
    def is_onset(self) -> bool:
        """A note begins here."""
        return bool(self.message.type == "note_on" and self.message.velocity > 0)


@dataclass(frozen=True)
class MusicSection:
    """Where a section of the score begins, and the letter of its theme: A comes back as A."""

    onset_ticks: int
    theme: str


@dataclass(frozen=True)
class Composition:
    """The music for one cue sheet, on the tick grid.

    `grid` is the click track it was planned on; none where bars were left to the network. `nats_per_token` is how
    surprised the network was by what was written, on average. `bar_onsets_ticks` and `chord_onsets_ticks` are
    strictly increasing. No note ends after
    `duration_ticks`. `velocity` of the notes is already shaped by `music.dynamics`.
    """

    notes: Notes
    bar_onsets_ticks: tuple[int, ...]
    chord_onsets_ticks: tuple[int, ...]
    duration_ticks: int
    hits: tuple[Hit, ...]
    seed: int
    weights_sha256: str
    grid: BeatGrid | None = None
    nats_per_token: float = math.nan
    sections: tuple[MusicSection, ...] = ()
