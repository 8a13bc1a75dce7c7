"""Thumbnails: few, small, evenly spaced, and in the shape of the film."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_up_film import film_of

from emsync.film_report.thumbnails import Thumbnail, ThumbnailCollector, pictures_of_shots
from emsync.types import SampledFrame, Shot


def frame_at(time_s: float, colour: tuple[int, int, int] = (200, 30, 30)) -> SampledFrame:
    return SampledFrame(time_s, np.full((224, 224, 3), colour, np.uint8))


def thumbnails_at(*times_s: float) -> list[Thumbnail]:
    return [Thumbnail(time_s, 4, 3, b"") for time_s in times_s]


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(1920, 1080, (171, 96)), (640, 480, (128, 96)), (1080, 1920, (54, 96)), (4000, 400, (320, 32))],
)
def test_a_thumbnail_has_the_shape_of_the_film(width: int, height: int, size: tuple[int, int]) -> None:
    collector = ThumbnailCollector(film_of(width, height))
    collector.accept(frame_at(0.5))
    (thumbnail,) = collector.thumbnails
    pixels = cv2.imdecode(np.frombuffer(thumbnail.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert (pixels.shape[1], pixels.shape[0]) == (thumbnail.width, thumbnail.height) == size


def test_a_thumbnail_keeps_the_colours() -> None:
    collector = ThumbnailCollector(film_of(640, 480))
    collector.accept(frame_at(0.5, (200, 30, 60)))
    pixels = cv2.imdecode(np.frombuffer(collector.thumbnails[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels[48, 64, ::-1].tolist() == pytest.approx([200, 30, 60], abs=6)


def test_of_a_long_film_a_bounded_number_is_kept_evenly() -> None:
    collector = ThumbnailCollector(film_of(16, 9), most=50)
    for number in range(1000):
        collector.accept(frame_at(number + 0.5))
        assert len(collector.thumbnails) <= 50
    gaps_s = np.diff([one.time_s for one in collector.thumbnails])
    assert len(collector.thumbnails) >= 25
    assert gaps_s.max() <= 2 * gaps_s.min()
    assert collector.thumbnails[0].time_s == 0.5
    assert collector.thumbnails[-1].time_s > 960


def test_of_a_short_film_every_frame_is_kept_however_close() -> None:
    collector = ThumbnailCollector(film_of(16, 9))
    times_s = [0.04, 0.5, 0.52, 1.5]
    for time_s in times_s:
        collector.accept(frame_at(time_s))
    assert [one.time_s for one in collector.thumbnails] == times_s


def test_a_shot_shows_the_picture_nearest_its_middle() -> None:
    shots = [Shot(0.0, 3.0), Shot(3.0, 3.4), Shot(3.4, 10.0)]
    pictures = pictures_of_shots(shots, thumbnails_at(0.5, 1.6, 2.9, 3.0, 3.4, 7.0), most=60)
    assert [(one.shot_index, one.thumbnail.time_s) for one in pictures] == [(0, 1.6), (1, 3.0), (2, 7.0)]


def test_a_shot_never_shows_the_picture_of_another() -> None:
    pictures = pictures_of_shots([Shot(0.0, 2.0), Shot(2.0, 3.0)], thumbnails_at(1.0, 3.0), most=60)
    assert [one.shot_index for one in pictures] == [0]


def test_of_many_shots_some_are_shown_from_first_to_last() -> None:
    shots = [Shot(float(number), number + 1.0) for number in range(200)]
    pictures = pictures_of_shots(shots, thumbnails_at(*(number + 0.5 for number in range(200))), most=60)
    indices = [one.shot_index for one in pictures]
    assert (len(set(indices)), indices[0], indices[-1]) == (60, 0, 199)
    assert set(np.diff(indices)) == {3, 4}
