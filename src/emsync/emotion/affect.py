"""Categories to valence and arousal, and the affect curve of a film.

Two mappings (`AffectOptions.mapping`). *paper*: a shot's probabilities become affect by the table and the
rescaling of arXiv:2502.10154, section 4. *rated*: a shot's own estimate of valence and arousal is taken, which
can be calm and neutral; no mixture of the paper's six categories can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emsync.options import AffectMapping, AffectOptions
from emsync.types import EMOTIONS, AffectCurve, AffectPoint, EmotionProbabilities, Floats, ShotEmotion

LARGEST_MEAN = 0.8
"""Where the largest mean of an axis lies after rescaling; the smallest lies at its negative."""

SHORTEST_STEP_S = 1e-6
"""Points of a curve nearer than this are one point."""


@dataclass(frozen=True)
class CategoryAffect:
    """How people rate one emotion word: a Gaussian on each axis, axes in [-1, 1]."""

    emotion: str
    valence_mean: float
    valence_sd: float
    arousal_mean: float
    arousal_sd: float


RUSSELL_MEHRABIAN = (
    CategoryAffect("anger", -0.51, 0.20, 0.59, 0.29),
    CategoryAffect("disgust", -0.60, 0.20, 0.35, 0.41),
    CategoryAffect("fear", -0.64, 0.20, 0.60, 0.32),
    CategoryAffect("joy", 0.76, 0.22, 0.48, 0.26),
    CategoryAffect("sadness", -0.63, 0.23, -0.27, 0.34),
    CategoryAffect("surprise", 0.40, 0.30, 0.67, 0.27),
)
"""In the order of `EMOTIONS`. Source: Russell & Mehrabian 1977, Evidence for a three-factor theory of
emotions, J. Research in Personality 11; the values that the paper uses."""


@dataclass(frozen=True)
class Affect:
    """Valence (unpleasant to pleasant) and arousal (calm to excited), each in [-1, 1]."""

    valence: float
    arousal: float


@dataclass(frozen=True)
class AffectTable:
    """Means and deviations of every category, shape (6, 2) each: column 0 valence, column 1 arousal."""

    means: Floats
    deviations: Floats

    @classmethod
    def of(cls, categories: Sequence[CategoryAffect]) -> AffectTable:
        """The table of these categories, which must stand in the order of `EMOTIONS`."""
        if tuple(category.emotion for category in categories) != EMOTIONS:
            raise ValueError(f"categories must be {EMOTIONS}, in that order")
        means = [(category.valence_mean, category.arousal_mean) for category in categories]
        deviations = [(category.valence_sd, category.arousal_sd) for category in categories]
        return cls(np.array(means), np.array(deviations))

    def rescaled(self) -> AffectTable:
        """Each axis stretched so that its smallest and largest mean become -0.8 and +0.8.

        Deviations stretch by the same factor. Source: arXiv:2502.10154, section 4.
        """
        lowest, highest = self.means.min(axis=0), self.means.max(axis=0)
        factor = 2 * LARGEST_MEAN / (highest - lowest)
        return AffectTable((self.means - lowest) * factor - LARGEST_MEAN, self.deviations * factor)


RATED = AffectTable.of(RUSSELL_MEHRABIAN)
RESCALED = RATED.rescaled()


def affect_of(probabilities: EmotionProbabilities) -> Affect:
    """The mean affect of a distribution over categories: V = sum p_k V_k, A = sum p_k A_k, clipped.

    A uniform distribution gives (-0.30, +0.35): the paper's table has no calm category.
    """
    valence, arousal = np.clip(np.array(probabilities.values) @ RESCALED.means, -1, 1)
    return Affect(float(valence), float(arousal))


def sample_affect(probabilities: EmotionProbabilities, generator: np.random.Generator) -> Affect:
    """One draw from the mixture of Gaussians: first a category, then its valence and arousal, clipped."""
    weights = np.array(probabilities.values)
    category = generator.choice(len(EMOTIONS), p=weights / weights.sum())
    draw = generator.normal(RESCALED.means[category], RESCALED.deviations[category])
    valence, arousal = np.clip(draw, -1, 1)
    return Affect(float(valence), float(arousal))


def to_affect_curve(
    shot_emotions: Sequence[ShotEmotion],
    duration_s: float,
    options: AffectOptions,
    *,
    generator: np.random.Generator | None = None,
) -> AffectCurve:
    """Affect over a film: constant inside a shot, a straight ramp of `smoothing_s` centred on each cut that changes it.

    The curve is the mean of the shots' affect over a window of `smoothing_s`, so it never jumps and its
    slope is at most (largest - smallest affect) / smoothing_s even where cuts are closer than the window.
    That mean of a staircase is piecewise straight, so its points (two for each step) hold it exactly. The
    first point is at 0, the last at `duration_s`. Small and short changes are left out first, see
    `moving_passages`.

    Args:
        shot_emotions: in order of time, N >= 1; a shot reaches to the start of the next one.
        duration_s: of the film, > 0.
        generator: where given, each shot's affect is drawn from the mixture instead of its mean; only with
            the paper's mapping, since a rating is no mixture.
    Raises: ValueError if there is no shot, or if shots are out of order, or a length is not positive, or the
        mapping is unknown or cannot be sampled.
    """
    _check_curve_input(shot_emotions, duration_s, options)
    if AffectMapping(options.mapping) is AffectMapping.PAPER:
        steps = np.array([_affect_pair(shot_emotion, generator) for shot_emotion in shot_emotions])
    elif generator is None:
        steps = np.array([(shot_emotion.valence, shot_emotion.arousal) for shot_emotion in shot_emotions])
    else:
        raise ValueError("only the paper's mapping can be sampled; leave generator out")
    starts_s = np.array([shot_emotion.shot.start_s for shot_emotion in shot_emotions], dtype=np.float64)
    moving = moving_passages(steps, np.diff(starts_s, append=duration_s), options)
    cuts_s = starts_s[[passage.first_shot for passage in moving]][1:]
    steps = np.array([passage.affect for passage in moving])
    half_s = options.smoothing_s / 2
    times_s = _knots(cuts_s, half_s, duration_s)
    upper = _staircase_integral(times_s + half_s, cuts_s, steps)
    lower = _staircase_integral(times_s - half_s, cuts_s, steps)
    values = np.clip((upper - lower) / options.smoothing_s, -1, 1)
    points = (
        AffectPoint(float(time_s), float(valence), float(arousal))
        for time_s, (valence, arousal) in zip(times_s, values, strict=True)
    )
    return AffectCurve(tuple(points))


@dataclass(frozen=True)
class Passage:
    """One shot, or several short ones in a row: the number of the first, and their affect (2,)."""

    first_shot: int
    affect: Floats


def moving_passages(steps: Floats, lengths_s: Floats, options: AffectOptions) -> list[Passage]:
    """The passages that move the curve; through everything else it keeps the value it has.

    Short shots in a row are taken together until they last `shortest_change_s`, with their mean; a few that do
    not last so long say nothing. A passage moves the curve if it differs from the running value by
    `smallest_change` or more on an axis. Since the comparison is with the running value, a slow drift is
    followed in steps, never lost. The first passage holds from the beginning of the film.

    Args:
        steps: valence and arousal of each shot, shape (N, 2), N >= 1.
        lengths_s: shape (N,).
    Returns: at least one.
    """
    moving: list[Passage] = []
    for passage in _passages(steps, lengths_s, options.shortest_change_s):
        change = np.abs(passage.affect - moving[-1].affect).max() if moving else np.inf
        if change >= options.smallest_change:
            moving.append(passage)
    return moving or [Passage(0, steps.mean(axis=0))]


def _passages(steps: Floats, lengths_s: Floats, shortest_s: float) -> Iterator[Passage]:
    first = 0
    for shot, length_s in enumerate(lengths_s.tolist()):
        if length_s >= shortest_s:
            yield Passage(shot, steps[shot])
            first = shot + 1
        elif lengths_s[first : shot + 1].sum() >= shortest_s:
            weights = lengths_s[first : shot + 1]
            yield Passage(first, np.average(steps[first : shot + 1], axis=0, weights=weights))
            first = shot + 1


def _check_curve_input(
    shot_emotions: Sequence[ShotEmotion], duration_s: float, options: AffectOptions
) -> None:
    if not shot_emotions:
        raise ValueError("an affect curve needs at least one shot")
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration_s must be positive, got {duration_s}")
    if not (np.isfinite(options.smoothing_s) and options.smoothing_s > 0):
        raise ValueError(f"smoothing_s must be positive, got {options.smoothing_s}")
    for name in ("smallest_change", "shortest_change_s"):
        if not getattr(options, name) >= 0:
            raise ValueError(f"{name} must be 0 or more, got {getattr(options, name)}")
    starts_s = np.array([shot_emotion.shot.start_s for shot_emotion in shot_emotions])
    if not np.isfinite(starts_s).all() or (np.diff(starts_s) < 0).any():
        raise ValueError("shots must be in order of time")


def _affect_pair(shot_emotion: ShotEmotion, generator: np.random.Generator | None) -> tuple[float, float]:
    if generator is None:
        affect = affect_of(shot_emotion.probabilities)
    else:
        affect = sample_affect(shot_emotion.probabilities, generator)
    return affect.valence, affect.arousal


def _knots(cuts_s: Floats, half_s: float, duration_s: float) -> Floats:
    """Where the curve can bend: both ends of the film and of every ramp, strictly increasing."""
    bends_s = np.sort(np.concatenate([cuts_s - half_s, cuts_s + half_s]))
    inside = bends_s[(bends_s > SHORTEST_STEP_S) & (bends_s < duration_s - SHORTEST_STEP_S)]
    is_new = np.diff(inside, prepend=0.0) > SHORTEST_STEP_S
    return np.asarray(np.concatenate([np.zeros(1), inside[is_new], np.array([duration_s])]))


def _staircase_integral(times_s: Floats, cuts_s: Floats, steps: Floats) -> Floats:
    """Integral from the first cut to each time of the staircase that takes `steps[i]` between cuts.

    Args:
        times_s: shape (T,).
        cuts_s: shape (N - 1,), not decreasing.
        steps: shape (N, 2).
    Returns: shape (T, 2); the first and last step reach to infinity.
    """
    if len(cuts_s) == 0:
        return np.asarray(times_s[:, None] * steps[0])
    at_cuts = np.vstack([np.zeros((1, 2)), np.cumsum(np.diff(cuts_s)[:, None] * steps[1:-1], axis=0)])
    shot = np.searchsorted(cuts_s, times_s, side="right")
    cut = np.maximum(shot - 1, 0)
    return np.asarray(at_cuts[cut] + (times_s - cuts_s[cut])[:, None] * steps[shot])
