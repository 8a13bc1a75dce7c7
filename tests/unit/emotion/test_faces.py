"""Finding faces and naming what they express; a face is drawn here, since no photograph may be kept."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.emotion.features.faces import (
    ANCHOR_COUNT,
    NUMBERS_PER_ANCHOR,
    FaceBox,
    FaceReader,
    anchors,
    boxes_of,
    grey_face,
    letterboxed,
    overlap,
    unsqueezed,
)
from emsync.emotion.senses import FacesSense
from emsync.types import NAMED, SampledFrame


@pytest.fixture(scope="module")
def reader() -> FaceReader:
    return FaceReader.load(threads=1)


def drawn_face(width: int = 400, height: int = 225) -> NDArray[np.uint8]:
    """A cartoon of a face in the middle of a wide picture, squeezed to 224 x 224."""
    picture = np.full((height, width, 3), (90, 110, 140), np.uint8)
    x, y, size = width // 2, height // 2, height // 3
    cv2.ellipse(picture, (x, y), (int(size * 0.78), size), 0, 0, 360, (205, 160, 130), -1)
    cv2.ellipse(picture, (x, y - size // 2), (int(size * 0.8), size * 6 // 10), 0, 180, 360, (60, 40, 30), -1)
    for side in (-1, 1):
        eye = (x + side * size // 3, y - size // 8)
        cv2.ellipse(picture, eye, (size // 6, size // 11), 0, 0, 360, (250, 250, 250), -1)
        cv2.circle(picture, eye, size // 13, (30, 20, 20), -1)
        brow = (eye[0], eye[1] - size // 10)
        cv2.ellipse(picture, brow, (size // 5, size // 9), 0, 200, 340, (60, 40, 30), 4)
    cv2.ellipse(picture, (x, y + size // 6), (size // 9, size // 4), 0, 20, 160, (150, 100, 80), 3)
    cv2.ellipse(picture, (x, y + size // 2), (size // 3, size // 9), 0, 0, 360, (150, 50, 60), -1)
    picture = cv2.GaussianBlur(picture, (5, 5), 0)
    return np.asarray(cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA), np.uint8)


def test_a_drawn_face_is_found_in_the_middle_whatever_the_proportions(reader: FaceReader) -> None:
    for width, height in ((400, 225), (300, 300), (225, 300)):
        picture = unsqueezed(drawn_face(width, height), width / height)
        (face, *others) = reader.find(picture)
        assert not others
        assert (face.centre_x, face.centre_y) == (pytest.approx(0.5, abs=0.08), pytest.approx(0.5, abs=0.12))


def test_a_face_is_named_by_a_distribution(reader: FaceReader) -> None:
    named = reader.read(drawn_face(), 400 / 225)
    assert named is not None
    assert named.shape == (len(NAMED),)
    assert named.sum() == pytest.approx(1)
    assert named.min() >= 0


@pytest.mark.parametrize("aspect", [16 / 9, 1.0, 0.5])
def test_pictures_without_a_face_say_nothing(reader: FaceReader, aspect: float) -> None:
    generator = np.random.default_rng(0)
    blobs = generator.integers(0, 256, (7, 7, 3)).astype(np.uint8).repeat(32, axis=0).repeat(32, axis=1)
    disc = np.zeros((224, 224, 3), np.uint8)
    cv2.circle(disc, (112, 112), 70, (255, 255, 255), -1)
    for rgb in (blobs, disc, generator.integers(0, 256, (224, 224, 3)).astype(np.uint8)):
        assert reader.read(rgb, aspect) is None


def test_the_sense_for_faces_is_silent_without_one(reader: FaceReader) -> None:
    sense = FacesSense(reader)
    sense.accept_frame(SampledFrame(0.0, np.zeros((224, 224, 3), np.uint8)))
    sense.accept_frame(SampledFrame(1.0, drawn_face(), 400 / 225))
    moments = sense.moments()
    assert moments.times_s.tolist() == [1.0]
    assert moments.values.sum(axis=1) == pytest.approx([1.0], abs=2e-3)


def test_a_squeezed_frame_gets_its_proportions_back() -> None:
    rgb = np.zeros((224, 224, 3), np.uint8)
    assert [unsqueezed(rgb, aspect).shape[:2] for aspect in (16 / 9, 1.0, 0.5)] == [
        (126, 224),
        (224, 224),
        (224, 112),
    ]


def test_a_letterbox_has_black_bars_above_and_below() -> None:
    square = letterboxed(np.full((126, 224, 3), 200, np.uint8))
    assert square.shape == (128, 128, 3)
    assert (square[:28] == 0).all() and (square[100:] == 0).all()
    assert (square[28:100] == 200).all()


def numbers(*faces: tuple[int, float, float]) -> NDArray[np.float32]:
    """Nothing anywhere but at (anchor, logit, size in pixels)."""
    values = np.full((ANCHOR_COUNT, NUMBERS_PER_ANCHOR), -20.0, np.float32)
    for anchor, logit, size in faces:
        values[anchor, :5] = (logit, 0, 0, size, size)
    return values


def test_anchors_stand_in_the_middle_of_their_cells() -> None:
    centres = anchors()
    assert centres.shape == (ANCHOR_COUNT, 2)
    assert centres[0].tolist() == centres[1].tolist() == [1 / 32, 1 / 32]
    assert centres[-1].tolist() == [15 / 16, 15 / 16]


def test_of_boxes_on_one_place_the_surest_is_kept() -> None:
    kept = boxes_of(numbers((200, 3.0, 40), (202, 5.0, 40), (0, 4.0, 12)))
    assert [round(box.score, 3) for box in kept] == [0.993, 0.982]
    assert kept[0].width == pytest.approx(40 / 128)


def test_an_unsure_box_is_no_face() -> None:
    assert boxes_of(numbers((200, 1.2, 40))) == []  # 0.77
    assert len(boxes_of(numbers((200, 1.3, 40)))) == 1  # 0.79


def test_overlap_by_pencil() -> None:
    one, other = FaceBox(0.5, 0.5, 0.2, 0.2, 1), FaceBox(0.6, 0.5, 0.2, 0.2, 1)
    assert overlap(one, other) == pytest.approx(0.02 / 0.06)
    assert overlap(one, FaceBox(0.9, 0.9, 0.1, 0.1, 1)) == 0


@pytest.mark.parametrize("centre", [-0.3, 0.0, 0.5, 1.0, 1.4])
def test_a_face_at_or_beyond_the_edge_still_gives_a_picture(centre: float) -> None:
    assert grey_face(np.zeros((126, 224, 3), np.uint8), FaceBox(centre, centre, 0.2, 0.3, 1)).shape == (
        64,
        64,
        1,
    )
