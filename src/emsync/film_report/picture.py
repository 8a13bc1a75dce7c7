"""The charts of a film as one PNG, drawn by matplotlib: pictures, emotions, affect, cuts and boundaries."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import matplotlib.image
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from emsync.film_report.contents import (
    EMOTION_COLOURS,
    FilmReport,
    clock,
    tick_text,
    time_axis_name,
    time_ticks_s,
)
from emsync.film_report.thumbnails import ShotPicture
from emsync.types import EMOTIONS

SIZE_INCHES = (12.0, 9.5)
DOTS_PER_INCH = 120
MOST_PICTURES = 8
LONGEST_TITLE = 80
VALENCE, AROUSAL, KEPT, PASSED = "#0067a5", "#b34700", "#00694c", "#858c98"


def save_picture(report: FilmReport, path: Path) -> None:
    """Write the PNG, 1440 x 1140 pixels."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    strip, charts = figure.subfigures(2, 1, height_ratios=(1.2, 8), hspace=0.02, squeeze=False)[:, 0]
    title = (
        report.title
        if len(report.title) <= LONGEST_TITLE
        else f"{report.title[:LONGEST_TITLE]}\N{HORIZONTAL ELLIPSIS}"
    )
    told = f"{title}  ({clock(report.sheet.duration_s)}, {len(report.sheet.shots)} shots)\nsenses: {report.senses}"
    figure.suptitle(told, parse_math=False, fontweight="bold")
    _draw_pictures(report, strip)
    emotions, affect, cuts = charts.subplots(3, 1, sharex=True, height_ratios=(1, 1, 0.9))
    _draw_emotions(report, emotions)
    _draw_affect(report, affect)
    _draw_cuts(report, cuts)
    _draw_time_axis(report, cuts)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a title in letters that the font lacks
        figure.savefig(path, format="png")


def _draw_pictures(report: FilmReport, strip: SubFigure) -> None:
    """A few pictures in a row, evenly chosen."""
    pictures = report.pictures
    chosen = np.linspace(0, len(pictures) - 1, min(MOST_PICTURES, len(pictures))).round().astype(int)
    if not pictures:
        return
    places = strip.subplots(1, MOST_PICTURES)
    for place in places:
        place.axis("off")
    for place, index in zip(places, chosen, strict=False):
        _draw_picture(pictures[index], place)


def _draw_picture(picture: ShotPicture, place: Axes) -> None:
    thumbnail = picture.thumbnail
    place.imshow(matplotlib.image.imread(BytesIO(thumbnail.jpeg), format="jpg"))
    place.set_title(clock(thumbnail.time_s), fontsize=9)


def _draw_emotions(report: FilmReport, axes: Axes) -> None:
    edges_s = [0.0, *(row.end_s for row in report.shot_rows)]
    below = np.zeros(len(report.shot_rows))
    for name, colour, share in zip(EMOTIONS, EMOTION_COLOURS, report.shares.T, strict=True):
        axes.stairs(100 * (below + share), edges_s, baseline=100 * below, fill=True, color=colour, label=name)
        below = below + share
    axes.set(ylim=(0, 100), ylabel="emotion (%)", title="Emotions: how likely each is")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True, frameon=False)


def _draw_affect(report: FilmReport, axes: Axes) -> None:
    series = report.affect
    axes.plot(series.times_s, series.valence, color=VALENCE, label="valence")
    axes.plot(series.times_s, series.arousal, "--", color=AROUSAL, label="arousal")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid(alpha=0.4)
    axes.set(ylim=(-1, 1), yticks=(-1, -0.5, 0, 0.5, 1), ylabel="valence, arousal")
    axes.set(title="Valence (1 is pleasant) and arousal (1 is excited)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _draw_cuts(report: FilmReport, axes: Axes) -> None:
    kept = [moment for moment in report.moments if moment.is_kept]
    left_out = [moment for moment in report.moments if not moment.is_kept]
    kept_times_s = {moment.time_s for moment in kept}
    for label, colour, is_kept in (("other cut", PASSED, False), ("cut kept", KEPT, True)):
        cuts = [cut for cut in report.sheet.cuts if (cut.time_s in kept_times_s) == is_kept]
        times_s, strengths = [cut.time_s for cut in cuts], [cut.strength for cut in cuts]
        axes.vlines(
            times_s, 0, strengths, color=colour, label=label, linewidth=0.7 if report.is_dense else 1.8
        )
    axes.plot(
        [one.time_s for one in kept],
        [1.3] * len(kept),
        "|" if report.is_dense else "v",
        color=KEPT,
        label="boundary kept",
    )
    axes.plot(
        [one.time_s for one in left_out],
        [1.12] * len(left_out),
        "|" if report.is_dense else "x",
        color=AROUSAL,
        label="left out",
    )
    axes.set(ylim=(0, 1.45), ylabel="strength of the cut", yticks=(0, 0.5, 1), title="Cuts and boundaries")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True, frameon=False)


def _draw_time_axis(report: FilmReport, axes: Axes) -> None:
    ticks_s = time_ticks_s(report.sheet.duration_s)
    axes.set_xlim(0, report.sheet.duration_s)
    axes.set_xticks(ticks_s, [tick_text(time_s, ticks_s) for time_s in ticks_s])
    axes.set_xlabel(time_axis_name(ticks_s))
