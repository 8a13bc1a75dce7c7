"""Tokens of Whisper: spelling, times, and what may follow what."""

import json

import numpy as np
import pytest
from made_up_whisper import WORDS, made_up_vocabulary, token_of

from emsync.emotion.features.whisper_tokens import (
    END,
    FIRST_TIME,
    TOKEN_COUNT,
    Sentence,
    Vocabulary,
    allowed,
    byte_letters,
    sentences_of,
)
from emsync.errors import WeightsError

NOBODY = np.zeros(0, np.int64)


def at(time_s: float) -> int:
    return FIRST_TIME + round(time_s / 0.02)


def even() -> np.ndarray:  # type: ignore[type-arg]
    return np.zeros(TOKEN_COUNT, np.float32)


def possible(logits: np.ndarray) -> set[int]:  # type: ignore[type-arg]
    return set(np.flatnonzero(logits > -np.inf).tolist())


def test_every_byte_has_a_letter_of_its_own() -> None:
    letters = byte_letters()
    assert sorted(letters.values()) == list(range(256))
    assert letters["a"] == ord("a")
    assert letters["\u0120"] == ord(" ")


def test_letters_that_lie_across_tokens_are_put_together() -> None:
    vocabulary = Vocabulary((b" caf", b"\xc3", b"\xa9") + (b"",) * (END - 3))
    assert vocabulary.text([0, 1, 2]) == " caf\u00e9"
    assert vocabulary.text([0, 1]) == " caf\ufffd"


def test_text_between_two_times_is_a_sentence() -> None:
    tokens = [at(0), token_of(" hello"), at(1.5), at(2), token_of(" good"), token_of(" day"), at(3)]
    assert sentences_of(tokens, made_up_vocabulary()) == [
        Sentence(0.0, 1.5, "hello"),
        Sentence(2.0, 3.0, "good day"),
    ]


def test_a_sentence_without_an_end_lasts_to_the_end_of_the_window() -> None:
    assert sentences_of([at(4), token_of(" hello")], made_up_vocabulary()) == [Sentence(4.0, 30.0, "hello")]


def test_a_window_begins_with_a_time_of_at_most_a_second() -> None:
    assert possible(allowed(even(), [], NOBODY)) == set(range(at(0), at(1) + 1))


def test_after_the_first_time_comes_text() -> None:
    assert possible(allowed(even(), [at(0)], NOBODY)) <= set(range(END))


def test_after_a_sentence_comes_the_next_or_the_end() -> None:
    logits = even()
    logits[END] = 9
    specials = made_up_vocabulary().not_spoken()
    assert possible(allowed(logits, [at(0), 5, at(2)], specials)) == {END, *range(at(2), TOKEN_COUNT)}


def test_a_sentence_ends_after_it_began() -> None:
    logits = even()
    logits[3] = 20  # a word that outweighs all times
    times = {token for token in possible(allowed(logits, [at(2), 5], NOBODY)) if token >= FIRST_TIME}
    assert min(times) == at(2) + 1


def test_a_time_comes_when_all_times_together_outweigh_any_word() -> None:
    assert min(possible(allowed(even(), [at(0), 5], NOBODY))) == at(0) + 1


def test_what_nobody_says_is_never_chosen() -> None:
    vocabulary = made_up_vocabulary()
    silent = set(vocabulary.not_spoken().tolist())
    assert {token_of("["), token_of(" \u266a")} <= silent
    assert not silent & {token_of(" hello"), END, FIRST_TIME}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", json.dumps(dict.fromkeys(WORDS, 7)).encode()])
def test_another_vocabulary_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError, match="vocabulary cannot be used"):
        Vocabulary.from_json(content)
