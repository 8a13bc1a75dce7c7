"""What a `.cues.json` file may hold. Imported only when a cue sheet is read or written: pydantic is slow
to load. The prose for people is docs/cue-sheet.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emsync.control import checked_density, parse_density, parse_key
from emsync.music.bar_plan import check_tempo

_FRACTION = re.compile(r"[0-9]{1,12}(/[0-9]{1,12}|\.[0-9]{1,9})?", re.ASCII)
_SUM_TOLERANCE = 1e-3


class FieldError(Exception):
    """The message begins with the path of the first bad field."""


def _parse_frame_rate(value: object) -> str:
    """A number or a string, as the string `Fraction` understands."""
    text = str(value)
    try:
        rate = Fraction(text) if _FRACTION.fullmatch(text) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if rate <= 0:
        raise ValueError(f'{value!r} is no frame rate; write "25" or "24000/1001"')
    return text


def _check_sum(emotions: Emotions) -> Emotions:
    total = sum(emotions.values())
    if abs(total - 1.0) > _SUM_TOLERANCE:
        raise ValueError(f"the probabilities sum to {total:.4g}; make them sum to 1")
    return emotions


def _check_tempo(tempo_bpm: float) -> float:
    check_tempo(tempo_bpm)
    return tempo_bpm


def _check_key(key: str) -> str:
    parse_key(key)
    return key


def _check_density(density: object) -> object:
    """Notes a second from a number or a word; what is neither is left for the type to refuse."""
    if isinstance(density, str):
        return parse_density(density)
    if isinstance(density, int | float) and not isinstance(density, bool):
        checked_density(density)
    return density


def _check_instruments(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("is empty; name at least one group, or delete the field")
    if set(names) == {"drums"}:
        raise ValueError("drums alone can play no chord; add another group")
    return names


NonNegative = Annotated[float, Field(ge=0)]
Unit = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class CutEntry(_Entry):
    """One `Cut`."""

    time_s: NonNegative
    strength: Unit = 1.0


class Emotions(_Entry):
    """One `EmotionProbabilities`, each named."""

    anger: Unit
    disgust: Unit
    fear: Unit
    joy: Unit
    sadness: Unit
    surprise: Unit

    def values(self) -> tuple[float, ...]:
        """In the order of `emsync.types.EMOTIONS`."""
        return (self.anger, self.disgust, self.fear, self.joy, self.sadness, self.surprise)


class ShotEntry(_Entry):
    """One `ShotEmotion`."""

    start_s: NonNegative
    end_s: NonNegative
    emotions: Annotated[Emotions, AfterValidator(_check_sum)]
    valence: Signed = 0.0
    arousal: Signed = 0.0
    senses: list[Literal["image", "sound", "craft", "faces", "speech", "screen_text"]] = []
    speech: str = ""
    screen_text: str = ""


class BoundaryEntry(_Entry):
    """One `Boundary`."""

    time_s: NonNegative
    strength: Unit = 1.0
    source: Literal["cut", "user"] = "user"
    label: str = ""


class DroppedEntry(_Entry):
    """One `DroppedBoundary`; any time is allowed, it is only a report."""

    time_s: float
    strength: Unit = 1.0
    reason: str = ""


class AffectEntry(_Entry):
    """One `AffectPoint`."""

    time_s: NonNegative
    valence: Signed
    arousal: Signed


_NOT_NAMED: Any = None
"""Not a value that may be written: null is refused."""


class DirectionEntry(_Entry):
    """One `Direction`; a field that is not named keeps what was in force before."""

    time_s: NonNegative
    instruments: Annotated[
        list[Literal["drums", "bass", "guitar", "piano", "strings"]], AfterValidator(_check_instruments)
    ] = _NOT_NAMED
    tempo_bpm: Annotated[float, AfterValidator(_check_tempo)] = _NOT_NAMED
    key: Annotated[str, AfterValidator(_check_key)] = _NOT_NAMED
    density: Annotated[float, BeforeValidator(_check_density)] = _NOT_NAMED


class CueSheetFile(_Entry):
    """The whole file, version 1."""

    format: Literal["emsync-cues"] = "emsync-cues"
    version: Literal[1] = 1
    title: str | None = None
    duration_s: Annotated[float, Field(gt=0)]
    frame_rate_fps: Annotated[str, BeforeValidator(_parse_frame_rate)] = "25"
    boundaries: list[BoundaryEntry] = []
    affect: Annotated[list[AffectEntry], Field(min_length=1)]
    cuts: list[CutEntry] = []
    shots: list[ShotEntry] = []
    dropped: list[DroppedEntry] = []
    directions: list[DirectionEntry] = []


def validate(document: object) -> CueSheetFile:
    """The typed form of a JSON document.

    Raises: FieldError for the first bad field.
    """
    try:
        file = CueSheetFile.model_validate(document)
    except ValidationError as error:
        raise FieldError(_describe(error)) from error
    for fault in _faults_between_fields(file):
        raise FieldError(fault)
    return file


def _faults_between_fields(file: CueSheetFile) -> Iterator[str]:
    """What no field can know alone."""
    end_s = file.duration_s
    yield from _faults_of_order("boundaries", [entry.time_s for entry in file.boundaries])
    yield from _faults_of_order("affect", [entry.time_s for entry in file.affect])
    yield from _faults_of_order("directions", [entry.time_s for entry in file.directions])
    yield from _times_after(end_s, "boundaries", "time_s", [entry.time_s for entry in file.boundaries])
    yield from _times_after(end_s, "cuts", "time_s", [entry.time_s for entry in file.cuts])
    yield from _times_after(end_s, "directions", "time_s", [entry.time_s for entry in file.directions])
    yield from _times_after(end_s, "shots", "end_s", [entry.end_s for entry in file.shots])
    for number, direction in enumerate(file.directions):
        if direction.model_fields_set == {"time_s"}:
            yield f"directions[{number}]: asks for nothing; name instruments, tempo_bpm, key or density"
    for number, shot in enumerate(file.shots):
        if shot.end_s < shot.start_s:
            yield f"shots[{number}].end_s: {shot.end_s} lies before start_s ({shot.start_s}); exchange them"


def _faults_of_order(name: str, times_s: Sequence[float]) -> Iterator[str]:
    for number, (earlier, later) in enumerate(pairwise(times_s), start=1):
        if later <= earlier:
            yield (
                f"{name}[{number}].time_s: {later} does not lie after {name}[{number - 1}] ({earlier}); "
                "sort them and delete doubles"
            )


def _times_after(end_s: float, name: str, key: str, times_s: Sequence[float]) -> Iterator[str]:
    for number, time_s in enumerate(times_s):
        if time_s > end_s:
            yield (
                f"{name}[{number}].{key}: {time_s} lies after the end of the film ({end_s} s); "
                "move or delete it"
            )


def _describe(error: ValidationError) -> str:
    """One line for the first error, misspelt names before the missing ones they cause."""
    errors: list[Any] = [*error.errors(include_url=False)]
    first = min(errors, key=lambda one: one["type"] != "extra_forbidden")
    path = _path(first["loc"])
    match first["type"]:
        case "missing":
            return f"{path}: is missing; add it"
        case "extra_forbidden":
            return f"{path}: is no field of a cue sheet; correct its spelling or delete it"
        case "too_short":
            return f"{path}: is empty; give at least one point"
        case "model_type" | "list_type":
            wanted = "{ ... }" if first["type"] == "model_type" else "[ ... ]"
            return f"{path}: should be {wanted}; correct it"
        case "value_error":
            return f"{path}: {first['ctx']['error']}"
    message = first["msg"].removeprefix("Input ")
    shown = "" if isinstance(first["input"], dict | list) else f"{_shorten(first['input'])} "
    return f"{path}: {shown}{message}; correct it"


def _path(location: Sequence[str | int]) -> str:
    """`boundaries[3].time_s` from ("boundaries", 3, "time_s")."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".") or "the cue sheet"


def _shorten(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
