"""A report as a file: what is refused, and what is written."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import pytest
from made_up_film import made_up_report

from emsync.errors import OutputError
from emsync.film_report.file import check_report_form, write_report


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.html.txt", ".html"])
def test_another_suffix_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(OutputError, match=r"let its name end in \.html, \.htm or \.png$") as refused:
        check_report_form(Path(name))
    assert str(refused.value).startswith(f"{name}: ")


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "a.png", "a.PNG"])
def test_the_suffixes_of_pages_and_pictures_are_taken(name: str) -> None:
    check_report_form(Path(name))


def test_a_picture_without_matplotlib_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OutputError, match=r"^a\.png: .*pip install matplotlib") as refused:
        check_report_form(Path("a.png"))
    assert "\n" not in str(refused.value)
    check_report_form(Path("a.html"))


@pytest.mark.parametrize(
    ("shots", "title"), [(1, "garden"), (20, "$x_{1}$ \N{CJK UNIFIED IDEOGRAPH-65E5} &<"), (400, "long")]
)
@pytest.mark.filterwarnings("error")
def test_a_picture_is_drawn(tmp_path: Path, shots: int, title: str) -> None:
    path = tmp_path / "report.png"
    write_report(made_up_report(shots, title=title), path, suffix=".PNG")
    assert cv2.imread(str(path)).shape == (1140, 1440, 3)


def test_a_page_is_written_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "report.htm"
    write_report(made_up_report(title="Gärten \udcff"), path, suffix=".htm")
    assert "<bdi>Gärten \N{REPLACEMENT CHARACTER}</bdi>" in path.read_text("utf-8")
