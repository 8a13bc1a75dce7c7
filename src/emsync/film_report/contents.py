"""What a report on a film shows, whatever its form, and how its numbers are written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emsync.film_report.thumbnails import ShotPicture, Thumbnail, pictures_of_shots
from emsync.report import Analysis
from emsync.types import EMOTIONS, CueSheet, Floats, ShotEmotion

MOST_PICTURES = 60
LIKELY_EMOTIONS = 3
MOST_WIDE_MARKS = 150
MOST_AFFECT_POINTS = 600
AFFECT_MEANS, SAMPLES_A_MEAN = 300, 50

EMOTION_COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#f0d332", "#0072b2", "#56b4e9")
"""In the order of `EMOTIONS`; of Okabe & Ito (2008), told apart by colour-blind people, too. The yellow is darker."""

_MINUTE_S, _HOUR_S = 60, 3600
_TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_TICK_STEPS_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440)
_MOST_TICKS = 10


@dataclass(frozen=True)
class Share:
    """One emotion and how likely it is, in [0, 1]; `index` is its place in `EMOTIONS`."""

    index: int
    share: float

    def __str__(self) -> str:
        return f"{EMOTIONS[self.index]} {100 * self.share:.0f} %"


@dataclass(frozen=True)
class ShotRow:
    """One shot as people read it; `number` counts from 1, affect is that at its middle, in [-1, 1]."""

    number: int
    start_s: float
    end_s: float
    likely: tuple[Share, ...]
    valence: float
    arousal: float
    senses: tuple[str, ...]
    words: tuple[str, ...] = ()
    """What was said and shown, one after the other."""


@dataclass(frozen=True)
class Moment:
    """A boundary, kept or left out; `fate` says which and why."""

    time_s: float
    strength: float
    is_kept: bool
    is_users: bool
    fate: str


@dataclass(frozen=True)
class AffectSeries:
    """Valence and arousal to draw, at `times_s`; all three have shape (T,).

    `averaged_over_s` is 0 if they are the curve itself, else how much of the film one value is the mean of.
    """

    times_s: Floats
    valence: Floats
    arousal: Floats
    averaged_over_s: float


@dataclass(frozen=True)
class FilmReport:
    """All that a report shows. `thumbnails` are in order of time, as a `ThumbnailCollector` keeps them."""

    analysis: Analysis
    thumbnails: tuple[Thumbnail, ...]

    @property
    def sheet(self) -> CueSheet:
        """The cue sheet of the film."""
        return self.analysis.cue_sheet

    @property
    def title(self) -> str:
        """The film's title without what cannot be shown."""
        return printable(self.sheet.title)

    @cached_property
    def shot_rows(self) -> tuple[ShotRow, ...]:
        """Every shot, in order."""
        middles_s = np.array([(one.shot.start_s + one.shot.end_s) / 2 for one in self.sheet.shots])
        valence, arousal = self.sheet.affect.valence_at(middles_s), self.sheet.affect.arousal_at(middles_s)
        return tuple(
            _shot_row(number, one, float(valence[number - 1]), float(arousal[number - 1]))
            for number, one in enumerate(self.sheet.shots, start=1)
        )

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """Every boundary, kept or left out, in order of time."""
        kept = [
            Moment(one.time_s, one.strength, True, one.source == "user", _kept_as(one.label))
            for one in self.sheet.boundaries
        ]
        left_out = [
            Moment(one.time_s, one.strength, False, False, f"left out: {printable(one.reason)}")
            for one in self.sheet.dropped
        ]
        return tuple(sorted(kept + left_out, key=lambda moment: moment.time_s))

    @cached_property
    def shares(self) -> Floats:
        """Emotion probabilities, shape (shots, emotions); a row sums to 1."""
        rows = [one.probabilities.values for one in self.sheet.shots]
        return np.array(rows, np.float64).reshape(len(rows), len(EMOTIONS))

    @cached_property
    def affect(self) -> AffectSeries:
        """The affect curve from 0 to the end; of long films means, or its ups and downs would cover the chart."""
        duration_s = self.sheet.duration_s
        inside_s = [point.time_s for point in self.sheet.affect.points if 0 < point.time_s < duration_s]
        if len(inside_s) <= MOST_AFFECT_POINTS:
            return self._affect_at(np.array([0.0, *inside_s, duration_s]))
        span_s = duration_s / AFFECT_MEANS
        fine = self._affect_at((np.arange(AFFECT_MEANS * SAMPLES_A_MEAN) + 0.5) * span_s / SAMPLES_A_MEAN)

        def means(values: Floats) -> Floats:
            return np.asarray(values.reshape(AFFECT_MEANS, SAMPLES_A_MEAN).mean(axis=1))

        return AffectSeries(means(fine.times_s), means(fine.valence), means(fine.arousal), span_s)

    def _affect_at(self, times_s: Floats) -> AffectSeries:
        curve = self.sheet.affect
        return AffectSeries(
            times_s, curve.valence_at(times_s), curve.arousal_at(times_s), averaged_over_s=0.0
        )

    @property
    def is_dense(self) -> bool:
        """Whether boundaries lie so close in the chart that each can only be a thin line."""
        return len(self.moments) > MOST_WIDE_MARKS

    @cached_property
    def likely(self) -> tuple[Share, ...]:
        """The likeliest emotions of the whole film, each shot weighted by its length; () without shots."""
        if not self.sheet.shots:
            return ()
        lengths_s = np.array([one.shot.end_s - one.shot.start_s for one in self.sheet.shots])
        return _likeliest(tuple(lengths_s @ self.shares / lengths_s.sum()))

    @property
    def senses(self) -> str:
        """Which senses spoke, and in how many shots if not in all; without any, what that means."""
        spoke = Counter(name for row in self.shot_rows for name in row.senses)
        count = len(self.shot_rows)
        told = [
            name if shots == count else f"{name} ({shots} of {count} shots)" for name, shots in spoke.items()
        ]
        return ", ".join(told) or "none spoke, so every emotion is equally likely"

    @property
    def pictures(self) -> tuple[ShotPicture, ...]:
        """At most `MOST_PICTURES` pictures of shots, in order."""
        shots = [one.shot for one in self.sheet.shots]
        return pictures_of_shots(shots, self.thumbnails, most=MOST_PICTURES)


def _shot_row(number: int, one: ShotEmotion, valence: float, arousal: float) -> ShotRow:
    likely = _likeliest(one.probabilities.values)
    senses = tuple(printable(name) for name in one.senses)
    words = tuple(printable(text) for text in (one.speech, one.screen_text) if text)
    return ShotRow(number, one.shot.start_s, one.shot.end_s, likely, valence, arousal, senses, words)


def _kept_as(label: str) -> str:
    return f"kept: {printable(label)}" if label else "kept"


def _likeliest(probabilities: tuple[float, ...]) -> tuple[Share, ...]:
    """The first few, the likeliest first."""
    shares = [Share(index, float(share)) for index, share in enumerate(probabilities)]
    return tuple(sorted(shares, key=lambda one: -one.share)[:LIKELY_EMOTIONS])


def clock(time_s: float, *, decimals: int = 1) -> str:
    """A time in minutes and seconds, in hours if there are any; `decimals` of the second is 0 or 1.

    >>> clock(59.96), clock(3723.04), clock(75, decimals=0)
    ('1:00.0', '1:02:03.0', '1:15')
    """
    scale = 10**decimals
    units = round(time_s * scale)
    minutes, rest = divmod(units, _MINUTE_S * scale)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // scale:02d}" + (f".{rest % scale}" if decimals else "")
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def signed(value: float) -> str:
    """A number of [-1, 1] with its sign.

    >>> signed(0.254), signed(0.0)
    ('+0.25', '0.00')
    """
    rounded = round(value, 2) or 0.0
    return f"{rounded:+.2f}".replace("-", "\N{MINUS SIGN}") if rounded else "0.00"


def time_ticks_s(duration_s: float) -> list[float]:
    """Round times from 0 to the end of the film, about ten at most.

    >>> time_ticks_s(52.2)
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    """
    steps_s = [*_TICK_STEPS_S, *(_MINUTE_S * minutes for minutes in _TICK_STEPS_MINUTES)]
    step_s = next((step for step in steps_s if duration_s / step <= _MOST_TICKS), duration_s)
    return [round(float(number * step_s), 1) for number in range(int(duration_s / step_s + 1e-9) + 1)]


def time_axis_name(ticks_s: list[float]) -> str:
    """What the numbers at the ticks mean."""
    return "time (minutes:seconds)" if ticks_s[-1] < _HOUR_S else "time (hours:minutes:seconds)"


def tick_text(time_s: float, ticks_s: list[float]) -> str:
    """A tick's time, with tenths only where the ticks need them."""
    return clock(time_s, decimals=1 if len(ticks_s) > 1 and ticks_s[1] < 1 else 0)


def printable(text: str) -> str:
    """The text with a replacement character for whatever no reader can see: controls, half surrogates."""
    letters = (" " if letter.isspace() else letter for letter in text)
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in letters)
