"""The command line: a stretch of a score is composed anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from tests.command_line import Ended

from emsync.music.cue_sheet import write_cue_sheet
from emsync.types import AffectCurve, AffectPoint, Boundary, CueSheet

Run = Callable[..., Ended]


@pytest.fixture
def scored_cues(run: Run, tmp_path: Path) -> Path:
    """The cue sheet of a film of 12 s with its score beside it."""
    path = tmp_path / "film.cues.json"
    flat = AffectCurve((AffectPoint(0.0, 0.2, 0.1),))
    boundary = Boundary(5.0, 1.0, "user", "the door")
    write_cue_sheet(CueSheet("Film", 12.0, Fraction(25), (), (), (boundary,), (), flat), path)
    assert run("compose", path).exit_code == 0
    return path


def test_a_stretch_is_composed_anew_beside_the_kept_score(run: Run, scored_cues: Path) -> None:
    kept = scored_cues.with_name("film.mid")
    before = kept.read_bytes()
    arguments = ("compose", scored_cues, "--keep", kept, "--from", "4", "--to", "6", "--candidates", "2")
    ended = run(*arguments, "--json")
    assert (ended.exit_code, ended.err) == (0, "")
    report = json.loads(ended.out)
    assert report["midi"] == str(scored_cues.with_name("film.regenerated.mid"))
    assert (report["from_s"], report["to_s"], report["notes_taken_out"]) == (4.0, 6.0, 8)
    assert [(one["time_s"], one["hit"]) for one in report["boundaries"]] == [(5.0, True)]
    assert all(0 < nats < 15 for nats in report["surprise_nats"].values())
    assert kept.read_bytes() == before
    again = run(*arguments)
    assert (again.exit_code, "film.regenerated.mid: already exists" in again.err) == (1, True)
    replaced = run(*arguments, "--force")
    rows = dict(line.split("  ", 1) for line in replaced.out.splitlines())
    assert rows["stretch"].strip() == "4.00 s to 6.00 s, all else as it was"
    assert "1 of 1 hit" in rows["boundaries"]


def test_the_kept_score_is_not_overwritten_unasked(run: Run, scored_cues: Path) -> None:
    kept = scored_cues.with_name("film.mid")
    before = kept.read_bytes()
    ended = run("compose", scored_cues, "--keep", kept, "--from", "4", "--to", "6", "-o", kept)
    assert (ended.exit_code, "already exists" in ended.err) == (1, True)
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("5", "5.2", "is too short"),
        ("5", "13", "after the end of the film"),
        ("11", "12", "after the last chord"),
    ],
)
def test_a_stretch_outside_the_film_is_refused(
    run: Run, scored_cues: Path, begin: str, end: str, said: str
) -> None:
    ended = run(
        "compose", scored_cues, "--keep", scored_cues.with_name("film.mid"), "--from", begin, "--to", end
    )
    assert (ended.exit_code, ended.out) == (1, "")
    assert said in ended.err
