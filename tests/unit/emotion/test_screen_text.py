"""Words on the screen: which frames are read, and what becomes of the words."""

import sys

import numpy as np
import pytest

from emsync.emotion.features.screen_text import LARGE_HEIGHT, ScreenTextSense, has_changed, lines_of
from emsync.emotion.text_emotion import TextEmotion
from emsync.errors import WeightsError
from emsync.types import NAMED, SampledFrame, Shot

SAD = "He died alone and they were so sad"


def frame(time_s: float, shade: int = 0) -> SampledFrame:
    rgb = np.full((224, 224, 3), shade, np.uint8)
    return SampledFrame(time_s, rgb, large=np.full((480, 854, 3), shade, np.uint8))


def reading(*lines: str) -> tuple[ScreenTextSense, list[int]]:
    """A sense that reads these lines from every frame, and the shades of those that it read."""
    shades: list[int] = []

    def read_lines(picture: np.ndarray) -> list[str]:  # type: ignore[type-arg]
        shades.append(int(picture[0, 0, 0]))
        return list(lines)

    return ScreenTextSense(read_lines, TextEmotion.load()), shades


def test_frames_are_read_three_seconds_apart_at_least() -> None:
    sense, shades = reading("x")
    for second in range(10):
        sense.accept_frame(frame(second + 0.5, shade=second * 25))
    assert shades == [0, 75, 150, 225]


def test_a_picture_that_did_not_change_is_not_read_again() -> None:
    sense, shades = reading("x")
    for second in range(0, 60, 4):
        sense.accept_frame(frame(second, shade=40 if second < 50 else 90))
    assert shades == [40, 90]


def test_a_line_that_appears_on_a_dark_frame_is_a_change() -> None:
    dark = np.zeros((224, 224, 3), np.uint8)
    titled = dark.copy()
    titled[100:110, 40:180] = 255
    assert has_changed(dark, titled)
    assert not has_changed(dark, dark + 5)


def test_lines_are_joined_and_name_an_emotion_at_the_frames_time() -> None:
    sense, _ = reading("He died alone", "and they were so sad")
    sense.accept_frame(frame(7.5))
    moments = sense.moments()
    assert moments.times_s.tolist() == [7.5]
    assert NAMED[moments.values[0].argmax()] == "sadness"
    assert sense.text_in(Shot(5.0, 9.0)) == SAD


def test_a_title_in_another_script_is_kept_and_names_nothing() -> None:
    sense, _ = reading("\u7ec8\u6781\u4e00\u73ed")
    sense.accept_frame(frame(1.0))
    assert sense.text_in(Shot(0.0, 2.0)) == "\u7ec8\u6781\u4e00\u73ed"
    assert sense.moments().times_s.size == 0


def test_the_same_words_twice_in_a_row_are_told_once() -> None:
    sense, _ = reading("THE END")
    for second in (1, 5, 9):
        sense.accept_frame(frame(second, shade=second * 25))
    assert sense.text_in(Shot(0.0, 20.0)) == "THE END"


def test_uncertain_lines_and_icons_are_left_out() -> None:
    result = [[None, "SINTEL", 0.96], [None, "CC", 0.62], [None, "66", 1.0], [None, "W", 0.99]]
    assert lines_of(result) == ["SINTEL"]
    assert lines_of(None) == []


def test_a_frame_without_a_large_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="scan with `large_height`"):
        reading("x")[0].accept_frame(SampledFrame(0.0, np.zeros((224, 224, 3), np.uint8)))


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(WeightsError, match=r"pip install 'emsync\[screen-text\]'"):
        ScreenTextSense.load()


def test_a_drawn_title_is_read_by_the_real_reader() -> None:
    pytest.importorskip("rapidocr_onnxruntime", reason="the extra screen-text is not installed")
    import cv2  # noqa: PLC0415

    picture = np.zeros((LARGE_HEIGHT, 854, 3), np.uint8)
    cv2.putText(picture, "GOODBYE MY FRIEND", (80, 250), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (255, 255, 255), 4)
    sense = ScreenTextSense.load(threads=1)
    sense.accept_frame(SampledFrame(1.0, np.zeros((224, 224, 3), np.uint8), large=picture))
    assert "GOODBYE" in sense.text_in(Shot(0.0, 2.0))
