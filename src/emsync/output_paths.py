"""Where results go, and the promise that all files of `score` appear or none does."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from emsync.errors import OutputError
from emsync.output_file import check_output

CUE_SHEET_SUFFIX = ".cues.json"
KEPT_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
OTHER_SUFFIX = ".mkv"
"""Where a film of another container goes: Matroska holds whatever picture there is."""


@dataclass(frozen=True)
class OutputPaths:
    """The files that `score` writes, all in one folder; `stems` is a folder or None.

    `takes` is how many takes get a file of their own, beside the one that was kept.
    """

    video: Path
    cue_sheet: Path
    midi: Path
    wav: Path
    stems: Path | None = None
    takes: int = 0

    @classmethod
    def of(
        cls, film: Path, output: Path | None = None, *, stems: bool = False, takes: int = 0
    ) -> OutputPaths:
        """film.scored.mp4, film.cues.json, film.mid, film.wav beside the film; else named after `output`."""
        video = output or scored_beside(film)
        stem = film.stem if output is None else output.stem
        return cls(
            video=video,
            cue_sheet=video.with_name(stem + CUE_SHEET_SUFFIX),
            midi=video.with_name(stem + ".mid"),
            wav=video.with_name(stem + ".wav"),
            stems=video.with_name(stem + ".stems") if stems else None,
            takes=takes,
        )

    @property
    def take_files(self) -> tuple[Path, ...]:
        """A MIDI file for each take."""
        return takes_beside(self.midi, self.takes)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every output but the stems."""
        return (self.video, self.cue_sheet, self.midi, self.wav, *self.take_files)

    def check(self, film: Path, *, overwrite: bool) -> None:
        """Raise `OutputError` now for whatever would stop the writing after the long work."""
        for path in self.files:
            check_result(path, film, overwrite=overwrite)
        if self.stems is not None:
            check_folder(self.stems, overwrite=overwrite)

    def inside(self, folder: Path) -> OutputPaths:
        """The same names in another folder."""
        video, cue_sheet, midi, wav, *_ = (folder / path.name for path in self.files)
        stems = None if self.stems is None else folder / self.stems.name
        return replace(self, video=video, cue_sheet=cue_sheet, midi=midi, wav=wav, stems=stems)


def scored_beside(film: Path) -> Path:
    """film.mp4 -> film.scored.mp4; the container stays if it can take any sound we make."""
    suffix = film.suffix if film.suffix.lower() in KEPT_SUFFIXES else OTHER_SUFFIX
    return film.with_name(f"{film.stem}.scored{suffix}")


def cue_sheet_beside(film: Path) -> Path:
    """film.mp4 -> film.cues.json."""
    return film.with_name(film.stem + CUE_SHEET_SUFFIX)


def midi_beside(cue_sheet: Path) -> Path:
    """film.cues.json -> film.mid."""
    return cue_sheet.with_name(cue_sheet.name.removesuffix(".json").removesuffix(".cues") + ".mid")


def regenerated_beside(kept: Path) -> Path:
    """film.mid -> film.regenerated.mid."""
    return kept.with_name(f"{kept.stem}.regenerated.mid")


def takes_beside(midi: Path, count: int) -> tuple[Path, ...]:
    """film.mid -> film.take1.mid, film.take2.mid, ..."""
    return tuple(midi.with_name(f"{midi.stem}.take{number}{midi.suffix}") for number in range(1, count + 1))


def check_result(path: Path, source: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` now if the result cannot be written there, or is the file it is made from."""
    if path.exists() and source.exists() and path.samefile(source):
        raise OutputError(f"{path}: is the input itself; choose another name for the result with -o")
    check_output(path, overwrite)


def check_folder(path: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` now if a folder of results cannot be made there."""
    if path.is_dir() and not overwrite:
        raise OutputError(f"{path}: already exists; choose another name or allow overwriting (--force)")
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is in the way of a folder; choose another name with -o")


@contextmanager
def new_folder(path: Path | None, *, overwrite: bool) -> Iterator[None]:
    """Make a folder for the results of the body; if the body fails, it goes again unless it was there.

    Raises: OutputError if it exists and `overwrite` is false, or cannot be made.
    """
    if path is None:
        yield
        return
    check_folder(path, overwrite=overwrite)
    was_there = path.is_dir()
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: this folder cannot be made: {_reason(error)}") from error
    try:
        yield
    except BaseException:
        if not was_there:
            shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def staged(outputs: OutputPaths) -> Iterator[OutputPaths]:
    """Yield the same names in a hidden folder beside them; move all into place once the body succeeded.

    The hidden folder is made before the body starts, so a folder that cannot be written to is found out
    before the long work. It is removed on every exception, KeyboardInterrupt included.

    Raises: OutputError if the folder cannot be made or a file cannot be moved.
    """
    target = outputs.video.parent
    try:
        folder = Path(tempfile.mkdtemp(prefix=".emsync-", dir=target))
    except OSError as error:
        raise OutputError(f"{target}: cannot write in this folder: {_reason(error)}") from error
    try:
        made = outputs.inside(folder)
        if made.stems is not None:
            made.stems.mkdir()
        yield made
        _move(made, outputs)
    except OutputError as error:  # the user knows nothing of the hidden folder
        raise OutputError(str(error).replace(f"{folder}/", f"{target}/")) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(made: OutputPaths, outputs: OutputPaths) -> None:
    try:
        for source, target in zip(made.files, outputs.files, strict=True):
            source.replace(target.resolve())
        if made.stems is not None and outputs.stems is not None:
            outputs.stems.mkdir(exist_ok=True)
            for stem in sorted(made.stems.iterdir()):
                stem.replace(outputs.stems / stem.name)
    except OSError as error:
        raise OutputError(
            f"{error.filename2 or error.filename}: cannot be written: {_reason(error)}"
        ) from error


def _reason(error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "no permission; choose another folder with -o"
    return error.strerror or str(error)
