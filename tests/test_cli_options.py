"""The command line: options reach the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import Ended

from emsync import pipeline
from emsync.options import (
    AffectMapping,
    AffectOptions,
    ComposeOptions,
    ScoreOptions,
    SenseOptions,
    SyncMode,
)
from emsync.types import InstrumentGroup

Run = Callable[..., Ended]


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
