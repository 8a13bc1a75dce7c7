"""What is added to the network's logits before a token is chosen: a few shapings, each with its own reason."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from emsync.music.cadence import CadenceShaping
from emsync.music.density import DensityShaping
from emsync.music.key_plan import KeyPlan
from emsync.music.presence import PresenceShaping
from emsync.music.score_plan import ScorePlan
from emsync.music.vocabulary import Vocabulary
from emsync.types import Floats


class Shaping(Protocol):
    """Hears every token of a piece and leans on the choice of the next."""

    def copy(self) -> Shaping:
        """The same state, which goes its own way from here on."""

    def accept(self, token: int, now_ticks: int) -> None:
        """Hear a token after which it is `now_ticks`."""

    def bias(self, now_ticks: int) -> Floats | None:
        """What is added to the logits of the next token, shape (V,); None: nothing."""


class KeyShaping:
    """Notes lean on the key of their time; it hears nothing."""

    def __init__(self, vocabulary: Vocabulary, plan: ScorePlan) -> None:
        self._plan = plan
        own, asked = plan.options.key_strength, plan.options.asked_key_strength
        self._own_key = KeyPlan(vocabulary, tonic=plan.tonic, strength=own)
        self._asked_key = KeyPlan(vocabulary, tonic=plan.tonic, strength=asked)
        self._bias_at = lru_cache(maxsize=4)(self._bias)  # many tokens lie on one tick

    def copy(self) -> KeyShaping:
        """Itself: there is no state."""
        return self

    def accept(self, token: int, now_ticks: int) -> None:
        """Nothing is remembered."""

    def bias(self, now_ticks: int) -> Floats:
        """The prior of the key asked for, or of the film's tonic and the mode that valence sets."""
        return self._bias_at(now_ticks)

    def _bias(self, now_ticks: int) -> Floats:
        valence, key = self._plan.valence_at(now_ticks), self._plan.directions.at(now_ticks).key
        return self._own_key.bias(valence) if key is None else self._asked_key.bias(valence, key)


def shapings_of(vocabulary: Vocabulary, plan: ScorePlan) -> tuple[Shaping, ...]:
    """All that leans on the choices of a score."""
    directions, options = plan.directions, plan.options
    return (
        KeyShaping(vocabulary, plan),
        CadenceShaping(vocabulary, plan),
        DensityShaping(
            vocabulary, lambda ticks: directions.at(ticks).density, ceiling=options.density_ceiling
        ),
        PresenceShaping(vocabulary, lambda ticks: directions.at(ticks).instruments),
    )
