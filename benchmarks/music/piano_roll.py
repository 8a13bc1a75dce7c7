"""Draw music as a piano roll: notes coloured by group, bars, boundaries, chords and the affect asked for.

Command: python benchmarks/music/piano_roll.py score.mid [--cues film.cues.json] [--from-s 0] [--to-s 60] --out roll.png

Louder notes are more opaque. Drums have rows of their own, one a drum. A thin line is a bar line, a thick dashed one
a boundary. At the top a triangle is a chord that could answer a cut, a diamond the onset that answered a boundary. Of
a MIDI file, chords are found anew by `emsync.music.chords`; boundaries come from the cue sheet, or else like the
answers from the markers that EMSYNC writes. Needs matplotlib, which
EMSYNC does not install.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emsync.errors import EmsyncError, InputError
from emsync.music.chords import chord_onsets
from emsync.music.cue_sheet import read_cue_sheet
from emsync.music.midi_file import read_markers, read_midi, read_score, seconds_at
from emsync.types import (
    TICK_S,
    TICKS_PER_S,
    AffectCurve,
    Composition,
    CueSheet,
    Floats,
    InstrumentGroup,
    Notes,
    Ticks,
)

if TYPE_CHECKING:
    from symusic.core import ScoreTick

COLOURS = {
    InstrumentGroup.STRINGS: "#e69500",
    InstrumentGroup.PIANO: "#0072b2",
    InstrumentGroup.GUITAR: "#009e73",
    InstrumentGroup.BASS: "#a3157c",
    InstrumentGroup.DRUMS: "#404040",
}
"""Told apart by colour-blind eyes: after Okabe & Ito, darkened for thin lines on white."""
HALF_HEIGHTS = {
    InstrumentGroup.STRINGS: 0.48,
    InstrumentGroup.BASS: 0.42,
    InstrumentGroup.GUITAR: 0.36,
    InstrumentGroup.PIANO: 0.3,
    InstrumentGroup.DRUMS: 0.4,
}
"""Of a row. Drawn in this order, so that two groups on one pitch are both seen."""
FAINTEST = 0.25
DRUM_HIT_S = 0.08
PIXELS_PER_INCH = 100
HEIGHT_INCHES = 7.0
PAGE_INCHES, PAGE_S, WIDEST_INCHES = 16.0, 60.0, 96.0
_DRUM_WORDS = (
    "kick,kick,rim,snare,clap,snare,tom,hat,tom,foot hat,tom,open hat,tom,tom,crash,tom,ride,china,bell,"
    "tambourine,splash,cowbell,crash,vibraslap,ride,bongo,bongo,conga,conga,conga,timbale,timbale,agogo,agogo,"
    "cabasa,maracas,whistle,whistle,guiro,guiro,claves,block,block,cuica,cuica,triangle,triangle"
)
DRUM_NAMES = dict(enumerate(_DRUM_WORDS.split(","), start=35))
"""General MIDI percussion, pitches 35 to 81."""
ANSWER = re.compile(r"^boundary .* hit ([+-]\d+\.\d+) s")


@dataclass(frozen=True)
class Roll:
    """What is drawn. Times in seconds, each shape (N,), increasing; `begin_s` to `end_s` is shown."""

    title: str
    notes: Notes
    bar_onsets_s: Floats
    chord_onsets_s: Floats
    boundaries_s: Floats
    answers_s: Floats
    begin_s: float
    end_s: float
    affect: AffectCurve | None = None


def roll_of_composition(composition: Composition, cue_sheet: CueSheet) -> Roll:
    """The roll of music just composed, with its own bars and chords."""
    return Roll(
        title=cue_sheet.title,
        notes=composition.notes,
        bar_onsets_s=np.array(composition.bar_onsets_ticks) * TICK_S,
        chord_onsets_s=np.array(composition.chord_onsets_ticks) * TICK_S,
        boundaries_s=np.array([boundary.time_s for boundary in cue_sheet.boundaries]),
        answers_s=np.array(
            [hit.chord_onset_ticks for hit in composition.hits if hit.chord_onset_ticks is not None]
        )
        * TICK_S,
        begin_s=0.0,
        end_s=max(composition.duration_ticks * TICK_S, cue_sheet.duration_s),
        affect=cue_sheet.affect,
    )


def roll_of_midi(path: Path, cue_sheet: CueSheet | None = None) -> Roll:
    """The roll of a MIDI file, with boundaries and affect of a cue sheet if there is one.

    Raises: MidiError if the file cannot be read or holds no notes.
    """
    notes, score = read_midi(path), read_score(path)
    bars_s = seconds_at(_bar_ticks(score), score)
    beats_s = seconds_at(
        np.arange(0, score.end() + 2 * score.ticks_per_quarter, score.ticks_per_quarter), score
    )
    bar_ticks, beat_ticks = (
        np.unique(np.round(side * TICKS_PER_S).astype(np.int64)) for side in (bars_s, beats_s)
    )
    marked = [marker for marker in read_markers(path) if marker.text.startswith("boundary")]
    answers = [(marker.time_s, ANSWER.match(marker.text)) for marker in marked]
    asked = cue_sheet.boundaries if cue_sheet else marked
    return Roll(
        title=path.name,
        notes=notes,
        bar_onsets_s=bars_s,
        chord_onsets_s=np.asarray(chord_onsets(notes, beat_ticks, bar_onsets_ticks=bar_ticks) * TICK_S),
        boundaries_s=np.array([moment.time_s for moment in asked]),
        answers_s=np.array([time_s + float(found[1]) for time_s, found in answers if found]),
        begin_s=0.0,
        end_s=max(float(_ends_s(notes).max()), cue_sheet.duration_s if cue_sheet else 0.0),
        affect=cue_sheet.affect if cue_sheet else None,
    )


def shown(roll: Roll, begin_s: float, end_s: float | None) -> Roll:
    """The part from `begin_s` to `end_s`, to the end if that is None. Raises: InputError if nothing is left."""
    end_s = min(end_s or roll.end_s, roll.end_s)
    if not 0 <= begin_s < end_s:
        raise InputError(
            f"{roll.title}: has no music from {begin_s:g} to {end_s:g} s; choose times within it"
        )
    sounding = (roll.notes["onset_ticks"] * TICK_S < end_s) & (_ends_s(roll.notes) > begin_s)
    return replace(roll, notes=roll.notes[sounding], begin_s=begin_s, end_s=end_s)


def _ends_s(notes: Notes) -> Floats:
    return np.asarray((notes["onset_ticks"].astype(np.int64) + notes["duration_ticks"]) * TICK_S)


def _bar_ticks(score: ScoreTick) -> Ticks:
    """MIDI ticks of the bar lines by the time signatures, 4/4 where there is none."""
    marks = {0: (4, 4)} | {mark.time: (mark.numerator, mark.denominator) for mark in score.time_signatures}
    starts = [*sorted(marks), max(score.end(), max(marks) + 1)]
    spans = []
    for start, stop in pairwise(starts):
        numerator, denominator = marks[start]
        spans.append(np.arange(start, stop, max(4 * numerator * score.ticks_per_quarter // denominator, 1)))
    return np.concatenate(spans)


def draw(roll: Roll, out: Path) -> None:
    """Write the roll as a PNG of 1600 x 700 pixels, wider if more than a minute is shown.

    Raises: InputError if matplotlib is not installed or the file cannot be written.
    """
    try:
        import matplotlib.figure  # noqa: PLC0415
    except ImportError as error:
        raise InputError("matplotlib is not installed; run `pip install matplotlib`") from error
    width = PAGE_INCHES * max(1.0, (roll.end_s - roll.begin_s) / PAGE_S)
    figure = matplotlib.figure.Figure(
        figsize=(min(width, WIDEST_INCHES), HEIGHT_INCHES), dpi=PIXELS_PER_INCH, layout="constrained"
    )
    is_drum = roll.notes["group"] == InstrumentGroup.DRUMS
    drums, pitched = roll.notes[is_drum], roll.notes[~is_drum]
    heights = {"pitches": 5.0}
    if len(drums):
        heights["drums"] = 0.35 + 0.13 * len(np.unique(drums["pitch"]))
    if roll.affect:
        heights["affect"] = 1.1
    axes = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=list(heights.values()))
    panels = dict(zip(heights, axes[:, 0], strict=True))
    _draw_pitches(panels["pitches"], pitched, roll)
    if "drums" in panels:
        _draw_drums(panels["drums"], drums)
    if roll.affect and "affect" in panels:
        _draw_affect(panels["affect"], roll.affect, roll)
    for panel in panels.values():
        _draw_lines(panel, roll)
    _draw_time_axis(axes[-1, 0], roll)
    try:
        figure.savefig(out, format="png")
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error


def _draw_pitches(panel: Any, notes: Notes, roll: Roll) -> None:
    lowest, highest = (int(notes["pitch"].min()), int(notes["pitch"].max())) if len(notes) else (60, 72)
    for pitch in range(lowest - 1, highest + 2):
        if pitch % 12 in {1, 3, 6, 8, 10}:
            panel.axhspan(pitch - 0.5, pitch + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
    _draw_notes(panel, notes, _ends_s(notes), notes["pitch"].astype(np.float64))
    for onsets_s, marker in ((roll.chord_onsets_s, "v"), (roll.answers_s, "D")):
        heights = np.full(len(onsets_s), highest + 2.6)
        panel.plot(
            onsets_s, heights, marker, color="#c00000", markeredgecolor="white", markersize=8, zorder=4
        )
    panel.set_ylim(lowest - 1.5, highest + 4)
    octaves = [pitch for pitch in range(0, 128, 12) if lowest - 1 <= pitch <= highest + 1]
    panel.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    panel.grid(axis="y", color="#b0b0b0", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.set_title(roll.title, loc="left", fontsize=11)
    _draw_legend(panel, roll)


def _draw_drums(panel: Any, notes: Notes) -> None:
    pitches, rows = np.unique(notes["pitch"], return_inverse=True)
    ends_s = notes["onset_ticks"] * TICK_S + DRUM_HIT_S
    _draw_notes(panel, notes, ends_s, rows.astype(np.float64))
    panel.set_ylim(-0.7, len(pitches) - 0.3)
    names = [DRUM_NAMES.get(pitch, str(pitch)) for pitch in pitches.tolist()]
    panel.set_yticks(range(len(pitches)), names, fontsize=7)


def _draw_notes(panel: Any, notes: Notes, ends_s: Floats, rows: Floats) -> None:
    """Bars on their rows, faded towards white, since real opacity would mix the colours of two groups."""
    import matplotlib.collections  # noqa: PLC0415
    import matplotlib.colors  # noqa: PLC0415

    for group, half_height in HALF_HEIGHTS.items():
        is_of_group = notes["group"] == group
        begins_s = notes["onset_ticks"][is_of_group] * TICK_S
        until_s = np.maximum(ends_s[is_of_group] - 0.01, begins_s + 0.02)  # a hair between repeated notes
        lower, upper = rows[is_of_group] - half_height, rows[is_of_group] + half_height
        corners = np.stack((begins_s, lower, begins_s, upper, until_s, upper, until_s, lower), axis=1)
        opacity = FAINTEST + (1 - FAINTEST) * notes["velocity"][is_of_group, None] / 127
        faces = 1 - opacity * (1 - np.array(matplotlib.colors.to_rgb(COLOURS[group])))
        bars = matplotlib.collections.PolyCollection(
            list(corners.reshape(-1, 4, 2)), facecolors=faces, linewidths=0
        )
        bars.set_zorder(3)
        panel.add_collection(bars)


def _draw_affect(panel: Any, affect: AffectCurve, roll: Roll) -> None:
    times_s = np.linspace(roll.begin_s, roll.end_s, 2000)
    panel.plot(times_s, affect.valence_at(times_s), color="#1b7837", linewidth=1.8, label="valence")
    panel.plot(times_s, affect.arousal_at(times_s), color="#d6604d", linewidth=1.8, label="arousal")
    panel.axhline(0, color="#b0b0b0", linewidth=0.6)
    panel.set_ylim(-1.08, 1.08)
    panel.set_yticks([-1, 0, 1])
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)


def _draw_lines(panel: Any, roll: Roll) -> None:
    bars_s = roll.bar_onsets_s[(roll.bar_onsets_s >= roll.begin_s) & (roll.bar_onsets_s <= roll.end_s)]
    for time_s in bars_s:
        panel.axvline(time_s, color="#9a9a9a", linewidth=0.7, zorder=1)
    for time_s in roll.boundaries_s:
        panel.axvline(time_s, color="#c00000", linewidth=2.0, linestyle=(0, (4, 2)), zorder=2)


def _draw_legend(panel: Any, roll: Roll) -> None:
    import matplotlib.lines  # noqa: PLC0415
    import matplotlib.patches  # noqa: PLC0415

    sounding = [group for group in COLOURS if np.any(roll.notes["group"] == group)]
    handles: list[Any] = [
        matplotlib.patches.Patch(color=COLOURS[group], label=group.name.lower()) for group in sounding
    ]
    lines: dict[str, dict[str, Any]] = {
        "chord": {"marker": "v", "linestyle": "none", "color": "#c00000"},
        "answer": {"marker": "D", "linestyle": "none", "color": "#c00000"},
        "boundary": {"linestyle": (0, (2, 1)), "linewidth": 2.0, "color": "#c00000"},
        "bar": {"linewidth": 0.7, "color": "#9a9a9a"},
    }
    handles += [matplotlib.lines.Line2D([], [], label=name, **style) for name, style in lines.items()]
    panel.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)


def _draw_time_axis(panel: Any, roll: Roll) -> None:
    shown_s = roll.end_s - roll.begin_s
    step_s = next((step for step in (0.5, 1, 2, 5) if shown_s / step <= 40), 5)
    panel.set_xlim(roll.begin_s, roll.end_s)
    panel.set_xticks(np.arange(np.ceil(roll.begin_s / step_s), np.floor(roll.end_s / step_s) + 1) * step_s)
    panel.set_xlabel("seconds")


def main() -> None:
    """Command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("score", type=Path, help="MIDI file")
    parser.add_argument("--cues", type=Path, help="cue sheet it was composed for")
    parser.add_argument("--from-s", type=float, default=0.0, help="first second shown")
    parser.add_argument("--to-s", type=float, help="last second shown; the end of the music if left out")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    arguments = parser.parse_args()
    try:
        roll = roll_of_midi(arguments.score, read_cue_sheet(arguments.cues) if arguments.cues else None)
        draw(shown(roll, arguments.from_s, arguments.to_s), arguments.out)
    except EmsyncError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
