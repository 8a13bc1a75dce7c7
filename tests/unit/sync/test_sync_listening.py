"""Nats of composed tokens are those of the logits that foretold them, and composing is not changed by counting."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.sync.listening_model import ListeningModel
from numpy.typing import NDArray

from emsync.music.sampling import surprise_nats

NATS = np.log([0.5, 0.25, 0.25]).astype(np.float32)


class KnownModel:
    """Foretells token 0 with a half, the others with a quarter each; remembers what it was fed."""

    vocabulary_name = "known"

    def __init__(self) -> None:
        self.fed: list[int] = []

    def reset(self) -> None:
        self.fed = []

    def truncate(self, position: int) -> None:
        del self.fed[position:]

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        self.fed.extend(tokens[0].tolist())
        return np.stack([NATS + 3, np.full(3, np.nan, np.float32)])  # the second row is of guidance


def feed(model: ListeningModel, *tokens: int) -> None:
    model.step(np.array([tokens, tokens]), np.zeros((2, len(tokens), 11), np.float32))


def listening() -> ListeningModel:
    return ListeningModel(KnownModel())  # type: ignore[arg-type]


def test_nats_are_minus_log_of_the_softmax() -> None:
    assert surprise_nats(NATS + 100, 0) == pytest.approx(np.log(2), abs=1e-5)
    assert surprise_nats(NATS - 100, 2) == pytest.approx(np.log(4), abs=1e-5)


def test_every_token_but_the_first_has_nats_however_it_is_fed() -> None:
    one_by_one, at_once = listening(), listening()
    for token in (1, 0, 2):
        feed(one_by_one, token)
    feed(at_once, 1, 0, 2)
    assert one_by_one.nats == pytest.approx(np.log([2, 4]), abs=1e-5)
    assert at_once.nats == pytest.approx(one_by_one.nats)


def test_tokens_taken_back_take_their_nats_along() -> None:
    model = listening()
    feed(model, 1, 0, 2)
    model.truncate(2)
    assert model.nats == pytest.approx(np.log([2]), abs=1e-5)
    feed(model, 0)
    assert model.nats == pytest.approx(np.log([2, 2]), abs=1e-5)
    model.truncate(0)
    assert len(model.nats) == 0


def test_reset_forgets_and_everything_else_is_the_models_own() -> None:
    model = listening()
    feed(model, 1, 0)
    model.reset()
    assert len(model.nats) == 0
    assert model.fed == []
    assert model.vocabulary_name == "known"
