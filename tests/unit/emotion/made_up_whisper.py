"""A Whisper that says what a test tells it to, with the inputs, outputs and cache of the real one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from emsync.emotion.features.whisper import Whisper
from emsync.emotion.features.whisper_tokens import END, FIRST_LANGUAGE, TOKEN_COUNT, Vocabulary, byte_letters

WORDS = (" hello", " good", " day", "[", " \u266a", " I", " am", " so", " happy", " sad")
SHAPE = ["batch_size", 6, "past", 64]


@cache
def made_up_vocabulary() -> Vocabulary:
    """`WORDS`, then as many strange words as Whisper's vocabulary has."""
    letters = {value: letter for letter, value in byte_letters().items()}
    names = ["".join(letters[value] for value in word.encode()) for word in WORDS]
    names += [f"w{number}" for number in range(END - len(names))]
    return Vocabulary.from_json(json.dumps({name: number for number, name in enumerate(names)}).encode())


def token_of(word: str) -> int:
    return WORDS.index(word)


@dataclass(frozen=True)
class Input:
    name: str
    shape: list[Any]


class Encoder:
    def run(self, outputs: list[str], inputs: dict[str, Any]) -> list[Any]:
        assert outputs == ["last_hidden_state"]
        assert inputs["input_features"].shape == (1, 80, 3000)
        return [np.zeros((1, 1500, 384), np.float32)]


@dataclass
class Decoder:
    """Says `script`, token by token; holds every call against the cache that it should have been given."""

    script: Sequence[int]
    language: int = FIRST_LANGUAGE
    silence: float = -10.0
    value: float = 20.0
    calls: list[list[int]] = field(default_factory=list)

    def get_inputs(self) -> list[Input]:
        sides = [f"{side}.{kind}" for side in ("decoder", "encoder") for kind in ("key", "value")]
        caches = [Input(f"past_key_values.{layer}.{side}", SHAPE) for layer in range(4) for side in sides]
        return [Input("input_ids", ["batch_size", "length"]), *caches]

    def run(self, outputs: list[str], inputs: dict[str, Any]) -> list[Any]:
        tokens = inputs["input_ids"][0].tolist()
        if tokens[0] == 50258:  # the start of a window
            self.calls.clear()
        is_first = not self.calls
        seen = sum(len(call) for call in self.calls)
        assert inputs["use_cache_branch"].tolist() == [not is_first]
        assert inputs["past_key_values.3.decoder.key"].shape == (1, 6, seen, 64)
        assert inputs["past_key_values.0.encoder.value"].shape == (1, 6, 0 if is_first else 1500, 64)
        self.calls.append(tokens)
        return [self._logits(len(tokens)), *(self._cache(name, seen + len(tokens)) for name in outputs[1:])]

    def _logits(self, length: int) -> Any:
        logits = np.zeros((1, length, TOKEN_COUNT), np.float32)
        spoken = len(self.calls) - 2
        if spoken < 0:
            logits[0, -1, self.language] = 5.0
            logits[0, -1, 50362] = self.silence
        else:
            token = self.script[spoken] if spoken < len(self.script) else END
            logits[0, -1, token] = self.value
        return logits

    def _cache(self, name: str, length: int) -> Any:
        assert len(self.calls) == 1 or ".decoder." in name
        return np.zeros((1, 6, length if ".decoder." in name else 1500, 64), np.float32)


def made_up_whisper(script: Sequence[int], **settings: Any) -> Whisper:
    """A Whisper that says the tokens of `script`."""
    return Whisper(Encoder(), Decoder(script, **settings), made_up_vocabulary())
