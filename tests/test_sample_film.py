"""The sample film: it is what it says, and emsync finds in it what was put there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sample_film

from emsync.types import SampledFrame
from emsync.video.cuts import detector_named
from emsync.video.frames import scan
from emsync.video.probe import probe


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.mp4"
    sample_film.render_sample_film(path)
    return path


def test_it_is_as_long_and_as_large_as_promised(film: Path) -> None:
    info = probe(film)
    assert info.duration_s == pytest.approx(48.0, abs=1e-6)
    assert (info.width, info.height, info.frame_rate_fps, info.codec) == (640, 360, 24, "h264")
    assert [(stream.codec, stream.channels) for stream in info.audio_streams] == [("aac", 2)]


def test_the_default_detector_finds_exactly_its_cuts(film: Path) -> None:
    frames: list[SampledFrame] = []
    seen = scan(probe(film), detector=detector_named("adaptive"), frames_per_s=1.0, on_frame=frames.append)
    assert seen.frame_count == sample_film.FRAME_COUNT
    assert [cut.time_s for cut in seen.cuts] == pytest.approx(sample_film.CUTS_S, abs=1e-3)


def test_its_cuts_are_many_and_irregular() -> None:
    lengths_s = np.diff([0.0, *sample_film.CUTS_S, sample_film.DURATION_S])
    assert len(sample_film.CUTS_S) >= 8
    assert lengths_s.min() > 1.0
    assert lengths_s.std() > 1.0


def test_the_same_code_draws_the_same_film() -> None:
    for number in (0, 300, 600, 1151):
        assert np.array_equal(sample_film.picture_at(number), sample_film.picture_at(number))
    assert np.array_equal(sample_film.sound_bed(), sample_film.sound_bed())


def test_its_moods_look_different() -> None:
    """Mean colours of the shots lie apart, and calm is brighter than fear."""
    middles = [shot.start_frame + 20 for shot in sample_film.SHOTS]
    colours = {
        (shot.mood, shot.start_frame): sample_film.picture_at(number).mean(axis=(0, 1))
        for shot, number in zip(sample_film.SHOTS, middles, strict=True)
    }
    brightness = {key: float(colour.mean()) for key, colour in colours.items()}
    fear = [value for (mood, _), value in brightness.items() if mood in {"fear", "threat", "tension"}]
    joy = [value for (mood, _), value in brightness.items() if mood in {"joy", "surprise"}]
    assert max(fear) < min(joy)


def test_its_sound_is_quiet_and_never_silent() -> None:
    bed = sample_film.sound_bed()
    assert bed.shape == (2, 48 * 48_000)
    assert np.abs(bed).max() < 0.9
    levels_db = 20 * np.log10(np.sqrt((bed[0].reshape(48, -1) ** 2).mean(axis=1)))
    assert levels_db.min() > -60
    assert -45 < np.median(levels_db) < -20
