"""The README cannot lie: its commands are run, its options and links exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.speed import table as speed_table
from tests.command_line import COMPOSER, ROOT, composer_module, run_here
from tests.media import make_video

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(block: str) -> list[list[str]]:
    return [shlex.split(line, comments=True) for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_video(path, duration_s=12.0, cuts_s=(5.0,), audio_streams=1)


@pytest.fixture
def folder(tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands: a film, and a list of times."""
    (tmp_path / "film.mp4").symlink_to(film)
    (tmp_path / "times.txt").write_text("4.5\n00:00:09.200\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, COMPOSER, composer_module())
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("block", blocks("sh"))
def test_the_commands_work_in_their_order(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    for program, *arguments in commands(block):
        assert program == "emsync"
        ended = run_here(*arguments, capture=capsys)
        assert (ended.exit_code, ended.err) == (0, "")


def test_score_writes_the_files_of_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    promised = re.findall(r"^\| `(film\.[a-z.0-9]+)` \|", README, re.MULTILINE)
    assert len(promised) == 4
    assert run_here("score", "film.mp4", capture=capsys).exit_code == 0
    assert {path.name for path in folder.iterdir()} == {"film.mp4", "times.txt", *promised}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_works(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})


def test_every_option_of_score_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    screen = run_here("score", "--help", capture=capsys).out
    offered = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", screen, re.MULTILINE)) - {"--help"}
    rows = "\n".join(line for line in README.splitlines() if line.startswith("| `-"))
    assert set(re.findall(r"--[a-z-]+", rows)) == offered


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/README.md", "examples/README.md"])
def test_every_file_it_names_is_there(page: str) -> None:
    path = ROOT / page
    text = path.read_text("utf-8")
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    named = re.findall(r"`((?:tools|docs|src|tests|examples|benchmarks)/[\w./-]+|[A-Z_]+\.(?:md|cff))`", text)
    assert linked or named
    for name in linked:
        assert (path.parent / name).exists(), name
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_page_about_speed_is_made_from_the_measured_results() -> None:
    assert speed_table.PAGE.read_text("utf-8") == speed_table.page()


@pytest.mark.parametrize("script", ["tools/score-sample", "tools/test", "tools/check", ".ci/run"])
def test_the_commands_of_the_project_are_executable_shell(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
