"""A film that was never made, for tests of reports: shots, cuts, affect and pictures by the number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.film_report.contents import FilmReport
from emsync.film_report.thumbnails import Thumbnail, ThumbnailCollector
from emsync.report import Analysis
from emsync.types import (
    EMOTIONS,
    AffectCurve,
    AffectPoint,
    Boundary,
    CueSheet,
    Cut,
    DroppedBoundary,
    EmotionProbabilities,
    SampledFrame,
    Shot,
    ShotEmotion,
    VideoInfo,
)

SHOT_S = 3.5
REASON = "1.000 s from the cut of strength 0.91 kept; the minimum distance is 4 s"


def made_up_report(shots: int = 3, *, title: str = "garden", senses: tuple[str, ...] = ()) -> FilmReport:
    """Shots of 3.5 s; every second cut becomes a boundary, every other one is left out."""
    generator = np.random.default_rng(shots)
    edges_s = [SHOT_S * number for number in range(shots + 1)]
    cuts = tuple(Cut(time_s, float(generator.random())) for time_s in edges_s[1:-1])
    probabilities = generator.dirichlet(np.ones(len(EMOTIONS)), shots)
    sheet = CueSheet(
        title=title,
        duration_s=edges_s[-1],
        frame_rate_fps=Fraction(25),
        cuts=cuts,
        shots=tuple(
            ShotEmotion(Shot(start_s, start_s + SHOT_S), EmotionProbabilities(tuple(row)), senses=senses)
            for start_s, row in zip(edges_s[:-1], probabilities.tolist(), strict=True)
        ),
        boundaries=tuple(Boundary(cut.time_s, cut.strength, "cut") for cut in cuts[::2]),
        dropped=tuple(DroppedBoundary(cut.time_s, cut.strength, REASON) for cut in cuts[1::2]),
        affect=AffectCurve(
            tuple(
                AffectPoint(time_s, *generator.uniform(-0.8, 0.8, 2))
                for time_s in np.arange(0, edges_s[-1], 2.0)
            )
        ),
    )
    return FilmReport(Analysis(sheet, decode_errors=0), made_up_thumbnails(edges_s[-1]))


def made_up_thumbnails(duration_s: float) -> tuple[Thumbnail, ...]:
    """One noisy picture a second, which JPEG can hardly shrink, as a collector keeps them."""
    collector = ThumbnailCollector(film_of(1920, 1080))
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    for number in range(int(duration_s)):
        collector.accept(SampledFrame(number + 0.5, noise))
    return collector.thumbnails


def film_of(width: int, height: int) -> VideoInfo:
    """A film of this shape."""
    return VideoInfo(
        Path("film.mp4"), 10.0, width, height, Fraction(25), False, 0, "h264", "yuv420p", "mp4", ()
    )
