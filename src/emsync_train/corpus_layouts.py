"""Which files make up a corpus, which song each belongs to, and on which side of the split it lands.

A corpus is a folder with a manifest, or any folder of MIDI files or LPD piano rolls. In the layouts of the Lakh
MIDI dataset, `.../TRAAAGR128F425B14B/<md5>.mid` (or `.npz`), the track folder and the MD5 both name the song.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emsync.errors import InputError

MANIFEST_COLUMNS = ("path", "song", "source", "near_duplicate_of")
NAME_COLUMNS = ("path", "file", "track_id")
AFFECT_COLUMNS = ("valence", "arousal")
MIDI_SUFFIXES = frozenset({".mid", ".midi"})
ROLL_SUFFIX = ".npz"
HELD_OUT_PERCENT = {"validation": 3, "test": 3}
_TRACK_FOLDER = re.compile(r"TR[A-Z0-9]{16}")


@dataclass(frozen=True)
class PieceLabels:
    """Affect of a whole piece, each in [-1, 1]; None is not known."""

    valence: float | None
    arousal: float | None


@dataclass(frozen=True)
class Source:
    """One file to read. Files with the same `song` land on the same side of the split.

    `name` is the path below the corpus folder, `source` the collection it comes from. Given `labels` go before
    those of the labeller.
    """

    path: Path
    name: str
    song: str
    source: str
    labels: PieceLabels | None = None


def split_of(song: str) -> str:
    """`train`, `validation` or `test`, from a hash of the song's name alone, so it never changes."""
    percent = int(hashlib.sha256(song.encode()).hexdigest()[:8], 16) % 100
    for split, share in HELD_OUT_PERCENT.items():
        if percent < share:
            return split
        percent -= share
    return "train"


def sources_of(folder: Path, manifest: Path | None, skip: frozenset[str]) -> list[Source]:
    """The files to read: rows of the manifest, or every MIDI file and piano roll below the folder.

    Args:
        skip: names of sources that are left out.
    Raises: InputError if the manifest is missing, lacks a column or names a file twice, or if there is no file.
    """
    found = _in_folder(folder) if manifest is None else _in_manifest(folder, manifest)
    sources = [source for source in found if source.source not in skip]
    if not sources:
        raise InputError(
            f"{manifest or folder}: no MIDI file to read; give a folder with .mid, .midi or .npz files"
        )
    return sources


def joined_songs(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each linked song the one that stands for all it is linked to, directly or over others.

    A link (song, original) says both are one; the original stands for it. In a circle one of them does.
    """
    above: dict[str, str] = {}

    def original_of(song: str) -> str:
        while above.setdefault(song, song) != song:
            above[song] = above[above[song]]
            song = above[song]
        return song

    for song, original in links:
        above[original_of(song)] = original_of(original)
    return {song: original_of(song) for song in list(above)}


def with_labels(sources: Sequence[Source], labels: Path) -> list[Source]:
    """The sources with labels of whole pieces from a CSV file; files that it does not name stay as they are.

    A row names a file by its path below the corpus folder, its name without suffix, or its track folder.
    An empty cell or NaN is a missing value.

    Raises: InputError if the file is missing, lacks a column, a value lies outside [-1, 1], or no row fits.
    """
    rows = _rows(labels, AFFECT_COLUMNS)
    given = {_named(row, labels): _piece_labels(row, labels) for row in rows}
    labelled = [replace(source, labels=_labels_among(given, source)) for source in sources]
    if all(source.labels is None for source in labelled):
        raise InputError(
            f"{labels}: none of its {len(rows)} rows names a file of the corpus; compare the names"
        )
    return labelled


def _in_folder(folder: Path) -> list[Source]:
    suffixes = {*MIDI_SUFFIXES, ROLL_SUFFIX}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    tracks = [(path.stem, path.parent.name) for path in paths if _TRACK_FOLDER.fullmatch(path.parent.name)]
    joined = joined_songs(tracks)
    return [
        Source(path, name.as_posix(), joined.get(path.stem, path.stem), _collection(name, folder))
        for path in paths
        for name in (path.relative_to(folder),)
    ]


def _collection(name: Path, folder: Path) -> str:
    """The first folder on the way to a file, or the corpus folder's own name."""
    return name.parts[0] if len(name.parts) > 1 else folder.resolve().name


def _in_manifest(folder: Path, manifest: Path) -> list[Source]:
    """Near duplicates join their songs, also through files of other sources or files that the manifest lacks."""
    rows = _rows(manifest, MANIFEST_COLUMNS)
    songs: dict[str, str] = {}
    for row in rows:
        if row["path"] in songs:
            raise InputError(f"{manifest}: names {row['path']} twice; leave one of the rows out")
        songs[row["path"]] = row["song"]
    duplicates = [row for row in rows if row["near_duplicate_of"]]
    joined = joined_songs(
        (row["song"], songs.setdefault(row["near_duplicate_of"], row["song"])) for row in duplicates
    )
    return [
        Source(folder / row["path"], row["path"], joined.get(row["song"], row["song"]), row["source"])
        for row in rows
    ]


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table ({error}); give a CSV file") from error
    if missing:
        raise InputError(f"{path}: lacks the column {missing[0]}; it needs {', '.join(columns)}")
    return rows


def _named(row: dict[str, str], path: Path) -> str:
    names = [row[column] for column in NAME_COLUMNS if row.get(column)]
    if not names:
        raise InputError(f"{path}: a row names no file; it needs a column {' or '.join(NAME_COLUMNS)}")
    return names[0]


def _piece_labels(row: dict[str, str], path: Path) -> PieceLabels:
    return PieceLabels(*(_affect(row[column], column, _named(row, path), path) for column in AFFECT_COLUMNS))


def _affect(cell: str, column: str, name: str, path: Path) -> float | None:
    try:
        value = float(cell or "nan")
    except ValueError as error:
        raise InputError(
            f"{path}: {column} of {name} is {cell!r}; give a number or leave it empty"
        ) from error
    if abs(value) > 1:
        raise InputError(f"{path}: {column} of {name} is {cell}; scale the column to -1..1")
    return None if math.isnan(value) else value


def _labels_among(given: dict[str, PieceLabels], source: Source) -> PieceLabels | None:
    path = Path(source.name)
    names = [source.name, path.stem]
    if _TRACK_FOLDER.fullmatch(path.parent.name):
        names += [f"{path.parent.name}_{path.stem}", path.parent.name]
    return next((given[name] for name in names if name in given), source.labels)
