"""The product's own loop (network, guidance, grammar, sampling, chord candidates) over a film of one minute."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from benchmarks.speed.contender import Contender
from numpy.typing import NDArray

from emsync.music.compose import compose_with
from emsync.music.guidance import guidance_rows
from emsync.music.model import ComposerModel
from emsync.music.next_token import NextToken
from emsync.options import ComposeOptions
from emsync.types import AffectCurve, AffectPoint, Boundary, CueSheet
from emsync.weights import COMPOSER, load_weights

FILM_S = 60.0
SHEET = CueSheet(
    title="One minute",
    duration_s=FILM_S,
    frame_rate_fps=Fraction(25),
    cuts=(),
    shots=(),
    boundaries=tuple(
        Boundary(time_s, 1.0, "cut") for time_s in (6.0, 13.2, 19.0, 25.4, 33.0, 40.5, 48.2, 54.0)
    ),
    dropped=(),
    affect=AffectCurve(
        (AffectPoint(0.0, -0.4, -0.2), AffectPoint(30.0, 0.5, 0.5), AffectPoint(60.0, 0.2, 0.0))
    ),
)
CHOICES = {"default options": ComposeOptions(), "without guidance": ComposeOptions(affect_guidance=1.0)}
MOST_ROUNDS = 2
LOADS = 5


class TimedModel:
    """A network whose steps are timed; all else goes through."""

    def __init__(self, model: NextToken) -> None:
        self._model = model
        self.network_s = 0.0
        self.steps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """A step of the network, timed."""
        began_s = time.perf_counter()
        logits = self._model.step(tokens, conditions)
        self.network_s += time.perf_counter() - began_s
        self.steps += 1
        return logits


@dataclass(frozen=True)
class Piece:
    """One run of the loop. A step makes a token; those of chord candidates that lost are not in the music."""

    wall_s: float
    network_s: float
    steps: int
    tokens: int


class ComposingLoop:
    """Composes the same piece again and again."""

    def __init__(self, options: ComposeOptions, *, threads: int) -> None:
        self._options = options
        self.batch = len(guidance_rows(options))
        self._model = ComposerModel.load(load_weights(COMPOSER), threads=threads, batch=self.batch)
        self.pieces: list[Piece] = []

    def run(self, _context: int) -> Sequence[float]:
        """Compose once; milliseconds per step."""
        timed_model = TimedModel(self._model)
        began_s = time.perf_counter()
        compose_with(timed_model, SHEET, self._options)
        wall_s = time.perf_counter() - began_s
        self.pieces.append(Piece(wall_s, timed_model.network_s, timed_model.steps, timed_model.position))
        return [1000 * wall_s / timed_model.steps]

    def contender(self, name: str, *, threads: int) -> Contender:
        """Takes its turns once a round, beside the engines at the longest context."""
        labels = {"engine": "composing loop", "options": name, "threads": threads, "batch": self.batch}
        return Contender(labels, self.run, contexts=(1024,), most_rounds=MOST_ROUNDS)


def composing_row(contender: Contender, loop: ComposingLoop) -> dict[str, Any]:
    """What the contender measured, and of that what the network and what Python took: medians over the runs."""
    row = next(contender.rows())
    row.pop("context")
    pieces = loop.pieces
    network_ms = float(np.median([1000 * piece.network_s / piece.steps for piece in pieces]))
    python_ms = float(np.median([1000 * (piece.wall_s - piece.network_s) / piece.steps for piece in pieces]))
    return {
        **row,
        "film_s": FILM_S,
        "wall_s": round(float(np.median([piece.wall_s for piece in pieces])), 3),
        "tokens": pieces[0].tokens,
        "steps": pieces[0].steps,
        "tokens_per_s": round(float(np.median([piece.tokens / piece.wall_s for piece in pieces])), 1),
        "network_ms": round(network_ms, 4),
        "python_ms": round(python_ms, 4),
    }


def load_contender() -> Contender:
    """Reading, checking and loading the weights that ship."""

    def run(_context: int) -> Sequence[float]:
        began_s = time.perf_counter()
        ComposerModel.load(load_weights(COMPOSER))
        return [1000 * (time.perf_counter() - began_s)]

    return Contender({"engine": "load"}, run, contexts=(256,), most_rounds=LOADS)
