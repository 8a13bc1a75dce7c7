"""The command line: takes and the files they are kept in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import Ended

Run = Callable[..., Ended]


@pytest.fixture
def cues(run: Run, short_film: Path, tmp_path: Path) -> Path:
    """A cue sheet alone in its folder."""
    path = tmp_path / "film.cues.json"
    assert run("analyse", short_film, "-o", path).exit_code == 0
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_take_is_reported_and_one_of_them_kept(run: Run, cues: Path) -> None:
    ended = run("compose", cues, "--seed", "7", "--takes", "3", "--json")
    assert (ended.exit_code, ended.err) == (0, "")
    report = json.loads(ended.out)
    assert [take["seed"] for take in report["takes"]] == [7, 8, 9]
    assert [take["seed"] for take in report["takes"] if take["kept"]] == [report["seed"]]
    assert {(take["hits"], take["midi"], take["nats_per_token"]) for take in report["takes"]} == {
        (1, None, None)
    }
    assert all(0 <= take["affect_distance"] <= 3 and take["faults"] == [] for take in report["takes"])
    assert names_in(cues.parent) == ["film.cues.json", "film.mid"]


def test_people_read_why_a_take_was_kept(run: Run, cues: Path) -> None:
    rows = dict(line.split("  ", 1) for line in run("compose", cues, "--takes", "2").out.splitlines())
    assert rows["take 1"].strip().startswith("seed 0, score ") and rows["take 1"].endswith(": kept")
    assert rows["take 2"].endswith(": another is better")


def test_a_single_take_without_fault_needs_no_row(run: Run, cues: Path) -> None:
    assert "\ntake" not in run("compose", cues).out


def test_takes_that_are_kept_lie_beside_the_result(run: Run, cues: Path) -> None:
    ended = run("compose", cues, "--takes", "2", "--keep-takes", "--json")
    files = [cues.with_name(f"film.take{number}.mid") for number in (1, 2)]
    assert [take["midi"] for take in json.loads(ended.out)["takes"]] == [str(path) for path in files]
    assert names_in(cues.parent) == ["film.cues.json", "film.mid", "film.take1.mid", "film.take2.mid"]
    assert cues.with_name("film.mid").read_bytes() == files[0].read_bytes() != files[1].read_bytes()


def test_score_keeps_takes_beside_its_other_results(run: Run, short_film: Path, tmp_path: Path) -> None:
    ended = run("score", short_film, "-o", tmp_path / "out.mp4", "--takes", "2", "--keep-takes", "--json")
    assert [take["midi"] for take in json.loads(ended.out)["takes"]] == [
        str(tmp_path / f"out.take{number}.mid") for number in (1, 2)
    ]
    assert {"out.mid", "out.take1.mid", "out.take2.mid"} < set(names_in(tmp_path))


@pytest.mark.parametrize("command", ["compose", "score"])
def test_a_take_is_not_written_over_a_file_unasked(
    run: Run, cues: Path, short_film: Path, command: str
) -> None:
    old, output = (
        cues.with_name("out.take2.mid"),
        cues.with_name("out.mp4" if command == "score" else "out.mid"),
    )
    old.write_text("old")
    arguments = [short_film if command == "score" else cues, "-o", output, "--takes", "2", "--keep-takes"]
    ended = run(command, *arguments)
    assert (ended.exit_code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "out.take2.mid: already exists; choose another name or allow overwriting (--force)" in ended.err
    assert names_in(cues.parent) == ["film.cues.json", "out.take2.mid"]
    assert old.read_text() == "old"
    assert run(command, *arguments, "--force").exit_code == 0
    assert old.read_bytes().startswith(b"MThd")


def test_takes_that_cannot_all_be_written_leave_nothing(
    run: Run, cues: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def write(_composition: object, _cues: object, path: Path, **_: object) -> None:
        written.append(path)
        path.write_bytes(b"half")
        if len(written) == 2:
            raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("emsync.music.midi_file.write_midi", write)
    ended = run("compose", cues, "--takes", "2", "--keep-takes")
    assert ended.exit_code == 1
    assert len(written) == 2
    assert names_in(cues.parent) == ["film.cues.json"]
