"""The page: all shots in it, safe from hostile names, well formed, alone, and light."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from made_up_film import REASON, made_up_report

from emsync.film_report.contents import FilmReport
from emsync.film_report.page import page
from emsync.report import Analysis
from emsync.types import EMOTIONS, Boundary

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = """</title><script>alert("1")</script>' & <b onload=x> \x1b[31m\udcff"""
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Checks that tags are closed in order; collects tags, attributes and rows of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def svgs(text: str) -> list[ElementTree.Element]:
    charts = re.findall(r"<svg xmlns.*?</svg>", text, re.DOTALL)
    return [ElementTree.fromstring(chart) for chart in charts]


def report_with(report: FilmReport, **changes: object) -> FilmReport:
    sheet = replace(report.sheet, **changes)  # type: ignore[arg-type]
    return FilmReport(replace(report.analysis, cue_sheet=sheet), report.thumbnails)


@pytest.mark.parametrize("shots", [1, 3, 100])
def test_every_shot_is_in_the_table(shots: int) -> None:
    reader = Reader(page(made_up_report(shots)))
    assert reader.open == []
    numbers = [row["id"] for row in reader.all("tr") if "id" in row]
    assert numbers == [f"shot-{number}" for number in range(1, shots + 1)]


def test_pictures_are_data_with_words_for_those_who_cannot_see_them() -> None:
    reader = Reader(page(made_up_report(100)))
    pictures = reader.all("img")
    assert len(pictures) == 60
    assert all((one["src"] or "").startswith("data:image/jpeg;base64,") for one in pictures)
    assert (pictures[0]["alt"] or "").startswith("Shot 1 at 0:01.5, most likely ")
    targets = {row["id"] for row in reader.all("tr") if "id" in row}
    assert {(link["href"] or "").removeprefix("#") for link in reader.all("a")} <= targets


def test_charts_are_xml_with_a_description_and_the_same_time_axis() -> None:
    charts = svgs(page(made_up_report(3)))
    assert len(charts) == 3
    for chart in charts:
        assert chart.get("role") == "img"
        assert len(chart.get("aria-label") or "") > 40
    axes = [
        [(text.text, text.get("x")) for text in chart.iter(f"{SVG}text") if ":" in (text.text or "")]
        for chart in charts
    ]
    ticks = [("0:00", "58.0"), ("0:02", "226.4"), ("0:04", "394.8")]
    assert all(axis[:3] == ticks for axis in axes)


def test_the_stacked_areas_reach_as_high_as_the_sums_of_the_probabilities() -> None:
    report = made_up_report(2)
    chart = svgs(page(report))[0]
    areas = [one for one in chart.iter(f"{SVG}path") if one.get("fill")]
    assert len(areas) == len(EMOTIONS)
    first_tops = [float(re.findall(r"V([\d.]+)H", area.get("d") or "")[0]) for area in reversed(areas)]
    sums = report.shares[0].cumsum()
    assert [(192 - top) / 180 for top in first_tops] == pytest.approx(sums.tolist(), abs=0.001)


def test_every_emotion_and_both_curves_are_in_a_legend() -> None:
    words = Reader(page(made_up_report(3))).words
    for name in (*EMOTIONS, "valence", "arousal", "left out", "boundary from a cut"):
        assert name in words


def test_moments_left_out_have_their_reason() -> None:
    report = made_up_report(4)
    assert page(report).count(REASON) == 2 * len(report.sheet.dropped)


def test_senses_are_a_column_where_they_are_known() -> None:
    assert "<td>image, sound</td>" in page(made_up_report(2, senses=("image", "sound")))
    assert '<th scope="col">Senses</th>' not in page(made_up_report(2))


def test_the_facts_tell_which_senses_spoke_and_what_it_means_if_none_did() -> None:
    assert "<dt>Senses</dt><dd>image, sound</dd>" in page(made_up_report(2, senses=("image", "sound")))
    told = "<dt>Senses</dt><dd>none spoke, so every emotion is equally likely</dd>"
    assert told in page(made_up_report(2))


def test_words_are_a_column_where_there_are_any_and_only_text() -> None:
    report = made_up_report(2)
    first, *others = report.sheet.shots
    spoken = replace(first, speech="<b>Run!</b>", screen_text="THE END")
    analysis = Analysis(replace(report.sheet, shots=(spoken, *others)), decode_errors=0)
    text = page(FilmReport(analysis, report.thumbnails))
    assert "<td><bdi>&lt;b&gt;Run!&lt;/b&gt; / THE END</bdi></td>" in text
    assert "Words" not in page(report)


def test_a_hostile_title_or_label_is_only_text() -> None:
    report = made_up_report(3, title=HOSTILE)
    labelled = report_with(report, boundaries=(Boundary(5.0, 1.0, "user", HOSTILE),))
    text = page(labelled)
    text.encode("utf-8")
    reader = Reader(text)
    assert not {"script", "b"} & {tag for tag, _ in reader.tags}
    assert sum("""<script>alert("1")</script>' & <b onload=x>""" in word for word in reader.words) == 4
    assert "\x1b" not in text
    svgs(text)


def test_the_page_needs_nothing_but_itself() -> None:
    text = page(made_up_report(3))
    links = set(re.findall(r"""(?:https?:|file:|//)[^\s"']*""", text.replace("data:image/jpeg;base64,", "")))
    assert {link for link in links if "." in link} == {"http://www.w3.org/2000/svg"}
    attributes = [attributes for _, attributes in Reader(text).tags]
    assert not any((one.get("src") or "data:")[:5] != "data:" for one in attributes)
    assert not re.search(r"url\(|@import|<script|<link|\son\w+=", text)


def test_a_film_of_two_thousand_shots_stays_below_three_megabytes() -> None:
    text = page(made_up_report(2000, senses=("image", "sound")))
    assert len(text.encode("utf-8")) < 3_000_000
    assert text.count("<tr id=") == 2000


def test_a_film_without_cuts_or_shots_is_no_mistake() -> None:
    report = made_up_report(1)
    assert "Boundaries</h2>" not in page(report)
    empty = FilmReport(replace(report_with(report, shots=()).analysis, decode_errors=3), ())
    assert "3 pieces skipped" in page(empty)
    assert Reader(page(empty)).open == []
