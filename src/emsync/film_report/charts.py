"""The charts of a film as SVG: one time axis, the same scale in each, no library.

Each function returns one `svg` element that stands alone: well-formed XML, described for screen readers. Colours
that change with light and dark come from the classes of `page.css`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from itertools import pairwise

import numpy as np

from emsync.film_report.contents import (
    EMOTION_COLOURS,
    FilmReport,
    Moment,
    ShotRow,
    clock,
    signed,
    tick_text,
    time_axis_name,
    time_ticks_s,
)
from emsync.types import EMOTIONS, Floats

WIDTH = 1000
LEFT, RIGHT = 58, 58
PLOT_WIDTH = WIDTH - LEFT - RIGHT
TOP, BOTTOM = 12, 42
STACK_HEIGHT = 180
AFFECT_HEIGHT = 180
LANE_HEIGHT, LANE_GAP, TICK_HEIGHT = 24, 10, 90
MARK_WIDTH, LETTER_WIDTH = 18, 7.5
"""Room that a mark, and a letter of the time beside it, take."""

MOST_SEPARATED_SHOTS = 300
"""With more shots, lines between the colours would cover them."""


def emotion_chart(report: FilmReport) -> str:
    """Emotion probabilities stacked over time, constant inside each shot; shots tell theirs when hovered."""
    x = _time_scale(report)
    stacked = np.cumsum(report.shares, axis=1)
    edges = [x(0.0), *(x(row.end_s) for row in report.shot_rows)]
    areas = [
        f'<path fill="{EMOTION_COLOURS[index]}" d="{_steps(edges, stacked[:, index])}"/>'
        for index in reversed(range(len(EMOTIONS)))
    ]
    is_separated = len(report.shot_rows) <= MOST_SEPARATED_SHOTS
    hovered = (_hovered_shot(row, x) for row in report.shot_rows)
    return _svg(
        report,
        STACK_HEIGHT,
        f"Stacked areas: the probabilities of {', '.join(EMOTIONS)} over time. {_spoken_emotions(report)}",
        [
            _value_axis({0.0: "0 %", 0.5: "50 %", 1.0: "100 %"}, STACK_HEIGHT),
            f'<g class="areas{" separated" if is_separated else ""}">{"".join(areas)}</g>',
            f'<g class="shots">{"".join(hovered)}</g>',
        ],
    )


def affect_chart(report: FilmReport) -> str:
    """Valence and arousal over time, from -1 to 1."""
    x = _time_scale(report)
    series = report.affect
    curves = {"valence": series.valence, "arousal": series.arousal}
    lines = []
    for name, values in curves.items():
        points = " ".join(
            f"{x(time_s):.1f},{_y((value + 1) / 2, AFFECT_HEIGHT):.1f}"
            for time_s, value in zip(series.times_s, values, strict=True)
        )
        lines.append(f'<polyline class="{name}" points="{points}"/>')
    spoken = "; ".join(
        f"{name} from {signed(float(values.min()))} to {signed(float(values.max()))}"
        for name, values in curves.items()
    )
    labels = {0.0: "\N{MINUS SIGN}1", 0.25: "\N{MINUS SIGN}0.5", 0.5: "0", 0.75: "+0.5", 1.0: "+1"}
    return _svg(
        report,
        AFFECT_HEIGHT,
        f"Lines over time: {spoken}; both axes from -1 to 1.",
        [
            _value_axis(labels, AFFECT_HEIGHT),
            f'<line class="zero" x1="{LEFT}" x2="{WIDTH - RIGHT}"'
            f' y1="{_y(0.5, AFFECT_HEIGHT):g}" y2="{_y(0.5, AFFECT_HEIGHT):g}"/>',
            *lines,
        ],
    )


def boundary_chart(report: FilmReport) -> str:
    """Cuts as ticks as high as they are strong, and above them the boundaries kept and left out."""
    x = _time_scale(report)
    height = 2 * LANE_HEIGHT + LANE_GAP + TICK_HEIGHT
    kept = [moment for moment in report.moments if moment.is_kept]
    left_out = [moment for moment in report.moments if not moment.is_kept]
    kept_times_s = {moment.time_s for moment in kept}
    cuts = (
        f'<path class="{"kept" if cut.time_s in kept_times_s else "passed"}"'
        f' d="M{x(cut.time_s):.1f} {_y(0, height):g}v{-TICK_HEIGHT * cut.strength:.1f}"/>'
        for cut in report.sheet.cuts
    )
    lanes = [
        _lane("kept", 0.5, [_mark(one, 0, kept_outline(report, one.is_users), x) for one in kept]),
        _lane("left out", 1.5, [_mark(one, 1, left_out_outline(report), x) for one in left_out]),
    ]
    strengths = {0.0: "0", 0.5 * TICK_HEIGHT / height: "0.5", TICK_HEIGHT / height: "1"}
    return _svg(
        report,
        height,
        f"Ticks: {len(report.sheet.cuts)} cuts by their strength from 0 to 1; above them {len(kept)} boundaries"
        f" kept and {len(left_out)} left out. The table of boundaries lists them.",
        [
            _value_axis(strengths, height),
            f'<g class="cuts{" dense" if report.is_dense else ""}">{"".join(cuts)}</g>',
            *lanes,
            _mark_labels(kept, x),
        ],
    )


def kept_outline(report: FilmReport, is_users: bool) -> str:
    """The path, around its own middle, of a kept boundary: a diamond if asked for, a triangle or line if a cut."""
    if is_users:
        return "m0 -6l6 6l-6 6l-6 -6z"
    return "m-.5 -6h1v12h-1z" if report.is_dense else "m-6 -5h12l-6 10z"


def left_out_outline(report: FilmReport) -> str:
    """The path, around its own middle, of a moment left out: a cross, or a line."""
    return "m0 -6v12" if report.is_dense else "m-4 -4l8 8m0 -8l-8 8"


def _svg(report: FilmReport, height: int, spoken: str, parts: list[str]) -> str:
    """A chart with its time axis; `height` is that of the plot, in the units of the view box."""
    total = TOP + height + BOTTOM
    ticks_s = time_ticks_s(report.sheet.duration_s)
    x = _time_scale(report)
    bottom = TOP + height
    ticks = "".join(
        f'<path class="grid" d="M{x(time_s):.1f} {TOP}V{bottom + 5}"/>'
        f'<text x="{x(time_s):.1f}" y="{bottom + 18}" text-anchor="middle">{tick_text(time_s, ticks_s)}</text>'
        for time_s in ticks_s
    )
    name = time_axis_name(ticks_s)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" role="img"'
        f' aria-label="{escape(spoken)}">{ticks}'
        f'<text class="name" x="{LEFT + PLOT_WIDTH / 2:g}" y="{bottom + 36}" text-anchor="middle">{name}</text>'
        f"{''.join(parts)}</svg>"
    )


def _value_axis(labels: dict[float, str], height: int) -> str:
    """Lines across the plot at heights in [0, 1], labelled at both ends: one is in sight in a narrow window."""
    lines = []
    for share, text in labels.items():
        y = _y(share, height)
        lines.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
            f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}">{text}</text>'
        )
    return "".join(lines)


def _lane(name: str, row: float, marks: Iterable[str]) -> str:
    y = TOP + row * LANE_HEIGHT + 4
    names = (
        f'<text x="{LEFT - 8}" y="{y:g}" text-anchor="end">{name}</text>'
        f'<text x="{WIDTH - RIGHT + 8}" y="{y:g}">{name}</text>'
    )
    return f'{names}<g class="marks">{"".join(marks)}</g>'


def _mark(moment: Moment, row: int, outline: str, x: Callable[[float], float]) -> str:
    """A mark in the middle of its lane that tells about the moment when hovered."""
    y = TOP + (row + 0.5) * LANE_HEIGHT
    kind = "kept" if moment.is_kept else "out"
    return f'<path class="{kind}" d="M{x(moment.time_s):.1f} {y:g}{outline}"><title>{_told(moment)}</title></path>'


def _told(moment: Moment) -> str:
    who = "asked for" if moment.is_users else f"strength {moment.strength:.2f}"
    return escape(f"{clock(moment.time_s)}, {who}: {moment.fate}")


def _mark_labels(kept: list[Moment], x: Callable[[float], float]) -> str:
    """The times of kept boundaries, where there is room for them."""
    places = [x(moment.time_s) for moment in kept]
    texts = [clock(moment.time_s) for moment in kept]
    return "".join(
        f'<text x="{place + 9:.1f}" y="{TOP + 16}">{text}</text>'
        for text, (place, following) in zip(texts, pairwise([*places, WIDTH - RIGHT]), strict=True)
        if following - place >= MARK_WIDTH + LETTER_WIDTH * len(text)
    )


def _hovered_shot(row: ShotRow, x: Callable[[float], float]) -> str:
    """An unseen cover of one shot that lights up and tells about it."""
    told = (
        f"Shot {row.number}, {clock(row.start_s)} to {clock(row.end_s)}: {', '.join(map(str, row.likely))};"
        f" valence {signed(row.valence)}, arousal {signed(row.arousal)}"
    )
    left = x(row.start_s)
    return (
        f'<rect x="{left:.2f}" y="{TOP}" width="{x(row.end_s) - left:.2f}" height="{STACK_HEIGHT}">'
        f"<title>{escape(told)}</title></rect>"
    )


def _spoken_emotions(report: FilmReport) -> str:
    likely = ", ".join(map(str, report.likely))
    return f"Over the whole film: {likely}. The table of shots lists them."


def _steps(edges: list[float], tops: Floats) -> str:
    """The outline of an area that is constant between two edges; `tops` in [0, 1], one less than edges."""
    bottom = _y(0.0, STACK_HEIGHT)
    path = [f"M{edges[0]:.1f} {bottom:g}"]
    for right, top in zip(edges[1:], tops, strict=True):
        path.append(f"V{_y(min(1.0, float(top)), STACK_HEIGHT):.1f}H{right:.1f}")
    return f"{''.join(path)}V{bottom:g}Z"


def _time_scale(report: FilmReport) -> Callable[[float], float]:
    duration_s = report.sheet.duration_s
    return lambda time_s: LEFT + PLOT_WIDTH * time_s / duration_s


def _y(share: float, height: int) -> float:
    """From a height in [0, 1] to the view box, where y points down."""
    return TOP + height * (1 - share)
