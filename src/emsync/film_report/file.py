"""A report as a file: its suffix chooses the form, and what would go wrong is said before the film is watched."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from emsync.errors import OutputError
from emsync.film_report.contents import FilmReport
from emsync.film_report.page import page

PAGE_SUFFIXES = (".html", ".htm")
PICTURE_SUFFIX = ".png"


def check_report_form(path: Path) -> None:
    """Raise `OutputError` if the suffix names no form of report, or matplotlib is missing for a picture."""
    suffix = path.suffix.lower()
    if suffix not in (*PAGE_SUFFIXES, PICTURE_SUFFIX):
        raise OutputError(
            f"{path}: a report is a page or a picture; let its name end in"
            f" {', '.join(PAGE_SUFFIXES)} or {PICTURE_SUFFIX}"
        )
    if suffix == PICTURE_SUFFIX and find_spec("matplotlib") is None:
        raise OutputError(
            f"{path}: a report as a picture needs matplotlib; install it (pip install matplotlib)"
            f" or ask for a page ({PAGE_SUFFIXES[0]})"
        )


def write_report(report: FilmReport, path: Path, *, suffix: str) -> None:
    """Write the page or the picture, as `suffix` says, over whatever is at `path`."""
    if suffix.lower() == PICTURE_SUFFIX:
        from emsync.film_report.picture import save_picture  # noqa: PLC0415  (matplotlib may be missing)

        save_picture(report, path)
    else:
        path.write_text(page(report), encoding="utf-8")
