"""One pass over the frames: sampling, progress, damage, memory."""

from __future__ import annotations

import threading
import tracemalloc
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.media import SHOT_COLOURS, make_corrupt, make_truncated, make_video

from emsync.errors import VideoError
from emsync.types import SampledFrame
from emsync.video.cuts import detector_named, shots_between
from emsync.video.frames import Scan, scan
from emsync.video.probe import probe


def _scan(
    path: Path, *, frames_per_s: float = 1.0, detector: str = "adaptive"
) -> tuple[Scan, list[SampledFrame]]:
    samples: list[SampledFrame] = []
    found = scan(
        probe(path), detector=detector_named(detector), frames_per_s=frames_per_s, on_frame=samples.append
    )
    return found, samples


def test_samples_are_upright_rgb_of_the_classifiers_size(tmp_path: Path) -> None:
    _, samples = _scan(make_video(tmp_path / "film.mp4", duration_s=3.0))
    assert [sample.time_s for sample in samples] == pytest.approx([0.5, 1.5, 2.5])
    for sample in samples:
        assert sample.rgb.shape == (224, 224, 3)
        assert sample.rgb.dtype == np.uint8
        assert sample.rgb.flags.c_contiguous
        assert sample.rgb.mean(axis=(0, 1)) == pytest.approx(np.array(SHOT_COLOURS[0]), abs=16)


def test_large_pictures_keep_the_shape_of_the_film_and_are_only_made_when_asked_for(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "film.mp4", size=(320, 180)))
    samples: list[SampledFrame] = []
    for large_height in (None, 90, 999):
        scan(
            info,
            detector=detector_named("adaptive"),
            frames_per_s=1.0,
            on_frame=samples.append,
            large_height=large_height,
        )
    shapes = {None if sample.large is None else sample.large.shape for sample in samples}
    assert shapes == {None, (90, 160, 3), (180, 320, 3)}


@pytest.mark.parametrize(
    ("rotation_degrees", "pixel_aspect", "aspect"), [(0, 1, 16 / 9), (90, 1, 9 / 16), (0, 2, 32 / 9)]
)
def test_a_sample_tells_the_proportions_it_is_shown_with(
    tmp_path: Path, rotation_degrees: int, pixel_aspect: int, aspect: float
) -> None:
    path = make_video(
        tmp_path / "film.mp4", rotation_degrees=rotation_degrees, pixel_aspect=Fraction(pixel_aspect)
    )
    assert [sample.aspect for sample in _scan(path)[1]] == pytest.approx([aspect] * 2, rel=0.02)


@pytest.mark.parametrize(
    ("rotation_degrees", "bright_side"), [(0, "top"), (90, "right"), (180, "bottom"), (270, "left")]
)
def test_a_rotated_video_is_seen_as_a_player_shows_it(
    tmp_path: Path, rotation_degrees: int, bright_side: str
) -> None:
    _, samples = _scan(make_video(tmp_path / "phone.mp4", rotation_degrees=rotation_degrees))
    gray = samples[0].rgb.mean(axis=2)
    sides = {"top": gray[:60], "bottom": gray[-60:], "left": gray[:, :60], "right": gray[:, -60:]}
    assert max(sides, key=lambda side: float(sides[side].mean())) == bright_side


def test_every_shot_has_a_sample_inside_it_however_short(tmp_path: Path) -> None:
    cuts_s = (0.6, 0.9, 1.2, 1.6, 1.9, 2.7, 3.0)
    found, samples = _scan(make_video(tmp_path / "film.mp4", duration_s=4.0, fps=30, cuts_s=cuts_s))
    assert [cut.time_s for cut in found.cuts] == pytest.approx(cuts_s)
    for number, shot in enumerate(shots_between(found.cuts, found.duration_s)):
        inside = [sample for sample in samples if shot.start_s <= sample.time_s < shot.end_s]
        assert inside
        for sample in inside:
            assert sample.rgb.mean(axis=(0, 1)) == pytest.approx(np.array(SHOT_COLOURS[number]), abs=24)
    assert all(earlier.time_s < later.time_s for earlier, later in pairwise(samples))
    assert len(samples) < 4 + len(cuts_s) + 1


@pytest.mark.parametrize("detector", ["adaptive", "content", "ffmpeg"])
def test_every_shot_between_dissolves_has_samples_of_its_own_in_order(tmp_path: Path, detector: str) -> None:
    cuts_s = (1.5, 2.7)
    film = make_video(
        tmp_path / "film.mp4",
        duration_s=8.0,
        fps=24,
        cuts_s=cuts_s,
        dissolves_s=[(cut_s - 0.3, cut_s + 0.3) for cut_s in cuts_s],
    )
    found, samples = _scan(film, detector=detector)
    assert [cut.time_s for cut in found.cuts] == pytest.approx(cuts_s, abs=0.31)
    assert all(earlier.time_s < later.time_s for earlier, later in pairwise(samples))
    for shot in shots_between(found.cuts, found.duration_s):
        assert any(shot.start_s <= sample.time_s < shot.end_s for sample in samples)


def test_the_sampling_rate_is_followed(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=4.0)
    assert len(_scan(film, frames_per_s=2.5)[1]) == 10
    assert len(_scan(film, frames_per_s=0.5)[1]) == 2


@pytest.mark.parametrize("frames_per_s", [0.0, -1.0, float("nan")])
def test_an_impossible_sampling_rate_is_a_callers_mistake(tmp_path: Path, frames_per_s: float) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=0.2)
    with pytest.raises(ValueError, match="frames_per_s must be positive"):
        _scan(film, frames_per_s=frames_per_s)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov", ".avi"])
def test_cuts_are_found_in_every_container(tmp_path: Path, suffix: str) -> None:
    found, _ = _scan(make_video(tmp_path / f"film{suffix}", duration_s=3.0, cuts_s=(1.0, 2.0)))
    assert [cut.time_s for cut in found.cuts] == pytest.approx([1.0, 2.0])
    assert found.frame_count == 30
    assert found.decode_errors == 0


def test_time_counts_from_the_first_frame_of_a_late_start(tmp_path: Path) -> None:
    film = make_video(tmp_path / "late.mp4", duration_s=3.0, cuts_s=(1.0, 2.0), start_s=1.5, audio_streams=1)
    found, samples = _scan(film)
    assert [cut.time_s for cut in found.cuts] == pytest.approx([1.0, 2.0], abs=1e-9)
    assert samples[0].time_s == pytest.approx(0.5)


def test_cuts_of_a_variable_frame_rate_have_the_times_of_their_frames(tmp_path: Path) -> None:
    times_s = [round(number * 0.04 + (number % 3) * 0.01, 3) for number in range(75)]
    cuts_s = (times_s[26], times_s[50])
    found, _ = _scan(
        make_video(tmp_path / "phone.mp4", duration_s=3.1, frame_times_s=times_s, cuts_s=cuts_s, fps=25)
    )
    assert [cut.time_s for cut in found.cuts] == pytest.approx(cuts_s, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "pixel_format", "codec", "size"),
    [
        ("odd.mp4", "yuv444p", None, (65, 37)),
        ("ten bit.mp4", "yuv420p10le", None, (64, 36)),
        ("gray.mkv", "gray", "ffv1", (64, 36)),
        ("tiny.mov", "rgb24", "png", (2, 2)),
        ("tall.mov", "rgb24", "png", (2, 300)),
    ],
)
@pytest.mark.parametrize("detector", ["adaptive", "ffmpeg"])
def test_unusual_pictures_are_scanned(
    tmp_path: Path, name: str, pixel_format: str, codec: str | None, size: tuple[int, int], detector: str
) -> None:
    film = make_video(
        tmp_path / name, duration_s=2.0, cuts_s=(1.0,), pixel_format=pixel_format, codec=codec, size=size
    )
    found, samples = _scan(film, detector=detector)
    assert [cut.time_s for cut in found.cuts] == pytest.approx([1.0])
    assert len(samples) == 2


@pytest.mark.parametrize("duration_s", [0.1, 0.2, 0.3, 1.0])
def test_very_short_videos_are_one_shot_with_a_sample(tmp_path: Path, duration_s: float) -> None:
    found, samples = _scan(make_video(tmp_path / "short.mp4", duration_s=duration_s))
    assert found.cuts == ()
    assert found.duration_s == pytest.approx(duration_s)
    assert len(samples) == 1


def test_slides_shown_for_long_are_cut_where_they_change(tmp_path: Path) -> None:
    slides_s = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    film = make_video(
        tmp_path / "slides.mp4", duration_s=60.0, frame_times_s=slides_s, cuts_s=slides_s[1:], still=True
    )
    found, samples = _scan(film, detector="content")
    assert [cut.time_s for cut in found.cuts] == pytest.approx(slides_s[1:])
    assert [sample.time_s for sample in samples] == pytest.approx(slides_s)


def test_a_still_image_for_long_has_no_cut(tmp_path: Path) -> None:
    found, samples = _scan(make_video(tmp_path / "still.mp4", duration_s=20.0, fps=5, still=True))
    assert found.cuts == ()
    assert len(samples) == 20


def test_sixty_cuts_a_minute_are_all_found(tmp_path: Path) -> None:
    cuts_s = tuple(float(second) for second in range(1, 20))
    found, _ = _scan(make_video(tmp_path / "fast.mp4", duration_s=20.0, cuts_s=cuts_s))
    assert [cut.time_s for cut in found.cuts] == pytest.approx(cuts_s)


def test_damage_in_the_middle_is_skipped_and_counted(tmp_path: Path) -> None:
    whole = make_video(
        tmp_path / "whole.mkv", duration_s=6.0, size=(160, 90), key_frame_every=5, cuts_s=(5.0,)
    )
    damaged = make_corrupt(tmp_path / "damaged.mkv", whole, share=(0.4, 0.45))
    found, samples = _scan(damaged)
    assert found.decode_errors > 0
    assert 30 < found.frame_count < 60
    assert found.duration_s == pytest.approx(6.0)
    assert 5.0 in [pytest.approx(cut.time_s) for cut in found.cuts]
    assert samples[-1].time_s == pytest.approx(5.5)


def test_a_truncated_video_ends_where_its_frames_end(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", duration_s=4.0, key_frame_every=5)
    found, samples = _scan(make_truncated(tmp_path / "part.mkv", whole, keep=0.5))
    assert found.frame_count < 30
    assert samples[-1].time_s < found.duration_s <= found.frame_count / 10 + 0.21


def test_a_video_that_vanishes_after_the_probe_is_told(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "film.mp4", duration_s=0.2))
    info.path.unlink()
    with pytest.raises(VideoError, match="no such file"):
        scan(info, detector=detector_named("adaptive"), frames_per_s=1.0, on_frame=lambda _: None)


def test_whatever_stops_the_watcher_stops_the_decoder(tmp_path: Path) -> None:
    def stop(_: SampledFrame) -> None:
        raise KeyboardInterrupt

    info = probe(make_video(tmp_path / "film.mp4", duration_s=3.0))
    with pytest.raises(KeyboardInterrupt):
        scan(info, detector=detector_named("adaptive"), frames_per_s=1.0, on_frame=stop)
    assert [thread.name for thread in threading.enumerate() if thread.name == "emsync-ahead"] == []


def test_progress_rises_from_nothing_to_one(tmp_path: Path) -> None:
    fractions: list[float] = []
    scan(
        probe(make_video(tmp_path / "film.mp4", duration_s=2.0)),
        detector=detector_named("adaptive"),
        frames_per_s=1.0,
        on_frame=lambda _: None,
        on_progress=fractions.append,
    )
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    def peak_bytes(duration_s: float) -> int:
        film = make_video(tmp_path / f"{duration_s}.mp4", duration_s=duration_s, fps=Fraction(30))
        info = probe(film)
        tracemalloc.start()
        scan(info, detector=detector_named("adaptive"), frames_per_s=1.0, on_frame=lambda _: None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_bytes(1.0)
    assert peak_bytes(30.0) < peak_bytes(5.0) + 200_000
