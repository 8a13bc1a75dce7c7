"""`emsync analyse` with the weights that ship, on films that lack what a sense needs or have too much of something."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.command_line import ROOT, Ended, run_here
from tests.media import make_corrupt, make_video

from emsync.types import Cut, SampledFrame, VideoInfo
from emsync.video.frames import Scan

Analyse = Callable[..., dict[str, Any]]
UNIFORM = pytest.approx([1 / 6] * 6)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`emsync analyse ...` in this process."""
    return lambda *arguments: run_here("analyse", *arguments, capture=capsys)


@pytest.fixture
def analyse(run: Callable[..., Ended], tmp_path: Path) -> Analyse:
    """The cue sheet of a film and, under "report", what the command said; every shot is looked through."""

    def see(film: Path, *arguments: str | Path) -> dict[str, Any]:
        path = tmp_path / f"{film.stem}.cues.json"
        ended = run(film, "-o", path, "--json", "--force", *arguments)
        assert (ended.exit_code, ended.err) == (0, "")
        sheet: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for shot in sheet["shots"]:
            assert sum(shot["emotions"].values()) == pytest.approx(1)
            assert np.isfinite([shot["valence"], shot["arousal"], *shot["emotions"].values()]).all()
        return {**sheet, "report": json.loads(ended.out)}

    return see


def told(sheet: dict[str, Any]) -> list[tuple[list[float], float, float]]:
    """What is felt in each shot."""
    return [(list(one["emotions"].values()), one["valence"], one["arousal"]) for one in sheet["shots"]]


def test_without_faces_and_sound_the_picture_and_its_craft_speak(analyse: Analyse, tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=6.0, cuts_s=(3.0,))
    assert [shot["senses"] for shot in analyse(film)["shots"]] == [["image", "craft"]] * 2


def test_a_silent_track_is_as_good_as_none(analyse: Analyse, tmp_path: Path) -> None:
    silent = make_video(
        tmp_path / "silent.mp4", duration_s=6.0, cuts_s=(3.0,), sounds_hz=(0.0,), audio_streams=1
    )
    without = make_video(tmp_path / "without.mp4", duration_s=6.0, cuts_s=(3.0,))
    heard = make_video(tmp_path / "heard.mp4", duration_s=6.0, cuts_s=(3.0,), audio_streams=1)
    assert told(analyse(silent)) == told(analyse(without))
    assert told(analyse(heard)) != told(analyse(without))


def test_of_a_black_and_silent_film_every_emotion_is_equally_likely(analyse: Analyse, tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=4.0, black=True)
    sheet = analyse(film)
    assert told(sheet) == [(UNIFORM, pytest.approx(0), pytest.approx(0))]
    assert sheet["shots"][0]["senses"] == []


def test_a_black_film_with_sound_is_judged_by_its_sound(analyse: Analyse, tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=4.0, black=True, audio_streams=1)
    assert [shot["senses"] for shot in analyse(film)["shots"]] == [["sound"]]


def test_shots_of_one_frame_are_all_judged(analyse: Analyse, tmp_path: Path) -> None:
    cuts_s = tuple(float(cut) for cut in np.arange(1, 12) * 0.25)
    film = make_video(tmp_path / "film.mp4", duration_s=3.0, fps=4, cuts_s=cuts_s)
    sheet = analyse(film, "--detector", "content")
    assert len(sheet["shots"]) >= 6
    assert all("image" in shot["senses"] for shot in sheet["shots"])


def test_a_still_picture_for_an_hour_is_one_shot_with_one_mood(analyse: Analyse, tmp_path: Path) -> None:
    times_s = [30.0 * number for number in range(120)]
    film = make_video(tmp_path / "film.mp4", duration_s=3600.0, frame_times_s=times_s, still=True)
    sheet = analyse(film)
    assert sheet["duration_s"] == pytest.approx(3600)
    assert len(sheet["shots"]) == 1
    affects = np.array([(point["valence"], point["arousal"]) for point in sheet["affect"]])
    assert np.ptp(affects, axis=0) == pytest.approx([0, 0], abs=1e-9)


def test_damage_in_the_middle_is_counted_and_every_shot_judged(analyse: Analyse, tmp_path: Path) -> None:
    whole = make_video(
        tmp_path / "whole.mkv", duration_s=6.0, size=(160, 90), key_frame_every=5, cuts_s=(5.0,)
    )
    sheet = analyse(make_corrupt(tmp_path / "film.mkv", whole, share=(0.4, 0.45)))
    assert sheet["report"]["decode_errors"] > 0
    assert sheet["report"]["cuts_s"][-1] == pytest.approx(5.0)
    assert all("image" in shot["senses"] for shot in sheet["shots"])


def test_ten_thousand_cuts_reach_the_cue_sheet_within_seconds(
    analyse: Analyse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames of such a film are made up: decoding and looking at 10,000 shots takes minutes."""
    film = make_video(tmp_path / "film.mp4", duration_s=3000.0, frame_times_s=(0.0, 1.0, 2.0))
    coarse = np.random.default_rng(1).integers(0, 256, (3, 7, 7, 3)).astype(np.uint8)

    def scan(info: VideoInfo, *, on_frame: Callable[[SampledFrame], None], **_: object) -> Scan:
        for number, blocks in enumerate(coarse):
            on_frame(SampledFrame(100.0 * number, blocks.repeat(32, axis=0).repeat(32, axis=1)))
        cuts = tuple(Cut(0.25 * number, 0.5) for number in range(1, 10_001))
        return Scan(cuts, info.duration_s, frame_count=3, decode_errors=0)

    monkeypatch.setattr("emsync.video.frames.scan", scan)
    before_s = time.process_time()
    sheet = analyse(film, "--report", tmp_path / "film.html")
    assert len(sheet["shots"]) == 10_001
    assert time.process_time() - before_s < 30


def test_a_sense_without_its_extra_ends_in_one_line(
    run: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    film = make_video(tmp_path / "film.mp4", duration_s=1.0)
    ended = run(film, "--senses", "image,screen_text")
    assert (ended.exit_code, ended.out) == (1, "")
    assert ended.err.startswith("emsync: error: ") and ended.err.count("\n") == 1
    assert "emsync[screen-text]" in ended.err
    assert list(tmp_path.iterdir()) == [film]


@pytest.mark.parametrize("name", ["emotion_head.json", "yamnet.onnx", "face_expression.onnx"])
def test_altered_weights_end_in_one_line(tmp_path: Path, name: str) -> None:
    shutil.copytree(ROOT / "src" / "emsync", tmp_path / "emsync", copy_function=os.symlink)
    altered = tmp_path / "emsync" / "assets" / name
    content = altered.read_bytes()
    altered.unlink()
    altered.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    film = make_video(tmp_path / "film.mp4", duration_s=1.0)
    command = [sys.executable, "-m", "emsync", "analyse", str(film)]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("emsync: error: ") and ended.stderr.count("\n") == 1
    assert name in ended.stderr
    assert not (tmp_path / "film.cues.json").exists()
