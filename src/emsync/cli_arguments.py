"""The arguments and options of the command line: names, help, and what values are allowed.

Defaults are not here: each command takes them from `emsync.options`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from emsync.control import parse_density, parse_key
from emsync.options import EXTRA_SENSES, IN_BOX_SENSES, AffectMapping, OriginalSound, SyncMode

INSTRUMENTS = ("drums", "bass", "guitar", "piano", "strings")


def _seconds(value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise typer.BadParameter(f"{value} is not a number of seconds, 0 or more.")
    return value


def _positive_seconds(value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"{value} is not a number of seconds above 0.")
    return value


def _many_seconds(values: list[float] | None) -> list[float] | None:
    for value in values or []:
        _seconds(value)
    return values


def _temperature(value: float) -> float:
    if not (math.isfinite(value) and 0 < value <= 10):
        raise typer.BadParameter(f"{value} is not above 0 and at most 10.")
    return value


def _tempo(value: float | None) -> float | None:
    if value is not None and not 60 <= value <= 180:
        raise typer.BadParameter(f"{value} is not in 60 to 180 quarter notes a minute.")
    return value


def _guidance(value: float) -> float:
    if not 0 <= value <= 10:
        raise typer.BadParameter(f"{value} is not in 0 to 10.")
    return value


def check_stretch(
    keep: Path | None, begin_s: float | None, end_s: float | None, *, others: dict[str, object]
) -> None:
    """Raises typer.BadParameter unless --keep, --from and --to come together, in order, and the others fit.

    Args:
        others: what was asked for, by its name: --candidates goes only with a stretch, all else never does.
    """
    given = {"--keep": keep, "--from": begin_s, "--to": end_s}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        if others["--candidates"] is not None:
            raise typer.BadParameter("--candidates goes with --keep, --from and --to only.")
        return
    if missing:
        raise typer.BadParameter(f"--keep, --from and --to go together; {' and '.join(missing)} is missing.")
    if begin_s is not None and end_s is not None and begin_s >= end_s:
        raise typer.BadParameter(f"--from {begin_s:g} must lie before --to {end_s:g}.")
    for name in [name for name, value in others.items() if value and name != "--candidates"]:
        raise typer.BadParameter(f"{name} cannot be set with --keep: {_NOT_WITH_KEEP[name]}.")


_NOT_WITH_KEEP = {
    "--tempo": "the bars of the kept score stay",
    "--takes": "--candidates says how many are tried",
    "--keep-takes": "one score is written",
}


def instrument_names(listed: str) -> tuple[str, ...]:
    """The names in a list such as `drums, piano`, each once. Raises typer.BadParameter if they make no band."""
    names = tuple(dict.fromkeys(name.strip().lower() for name in listed.split(",")))
    choice = f"give some of {','.join(INSTRUMENTS)}."
    if names == ("",):
        raise typer.BadParameter(f"the list is empty; {choice}")
    for name in names:
        if name not in INSTRUMENTS:
            raise typer.BadParameter(f"{name!r} is no instrument group; {choice}")
    if names == ("drums",):
        raise typer.BadParameter("drums alone can play no chord; add another group.")
    return names


def _instruments(value: str | None) -> str | None:
    if value is not None:
        instrument_names(value)
    return value


def _key(value: str | None) -> str | None:
    return _checked(value, parse_key)


def _density(value: str | None) -> str | None:
    return _checked(value, parse_density)


def _checked(value: str | None, parse: Callable[[str], object]) -> str | None:
    try:
        if value is not None:
            parse(value)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error
    return value


def sense_names(listed: str) -> tuple[str, ...]:
    """The names in a list such as `image, speech`, each once. Raises typer.BadParameter if one is no sense."""
    names = tuple(dict.fromkeys(name.strip().lower().replace("-", "_") for name in listed.split(",")))
    for name in names:
        if name not in (*IN_BOX_SENSES, *EXTRA_SENSES):
            choice = f"give some of {','.join((*IN_BOX_SENSES, *EXTRA_SENSES))}."
            raise typer.BadParameter(
                f"{name!r} is no sense; {choice}" if name else f"a name is empty; {choice}"
            )
    return names


def _senses(value: str | None) -> str | None:
    if value is not None:
        sense_names(value)
    return value


def _top_p(value: float) -> float:
    if not 0 < value <= 1:
        raise typer.BadParameter(f"{value} is not above 0 and at most 1.")
    return value


# What goes in.
Film = Annotated[Path, typer.Argument(metavar="FILM", help="A video file.")]
CueSheetFile = Annotated[Path, typer.Argument(metavar="CUES", help="A cue sheet (.cues.json).")]
MidiFile = Annotated[Path, typer.Argument(metavar="MIDI", help="A MIDI file.")]
WavFile = Annotated[Path, typer.Argument(metavar="MUSIC", help="A sound file.")]

# What comes out.
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Name of the result.")]
Force = Annotated[bool, typer.Option("--force", help="Replace results that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no report for people.")]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also show what was seen: a page (.html) or a picture (.png; needs matplotlib).",
    ),
]
Threads = Annotated[int, typer.Option(min=0, max=1024, help="Threads for the networks; 0: all cores.")]

# How the film is watched and spotted.
Detector = Annotated[
    str, typer.Option(metavar="NAME", help="Cut detector: adaptive, content, ffmpeg or histogram.")
]
Mapping = Annotated[
    AffectMapping,
    typer.Option(
        "--affect-mapping", help="rated: valence and arousal read directly; paper: from six emotions."
    ),
]
Senses = Annotated[
    str | None,
    typer.Option(
        callback=_senses,
        metavar="NAMES",
        help=f"What to take in: {','.join((*IN_BOX_SENSES, *EXTRA_SENSES))}.",
    ),
]
SpeechWeights = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder with Whisper's weights, for the sense 'speech'.")
]
MinimumDistance = Annotated[
    float, typer.Option(callback=_seconds, metavar="SECONDS", help="Least time between two boundaries.")
]
HitPoints = Annotated[
    list[float] | None,
    typer.Option("--hit", callback=_many_seconds, metavar="SECONDS", help="A moment to hit; repeatable."),
]
Boundaries = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Boundaries from a list of times, one a line, instead of the cuts."),
]

# How music is composed.
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, metavar="NUMBER", help="Same seed, same music.")]
Sync = Annotated[
    SyncMode,
    typer.Option(help="exact: each boundary gets its chord; beat: on a beat, too; paper: none is forced."),
]
Takes = Annotated[
    int, typer.Option(min=1, max=64, metavar="NUMBER", help="Compose so many, a seed each; keep the best.")
]
KeepTakes = Annotated[bool, typer.Option("--keep-takes", help="Write every take, too, as NAME.take1.mid ...")]
Temperature = Annotated[
    float, typer.Option(callback=_temperature, metavar="NUMBER", help="Above 1 is more daring.")
]
TopP = Annotated[
    float, typer.Option("--top-p", callback=_top_p, metavar="NUMBER", help="Share of likely tokens kept.")
]
Tempo = Annotated[
    float | None,
    typer.Option(callback=_tempo, metavar="BPM", help="Tempo, 60 to 180; else the film's arousal sets it."),
]
Instruments = Annotated[
    str | None,
    typer.Option(callback=_instruments, metavar="LIST", help=f"Who plays: some of {','.join(INSTRUMENTS)}."),
]
Key = Annotated[
    str | None,
    typer.Option(
        callback=_key, metavar="KEY", help="Such as C, 'A minor', 'Bb major'; else valence sets the mode."
    ),
]
Density = Annotated[
    str | None,
    typer.Option(
        callback=_density, metavar="DENSITY", help="Notes a second, 0.5 to 40, or sparse, medium or dense."
    ),
]
AffectGuidance = Annotated[
    float,
    typer.Option(
        callback=_guidance, metavar="NUMBER", help="Above 1 the music follows affect more; 0 to 10."
    ),
]
BoundaryGuidance = Annotated[
    float,
    typer.Option(
        callback=_guidance, metavar="NUMBER", help="Above 1 the music heeds boundaries more; 0 to 10."
    ),
]

# Which stretch of a score is composed anew.
Keep = Annotated[
    Path | None,
    typer.Option("--keep", metavar="MIDI", help="Keep this score and compose only a stretch of it anew."),
]
From = Annotated[
    float | None,
    typer.Option("--from", callback=_seconds, metavar="SECONDS", help="With --keep: where it begins."),
]
To = Annotated[
    float | None,
    typer.Option("--to", callback=_seconds, metavar="SECONDS", help="With --keep: where it ends."),
]
Candidates = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        metavar="NUMBER",
        help="With --keep: how many are tried, 4 unless said; the best joined is taken.",
    ),
]

# How it sounds.
Soundfont = Annotated[Path | None, typer.Option(metavar="FILE", help="The .sf2 or .sf3 file to play with.")]
Stems = Annotated[bool, typer.Option("--stems", help="Write a WAV for each instrument group, too.")]
Duration = Annotated[
    float | None,
    typer.Option(callback=_positive_seconds, metavar="SECONDS", help="Length of the WAV; else the music's."),
]
Original = Annotated[OriginalSound, typer.Option(help="What becomes of the sound the film already has.")]
AudioStreamNumber = Annotated[
    int,
    typer.Option(
        "--audio-stream", min=0, metavar="NUMBER", help="Which sound stream of the film; 0: the first."
    ),
]
