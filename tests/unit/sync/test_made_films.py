"""Made films show what is said of them: each change of shot at its frame, and detectors are judged by it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from benchmarks.sync.cut_finders import times_of_runs
from benchmarks.sync.detectors import Found, KnownFilm, counts, figures
from benchmarks.sync.made_films import (
    RATE_FPS,
    SIZE,
    Camera,
    Frame,
    FreeShot,
    Join,
    Transition,
    at_transitions,
    filmed,
    free_shots,
    joined,
    make_film,
    write_film,
)

from emsync.video.cuts import detector_named
from emsync.video.frames import scan
from emsync.video.probe import probe


def part(level: int, count: int = 24) -> Frame:
    """Frames of one grey level."""
    return np.full((count, 9, 16, 3), level, np.uint8)


def test_a_hard_cut_is_the_first_frame_of_the_new_shot() -> None:
    frames, (cut,) = joined([part(10), part(200)], [Join.HARD], [0])
    place = round(cut.middle_s * RATE_FPS)
    assert cut.start_s == cut.end_s == 1.0
    assert (frames[place - 1, 0, 0, 0], frames[place, 0, 0, 0]) == (10, 200)


def test_a_dissolve_rises_from_one_shot_to_the_other_within_its_span() -> None:
    frames, (dissolve,) = joined([part(0), part(200)], [Join.DISSOLVE], [8])
    levels = frames[:, 0, 0, 0].astype(int)
    start, end = round(dissolve.start_s * RATE_FPS), round(dissolve.end_s * RATE_FPS)
    assert end - start == 8
    assert len(frames) == 24 + 24 - 8
    assert (levels[:start] == 0).all()
    assert (levels[end:] == 200).all()
    assert (np.diff(levels[start - 1 : end + 1]) > 0).all()


def test_a_fade_is_darkest_in_its_middle_and_as_bright_as_its_shots_outside() -> None:
    frames, (fade,) = joined([part(90), part(200)], [Join.FADE], [10])
    levels = frames[:, 0, 0, 0].astype(int)
    start, end, middle = (round(time_s * RATE_FPS) for time_s in (fade.start_s, fade.end_s, fade.middle_s))
    assert len(frames) == 48
    assert (levels[:start] == 90).all()
    assert (levels[end:] == 200).all()
    assert levels[start:end].max() < 200
    assert abs(int(np.argmin(levels)) - middle) <= 1


def test_joins_of_a_short_part_do_not_overlap() -> None:
    _, transitions = joined([part(0), part(90, 10), part(200)], [Join.DISSOLVE, Join.DISSOLVE], [20, 20])
    assert transitions[0].end_s <= transitions[1].start_s


def test_a_flash_is_short_and_the_rest_of_the_part_stays() -> None:
    wide = np.full((40, 405, 720, 3), 50, np.uint8)
    levels = filmed(wide, Camera.FLASH, np.random.default_rng(1))[:, 0, 0, 0]
    assert 1 <= int((levels > 150).sum()) <= 3
    assert int((levels == 50).sum()) >= 37


def test_a_whip_pan_ends_elsewhere_than_it_began() -> None:
    wide = np.tile(np.linspace(0, 255, 720).astype(np.uint8)[None, None, :, None], (40, 405, 1, 3))
    shown = filmed(wide, Camera.WHIP_PAN, np.random.default_rng(1))
    assert shown.shape == (40, SIZE[1], SIZE[0], 3)
    assert shown[-1].mean() - shown[0].mean() > 30


def test_cuts_inside_a_transition_move_to_its_middle_and_stay_as_many() -> None:
    transitions = (Transition(Join.DISSOLVE, 2.0, 3.0), Transition(Join.HARD, 5.0, 5.0))
    moved = at_transitions(np.array([1.9, 2.1, 3.0, 5.0, 5.1]), transitions)
    assert moved.tolist() == [1.9, 2.5, 2.5, 5.0, 5.1]


def test_detectors_are_judged_by_pencil() -> None:
    film = KnownFilm(
        Path("film.mp4"),
        (
            Transition(Join.HARD, 2.0, 2.0),
            Transition(Join.DISSOLVE, 4.0, 5.0),
            Transition(Join.FADE, 8.0, 9.0),
        ),
        frame_count=240,
        cameras=(Camera.STILL, Camera.FLASH, Camera.SHAKE, Camera.STILL),
    )
    row = figures([Found(np.array([2.05, 4.9, 6.0, 9.4]), seconds=2.4)], [film])
    assert row["0.1_s"]["precision"] == 0.5
    assert row["0.1_s"]["recall"] == pytest.approx(2 / 3, abs=1e-4)
    assert row["0.1_s"]["recall_by_join"] == {"hard cut": 1.0, "dissolve": 1.0, "fade through black": 0.0}
    assert row["0.5_s"]["f1"] == pytest.approx(4 / 7, abs=1e-4)
    assert row["false_cuts_per_shot"] == {
        "as it is": 0.5,
        "flash": 0.0,
        "whip pan": None,
        "fast zoom": None,
        "shaking camera": 1.0,
    }
    assert row["ms_per_frame"] == 10.0
    assert counts([film])["joins"] == {"hard cut": 1, "dissolve": 1, "fade through black": 1}


def test_a_run_of_marked_frames_is_one_cut_after_its_middle_and_none_at_the_end() -> None:
    marked = np.array([0, 0, 1, 0, 0, 1, 1, 1, 0, 1], bool)
    assert times_of_runs(marked, np.arange(10) / 10).tolist() == pytest.approx([0.3, 0.7])
    assert len(times_of_runs(np.zeros(4, bool), np.arange(4) / 10)) == 0


def test_the_listed_shots_are_long_enough_and_inside_one_another_never() -> None:
    shots = free_shots()
    assert len(shots) > 30
    assert all(shot.end_s - shot.start_s > 0.7 for shot in shots)
    by_film: dict[str, list[FreeShot]] = {}
    for shot in shots:
        by_film.setdefault(shot.film, []).append(shot)
    for of_one in by_film.values():
        assert all(one.end_s <= other.start_s for one, other in itertools.pairwise(of_one))


def test_a_made_film_is_written_and_its_hard_cuts_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    patterns = [
        np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((90, 90, 1))).astype(np.uint8) for _ in range(3)
    ]
    for number, pattern in enumerate(patterns):
        write_film(np.stack([pattern[: SIZE[1], : SIZE[0]]] * 48), tmp_path / f"{number}.mp4")
    shots = [FreeShot(f"{number}.mp4", 0.1, 1.9) for number in range(3)]
    made = make_film(tmp_path, shots, 4, parts=5)
    assert len(made.transitions) == 4
    write_film(made.frames, tmp_path / "made.mp4")
    seen = scan(
        probe(tmp_path / "made.mp4"),
        detector=detector_named("content"),
        frames_per_s=1.0,
        on_frame=lambda frame: None,
    )
    hard_s = [one.middle_s for one in made.transitions if one.join is Join.HARD]
    assert hard_s
    assert all(min(abs(cut.time_s - time_s) for cut in seen.cuts) < 0.01 for time_s in hard_s)
