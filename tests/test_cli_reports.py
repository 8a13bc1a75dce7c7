"""The command line: what it reports to people and to programs, and its progress."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import ROOT, Ended, start_process

from emsync import __version__
from emsync.music.cue_sheet import read_cue_sheet

Run = Callable[..., Ended]


def test_score_reports_in_json(run: Run, short_film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    ended = run("score", short_film, "-o", output, "--json", "--seed", "7", "--hit", "0.4")
    assert (ended.exit_code, ended.err) == (0, "")
    report = json.loads(ended.out)
    assert report["emsync"] == __version__
    assert report["outputs"] == {
        "video": str(output),
        "cue_sheet": str(tmp_path / "out.cues.json"),
        "midi": str(tmp_path / "out.mid"),
        "wav": str(tmp_path / "out.wav"),
        "stems": None,
    }
    assert report["duration_s"] == pytest.approx(2.0)
    assert report["cuts_s"] == pytest.approx([0.8])
    assert [(one["time_s"], one["source"], one["hit"]) for one in report["boundaries"]] == [
        (0.4, "user", True)
    ]
    assert report["boundaries"][0]["offset_s"] == pytest.approx(0.0, abs=0.004)
    assert [one["time_s"] for one in report["dropped"]] == pytest.approx([0.8])
    assert report["seed"] == 7
    assert len(report["weights_sha256"]) == 64
    assert report["original_sound"] == "duck"
    assert Path(report["soundfont"]).is_file()
    assert -30 < report["loudness_lufs"] < 0
    assert list(report["seconds"]) == [
        "load",
        "scan",
        "listen",
        "classify",
        "spot",
        "compose",
        "write",
        "render",
        "mux",
    ]
    assert list(report["cpu_seconds"]) == list(report["seconds"])


def test_analyse_tells_programs_what_each_stage_took(run: Run, short_film: Path, tmp_path: Path) -> None:
    report = json.loads(run("analyse", short_film, "-o", tmp_path / "film.cues.json", "--json").out)
    assert list(report["seconds"]) == ["load", "scan", "listen", "classify", "spot"]
    assert list(report["cpu_seconds"]) == list(report["seconds"])
    assert report["cpu_seconds"]["load"] > 0


def test_score_reports_to_people(run: Run, short_film: Path, tmp_path: Path) -> None:
    ended = run("score", short_film, "-o", tmp_path / "out.mp4", "--hit", "0.4")
    assert (ended.exit_code, ended.err) == (0, "")
    rows = dict(line.split("  ", 1) for line in ended.out.splitlines())
    assert rows["film"].strip() == str(tmp_path / "out.mp4")
    assert "1 of 1 hit" in rows["boundaries"]
    assert "LUFS" in rows["loudness"]


def test_quiet_says_nothing(run: Run, short_film: Path, tmp_path: Path) -> None:
    assert run("score", short_film, "-o", tmp_path / "out.mp4", "--quiet") == Ended(0, "", "")


def test_the_line_can_be_walked_step_by_step(run: Run, short_film: Path, tmp_path: Path) -> None:
    cues, midi, wav, film = (tmp_path / name for name in ("a.cues.json", "a.mid", "a.wav", "a.mp4"))
    assert run("analyse", short_film, "-o", cues).exit_code == 0
    assert [cut.time_s for cut in read_cue_sheet(cues).cuts] == pytest.approx([0.8])
    assert run("compose", cues).exit_code == 0
    assert run("render", midi, "--duration", "2", "--stems").exit_code == 0
    assert [path.suffix for path in (tmp_path / "a.stems").iterdir()] == [".wav"]
    ended = run("mux", short_film, wav, "-o", film, "--json", "--original-sound", "keep")
    assert json.loads(ended.out)["original_sound"] == "keep"
    assert film.is_file()


@pytest.mark.parametrize("name", ["report.html", "report.png"])
def test_analyse_can_show_what_it_saw(run: Run, short_film: Path, tmp_path: Path, name: str) -> None:
    cues, shown = tmp_path / "a.cues.json", tmp_path / name
    ended = run("analyse", short_film, "-o", cues, "--report", shown, "--json")
    assert (ended.exit_code, ended.err) == (0, "")
    assert json.loads(ended.out)["report"] == str(shown)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cues.json", name]
    if shown.suffix == ".html":
        assert shown.read_text("utf-8").count("data:image/jpeg") == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("report.pdf", "report.pdf: a report is a page or a picture"),
        ("old.html", "old.html: already exists"),
        ("none/a.html", "create it first"),
        ("a.cues.html", "is the name of the cue sheet, too"),
        ("a.png", "needs matplotlib"),
    ],
)
def test_a_report_that_cannot_be_made_is_refused_before_the_film_is_watched(
    run: Run, short_film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "emsync.video.frames", None)
    (tmp_path / "old.html").write_text("old")
    ended = run("analyse", short_film, "-o", tmp_path / "a.cues.html", "--report", tmp_path / name)
    assert (ended.exit_code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert said in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["old.html"]
    assert (tmp_path / "old.html").read_text() == "old"


def test_a_report_that_fails_leaves_no_cue_sheet_behind(
    run: Run, short_film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emsync.film_report.file.write_report", fail)
    ended = run("analyse", short_film, "-o", tmp_path / "a.cues.json", "--report", tmp_path / "a.html")
    assert ended.exit_code == 1
    assert "the disk is full" in ended.err
    assert list(tmp_path.iterdir()) == []


def read_terminal(descriptor: int, *, at_most_s: float = 60.0) -> str:
    """Everything written to the other end of a pseudo-terminal until it is closed."""
    parts = []
    end_s = time.monotonic() + at_most_s
    while time.monotonic() < end_s:
        if not select.select([descriptor], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_a_terminal_shows_bars_with_the_time_left(short_film: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "tests.command_line", "score", str(short_film)]
    command += ["-o", str(tmp_path / "out.mp4"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    shown = read_terminal(ours)
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    json.loads(out)
    for words in ("scan", "compose", "render", "mux", "100%", "0:"):
        assert words in shown


def test_a_pipe_shows_no_bars(short_film: Path, tmp_path: Path) -> None:
    process = start_process("analyse", short_film, "-o", tmp_path / "film.cues.json")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "film.cues.json" in out
