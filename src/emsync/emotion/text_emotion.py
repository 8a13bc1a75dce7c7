"""What a sentence says of a mood: hashed n-grams and one linear softmax, in numpy alone.

    sentence -> words, word pairs, letter groups -> crc32 -> one of 2^17 rows of weights -> 7 probabilities

Trained by `emsync_train.emotion.train_text` on GoEmotions, English comments; how well, in docs/emotion.md. A text
in another script or language is not guessed at: too few of its words are known, and it says nothing.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.pool import softmax
from emsync.errors import WeightsError
from emsync.types import NAMED, Floats
from emsync.weights import ASSETS, REINSTALL, load_weights

TEXT_EMOTION = "text_emotion"
"""Name of the weights in the manifest."""

TEXT_FORMAT_VERSION = 1

LEAST_KNOWN_WORDS = 2
LEAST_KNOWN_SHARE = 0.7
"""A text says something if at least this share of its words, and at least two different ones, are known; of single
letters only "i" counts as one of the two."""

LETTER_GROUPS = (2, 3, 4, 5)
MOST_WORDS = 400
"""What stands after the first 400 words of a text is not read."""

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[!?]+")


@dataclass(frozen=True)
class TextWeights:
    """Numbers of the classifier; B is the number of rows, C = 7 the classes `NAMED`.

    `weights` (B, C) int8 times `scale` (C,) are the logits of a feature, `rarity` (B,) its weight in the text (0: not
    used), `bias` (C,) the logits of no text, `temperature` > 0 the calibration. `letters_share` is the length of the
    letter groups' vector where that of the words has 1. `known_words` (K,) uint32, sorted, are crc32 of words.
    """

    weights: NDArray[np.int8]
    scale: Floats
    rarity: Floats
    bias: Floats
    temperature: float
    letters_share: float
    known_words: NDArray[np.uint32]

    def __post_init__(self) -> None:
        rows, classes = self.weights.shape[0], len(NAMED)
        expected = {"weights": (rows, classes), "scale": (classes,), "rarity": (rows,), "bias": (classes,)}
        for name, shape in expected.items():
            values = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite and of shape {shape}, got {values.shape}")
        if self.weights.dtype != np.int8 or self.known_words.dtype != np.uint32:
            raise ValueError(f"int8 weights expected, got {self.weights.dtype}, {self.known_words.dtype}")
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature must be positive, got {self.temperature}")

    def to_bytes(self) -> bytes:
        """The weights as an .npz file without pickles; the same weights give the same bytes."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            version=np.array(TEXT_FORMAT_VERSION),
            weights=self.weights,
            scale=self.scale.astype(np.float32),
            rarity=self.rarity.astype(np.float16),
            bias=self.bias.astype(np.float32),
            calibration=np.array([self.temperature, self.letters_share]),
            known_words=self.known_words,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> TextWeights:
        """Read what `to_bytes` wrote. Raises: WeightsError if it is something else."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                if int(file["version"]) != TEXT_FORMAT_VERSION:
                    raise ValueError(f"version {int(file['version'])}")
                temperature, letters_share = (float(value) for value in file["calibration"])
                floats = {name: file[name].astype(np.float64) for name in ("scale", "rarity", "bias")}
                return cls(
                    weights=file["weights"],
                    temperature=temperature,
                    letters_share=letters_share,
                    known_words=file["known_words"],
                    **floats,
                )
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise WeightsError(f"The weights for text cannot be used: {error}. {REINSTALL}") from error


class TextEmotion:
    """Reads English sentences."""

    def __init__(self, weights: TextWeights) -> None:
        self._weights = weights

    @classmethod
    def load(cls, folder: Path = ASSETS) -> TextEmotion:
        """With the shipped weights. Raises: WeightsError if they are missing or altered."""
        return cls(TextWeights.from_bytes(load_weights(TEXT_EMOTION, folder)))

    def read(self, text: str) -> Floats | None:
        """Calibrated probabilities over `NAMED`, shape (7,), summing to 1; None if the text says nothing.

        Nothing is said by a text without letters, in another language, or of a single word: see `is_understood`.
        """
        tokens = tokens_of(text)
        if not self.is_understood(tokens):
            return None
        return self.probabilities(tokens)

    def is_understood(self, tokens: Sequence[str]) -> bool:
        """Whether enough words are known: at least `LEAST_KNOWN_SHARE` of them, and two different ones."""
        words = [token for token in tokens if token[0] not in "!?"]
        if not words:
            return False
        known = np.isin(checksums(words), self._weights.known_words)
        named = (word for word, is_known in zip(words, known, strict=True) if is_known)
        different = {word for word in named if len(word) > 1 or word == "i"}
        return len(different) >= LEAST_KNOWN_WORDS and bool(known.mean() >= LEAST_KNOWN_SHARE)

    def probabilities(self, tokens: Sequence[str]) -> Floats:
        """Calibrated, whether understood or not, shape (7,)."""
        return softmax(self.logits(tokens) / self._weights.temperature)

    def logits(self, tokens: Sequence[str]) -> Floats:
        """Before calibration, shape (7,)."""
        numbers = self._weights
        total = numbers.bias.copy()
        for features, share in (
            (word_features(tokens), 1.0),
            (letter_features(tokens), numbers.letters_share),
        ):
            rows, values = weighted_rows(features, numbers.rarity)
            if rows.size:
                total += share * (values @ numbers.weights[rows]) * numbers.scale
        return total


def tokens_of(text: str) -> list[str]:
    """Words in small letters and runs of exclamation or question marks; figures and signs are left out.

    >>> tokens_of("Don't go, it's 9 o\u2019clock!!")
    ["don't", 'go', "it's", "o'clock", '!!']
    """
    plain = unicodedata.normalize("NFKC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower()
    return [match[0] for match, _ in zip(_TOKEN.finditer(plain), range(MOST_WORDS), strict=False)]


def word_features(tokens: Sequence[str]) -> list[str]:
    """The tokens and the pairs of neighbours, the text's beginning and end included."""
    pairs = zip(("<", *tokens), (*tokens, ">"), strict=True)
    return [*(f"w:{token}" for token in tokens), *(f"b:{first} {second}" for first, second in pairs)]


def letter_features(tokens: Sequence[str]) -> list[str]:
    """Groups of 2 to 5 letters within each token, its two ends marked by spaces."""
    return [
        f"c:{padded[start : start + length]}"
        for padded in (f" {token} " for token in tokens)
        for length in LETTER_GROUPS
        for start in range(len(padded) - length + 1)
    ]


def rows_of(features: Sequence[str], row_count: int) -> tuple[NDArray[np.int64], Floats]:
    """Which rows the features fall on, ascending, and 1 + log of how often; `row_count` is a power of two."""
    rows, counts = np.unique(checksums(features).astype(np.int64) % row_count, return_counts=True)
    return rows, 1 + np.log(counts)


def weighted_rows(features: Sequence[str], rarity: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Rows and their values, as a vector of length 1 (or 0, if no feature is used)."""
    rows, values = rows_of(features, rarity.size)
    values = values * rarity[rows]
    length = float(np.linalg.norm(values))
    return rows, values / length if length else values


def checksums(words: Iterable[str]) -> NDArray[np.uint32]:
    """crc32 of each, shape (N,): the same on every machine, unlike `hash`."""
    return np.array([zlib.crc32(word.encode("utf-8", "replace")) for word in words], dtype=np.uint32)
