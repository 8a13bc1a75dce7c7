"""The file form of a cue sheet, `.cues.json`: JSON that a person can edit and the reader checks.

Writing and reading again gives the same values, so music composed from the file equals music composed in
one go. docs/cue-sheet.md describes every field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync.control import parse_key
from emsync.errors import CueSheetError
from emsync.output_file import atomic_output
from emsync.types import (
    EMOTIONS,
    AffectCurve,
    AffectPoint,
    Boundary,
    CueSheet,
    Cut,
    Direction,
    DroppedBoundary,
    EmotionProbabilities,
    InstrumentGroup,
    Shot,
    ShotEmotion,
)

if TYPE_CHECKING:
    from emsync.music.cue_sheet_schema import CueSheetFile, DirectionEntry

FORMAT = "emsync-cues"
VERSION = 1
_LARGEST_BYTES = 100_000_000


def write_cue_sheet(cue_sheet: CueSheet, path: Path, *, overwrite: bool = False) -> None:
    """Write a cue sheet as UTF-8 JSON, one boundary, cut, shot or affect point a line.

    Raises: OutputError if the file cannot be written. ValueError if the cue sheet breaks its own rules
        (the reader would refuse the file).
    """
    from emsync.music.cue_sheet_schema import FieldError, validate  # noqa: PLC0415

    document = _to_document(cue_sheet)
    try:
        validate(document)
    except FieldError as error:
        raise ValueError(f"not a valid cue sheet: {error}") from error
    text = _format_document(document)
    with atomic_output(path, overwrite) as temporary:
        # A title from a file name that is not UTF-8 holds lone surrogates: \udcXX is JSON for them.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def read_cue_sheet(path: Path) -> CueSheet:
    """Read and check a cue sheet; only `duration_s` and `affect` are required.

    Raises: CueSheetError with the path of the first bad field, or the line and column where the JSON is
        broken, or the reason why the file cannot be read.
    """
    from emsync.music.cue_sheet_schema import FieldError, validate  # noqa: PLC0415

    document = _parse(_read_text(path), path)
    _check_format(document, path)
    try:
        file = validate(document)
    except FieldError as error:
        raise CueSheetError(f"{path}: {error}") from error
    return _from_file(file, default_title=path.name.removesuffix(".json").removesuffix(".cues"))


def _to_document(cue_sheet: CueSheet) -> dict[str, Any]:
    """The file's fields in order; without directions there is no such field, as an older emsync expects."""
    directions = [_direction_entry(direction) for direction in cue_sheet.directions]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "title": cue_sheet.title,
        "duration_s": cue_sheet.duration_s,
        "frame_rate_fps": str(cue_sheet.frame_rate_fps),
        "boundaries": [vars(boundary) for boundary in cue_sheet.boundaries],
        "affect": [vars(point) for point in cue_sheet.affect.points],
        "cuts": [vars(cut) for cut in cue_sheet.cuts],
        "shots": [_shot_entry(emotion) for emotion in cue_sheet.shots],
        "dropped": [vars(dropped) for dropped in cue_sheet.dropped],
    }
    return {**document, "directions": directions} if directions else document


def _direction_entry(direction: Direction) -> dict[str, Any]:
    """What a direction names; what it leaves as it was is not written."""
    entry: dict[str, Any] = {name: value for name, value in vars(direction).items() if value is not None}
    if direction.instruments is not None:
        entry["instruments"] = [group.name.lower() for group in direction.instruments]
    if direction.key is not None:
        entry["key"] = str(direction.key)
    return entry


def _shot_entry(emotion: ShotEmotion) -> dict[str, Any]:
    emotions = dict(zip(EMOTIONS, emotion.probabilities.values, strict=True))
    return {
        **vars(emotion.shot),
        "emotions": emotions,
        "valence": emotion.valence,
        "arousal": emotion.arousal,
        "senses": list(emotion.senses),
        **{name: text for name, text in _words(emotion).items() if text},
    }


def _words(emotion: ShotEmotion) -> dict[str, str]:
    """What was said and shown; only there if those senses were asked for, so that sheets without stay as they were."""
    return {"speech": emotion.speech, "screen_text": emotion.screen_text}


def _format_document(document: Mapping[str, Any]) -> str:
    """Indented JSON with every list entry on one line."""
    fields = [f'  "{key}": {_format_value(value)}' for key, value in document.items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _format_value(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    entries = [f"    {json.dumps(entry, ensure_ascii=False, allow_nan=False)}" for entry in value]
    return "[\n" + ",\n".join(entries) + "\n  ]"


def _from_file(file: CueSheetFile, *, default_title: str) -> CueSheet:
    return CueSheet(
        title=default_title if file.title is None else file.title,
        duration_s=file.duration_s,
        frame_rate_fps=Fraction(file.frame_rate_fps),
        cuts=tuple(Cut(entry.time_s, entry.strength) for entry in file.cuts),
        shots=tuple(
            ShotEmotion(
                Shot(entry.start_s, entry.end_s),
                EmotionProbabilities(entry.emotions.values()),
                valence=entry.valence,
                arousal=entry.arousal,
                senses=tuple(entry.senses),
                speech=entry.speech,
                screen_text=entry.screen_text,
            )
            for entry in file.shots
        ),
        boundaries=tuple(
            Boundary(entry.time_s, entry.strength, entry.source, entry.label) for entry in file.boundaries
        ),
        dropped=tuple(DroppedBoundary(entry.time_s, entry.strength, entry.reason) for entry in file.dropped),
        affect=AffectCurve(
            tuple(AffectPoint(entry.time_s, entry.valence, entry.arousal) for entry in file.affect)
        ),
        directions=tuple(_direction(entry) for entry in file.directions),
    )


def _direction(entry: DirectionEntry) -> Direction:
    groups = (
        None if entry.instruments is None else (InstrumentGroup[name.upper()] for name in entry.instruments)
    )
    return Direction(
        entry.time_s,
        instruments=None if groups is None else tuple(groups),
        tempo_bpm=entry.tempo_bpm,
        key=None if entry.key is None else parse_key(entry.key),
        density=entry.density,
    )


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise CueSheetError(f"{path}: is too large for a cue sheet; give a .cues.json file")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CueSheetError(f"{path}: is not a text file; give a .cues.json file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CueSheetError(f"{path}: cannot be read: {reason}") from error


def _parse(text: str, path: Path) -> object:
    if not text.strip():
        raise CueSheetError(f"{path}: is empty; make a cue sheet with `emsync analyse`")
    try:
        return json.loads(text, parse_int=_parse_int, object_pairs_hook=_refuse_doubles)
    except json.JSONDecodeError as error:
        raise CueSheetError(
            f"{path}: line {error.lineno}, column {error.colno}: is not JSON ({error.msg}); correct it there"
        ) from error
    except ValueError as error:
        raise CueSheetError(f"{path}: {error}") from error
    except RecursionError as error:
        raise CueSheetError(f"{path}: is no cue sheet: its brackets are nested too deep") from error


def _parse_int(digits: str) -> int | float:
    """Python refuses to parse integers of thousands of digits; as infinity their field is named."""
    return int(digits) if len(digits) < 300 else float(digits)


def _refuse_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{double}" stands twice in one object; delete one of the two')
    return keys


def _check_format(document: object, path: Path) -> None:
    if not isinstance(document, dict) or document.get("format", FORMAT) != FORMAT:
        raise CueSheetError(f'{path}: is no cue sheet (its "format" is not "{FORMAT}")')
    version = document.get("version", VERSION)
    if isinstance(version, int) and version > VERSION:
        raise CueSheetError(
            f"{path}: version: {version} is newer than this emsync reads ({VERSION}); update emsync"
        )
