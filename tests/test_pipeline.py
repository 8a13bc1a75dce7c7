"""The straight line from Python: what it writes, what it reports, and that its pieces make the whole."""

from __future__ import annotations

import json
import sys
import threading
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import mido
import pytest
from tests.command_line import COMPOSER, composer_module
from tests.composer import plain_chords
from tests.media import make_video

from emsync import pipeline
from emsync.audio import render as render_module
from emsync.audio import sound_patches
from emsync.emotion.affect import affect_of
from emsync.errors import AudioError, MidiError
from emsync.music.cue_sheet import read_cue_sheet
from emsync.options import AffectMapping, AffectOptions, RenderOptions, ScoreOptions, SpottingOptions
from emsync.output_paths import OutputPaths
from emsync.progress import StageClock
from emsync.types import Composition

OPTIONS = ScoreOptions(spotting=SpottingOptions(minimum_distance_s=0.5))
BARS = ("scan", "listen", "compose", "render", "mux")


@pytest.fixture
def plain_composer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, COMPOSER, composer_module())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, cuts at 1.2 s and 2.5 s, sound; read only."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_video(path, duration_s=4.0, fps=24, cuts_s=(1.25, 2.5), audio_streams=1)


@pytest.mark.usefixtures("plain_composer")
def test_every_result_is_what_other_tools_expect(film: Path, tmp_path: Path) -> None:
    outputs = OutputPaths.of(film, tmp_path / "out.mp4")
    pipeline.score(film, outputs, OPTIONS)
    assert json.loads(outputs.cue_sheet.read_text("utf-8"))["duration_s"] == pytest.approx(4.0)
    midi = mido.MidiFile(outputs.midi)
    assert midi.length == pytest.approx(4.0, abs=0.002)
    assert any(message.type == "note_on" for message in midi)
    with wave.open(str(outputs.wav)) as wav:
        assert (wav.getnchannels(), wav.getframerate(), wav.getnframes()) == (2, 48_000, 4 * 48_000)
    with av.open(str(outputs.video)) as container, av.open(str(film)) as given:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        packets = [bytes(packet) for packet in container.demux(video=0)]
        assert packets == [bytes(packet) for packet in given.demux(video=0)]


@pytest.mark.usefixtures("plain_composer")
def test_the_pieces_make_the_whole(film: Path, tmp_path: Path) -> None:
    whole = OutputPaths.of(film, tmp_path / "whole.mp4")
    pieces = OutputPaths.of(film, tmp_path / "pieces.mp4")
    pipeline.score(film, whole, OPTIONS)
    analysis = pipeline.analyse(film, pieces.cue_sheet, OPTIONS)
    pipeline.compose(pieces.cue_sheet, pieces.midi, OPTIONS.compose)
    pipeline.render(pieces.midi, pieces.wav, duration_s=analysis.cue_sheet.duration_s)
    pipeline.mux(film, pieces.wav, pieces.video)
    for one, other in zip(whole.files, pieces.files, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.usefixtures("plain_composer")
def test_an_edited_cue_sheet_is_followed(film: Path, tmp_path: Path) -> None:
    cues, midi = tmp_path / "film.cues.json", tmp_path / "film.mid"
    pipeline.analyse(film, cues, OPTIONS)
    cues.write_text(cues.read_text("utf-8").replace('"time_s": 2.5', '"time_s": 2.8'), "utf-8")
    composition = pipeline.compose(cues, midi).best
    assert [hit.boundary.time_s for hit in composition.hits] == pytest.approx([1.25, 2.8])
    assert 350 in composition.chord_onsets_ticks


@pytest.mark.usefixtures("plain_composer")
def test_progress_of_every_long_stage_rises_to_one(film: Path, tmp_path: Path) -> None:
    seen: dict[str, list[float]] = {}
    pipeline.score(
        film,
        OutputPaths.of(film, tmp_path / "out.mp4"),
        OPTIONS,
        on_progress=lambda stage, fraction: seen.setdefault(stage, []).append(fraction),
    )
    assert tuple(seen) == BARS
    for fractions in seen.values():
        assert fractions == sorted(fractions)
        assert fractions[0] >= 0.0 and fractions[-1] == pytest.approx(1.0)


@pytest.mark.usefixtures("plain_composer")
def test_stems_come_in_a_folder_of_their_own(film: Path, tmp_path: Path) -> None:
    outputs = OutputPaths.of(film, tmp_path / "out.mp4", stems=True)
    pipeline.score(film, outputs, replace(OPTIONS, render=RenderOptions(stems=True)))
    assert outputs.stems == tmp_path / "out.stems"
    assert [path.suffix for path in outputs.stems.iterdir()] == [".wav"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.cues.json",
        "out.mid",
        "out.mp4",
        "out.stems",
        "out.wav",
    ]


def test_a_render_that_fails_leaves_no_folder_of_stems(tmp_path: Path) -> None:
    midi = tmp_path / "film.mid"
    midi.write_bytes(b"not MIDI")
    with pytest.raises(MidiError):
        pipeline.render(midi, tmp_path / "film.wav", RenderOptions(stems=True))
    assert [path.name for path in tmp_path.iterdir()] == ["film.mid"]


def test_a_missing_synthesiser_is_told_before_the_film_is_watched(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    stages: list[str] = []
    with pytest.raises(AudioError, match="pip install --no-deps tinysoundfont"):
        pipeline.score(
            film,
            OutputPaths.of(film, tmp_path / "out.mp4"),
            on_progress=lambda stage, fraction: stages.append(stage),
        )
    assert stages == []
    assert list(tmp_path.iterdir()) == []


def test_the_cue_sheet_file_holds_what_was_returned(film: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.cues.json"
    analysis = pipeline.analyse(film, path, OPTIONS)
    assert read_cue_sheet(path) == analysis.cue_sheet
    assert [cut.time_s for cut in analysis.cue_sheet.cuts] == pytest.approx([1.25, 2.5])
    assert analysis.decode_errors == 0


def test_every_shot_tells_what_it_was_judged_by(film: Path, tmp_path: Path) -> None:
    silent = make_video(tmp_path / "silent.mp4", duration_s=4.0, fps=24, cuts_s=(1.25, 2.5))
    with_sound = pipeline.analyse(film, tmp_path / "film.cues.json", OPTIONS).cue_sheet.shots
    without = pipeline.analyse(silent, tmp_path / "silent.cues.json", OPTIONS).cue_sheet.shots
    assert {shot.senses for shot in with_sound} == {("image", "sound", "craft")}
    assert {shot.senses for shot in without} == {("image", "craft")}


def test_the_affect_curve_follows_the_mapping_asked_for(film: Path, tmp_path: Path) -> None:
    paper = replace(OPTIONS, affect=AffectOptions(mapping=AffectMapping.PAPER))
    rated = pipeline.analyse(film, tmp_path / "rated.cues.json", OPTIONS).cue_sheet
    other = pipeline.analyse(film, tmp_path / "paper.cues.json", paper).cue_sheet
    assert rated.shots == other.shots
    assert rated.affect.points[0].arousal == pytest.approx(rated.shots[0].arousal)
    assert other.affect.points[0].arousal == pytest.approx(affect_of(other.shots[0].probabilities).arousal)


def test_the_shipped_composer_answers_every_boundary_and_repeats_itself(film: Path, tmp_path: Path) -> None:
    first, second = (OutputPaths.of(film, tmp_path / name) for name in ("one.mp4", "two.mp4"))
    report = pipeline.score(film, first, OPTIONS)
    pipeline.score(film, second, OPTIONS)
    assert [hit.boundary.time_s for hit in report.composition.hits] == pytest.approx([1.25, 2.5])
    assert all(
        hit.chord_onset_ticks is not None and abs(hit.chord_onset_ticks * 0.008 - hit.boundary.time_s) < 0.04
        for hit in report.composition.hits
    )
    assert len(report.composition.weights_sha256) == 64
    assert first.midi.read_bytes() == second.midi.read_bytes()
    assert first.wav.read_bytes() == second.wav.read_bytes()


def test_the_sound_that_is_made_while_composing_is_that_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=12.0, fps=24, cuts_s=(3.0, 5.5, 9.0))
    whole = OutputPaths.of(film, tmp_path / "whole.mp4")
    monkeypatch.setattr(pipeline, "usable_cores", lambda: 64)
    with monkeypatch.context() as patched:
        patched.setattr(
            render_module, "_synthesise", None
        )  # nothing is left to be done when the file is there
        pipeline.score(film, whole, OPTIONS)
    pipeline.compose(whole.cue_sheet, tmp_path / "piece.mid", OPTIONS.compose)
    pipeline.render(tmp_path / "piece.mid", tmp_path / "piece.wav", duration_s=12.0)
    assert (tmp_path / "piece.mid").read_bytes() == whole.midi.read_bytes()
    assert (tmp_path / "piece.wav").read_bytes() == whole.wav.read_bytes()


@pytest.mark.parametrize(
    ("options", "stems", "takes"),
    [(RenderOptions(stems=True), True, 1), (RenderOptions(), False, 2)],
    ids=["stems", "takes"],
)
def test_what_cannot_be_known_ahead_is_rendered_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: RenderOptions, stems: bool, takes: int
) -> None:
    monkeypatch.setattr(pipeline, "usable_cores", lambda: 64)
    film = make_video(tmp_path / "film.mp4", duration_s=8.0, fps=24, cuts_s=(3.0, 5.5))
    outputs = OutputPaths.of(film, tmp_path / "out.mp4", stems=stems)
    compose = replace(OPTIONS.compose, takes=takes)
    pipeline.score(film, outputs, replace(OPTIONS, render=options, compose=compose))
    pipeline.render(outputs.midi, tmp_path / "alone.wav", duration_s=8.0)
    with wave.open(str(outputs.wav)) as made, wave.open(str(tmp_path / "alone.wav")) as alone:
        assert made.getnframes() == alone.getnframes() == 8 * 48_000
        if not stems:  # with stems, the mix is their sum
            assert made.readframes(8 * 48_000) == alone.readframes(8 * 48_000)


@pytest.mark.parametrize(
    ("cores", "threads", "is_heard"),
    [(1, 0, False), (2, 0, False), (2, 1, True), (4, 0, False), (5, 0, True), (8, 8, False)],
)
def test_sound_is_made_while_composing_only_where_a_core_is_free(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, is_heard: bool
) -> None:
    heard: list[bool] = []

    def compose(*values: Any, hear: object, **others: Any) -> Composition:
        heard.append(hear is not None)
        return plain_chords(*values, **others)

    monkeypatch.setitem(sys.modules, COMPOSER, composer_module(compose))
    monkeypatch.setattr(pipeline, "usable_cores", lambda: cores)
    options = replace(OPTIONS, compose=replace(OPTIONS.compose, threads=threads))
    pipeline.score(film, OutputPaths.of(film, tmp_path / "out.mp4"), options)
    assert heard == [is_heard]


def test_the_clock_tells_stages_in_order_and_only_finished_ones() -> None:
    clock = StageClock()
    with clock.stage("scan"):
        pass
    with pytest.raises(ValueError, match="broken"), clock.stage("compose"):
        raise ValueError("broken")
    assert [time.stage for time in clock.times] == ["scan"]
    assert clock.times[0].duration_s >= 0


@pytest.mark.parametrize(
    ("film_name", "output", "expected"),
    [
        ("a/film.mp4", None, ("a/film.scored.mp4", "a/film.cues.json", "a/film.mid", "a/film.wav")),
        ("film.webm", None, ("film.scored.webm", "film.cues.json", "film.mid", "film.wav")),
        ("film.ogv", None, ("film.scored.mkv", "film.cues.json", "film.mid", "film.wav")),
        ("film.mp4", "b/out.mov", ("b/out.mov", "b/out.cues.json", "b/out.mid", "b/out.wav")),
        ("my.film.mp4", None, ("my.film.scored.mp4", "my.film.cues.json", "my.film.mid", "my.film.wav")),
    ],
)
def test_results_are_named_after_the_film_or_the_output(
    film_name: str, output: str | None, expected: tuple[str, ...]
) -> None:
    outputs = OutputPaths.of(Path(film_name), None if output is None else Path(output))
    assert tuple(map(str, outputs.files)) == expected


def test_an_error_while_listening_beside_the_scan_is_told_as_it_is_and_leaves_nothing(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Iterator[object]:
        raise AudioError("film.mp4: its sound is damaged")
        yield

    monkeypatch.setattr(sound_patches, "sound_patches", fail)
    with pytest.raises(AudioError, match=r"^film\.mp4: its sound is damaged$"):
        pipeline.analyse(film, tmp_path / "film.cues.json", OPTIONS)
    assert list(tmp_path.iterdir()) == []
    assert [thread.name for thread in threading.enumerate() if thread.name == "emsync-ahead"] == []
