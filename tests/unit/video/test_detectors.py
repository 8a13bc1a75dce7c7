"""Each detector on films whose cuts are known, and FFmpeg's own filter as the judge of its formula."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from scenedetect.common import FrameTimecode
from scenedetect.detector import SceneDetector
from scenedetect.detectors import AdaptiveDetector, ContentDetector
from scenedetect.stats_manager import StatsManager
from tests.media import make_video

from emsync.types import Cut
from emsync.video.cuts import DETECTOR_NAMES, detector_named
from emsync.video.detectors.content import HsvChange, content_strength
from emsync.video.detectors.ffmpeg import SCENE_THRESHOLD
from emsync.video.frames import scan
from emsync.video.pictures import Picture, PictureMaker
from emsync.video.probe import probe

CUTS_S = (0.8, 1.6, 2.4, 3.2)


def _cuts(path: Path, detector: str) -> tuple[Cut, ...]:
    found = scan(probe(path), detector=detector_named(detector), frames_per_s=1.0, on_frame=lambda _: None)
    return found.cuts


@pytest.mark.parametrize("detector", DETECTOR_NAMES)
def test_hard_cuts_are_found_at_the_first_frame_of_the_new_shot(tmp_path: Path, detector: str) -> None:
    cuts = _cuts(make_video(tmp_path / "film.mp4", duration_s=4.0, fps=25, cuts_s=CUTS_S), detector)
    assert [cut.time_s for cut in cuts] == pytest.approx(CUTS_S, abs=1e-9)
    assert all(0 < cut.strength <= 1 for cut in cuts)


@pytest.mark.parametrize("detector", DETECTOR_NAMES)
def test_motion_within_a_shot_is_no_cut(tmp_path: Path, detector: str) -> None:
    assert _cuts(make_video(tmp_path / "film.mp4", duration_s=3.0), detector) == ()


@pytest.mark.parametrize("detector", DETECTOR_NAMES)
def test_a_white_flash_is_no_cut(tmp_path: Path, detector: str) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=3.0, fps=25, flashes_s=(1.0, 2.0))
    assert _cuts(film, detector) == ()


def test_strength_of_hsv_changes_grows_and_never_saturates() -> None:
    assert content_strength(0) == 0
    assert content_strength(27) == pytest.approx(0.491, abs=1e-3)
    assert content_strength(100) < content_strength(230) < 1


def _thumbnails(seed: int) -> list[NDArray[np.uint8]]:
    """Noise of changing strength over walls of changing colour: hard cuts, weak ones, stills, and all between."""
    generator = np.random.default_rng(seed)
    pictures = []
    wall = generator.integers(0, 256, 3)
    for _ in range(600):
        if generator.random() < 0.1:
            wall = np.clip(wall + generator.normal(0, generator.choice([5, 30, 120]), 3), 0, 255)
        noise = generator.normal(0, generator.choice([0, 0, 2, 20]), (36, 64, 3))
        pictures.append(np.clip(wall + noise, 0, 255).astype(np.uint8))
    return pictures


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "theirs"),
    [("content", ContentDetector(min_scene_len=0)), ("adaptive", AdaptiveDetector(min_scene_len=0))],
)
def test_cuts_and_strengths_are_those_of_pyscenedetect(name: str, theirs: SceneDetector, seed: int) -> None:
    ours, other = detector_named(name), deepcopy(theirs)
    other.stats_manager = StatsManager()
    found: list[Cut] = []
    expected: list[int] = []
    for number, small in enumerate(_thumbnails(seed)):
        found += ours.watch(Picture(float(number), small, VideoFrame(2, 2)))
        expected += [cut.frame_num for cut in other.process_frame(FrameTimecode(number, 25.0), small)]
    key = [ContentDetector.FRAME_SCORE_KEY]
    scores = [other.stats_manager.get_metrics(FrameTimecode(number, 25.0), key)[0] for number in expected]
    assert len(expected) > 10
    assert found == [
        Cut(float(number), content_strength(score)) for number, score in zip(expected, scores, strict=True)
    ]


def test_a_picture_of_another_size_has_changed_wholly() -> None:
    change = HsvChange()
    assert change.to(np.zeros((36, 64, 3), np.uint8)) == 0
    assert change.to(np.zeros((48, 64, 3), np.uint8)) == 255


@pytest.mark.parametrize("detector", DETECTOR_NAMES)
def test_no_detector_pays_for_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detector: str) -> None:
    monkeypatch.delattr(cv2, "Canny")
    assert len(_cuts(make_video(tmp_path / "film.mp4", duration_s=2.0, cuts_s=(1.0,)), detector)) == 1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_the_scene_score_passes_the_frames_that_ffmpegs_own_filter_passes(
    tmp_path: Path, pixel_format: str
) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=4.0, fps=25, cuts_s=CUTS_S, pixel_format=pixel_format)
    detector, maker = detector_named("ffmpeg"), PictureMaker()
    ours: list[Cut] = []
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            ours += detector.watch(maker.picture(frame.time, frame))
    theirs = _selected_by_ffmpeg(film)
    assert len(theirs) >= 3
    assert {cut.time_s: cut.strength for cut in ours} == pytest.approx(theirs, abs=5e-3)


def _selected_by_ffmpeg(film: Path) -> dict[float, float]:
    """Times and scene scores of the frames that `select='gt(scene,0.27)'` lets through."""
    selected: dict[float, float] = {}
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        graph = av.filter.Graph()
        source = graph.add_buffer(template=stream)
        select = graph.add("select", f"gt(scene,{SCENE_THRESHOLD})")
        sink = graph.add("buffersink")
        source.link_to(select)
        select.link_to(sink)
        graph.configure()
        for frame in container.decode(stream):
            graph.push(frame)
            while True:
                try:
                    passed = graph.pull()
                except (BlockingIOError, EOFError):
                    break
                selected[passed.time] = float(passed.metadata["lavfi.scene_score"])
    return selected
