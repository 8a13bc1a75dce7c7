"""Each detector on films whose cuts are known, and FFmpeg's own filter as the judge of its formula."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from scenedetect.common import FrameTimecode
from scenedetect.detectors import ContentDetector
from scenedetect.stats_manager import StatsManager
from tests.media import make_video

from emsync.types import Cut
from emsync.video.cuts import DETECTOR_NAMES, detector_named
from emsync.video.detectors.content import content_strength, hsv_change
from emsync.video.detectors.ffmpeg import SCENE_THRESHOLD
from emsync.video.frames import scan
from emsync.video.pictures import PictureMaker
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


def test_the_change_between_two_thumbnails_is_pyscenedetects_own_score() -> None:
    before, after = np.random.default_rng(1).integers(0, 256, (2, 64, 114, 3), dtype=np.uint8)
    detector = ContentDetector()
    detector.stats_manager = StatsManager()
    for number, picture in enumerate((before, after)):
        detector.process_frame(FrameTimecode(number, 25.0), picture)
    (score,) = detector.stats_manager.get_metrics(FrameTimecode(1, 25.0), [ContentDetector.FRAME_SCORE_KEY])
    assert hsv_change(before, after) == score


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
