"""Whisper's tokens: what numbers mean, how bytes are spelt, and which token may follow which.

The numbers are those of the multilingual vocabulary (`vocab.json`); reading it needs no tokeniser library, because only
decoding is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from emsync.errors import WeightsError

END = 50257
START = 50258
FIRST_LANGUAGE = 50259
"""English; the 99 languages follow one another."""
PAST_LANGUAGES = 50358
TRANSCRIBE = 50359
NO_SPEECH = 50362
FIRST_TIME = 50364
"""Stands for 0.00 s; each further token is 0.02 s later, up to 30 s."""
TOKEN_COUNT = 51865
TIME_STEP_S = 0.02
LATEST_START_S = 1.0
"""The first sentence begins within a second, because a window begins with speech."""

_NOT_SPOKEN = set("[](){}<>*#@_~|/\\^=+\u266a\u266b\u266c\u2669")
"""Tokens with one of these describe sound ("[Music]") or are music notes: nobody says them."""

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Sentence:
    """What was said from `start_s` to `end_s` of a window."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Vocabulary:
    """Bytes of each text token, in order."""

    spellings: tuple[bytes, ...]

    @classmethod
    def from_json(cls, content: bytes) -> Vocabulary:
        """Read `vocab.json`. Raises: WeightsError if it is not Whisper's multilingual vocabulary."""
        try:
            names: dict[str, int] = json.loads(content)
            ordered = sorted((number, name) for name, number in names.items() if number < END)
            if [number for number, _ in ordered] != list(range(END)):
                raise ValueError(f"{len(ordered)} text tokens, not {END}")
            letters = byte_letters()
            return cls(tuple(bytes(letters[letter] for letter in name) for _, name in ordered))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise WeightsError(f"Whisper's vocabulary cannot be used: {error}") from error

    def text(self, tokens: Sequence[int]) -> str:
        """The tokens as text; special tokens are left out, broken letters replaced."""
        return b"".join(self.spellings[token] for token in tokens if token < END).decode("utf-8", "replace")

    def not_spoken(self) -> NDArray[np.int64]:
        """Tokens that nobody says: signs, and all special ones but `END` and times."""
        texts = (spelling.decode("utf-8", "replace") for spelling in self.spellings)
        signs = [number for number, text in enumerate(texts) if _NOT_SPOKEN & set(text)]
        return np.array([*signs, *range(END + 1, FIRST_TIME)], np.int64)


def sentences_of(tokens: Sequence[int], vocabulary: Vocabulary) -> list[Sentence]:
    """The text between each pair of times; what has no end lasts until the window's last time.

    Sentences without text are left out.
    """
    sentences, start_s, words = [], 0.0, []
    for token in [*tokens, FIRST_TIME + round(30 / TIME_STEP_S)]:
        if token < END:
            words.append(token)
        elif token >= FIRST_TIME:
            time_s = (token - FIRST_TIME) * TIME_STEP_S
            text = vocabulary.text(words).strip()
            if text:
                sentences.append(Sentence(start_s, time_s, text))
            start_s, words = time_s, []
    return sentences


def allowed(logits: Logits, tokens: Sequence[int], not_spoken: NDArray[np.int64]) -> Logits:
    """The logits with what may not come next at minus infinity (arXiv:2212.04356, section 4.5, in short).

    A window begins with a time; a time after text ends a sentence, and another one or the end follows; times do not run
    backwards; if all times together are likelier than any text, a time comes.

    Args:
        logits: shape (51865,).
        tokens: those chosen so far in this window, without the prompt.
        not_spoken: see `Vocabulary.not_spoken`.
    """
    possible = logits.copy()
    possible[not_spoken] = -np.inf
    if not tokens:
        possible[:FIRST_TIME] = -np.inf
        possible[FIRST_TIME + round(LATEST_START_S / TIME_STEP_S) + 1 :] = -np.inf
        return possible
    times = [token for token in tokens if token >= FIRST_TIME]
    last_is_time = tokens[-1] >= FIRST_TIME
    sentence_is_open = len(times) % 2 == 1
    if last_is_time and sentence_is_open:
        possible[END:] = -np.inf
    elif last_is_time:
        possible[:END] = -np.inf
    later = 1 if sentence_is_open and not last_is_time else 0
    possible[FIRST_TIME : times[-1] + later] = -np.inf
    if _log_sum(possible[FIRST_TIME:]) > possible[:FIRST_TIME].max():
        possible[:FIRST_TIME] = -np.inf
    return possible


def _log_sum(logits: Logits) -> float:
    largest = float(logits.max())
    return largest if largest == -np.inf else largest + float(np.log(np.exp(logits - largest).sum()))


@cache
def byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in the vocabulary: itself if it can be seen, else one from U+0100 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(value): value for value in seen}
    hidden = [value for value in range(256) if value not in set(seen)]
    return letters | {chr(0x100 + number): value for number, value in enumerate(hidden)}
