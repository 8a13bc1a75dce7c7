"""Whatever a user hands in works, or ends in one line that says what to do and leaves nothing behind."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import COMPOSER, Ended, composer_module, run_here, run_process, start_process
from tests.media import (
    make_sound_only,
    make_text,
    make_truncated,
    make_video,
    make_video_without_frames,
)

from emsync.video.probe import probe

Score = Callable[..., Ended]


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Score:
    """`emsync score ...` in this process, with a composer that is done at once."""
    monkeypatch.setitem(sys.modules, COMPOSER, composer_module())
    return lambda *arguments: run_here("score", *arguments, capture=capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds nothing but what the test puts there."""
    path = tmp_path / "films"
    path.mkdir()
    return path


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every name below a folder, with the bytes of files."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


def assert_one_line(ended: Ended, *words: str, exit_code: int = 1) -> None:
    assert ended.exit_code == exit_code
    assert ended.out == ""
    assert ended.err.startswith("emsync: error: ")
    assert ended.err.count("\n") == 1 and ended.err.endswith("\n")
    for word in words:
        assert word in ended.err


# What cannot be used.


def _empty(path: Path) -> Path:
    path.touch()
    return path


def _missing(path: Path) -> Path:
    return path


def _truncated_mp4(path: Path) -> Path:
    whole = make_video(path.with_name("whole.mp4"), duration_s=2.0)
    return make_truncated(path, whole, keep=0.6)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_missing, "no such file"),
        (_empty, "empty"),
        (make_text, "not a video"),
        (make_sound_only, "no picture"),
        (make_video_without_frames, "no frames"),
        (_truncated_mp4, "not a video, or damaged"),
    ],
    ids=["missing", "empty", "text", "sound only", "zero length", "truncated"],
)
def test_what_is_no_film_is_refused(
    folder: Path, score: Score, make: Callable[[Path], Path], reason: str
) -> None:
    film = make(folder / "film.mp4")
    before = contents(folder)
    assert_one_line(score(film), "film.mp4", reason)
    assert contents(folder) == before


# What is unusual and works.


def _sixty_cuts_a_minute(path: Path) -> Path:
    return make_video(path, duration_s=6.0, cuts_s=[float(second) for second in range(1, 6)])


UNUSUAL: dict[str, Callable[[Path], Path]] = {
    "one frame": lambda path: make_video(path, duration_s=0.1),
    "one second": lambda path: make_video(path, duration_s=1.0),
    "no cut": lambda path: make_video(path, duration_s=3.0),
    "60 cuts a minute": _sixty_cuts_a_minute,
    "no sound": lambda path: make_video(path, audio_streams=0),
    "several sound streams": lambda path: make_video(path, audio_streams=3),
    "rotated": lambda path: make_video(path, rotation_degrees=90, audio_streams=1),
    "odd size": lambda path: make_video(path, size=(65, 37), pixel_format="yuv444p"),
    "grayscale": lambda path: make_video(path, pixel_format="gray"),
    "10 bit": lambda path: make_video(path, pixel_format="yuv420p10le"),
    "variable frame rate": lambda path: make_video(path, frame_times_s=(0, 0.1, 0.5, 0.6, 1.4, 1.5)),
}


@pytest.mark.parametrize("make", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_is_unusual_is_scored(folder: Path, score: Score, make: Callable[[Path], Path]) -> None:
    film = make(folder / "film.mp4")
    ended = score(film, "--json")
    assert (ended.exit_code, ended.err) == (0, "")
    report = json.loads(ended.out)
    assert {Path(report["outputs"][name]).name for name in ("video", "cue_sheet", "midi", "wav")} == {
        "film.scored.mp4",
        "film.cues.json",
        "film.mid",
        "film.wav",
    }
    assert set(contents(folder)) == {"film.mp4", "film.scored.mp4", "film.cues.json", "film.mid", "film.wav"}
    given, made = probe(film), probe(folder / "film.scored.mp4")
    assert made.duration_s == pytest.approx(given.duration_s, abs=1 / float(given.frame_rate_fps))
    assert (made.width, made.height, made.rotation_degrees) == (
        given.width,
        given.height,
        given.rotation_degrees,
    )
    assert len(made.audio_streams) == 1


@pytest.mark.parametrize(
    "name", ["with space.mp4", 'l\'été "Köln".mp4', "日本語.mp4", "-dash.mp4", "a$(b);c&d%s.mp4", "x\ny.mp4"]
)
def test_any_name_works(folder: Path, score: Score, name: str) -> None:
    film = make_video(folder / name, duration_s=1.0)
    assert score(film).exit_code == 0
    assert (folder / f"{film.stem}.scored.mp4").is_file()


def test_a_name_that_is_not_text_works(folder: Path, score: Score) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0).rename(os.fsdecode(bytes(folder) + b"/f\xff.mp4"))
    ended = score(film)
    assert ended.exit_code == 0
    assert film.with_name(film.stem + ".scored.mp4").is_file()


def test_a_film_that_breaks_off_is_scored_as_far_as_it_goes(folder: Path, score: Score) -> None:
    whole = make_video(folder / "whole.mkv", duration_s=6.0, fps=24, audio_streams=1)
    film = make_truncated(folder / "film.mkv", whole, keep=0.5)
    ended = score(film, "--json")
    assert ended.exit_code == 0
    assert 1.0 < json.loads(ended.out)["duration_s"] < 5.0


# Where results cannot go.


def test_a_folder_that_does_not_exist_is_named(folder: Path, score: Score) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    assert_one_line(score(film, "-o", folder / "none" / "out.mp4"), "does not exist")


def test_a_folder_that_is_a_file_is_named(folder: Path, score: Score) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    assert_one_line(score(film, "-o", film / "out.mp4"), "film.mp4")


def test_a_read_only_folder_is_found_out_before_the_film_is_watched(
    folder: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    before = contents(folder)

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    def watch(*_: object, **__: object) -> None:
        raise AssertionError("the film was watched")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    monkeypatch.setattr("emsync.video.frames.scan", watch)
    assert_one_line(score(film), str(folder), "no permission")
    assert contents(folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(folder: Path, score: Score) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    folder.chmod(0o500)
    try:
        assert_one_line(score(film), str(folder), "no permission")
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_input_is_never_the_output(folder: Path, score: Score, force: list[str]) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    link = folder / "link.mp4"
    link.symlink_to(film)
    before = contents(folder)
    for output in (film, link, folder / ".." / "films" / "film.mp4"):
        assert_one_line(score(film, "-o", output, *force), "is the input itself", "-o")
    assert contents(folder) == before


@pytest.mark.parametrize("existing", ["film.scored.mp4", "film.cues.json", "film.mid", "film.wav"])
def test_an_existing_result_is_kept_unless_forced(folder: Path, score: Score, existing: str) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    (folder / existing).write_text("precious")
    assert_one_line(score(film), existing, "already exists", "--force")
    assert (folder / existing).read_text() == "precious"
    assert score(film, "--force").exit_code == 0
    assert (folder / existing).read_bytes() != b"precious"


def test_a_kind_of_video_that_cannot_be_written_is_refused_at_once(folder: Path, score: Score) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    assert_one_line(score(film, "-o", folder / "out.txt"), "out.txt", ".mp4")


@pytest.fixture(scope="module")
def large_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second whose picture is larger than its music."""
    path = tmp_path_factory.mktemp("large") / "film.mkv"
    make_video(path, duration_s=1.0, size=(960, 720), codec="mjpeg", pixel_format="yuvj420p", fps=25)
    assert path.stat().st_size > 700_000
    return path


@pytest.mark.parametrize(
    ("limit_bytes", "name"),
    [(300, "film.cues.json"), (100_000, "film.wav"), (600_000, "film.scored.mkv")],
    ids=["cue sheet", "WAV", "video"],
)
def test_a_full_disk_leaves_nothing_behind(
    folder: Path, large_film: Path, limit_bytes: int, name: str
) -> None:
    """No file may grow past the limit, which ends a write as a full disk does."""
    film = folder / "film.mkv"
    film.symlink_to(large_film)
    before = contents(folder)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    assert_one_line(run_process("score", film, preexec_fn=limit), "cannot", str(folder / name))
    assert contents(folder) == before


# Ctrl-C.


def wait_for(condition: Callable[[], bool], *, at_most_s: float = 30.0) -> None:
    end_s = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("sent", "exit_code", "said"),
    [(signal.SIGINT, 130, "emsync: error: interrupted; nothing was written\n"), (signal.SIGTERM, 143, "")],
    ids=["Ctrl-C", "terminated"],
)
def test_a_run_that_is_stopped_leaves_nothing_behind(
    folder: Path, sent: signal.Signals, exit_code: int, said: str
) -> None:
    film = make_video(folder / "film.mp4", duration_s=20.0, fps=12)
    before = contents(folder)
    process = start_process("score", film)
    wait_for(lambda: any(folder.glob(".emsync-*")))
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (exit_code, "", said)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "stage",
    [
        "emsync.video.frames.scan",
        "emsync.music.spotting.spot",
        "emsync.music.midi_file.write_midi",
        "emsync.audio.render.render",
        "emsync.audio.mux.mux",
    ],
)
def test_ctrl_c_in_any_stage_leaves_nothing_behind(
    folder: Path, score: Score, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    film = make_video(folder / "film.mp4", duration_s=1.0)
    before = contents(folder)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, interrupt)
    assert_one_line(score(film), "interrupted; nothing was written", exit_code=130)
    assert contents(folder) == before
