"""The benchmark of cut detection: ratios, PySceneDetect's list, and its section, on figures made up for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.speed.cut_detection import CUTS, FFMPEG, PYAV, rows, scenedetect_cuts, shared
from benchmarks.speed.cut_detection_table import section
from benchmarks.speed.weighed import Weighed, weigh


def run(wall_s: float) -> Weighed:
    return Weighed(wall_s, 2 * wall_s, 100.4, "")


def test_ratios_are_to_the_quicker_bare_decoding_of_the_same_round() -> None:
    runs = {FFMPEG: [run(2), run(9), run(1)], PYAV: [run(3), run(4), run(2)], CUTS: [run(3), run(8), run(1)]}
    ours = rows(runs)[-1]
    assert (ours["program"], ours["wall_s"], ours["times_bare_wall"]) == (CUTS, 3, 1.5)
    assert ours["wall_s_all"] == [3, 8, 1]


def test_a_list_of_scenes_is_read_as_its_cuts(tmp_path: Path) -> None:
    scenes = "Scene Number,Start Time (seconds)\n1,0.000\n2,1.250\n3,4.000\n"
    (tmp_path / "film-Scenes.csv").write_text(scenes, "utf-8")
    assert scenedetect_cuts(tmp_path, Path("film.mp4")) == [1.25, 4.0]
    assert shared([1.21, 2.0, 4.05], [1.25, 4.0]) == 2


def test_the_section_tells_where_a_target_is_missed() -> None:
    runs = {PYAV: [run(2)], CUTS: [run(4)]}
    film = {
        "film": "a.mp4", "duration_s": 9.0, "width": 64, "height": 36, "frame_rate_fps": 25, "codec": "h264",
        "cuts": 3, "cuts_scenedetect": 2, "cuts_shared": 2, "programs": rows(runs),
    }  # fmt: skip
    machine = {"processor": "A", "cores": 2, "python": "3.11", "system": "Linux"}
    made = section({"machine": machine, "load_average": 0.1, "rounds": 1, "films": [film]})
    assert "2.00 (target 1.5: missed)" in made
    assert "3 cuts, PySceneDetect 2, of ours 2 among them" in made


def test_a_process_is_weighed_with_what_it_said(tmp_path: Path) -> None:
    done = weigh([sys.executable, "-c", "print('said')"], tmp_path)
    assert done.said == "said\n"
    assert done.cpu_s > 0
    assert done.peak_memory_mb > 5


def test_a_process_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="exit code 3"):
        weigh([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
