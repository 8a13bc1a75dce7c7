"""What is said: Whisper tiny (8-bit weights) on ONNX Runtime, greedy, with its KV cache.

Radford et al. 2022 (arXiv:2212.04356). Two exported networks: an encoder, and a decoder whose two branches (first call,
calls with a cache) lie in one file.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.log_mel import log_mel
from emsync.emotion.features.session import open_session
from emsync.emotion.features.speech_weights import DECODER, ENCODER, VOCABULARY, load_speech_weights
from emsync.emotion.features.whisper_tokens import (
    END,
    FIRST_LANGUAGE,
    NO_SPEECH,
    PAST_LANGUAGES,
    START,
    TOKEN_COUNT,
    TRANSCRIBE,
    Logits,
    Sentence,
    Vocabulary,
    allowed,
    sentences_of,
)
from emsync.errors import WeightsError

MOST_TOKENS = 224
"""Of a window, as in the paper's decoder: half its context."""

SILENT_ABOVE = 0.6
DOUBTED_BELOW = -1.0
LOOPING_ABOVE = 2.4
"""A window says nothing if "no speech" is likelier than the first and its mean log-probability below the second, or
if its text, compressed, is smaller than 1/2.4: it repeats itself. The numbers are the paper's (section 4.5)."""


@dataclass(frozen=True)
class Transcript:
    """What was said in a window.

    `is_english` says whether Whisper took the language for English, `is_doubtful` that it found no words it can
    stand by; then there are no sentences.
    """

    sentences: tuple[Sentence, ...]
    is_english: bool
    is_doubtful: bool = False


class Whisper:
    """Writes down speech."""

    def __init__(self, encoder: Any, decoder: Any, vocabulary: Vocabulary) -> None:
        self._encoder, self._decoder, self._vocabulary = encoder, decoder, vocabulary
        self._not_spoken = vocabulary.not_spoken()
        self._cache_shapes = {
            one.name: one.shape for one in decoder.get_inputs() if one.name.startswith("past_key_values.")
        }

    @classmethod
    def load(cls, folder: Path | None = None, threads: int = 0) -> Whisper:
        """Read the networks; see `speech_weights` for where they lie. Raises: WeightsError."""
        content = load_speech_weights(folder)
        return cls(
            open_session(content[ENCODER], threads, what="Whisper encoder"),
            open_session(content[DECODER], threads, what="Whisper decoder"),
            Vocabulary.from_json(content[VOCABULARY]),
        )

    def transcribe(self, samples: NDArray[np.float32]) -> Transcript:
        """What is said in at most 30 s of sound, with times; shape (N,), 16 kHz, full scale 1.

        Raises: ValueError for another shape; WeightsError if the networks give no finite numbers.
        """
        heard = self._encoder.run(["last_hidden_state"], {"input_features": log_mel(samples)[None]})[0]
        decoding = _Decoding(self._decoder, self._cache_shapes, heard)
        logits = decoding.next_logits([START])
        silent = float(_log_softmax(logits)[NO_SPEECH])
        language = FIRST_LANGUAGE + int(logits[FIRST_LANGUAGE:PAST_LANGUAGES].argmax())
        tokens, mean_log = self._greedy(decoding, decoding.next_logits([language, TRANSCRIBE]))
        text = self._vocabulary.text(tokens)
        is_silent = silent > np.log(SILENT_ABOVE) and mean_log < DOUBTED_BELOW
        is_doubtful = is_silent or repetition(text) > LOOPING_ABOVE
        sentences = () if is_doubtful else tuple(sentences_of(tokens, self._vocabulary))
        return Transcript(sentences, is_english=language == FIRST_LANGUAGE, is_doubtful=is_doubtful)

    def _greedy(self, decoding: _Decoding, logits: Logits) -> tuple[list[int], float]:
        """The likeliest token each time until the end; and their mean log-probability."""
        tokens: list[int] = []
        total = 0.0
        while len(tokens) < MOST_TOKENS:
            possible = _log_softmax(allowed(logits, tokens, self._not_spoken))
            token = int(possible.argmax())
            total += float(possible[token])
            if token == END:
                break
            tokens.append(token)
            logits = decoding.next_logits([token])
        return tokens, total / (len(tokens) + 1)


class _Decoding:
    """One window on its way through the decoder: the cache of its own tokens and of what was heard."""

    def __init__(self, decoder: Any, cache_shapes: dict[str, Any], heard: NDArray[np.float32]) -> None:
        self._decoder, self._heard = decoder, heard
        self._is_cached = False
        self._cache = {name: np.zeros(_empty(shape), np.float32) for name, shape in cache_shapes.items()}

    def next_logits(self, tokens: list[int]) -> Logits:
        """Logits after these further tokens, shape (51865,)."""
        # The keys of what was heard come from the first call only; the cached branch gives none.
        kept = [name for name in self._cache if not self._is_cached or ".decoder." in name]
        outputs = ["logits", *(name.replace("past_key_values", "present") for name in kept)]
        inputs = {
            "input_ids": np.array([tokens], np.int64),
            "encoder_hidden_states": self._heard,
            "use_cache_branch": np.array([self._is_cached]),
            **self._cache,
        }
        logits, *cache = self._decoder.run(outputs, inputs)
        self._cache.update(zip(kept, cache, strict=True))
        self._is_cached = True
        last: Logits = logits[0, -1]
        if last.shape != (TOKEN_COUNT,) or not np.isfinite(last).all():
            raise WeightsError(
                "Whisper's answers are not finite numbers for its tokens; fetch its weights again."
            )
        return last


def repetition(text: str) -> float:
    """Length over compressed length: about 1 to 2 for speech, far above where one phrase goes round and round."""
    content = text.encode("utf-8", "replace")
    return len(content) / len(zlib.compress(content)) if content else 0.0


def _empty(shape: list[Any]) -> list[int]:
    """One row, no time steps: names of axes stand for 1, then 0."""
    batch, heads, _, width = shape
    return [1 if isinstance(batch, str) else batch, heads, 0, width]


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
