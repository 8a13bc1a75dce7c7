"""One HTML page about a film: no network, no other file, no script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from pathlib import Path

from emsync.film_report.charts import (
    affect_chart,
    boundary_chart,
    emotion_chart,
    kept_outline,
    left_out_outline,
)
from emsync.film_report.contents import (
    EMOTION_COLOURS,
    FilmReport,
    Moment,
    Share,
    ShotRow,
    clock,
    signed,
)
from emsync.film_report.thumbnails import ShotPicture
from emsync.types import EMOTIONS

STYLE = Path(__file__).with_name("page.css")
MOST_MOMENTS_SHOWN = 40
"""A longer table of boundaries starts folded."""

_INTRODUCTION = """EMSYNC gives films music. Before it composes, it watches the film: it finds the cuts, asks how each
shot feels, and chooses the moments that the music will answer. This page shows what it saw."""
_PICTURES = """One picture from each shot (a shot is what one camera shows without a cut), with the time at which it
is seen."""
_SOME_PICTURES = """Pictures from {count} of the {shots} shots, evenly chosen, each with the time at which it is
seen. (A shot is what one camera shows without a cut.)"""
_EMOTIONS = """How likely each emotion is in each shot, as a share of 100 %. A shot that is mostly one colour is clear;
one with equal bands says little."""
_AFFECT = """The mood as two numbers: valence, from unpleasant (\N{MINUS SIGN}1) to pleasant (+1), and arousal, from
calm (\N{MINUS SIGN}1) to excited (+1). The music follows these two curves."""
_BOUNDARIES = """Each line is a cut; the higher, the more abrupt. The moments kept, called boundaries, are those at
which the music will land a chord. The others were left out; the table below says why."""
_MOMENTS = "Every boundary, and every moment that did not become one, with the reason."
_SHOTS = """Every shot with its three likeliest emotions; valence and arousal are those of the curves at its middle."""
_SENSES = """ Senses says what spoke in the shot: image, sound, craft (light, colour and pace), faces, and speech and
screen_text if they were asked for. Where none spoke, every emotion is equally likely."""
_WORDS = """ Words are what was said and what stood on the screen, as a machine read them; mistakes are likely. A
sentence stands in the shot that holds its middle, and may speak in its neighbours, too."""
_TRUST = """Take this as a suggestion. A film's mood is more than six words, and the networks that read it are small;
valence and arousal are more reliable than single emotions. What is wrong can be changed in the cue sheet, the file
that was written with this report, before the music is composed."""


def page(report: FilmReport) -> str:
    """The whole page, as text."""
    title = escape(report.title)
    charts = [
        _chart("Emotions", _EMOTIONS, _emotion_legend(), emotion_chart(report)),
        _chart("Valence and arousal", _AFFECT + _averaging(report), _affect_legend(), affect_chart(report)),
        _chart("Cuts and boundaries", _BOUNDARIES, _boundary_legend(report), boundary_chart(report)),
    ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} \N{EN DASH} what EMSYNC saw</title>
<style>
{STYLE.read_text("utf-8")}{_colours()}</style>
</head>
<body>
<header>
<p class="kind">What EMSYNC saw in a film</p>
<h1><bdi>{title}</bdi></h1>
<p>{_INTRODUCTION}</p>
<dl class="facts">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in _facts(report))}</dl>
</header>
<main>
{_filmstrip(report)}
<section aria-labelledby="over-time">
<h2 id="over-time">Over time</h2>
<p>All charts share one time axis. <span class="pointer">Rest the pointer on a shot or a mark to read about it.</span>
<span class="narrow">Scroll the charts sideways for the rest of the film.</span></p>
<div class="scroller" role="region" aria-label="Charts over time" tabindex="0">
{"".join(charts)}</div>
</section>
{_moment_section(report)}
{_shot_section(report)}
<section aria-labelledby="trust">
<h2 id="trust">How far to trust it</h2>
<p>{_TRUST}</p>
</section>
</main>
</body>
</html>
"""


def _facts(report: FilmReport) -> list[tuple[str, str]]:
    sheet = report.sheet
    facts = [
        ("Length", clock(sheet.duration_s)),
        ("Shots", str(len(sheet.shots))),
        ("Cuts", str(len(sheet.cuts))),
        ("Boundaries", f"{len(sheet.boundaries)} kept, {len(sheet.dropped)} left out"),
    ]
    if report.likely:
        facts.append(("Likeliest", _shares(report.likely)))
        facts.append(("Senses", escape(report.senses)))
    if report.analysis.decode_errors:
        facts.append(("Damage", f"{report.analysis.decode_errors} pieces skipped"))
    return facts


def _filmstrip(report: FilmReport) -> str:
    pictures = report.pictures
    if not pictures:
        return ""
    shots = len(report.sheet.shots)
    told = _PICTURES if len(pictures) == shots else _SOME_PICTURES.format(count=len(pictures), shots=shots)
    items = "".join(_picture(picture, report.shot_rows[picture.shot_index]) for picture in pictures)
    return (
        f'<section aria-labelledby="pictures"><h2 id="pictures">Pictures</h2><p>{told}</p>'
        f'<ul class="strip">{items}</ul></section>'
    )


def _picture(picture: ShotPicture, row: ShotRow) -> str:
    thumbnail = picture.thumbnail
    data = b64encode(thumbnail.jpeg).decode("ascii")
    spoken = f"Shot {row.number} at {clock(thumbnail.time_s)}, most likely {row.likely[0]}"
    return (
        f'<li><a href="#shot-{row.number}"><img alt="{spoken}" width="{thumbnail.width}"'
        f' height="{thumbnail.height}" src="data:image/jpeg;base64,{data}">'
        f"<span>{clock(thumbnail.time_s)}</span></a></li>\n"
    )


def _chart(name: str, told: str, legend: str, svg: str) -> str:
    return f"<figure><figcaption><h3>{name}</h3><p>{told}</p>{legend}</figcaption>\n{svg}\n</figure>\n"


def _averaging(report: FilmReport) -> str:
    averaged_over_s = report.affect.averaged_over_s
    return f" Shown here are means over {averaged_over_s:.0f}&nbsp;s." if averaged_over_s else ""


def _emotion_legend() -> str:
    """In the order of the chart, from the top down."""
    names = reversed(list(enumerate(EMOTIONS)))
    return _legend((f'<i class="e{index}"></i>{name}' for index, name in names), "From the top:")


def _affect_legend() -> str:
    return _legend(
        f'<svg class="{name}" aria-hidden="true" viewBox="0 0 30 10"><path d="M1 5H29"/></svg>{name}'
        for name in ("valence", "arousal")
    )


def _boundary_legend(report: FilmReport) -> str:
    marks = (
        ("kept", f"M15 5{kept_outline(report, is_users=False)}", "boundary from a cut"),
        ("kept", f"M15 5{kept_outline(report, is_users=True)}", "boundary asked for"),
        ("out", f"M15 5{left_out_outline(report)}", "left out"),
        ("tick kept", "M15 -1V11", "cut that is a boundary"),
        ("tick passed", "M15 -1V11", "other cut"),
    )
    return _legend(
        f'<svg class="{kind}" aria-hidden="true" viewBox="0 -1 30 12"><path d="{path}"/></svg>{name}'
        for kind, path, name in marks
    )


def _legend(items: Iterable[str], introduction: str = "") -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="legend">{f"<li>{introduction}</li>" if introduction else ""}{listed}</ul>'


def _moment_section(report: FilmReport) -> str:
    if not report.moments:
        return ""
    rows = "".join(_moment_row(moment) for moment in report.moments)
    is_open = " open" if len(report.moments) <= MOST_MOMENTS_SHOWN else ""
    return (
        '<section aria-labelledby="moments"><h2 id="moments">Boundaries</h2>'
        f"<details{is_open}><summary>Every moment ({len(report.moments)})</summary>"
        f"{_table('Boundaries', _MOMENTS, ('Time', 'Strength', 'What became of it'), rows)}</details></section>"
    )


def _moment_row(moment: Moment) -> str:
    strength = "asked for" if moment.is_users else f"{moment.strength:.2f}"
    kept = ' class="kept"' if moment.is_kept else ""
    return (
        f'<tr{kept}><th scope="row">{clock(moment.time_s)}</th><td>{strength}</td>'
        f"<td>{escape(moment.fate)}</td></tr>\n"
    )


def _shot_section(report: FilmReport) -> str:
    has_senses = any(row.senses for row in report.shot_rows)
    has_words = any(row.words for row in report.shot_rows)
    more = ("Senses",) * has_senses + ("Words",) * has_words
    names = ("Shot", "Start", "End", "Likeliest emotions", "Valence", "Arousal", *more)
    told = _SHOTS + (_SENSES if has_senses else "") + (_WORDS if has_words else "")
    rows = "".join(_shot_row(row, has_senses, has_words) for row in report.shot_rows)
    return (
        '<section aria-labelledby="shots"><h2 id="shots">Shots</h2>'
        f"{_table('Shots', told, names, rows)}</section>"
    )


def _shot_row(row: ShotRow, has_senses: bool, has_words: bool) -> str:
    senses = f"<td>{escape(', '.join(row.senses) or 'none')}</td>" if has_senses else ""
    words = f"<td><bdi>{escape(' / '.join(row.words))}</bdi></td>" if has_words else ""
    return (
        f'<tr id="shot-{row.number}"><th scope="row">{row.number}</th><td>{clock(row.start_s)}</td>'
        f"<td>{clock(row.end_s)}</td><td>{_shares(row.likely)}</td>"
        f"<td>{signed(row.valence)}</td><td>{signed(row.arousal)}</td>{senses}{words}</tr>\n"
    )


def _table(name: str, told: str, heads: tuple[str, ...], rows: str) -> str:
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f'<p>{told}</p><div class="table" role="region" aria-label="Table: {name}" tabindex="0">'
        f'<table><caption class="unseen">{name}</caption>'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>"
    )


def _shares(shares: tuple[Share, ...]) -> str:
    """Emotions with their colours; each stays on one line."""
    return " ".join(f'<span class="share"><i class="e{one.index}"></i>{one}</span>' for one in shares)


def _colours() -> str:
    """The colours of the emotions, which the charts use, too."""
    return "".join(f".e{index}{{background:{colour}}}\n" for index, colour in enumerate(EMOTION_COLOURS))
