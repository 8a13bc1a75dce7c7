"""Find the soundfont that speaks: the one asked for, the best on this system, or the bundled one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emsync.errors import AudioError

BUNDLED = Path(__file__).parent.parent / "assets" / "soundfont" / "emsync_gm.sf3"
"""A subset of FluidR3 Mono (MIT); see the README beside it."""

SUFFIXES = (".sf2", ".sf3")
PREFERRED = ("fluidr3_gm", "musescore_general", "generaluser", "fluidr3mono_gm")
"""Beginnings of file names, best first; each is a complete General MIDI set better than the bundled one
or its full original. TimGM6mb is not here: it is smaller and plainer than the bundled font."""


@dataclass(frozen=True)
class SoundFont:
    """A soundfont and where it came from."""

    path: Path
    name: str
    origin: Literal["given", "system", "bundled"]


def find_soundfont(explicit: Path | None) -> SoundFont:
    """The soundfont to render with.

    `explicit` wins if given; then the best General MIDI font in the usual folders of this system; then
    the bundled one. Raises `AudioError` if `explicit` is missing or not a soundfont.
    """
    if explicit is not None:
        return SoundFont(_checked(explicit), explicit.stem, "given")
    found = _best(path for folder in system_folders() for path in _fonts_in(folder))
    if found is not None:
        return SoundFont(found, found.stem, "system")
    if not BUNDLED.is_file():
        raise AudioError(
            f"the bundled soundfont {BUNDLED} is missing; install emsync again or use --soundfont"
        )
    return SoundFont(BUNDLED, BUNDLED.stem, "bundled")


def system_folders() -> list[Path]:
    """Folders where Linux, macOS and Windows programs keep soundfonts."""
    home = Path.home()
    folders = [Path("/usr/share"), Path("/usr/local/share"), home / ".local/share"]
    linux = [folder / "sounds" / kind for folder in folders for kind in ("sf2", "sf3")]
    linux += [folder / "soundfonts" for folder in folders]
    mac = [root / "Library/Audio/Sounds/Banks" for root in (home, Path("/"))]
    brew = [Path("/opt/homebrew/share"), Path("/usr/local/share")]
    mac += [root / "fluid-synth/sf2" for root in brew] + [root / "soundfonts" for root in brew[:1]]
    windows = [
        Path(root) / place
        for root in map(os.environ.get, ("PROGRAMFILES", "PROGRAMDATA", "LOCALAPPDATA"))
        if root
        for place in ("soundfonts", "SoundFonts", "MuseScore 4/sound", "MuseScore 3/sound")
    ]
    return [*linux, *mac, *windows]


def _fonts_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError:
        return []


def _best(paths: Iterable[Path]) -> Path | None:
    ranked = [(rank, path) for path in paths if (rank := _rank(path)) is not None and _is_soundfont(path)]
    return min(ranked)[1] if ranked else None


def _rank(path: Path) -> int | None:
    name = path.stem.lower().replace(" ", "_").replace("-", "_")
    return next((rank for rank, start in enumerate(PREFERRED) if name.startswith(start)), None)


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise AudioError(f"there is no soundfont at {path}")
    if not _is_soundfont(path):
        raise AudioError(f"{path} is not a SoundFont (.sf2 or .sf3) file; choose another with --soundfont")
    return path


def _is_soundfont(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:12] == b"sfbk"
