"""Where the results of `score` go, and the promise that all of them appear or none does."""

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
STEMS_SUFFIX = ".stems"


@dataclass(frozen=True)
class OutputPaths:
    """The files that `score` writes; `stems` is a folder, None when no stems are wanted."""

    video: Path
    cue_sheet: Path
    midi: Path
    wav: Path
    stems: Path | None = None

    @classmethod
    def beside(cls, film: Path, *, video_suffix: str, stems: bool = False) -> OutputPaths:
        """film.scored.mp4, film.cues.json, film.mid and film.wav beside the film."""
        video = film.with_name(f"{film.stem}.scored{video_suffix}")
        return cls._named(video, film.with_name(film.stem), stems=stems)

    @classmethod
    def for_video(cls, video: Path, *, stems: bool = False) -> OutputPaths:
        """The video under the name the user gave, its companions under the same stem."""
        return cls._named(video, video.with_name(video.stem), stems=stems)

    @classmethod
    def _named(cls, video: Path, stem: Path, *, stems: bool) -> OutputPaths:
        def named(suffix: str) -> Path:
            return stem.with_name(stem.name + suffix)

        folder = named(STEMS_SUFFIX) if stems else None
        return cls(video, named(CUE_SHEET_SUFFIX), named(".mid"), named(".wav"), folder)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every output but the stems."""
        return (self.video, self.cue_sheet, self.midi, self.wav)

    def check(self, film: Path, *, overwrite: bool) -> None:
        """Raise `OutputError` now for whatever would stop the writing after the long work."""
        for path in self.files:
            check_not_the_input(path, film)
            check_output(path, overwrite)
        if self.stems is not None and self.stems.exists() and not (overwrite and self.stems.is_dir()):
            raise OutputError(f"{self.stems}: already exists; choose another name or allow overwriting (--force)")

    def inside(self, folder: Path) -> OutputPaths:
        """The same names in another folder."""
        video, cue_sheet, midi, wav = (folder / path.name for path in self.files)
        stems = None if self.stems is None else folder / self.stems.name
        return replace(self, video=video, cue_sheet=cue_sheet, midi=midi, wav=wav, stems=stems)


def check_not_the_input(output: Path, given: Path) -> None:
    """Raise `OutputError` if both names lead to one file, be it through a link."""
    if output.exists() and given.exists() and output.samefile(given):
        raise OutputError(f"{output}: is the input itself; choose another name for the result with -o")


@contextmanager
def staged(outputs: OutputPaths) -> Iterator[OutputPaths]:
    """Yield the same names in a hidden folder beside them; move all into place once the body succeeded.

    The hidden folder is made before the body starts, so a folder that cannot be written to is found out
    before the long work, and it is removed on every exception, KeyboardInterrupt included.

    Raises: OutputError if the folder cannot be made or a file cannot be moved.
    """
    target = outputs.video.parent
    try:
        folder = Path(tempfile.mkdtemp(prefix=".emsync-", dir=target))
    except OSError as error:
        raise OutputError(f"{target}: cannot write in this folder: {_reason(error)}") from error
    try:
        yield outputs.inside(folder)
        _move(outputs.inside(folder), outputs)
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
        raise OutputError(f"{error.filename2 or error.filename}: cannot be written: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission; write elsewhere with -o"
    return error.strerror or str(error)
