"""The cue sheet file: exact, readable, and strict with a clear word."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emsync.control import Key, Mode
from emsync.errors import CueSheetError, OutputError
from emsync.music.cue_sheet import read_cue_sheet, write_cue_sheet
from emsync.types import (
    EMOTIONS,
    AffectCurve,
    AffectPoint,
    Boundary,
    CueSheet,
    Cut,
    Direction,
    DroppedBoundary,
    EmotionProbabilities,
    InstrumentGroup,
    Shot,
    ShotEmotion,
)

EVEN = dict.fromkeys(EMOTIONS, 1 / 6)
DOCUMENTATION = Path(__file__).parents[3] / "docs" / "cue-sheet.md"


def document(**fields: object) -> dict[str, Any]:
    """A minimal hand-made sheet with `fields` added; None takes a field away."""
    minimal = {"duration_s": 60, "affect": [{"time_s": 0, "valence": 0.5, "arousal": -0.5}]}
    return {key: value for key, value in {**minimal, **fields}.items() if value is not None}


def read_text(text: str, folder: Path) -> CueSheet:
    path = folder / "film.cues.json"
    path.write_text(text, encoding="utf-8")
    return read_cue_sheet(path)


def read(folder: Path, **fields: object) -> CueSheet:
    return read_text(json.dumps(document(**fields)), folder)


UNITS = st.floats(0, 1)
SIGNED = st.floats(-1, 1)
SENSES = st.sampled_from([(), ("image",), ("sound",), ("image", "sound")])


@st.composite
def probabilities(draw: st.DrawFn) -> EmotionProbabilities:
    weights = draw(st.lists(st.floats(0.01, 1), min_size=6, max_size=6))
    return EmotionProbabilities(tuple(weight / sum(weights) for weight in weights))


BANDS = st.lists(st.sampled_from(InstrumentGroup), min_size=1, max_size=4).filter(any)


@st.composite
def directions(draw: st.DrawFn, time_s: float) -> Direction:
    """At least one thing is asked for."""
    key = st.builds(Key, st.integers(0, 11), st.sampled_from((None, *Mode)))
    asked = {
        "instruments": BANDS.map(tuple),
        "tempo_bpm": st.floats(60, 180),
        "key": key,
        "density": st.floats(0.5, 40),
    }
    names = draw(st.sets(st.sampled_from(sorted(asked)), min_size=1))
    return Direction(time_s, **{name: draw(asked[name]) for name in sorted(names)})  # type: ignore[arg-type]


@st.composite
def cue_sheets(draw: st.DrawFn) -> CueSheet:
    duration_s = draw(st.floats(1e-3, 1e5))
    inside = st.floats(0, duration_s)
    boundary_times_s = sorted(draw(st.sets(inside, max_size=6)))
    affect_times_s = sorted(draw(st.sets(st.floats(0, 1e6), min_size=1, max_size=6)))
    shots = [tuple(sorted(draw(st.tuples(inside, inside)))) for _ in range(draw(st.integers(0, 3)))]
    sources: st.SearchStrategy[Literal["cut", "user"]] = st.sampled_from(("cut", "user"))
    return CueSheet(
        title=draw(st.text()),
        duration_s=duration_s,
        frame_rate_fps=draw(st.fractions(Fraction(1, 10), 1000, max_denominator=100_000)),
        cuts=tuple(draw(st.lists(st.builds(Cut, inside, UNITS), max_size=5))),
        shots=tuple(
            ShotEmotion(Shot(*shot), draw(probabilities()), draw(SIGNED), draw(SIGNED), draw(SENSES))
            for shot in shots
        ),
        boundaries=tuple(
            Boundary(time_s, draw(UNITS), draw(sources), draw(st.text())) for time_s in boundary_times_s
        ),
        dropped=tuple(draw(st.lists(st.builds(DroppedBoundary, inside, UNITS, st.text()), max_size=5))),
        affect=AffectCurve(
            tuple(AffectPoint(time_s, draw(SIGNED), draw(SIGNED)) for time_s in affect_times_s)
        ),
        directions=tuple(draw(directions(time_s)) for time_s in sorted(draw(st.sets(inside, max_size=4)))),
    )


@given(cue_sheet=cue_sheets())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_writing_and_reading_again_gives_the_same_values(cue_sheet: CueSheet, tmp_path: Path) -> None:
    path = tmp_path / "film.cues.json"
    write_cue_sheet(cue_sheet, path, overwrite=True)
    assert read_cue_sheet(path) == cue_sheet


SHEET = CueSheet(
    title="Der Garten, été",
    duration_s=60.06,
    frame_rate_fps=Fraction(24000, 1001),
    cuts=(Cut(12.48, 0.83), Cut(14.0, 0.31)),
    shots=(ShotEmotion(Shot(0.0, 12.48), EmotionProbabilities((0.0, 0.0, 0.1, 0.6, 0.1, 0.2))),),
    boundaries=(Boundary(12.48, 0.83, "cut"), Boundary(30.0, 1.0, "user", "door slams")),
    dropped=(DroppedBoundary(14.0, 0.31, "1.520 s from a stronger cut"),),
    affect=AffectCurve((AffectPoint(0.0, 0.5, -0.2), AffectPoint(12.48, -0.4, 0.6))),
)


def test_the_file_is_easy_to_edit(tmp_path: Path) -> None:
    write_cue_sheet(SHEET, tmp_path / "film.cues.json")
    lines = (tmp_path / "film.cues.json").read_text(encoding="utf-8").splitlines()
    assert lines[:6] == [
        "{",
        '  "format": "emsync-cues",',
        '  "version": 1,',
        '  "title": "Der Garten, été",',
        '  "duration_s": 60.06,',
        '  "frame_rate_fps": "24000/1001",',
    ]
    assert '    {"time_s": 30.0, "strength": 1.0, "source": "user", "label": "door slams"}' in lines
    assert '    {"time_s": 12.48, "valence": -0.4, "arousal": 0.6}' in lines


def test_a_title_from_a_name_that_is_not_utf_8_survives(tmp_path: Path) -> None:
    odd = CueSheet(**{**vars(SHEET), "title": "caf\udce9"})
    write_cue_sheet(odd, tmp_path / "film.cues.json")
    assert read_cue_sheet(tmp_path / "film.cues.json") == odd


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "film.cues.json"
    path.write_text("old")
    with pytest.raises(OutputError, match="already exists"):
        write_cue_sheet(SHEET, path)
    assert path.read_text() == "old"
    write_cue_sheet(SHEET, path, overwrite=True)
    assert read_cue_sheet(path) == SHEET


def test_a_sheet_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    bad = CueSheet(**{**vars(SHEET), "boundaries": (Boundary(99.0, 1.0, "user"),)})
    with pytest.raises(ValueError, match=r"boundaries\[0\]\.time_s: 99\.0 lies after the end"):
        write_cue_sheet(bad, tmp_path / "film.cues.json")
    assert not list(tmp_path.iterdir())


def test_a_minimal_hand_made_sheet_is_enough(tmp_path: Path) -> None:
    sheet = read(tmp_path)
    assert sheet == CueSheet(
        title="film",
        duration_s=60.0,
        frame_rate_fps=Fraction(25),
        cuts=(),
        shots=(),
        boundaries=(),
        dropped=(),
        affect=AffectCurve((AffectPoint(0.0, 0.5, -0.5),)),
    )


def test_a_boundary_needs_only_its_time(tmp_path: Path) -> None:
    assert read(tmp_path, boundaries=[{"time_s": 5}]).boundaries == (Boundary(5.0, 1.0, "user", ""),)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (25, Fraction(25)),
        ("30", Fraction(30)),
        ("24000/1001", Fraction(24000, 1001)),
        (23.976, Fraction(2997, 125)),
    ],
)
def test_frame_rates_may_be_numbers_or_fractions(
    written: float | str, meant: Fraction, tmp_path: Path
) -> None:
    assert read(tmp_path, frame_rate_fps=written).frame_rate_fps == meant


NAN = float("nan")
BAD_FIELDS: list[tuple[dict[str, object], str]] = [
    (
        {"boundaries": [{"time_s": 1}, {"time_s": 91.2}]},
        "boundaries[1].time_s: 91.2 lies after the end of the film (60.0 s); move or delete it",
    ),
    (
        {"boundaries": [{"time_s": 5}, {"time_s": 5}]},
        "boundaries[1].time_s: 5.0 does not lie after boundaries[0] (5.0)",
    ),
    ({"boundaries": [{"time_s": -1}]}, "boundaries[0].time_s: -1 should be greater than or equal to 0"),
    ({"boundaries": [{"time_s": NAN}]}, "boundaries[0].time_s: nan should be a finite number"),
    ({"boundaries": [{"time_s": "5"}]}, "boundaries[0].time_s: '5' should be a valid number"),
    ({"boundaries": [{"time_s": True}]}, "boundaries[0].time_s: True should be a valid number"),
    ({"boundaries": [{"time": 5}]}, "boundaries[0].time: is no field of a cue sheet"),
    ({"boundaries": [{}]}, "boundaries[0].time_s: is missing"),
    ({"boundaries": [5]}, "boundaries[0]: should be { ... }"),
    ({"boundaries": {"time_s": 5}}, "boundaries: should be [ ... ]"),
    ({"boundaries": [{"time_s": 5, "source": "me"}]}, "boundaries[0].source: 'me' should be 'cut' or 'user'"),
    ({"boundaries": [{"time_s": 5, "strength": 1.5}]}, "boundaries[0].strength: 1.5 should be less than"),
    ({"cuts": [{"time_s": 61}]}, "cuts[0].time_s: 61.0 lies after the end"),
    ({"duration_s": None}, "duration_s: is missing"),
    ({"duration_s": 0}, "duration_s: 0 should be greater than 0"),
    ({"duration_s": float("inf")}, "duration_s: inf should be a finite number"),
    ({"affect": None}, "affect: is missing"),
    ({"affect": []}, "affect: is empty; give at least one point"),
    (
        {"affect": [{"time_s": 0, "valence": 1.01, "arousal": 0}]},
        "affect[0].valence: 1.01 should be less than",
    ),
    (
        {"affect": [{"time_s": 0, "valence": 0, "arousal": -2}]},
        "affect[0].arousal: -2 should be greater than",
    ),
    (
        {"affect": [{"time_s": t, "valence": 0, "arousal": 0} for t in (1, 0)]},
        "affect[1].time_s: 0.0 does not lie after affect[0] (1.0)",
    ),
    (
        {"shots": [{"start_s": 0, "end_s": 9, "emotions": {**EVEN, "joy": 0.9}}]},
        "shots[0].emotions: the probabilities sum to 1.733; make them sum to 1",
    ),
    (
        {"shots": [{"start_s": 0, "end_s": 9, "emotions": {**EVEN, "love": 0}}]},
        "shots[0].emotions.love: is no field",
    ),
    ({"shots": [{"start_s": 0, "end_s": 99, "emotions": EVEN}]}, "shots[0].end_s: 99.0 lies after the end"),
    (
        {"shots": [{"start_s": 0, "end_s": 9, "emotions": EVEN, "arousal": 1.5}]},
        "shots[0].arousal: 1.5",
    ),
    (
        {"shots": [{"start_s": 0, "end_s": 9, "emotions": EVEN, "senses": ["smell"]}]},
        "shots[0].senses[0]: ",
    ),
    (
        {"shots": [{"start_s": 9, "end_s": 5, "emotions": EVEN}]},
        "shots[0].end_s: 5.0 lies before start_s (9.0)",
    ),
    *(
        ({"directions": [{"time_s": 3, **fields}]}, f"directions[0]{message}")
        for fields, message in (
            ({"tempo_bpm": 20}, ".tempo_bpm: a tempo lies in 60..180 bpm, got 20"),
            ({"tempo_bpm": 400}, ".tempo_bpm: a tempo lies in 60..180 bpm, got 400"),
            ({"tempo_bpm": None}, ".tempo_bpm: null should be a valid number; correct it"),
            ({"instruments": []}, ".instruments: is empty; name at least one group"),
            ({"instruments": ["drums"]}, ".instruments: drums alone can play no chord; add another group"),
            ({"instruments": ["flute"]}, ".instruments[0]: 'flute' should be 'drums', 'bass'"),
            ({"instruments": "piano"}, ".instruments: should be [ ... ]"),
            ({"key": "H minor"}, ".key: 'H minor' is no key; write a tonic (C, F#, Bb)"),
            ({"key": 5}, ".key: 5 should be a valid string"),
            ({"density": 0}, ".density: 0 is no density; write sparse, medium, dense or notes a second"),
            ({"density": -2}, ".density: -2 is no density"),
            ({"density": NAN}, ".density: nan is no density"),
            ({"density": "lots"}, ".density: 'lots' is no density"),
            ({"density": True}, ".density: True should be a valid number"),
            ({"speed": 4}, ".speed: is no field of a cue sheet; correct its spelling or delete it"),
            ({}, ": asks for nothing; name instruments, tempo_bpm, key or density"),
            ({"time_s": 61, "density": 3}, ".time_s: 61.0 lies after the end of the film (60.0 s)"),
        )
    ),
    *(
        (
            {"directions": [{"time_s": 3, "density": 3}, {"time_s": time_s, "density": 4}]},
            f"directions[1].time_s: {time_s} does not lie after directions[0] (3.0); sort them and delete",
        )
        for time_s in (3.0, 2.5)
    ),
    ({"directions": [{"density": 3}]}, "directions[0].time_s: is missing"),
    ({"frame_rate_fps": "25/0"}, "frame_rate_fps: '25/0' is no frame rate"),
    ({"frame_rate_fps": 0}, "frame_rate_fps: 0 is no frame rate"),
    ({"frame_rate_fps": "0.0"}, "frame_rate_fps: '0.0' is no frame rate"),
    ({"frame_rate_fps": "fast"}, "frame_rate_fps: 'fast' is no frame rate"),
    ({"mood": "sad"}, "mood: is no field of a cue sheet; correct its spelling or delete it"),
    ({"version": 2}, "version: 2 is newer than this emsync reads (1); update emsync"),
    ({"version": "1"}, "version: '1' should be 1"),
    ({"format": "srt"}, 'is no cue sheet (its "format" is not "emsync-cues")'),
]


@pytest.mark.parametrize(("fields", "message"), BAD_FIELDS, ids=[message[:40] for _, message in BAD_FIELDS])
def test_a_bad_field_is_named_with_its_path(fields: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(CueSheetError, match=re.escape(f"film.cues.json: {message}")) as caught:
        read(tmp_path, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{\n"duration_s": 60,\n}', r"line 3, column 1: is not JSON"),
        ("[1]", "is no cue sheet"),
        ("[" * 100_000, "nested too deep"),
        ('{"duration_s": 60, "duration_s": 61}', '"duration_s" stands twice'),
        ('{"duration_s": ' + "1" * 5000 + ', "affect": []}', "duration_s: inf should be a finite number"),
    ],
)
def test_a_file_that_is_no_cue_sheet_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CueSheetError, match=rf"film\.cues\.json: .*{message}") as caught:
        read_text(text, tmp_path)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"\x00\xff\xfe\x80")
    with pytest.raises(CueSheetError, match=r"film\.mp4: is not a text file"):
        read_cue_sheet(tmp_path / "film.mp4")
    with pytest.raises(CueSheetError, match=r"none\.json: cannot be read: No such file"):
        read_cue_sheet(tmp_path / "none.json")
    with pytest.raises(CueSheetError, match="cannot be read"):
        read_cue_sheet(tmp_path)


def test_importing_the_module_does_not_load_pydantic() -> None:
    code = "import sys, emsync.music.cue_sheet; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def examples_in_documentation() -> list[str]:
    return re.findall(r"```json\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)


def test_the_documented_examples_are_valid_and_the_full_one_is_as_written(tmp_path: Path) -> None:
    full, minimal, directed = examples_in_documentation()
    assert read_text(directed, tmp_path).directions[1].density == 16.0
    assert read_text(minimal, tmp_path).boundaries
    sheet = read_text(full, tmp_path)
    write_cue_sheet(sheet, tmp_path / "film.cues.json", overwrite=True)
    assert (tmp_path / "film.cues.json").read_text(encoding="utf-8") == full


def test_every_field_is_documented() -> None:
    from emsync.music import cue_sheet_schema as schema  # noqa: PLC0415

    text = DOCUMENTATION.read_text(encoding="utf-8")
    entries = (
        schema.CueSheetFile,
        schema.BoundaryEntry,
        schema.AffectEntry,
        schema.CutEntry,
        schema.ShotEntry,
        schema.DroppedEntry,
        schema.DirectionEntry,
    )
    for entry in entries:
        for name in entry.model_fields:
            assert f"`{name}`" in text, f"{name} is not in docs/cue-sheet.md"


def test_a_sheet_without_directions_is_written_as_an_older_emsync_reads_it(tmp_path: Path) -> None:
    write_cue_sheet(SHEET, tmp_path / "film.cues.json")
    assert "directions" not in json.loads((tmp_path / "film.cues.json").read_text(encoding="utf-8"))


def test_a_direction_is_written_with_what_it_names_alone(tmp_path: Path) -> None:
    sheet = read(tmp_path, directions=[{"time_s": 4, "key": "f# minor", "density": "sparse"}])
    assert sheet.directions == (Direction(4.0, key=Key(6, Mode.MINOR), density=5.0),)
    write_cue_sheet(sheet, tmp_path / "again.cues.json")
    lines = (tmp_path / "again.cues.json").read_text(encoding="utf-8").splitlines()
    assert '    {"time_s": 4.0, "key": "F# minor", "density": 5.0}' in lines


def test_a_shot_of_an_older_sheet_says_nothing_of_senses(tmp_path: Path) -> None:
    sheet = read(tmp_path, shots=[{"start_s": 0, "end_s": 9, "emotions": EVEN}])
    assert (sheet.shots[0].valence, sheet.shots[0].arousal, sheet.shots[0].senses) == (0, 0, ())


def test_a_shot_is_written_with_its_affect_and_senses(tmp_path: Path) -> None:
    shot = {"start_s": 0, "end_s": 9, "emotions": EVEN, "valence": 0.4, "arousal": -0.3, "senses": ["sound"]}
    write_cue_sheet(read(tmp_path, shots=[shot]), tmp_path / "again.cues.json")
    written = json.loads((tmp_path / "again.cues.json").read_text(encoding="utf-8"))["shots"][0]
    assert (written["valence"], written["arousal"], written["senses"]) == (0.4, -0.3, ["sound"])


def test_words_are_written_where_there_are_any_and_read_again(tmp_path: Path) -> None:
    words = {"speech": "\u201eWho is there?\u201c", "screen_text": "THE END"}
    sheet = read(tmp_path, shots=[{"start_s": 0, "end_s": 9, "emotions": EVEN, **words}])
    assert (sheet.shots[0].speech, sheet.shots[0].screen_text) == tuple(words.values())
    write_cue_sheet(sheet, tmp_path / "again.cues.json")
    assert read_cue_sheet(tmp_path / "again.cues.json").shots == sheet.shots


def test_a_shot_without_words_is_written_as_before_there_were_words(tmp_path: Path) -> None:
    write_cue_sheet(
        read(tmp_path, shots=[{"start_s": 0, "end_s": 9, "emotions": EVEN}]), tmp_path / "again.cues.json"
    )
    written = json.loads((tmp_path / "again.cues.json").read_text(encoding="utf-8"))["shots"][0]
    assert not {"speech", "screen_text"} & set(written)
