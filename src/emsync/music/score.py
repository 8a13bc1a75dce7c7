"""A score being written, one token after another, as its plan wants it.

In `exact` mode a step that would pass a boundary is cut to land on it and a CHORD is sampled there: a few candidates,
of which the one that surprises the network least is taken. In `paper` mode nothing is forced but the last chord, which
is held to the end of the film.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emsync.errors import WeightsError
from emsync.music.forced_events import ForcedEvent, ForcedEvents
from emsync.music.grammar import Grammar
from emsync.music.guidance import guidance_rows
from emsync.music.key_plan import KeyPlan
from emsync.music.sampling import (
    FEW_CANDIDATES,
    draw,
    nucleus,
    probabilities,
    risen_temperature,
    surprise_nats,
)
from emsync.music.score_plan import ScorePlan
from emsync.music.tokenizer import Piece, decode
from emsync.music.vocabulary import LONGEST_SHIFT_TICKS, VOCABULARIES
from emsync.options import SyncMode
from emsync.types import TICK_S, TICKS_PER_S

Logits: TypeAlias = NDArray[np.float32]

ANSWER_WINDOW_S = 1.0
"""In `paper` mode a CHORD this close to a boundary answers it (arXiv:2502.10154)."""
TOKENS_PER_S_BOUND = 400
"""A piece denser than this is not music; the loop ends with an error rather than run on."""

LONGEST_PREFILL = 768
"""Tokens before a stretch that are heard again: what the shipped network's window holds after it slid."""


class NextToken(Protocol):
    """What composing asks of a network; `ComposerModel` is the one that comes with the package."""

    vocabulary_name: str
    horizon_s: float

    @property
    def position(self) -> int:
        """Tokens fed so far."""

    def reset(self) -> None:
        """Forget everything."""

    def truncate(self, position: int) -> None:
        """Take back the newest tokens, so that `position` tokens count as fed."""

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feed tokens (B, T) with their conditions (B, T, 11); logits of the next, (B, V)."""


@dataclass(frozen=True)
class Stretch:
    """A part of a score that is written while the rest is there: `begin_ticks` up to but not at `stop_ticks`.

    `before` is the music before `begin_ticks` as tokens, from START to the last event, without a time shift after it.
    Without `stop_ticks` the stretch ends with the score.
    """

    before: tuple[int, ...]
    begin_ticks: int
    stop_ticks: int | None = None


@dataclass(frozen=True)
class _Place:
    """Where the writer stood, to go back to."""

    grammar: Grammar
    position: int
    tokens: int
    next_asked: int
    next_bar: int
    narrow_steps: int
    nats: float
    own_logits: Logits
    forced: ForcedEvents


class ScoreWriter:
    """Writes one piece with a model that is reset and has a batch of `guidance_rows(plan.options)`."""

    def __init__(
        self,
        plan: ScorePlan,
        model: NextToken,
        rng: np.random.Generator,
        *,
        stretch: Stretch | None = None,
    ) -> None:
        self.vocabulary = VOCABULARIES[model.vocabulary_name]
        self._plan, self._model, self._options, self._rng = plan, model, plan.options, rng
        self._stretch = stretch or Stretch((self.vocabulary.special("START"),), 0)
        self._grammar = Grammar(
            self.vocabulary,
            end_ticks=plan.end_ticks,
            groups=plan.groups,
            bars_are_planned=plan.bars.grid is not None,
        )
        self._key = KeyPlan(self.vocabulary, tonic=plan.tonic, strength=plan.options.key_strength)
        self._rows = guidance_rows(plan.options)
        self._row_weights = np.array([row.weight for row in self._rows], np.float32)
        self._next_asked = self._next_bar = self._narrow_steps = 0
        self._tokens: list[int] = []
        self._nats = 0.0
        self._forced = ForcedEvents(self.vocabulary)
        self._own_logits = np.zeros(self.vocabulary.size, np.float32)  # of the fully conditioned row

    @property
    def nats_per_token(self) -> float:
        """How surprised the network was by what was taken so far; what came before and the ending are not."""
        heard = min(len(self._stretch.before), LONGEST_PREFILL)
        return self._nats / max(self._model.position - heard, 1)

    def force(self, events: Iterable[ForcedEvent]) -> None:
        """Let events come at their times, from now on or later, besides what the network chooses."""
        self._forced = self._forced.joined_by(events)

    def write(self, on_progress: Callable[[float], None] | None = None) -> Piece:
        """Sample up to the last chord, hold it, release it; nothing sounds after the release.

        A stretch that stops before is returned with all that comes before it; what sounds when it stops ends there.
        """
        logits = self.listen()
        most_tokens = len(self._tokens) + 1000 + int(self._plan.end_ticks * TICK_S * TOKENS_PER_S_BOUND)
        while not (self._has_stopped() or self._last_chord_is_struck()):
            due_ticks = self._due_ticks()
            token = self._choose(logits)
            logits = self._take(token)
            if token == self.vocabulary.special("CHORD") and due_ticks == self._grammar.now_ticks:
                logits = self._strike_chord(logits)
            if on_progress and token in self.vocabulary.time_shift:
                on_progress(self._grammar.now_ticks / self._plan.end_ticks)
            if len(self._tokens) > most_tokens:
                raise WeightsError(
                    "the composer's weights write music too dense to end; install emsync again"
                )
        if not self._has_stopped():
            self._hold_to_the_end()
        if on_progress:
            on_progress(1.0)
        piece = decode(np.array(self._tokens, np.uint16), self.vocabulary)
        room = self._plan.ending.release_ticks - piece.notes["onset_ticks"]  # a last drum hit has no OFF
        piece.notes["duration_ticks"] = np.minimum(piece.notes["duration_ticks"], room)
        return piece

    def listen(self) -> Logits:
        """Hear the music before the stretch; logits of what comes next. `write` begins with it."""
        before = self._stretch.before
        conditions = []
        for token in before:
            self._answer(token)
            conditions.append(self._conditions())
        self._tokens.extend(before)
        asked_ticks, bars_ticks = np.array(self._plan.asked_ticks), self._plan.bars.bars_ticks
        begin_ticks = self._stretch.begin_ticks
        passed = min(int(np.searchsorted(asked_ticks, begin_ticks)), len(asked_ticks) - 1)
        self._next_asked = max(self._next_asked, passed)
        self._next_bar = int(np.searchsorted(bars_ticks, begin_ticks))
        heard = slice(-LONGEST_PREFILL, None)
        return self._hear(before[heard], np.stack(conditions[heard], axis=1))

    def surprises_nats(self, tokens: Sequence[int]) -> list[float]:
        """Take tokens that are there already, one by one: how much each surprised the network, guidance aside."""
        before_nats = [0.0]
        for token in tokens:
            self._take(token)
            before_nats.append(self._nats)
        return np.diff(before_nats).tolist()

    def _has_stopped(self) -> bool:
        stop_ticks = self._stretch.stop_ticks
        return stop_ticks is not None and self._grammar.now_ticks >= stop_ticks

    def _strike_chord(self, logits: Logits) -> Logits:
        """Sample a few chords after a CHORD that had to come and keep the least surprising; logits after it."""
        if self._options.chord_candidates == 1:
            return logits
        before = self._place()
        chords: list[tuple[float, list[int]]] = []
        for _ in range(self._options.chord_candidates):
            after = logits
            while self._grammar.chord_is_due:
                after = self._take(self._choose(after))
            chord = self._tokens[before.tokens :]
            chords.append(((self._nats - before.nats) / len(chord), chord))
            self._go_back(before)
        for token in min(chords, key=lambda nats_and_chord: nats_and_chord[0])[1]:
            logits = self._take(token)
        return logits

    def _place(self) -> _Place:
        return _Place(
            self._grammar.copy(),
            self._model.position,
            len(self._tokens),
            self._next_asked,
            self._next_bar,
            self._narrow_steps,
            self._nats,
            self._own_logits,
            self._forced,
        )

    def _go_back(self, place: _Place) -> None:
        self._grammar = place.grammar.copy()
        self._model.truncate(place.position)
        del self._tokens[place.tokens :]
        self._next_asked, self._next_bar = place.next_asked, place.next_bar
        self._narrow_steps, self._nats = place.narrow_steps, place.nats
        self._own_logits, self._forced = place.own_logits, place.forced

    def _choose(self, logits: Logits) -> int:
        """Sample the next token, unless one is forced; a step over the next that must come is cut to land on it."""
        if not np.isfinite(logits).all():
            raise WeightsError(
                "the composer's weights give numbers that are not finite; install emsync again"
            )
        due_ticks, bar_ticks = self._due_ticks(), self._bar_ticks()
        now_ticks = self._grammar.now_ticks
        self._grammar.held = self._forced.held(now_ticks)
        allowed = self._grammar.allowed(
            chord_required=due_ticks == now_ticks,
            bar_required=bar_ticks == now_ticks,
        )
        if now_ticks < self._stretch.begin_ticks:
            allowed = self._silent_until(self._stretch.begin_ticks)
        temperature = risen_temperature(self._options.temperature, self._narrow_steps)
        distribution = probabilities(logits, allowed, temperature=temperature)
        candidates = nucleus(distribution, self._options.top_p)
        is_narrow = len(candidates) <= FEW_CANDIDATES < int(allowed.sum())
        self._narrow_steps = self._narrow_steps + 1 if is_narrow else 0
        token = draw(distribution, candidates, self._rng)
        token = self._forced.instead_of(token, self._grammar, allowed)
        if token in self.vocabulary.time_shift:
            token = max(self._onto_the_grid(token), self._shift_towards(self._stretch.begin_ticks))
            limits = (due_ticks, bar_ticks, self._stretch.stop_ticks, self._forced.next_after(now_ticks))
            room = (
                min((ticks for ticks in limits if ticks is not None), default=self._plan.end_ticks)
                - now_ticks
            )
            return min(token, self.vocabulary.shift_token(min(room, LONGEST_SHIFT_TICKS)))
        return token

    def _silent_until(self, begin_ticks: int) -> NDArray[np.bool_]:
        """Nothing but time shifts up to `begin_ticks` or over it, shape (V,)."""
        allowed = np.zeros(self.vocabulary.size, bool)
        allowed[self._shift_towards(begin_ticks) : self.vocabulary.time_shift.stop] = True
        return allowed

    def _shift_towards(self, begin_ticks: int) -> int:
        """The shortest time shift that leads to `begin_ticks`, or the longest of several."""
        room = min(max(begin_ticks - self._grammar.now_ticks, 1), LONGEST_SHIFT_TICKS)
        return self.vocabulary.shift_token(room)

    def _onto_the_grid(self, token: int) -> int:
        """A time shift that ends on a 16th or triplet if it would end next to one; the longest may go on."""
        ticks = token - self.vocabulary.time_shift.first + 1
        if ticks == LONGEST_SHIFT_TICKS:
            return token
        now_ticks = self._grammar.now_ticks
        moved_ticks = self._plan.bars.on_the_grid(now_ticks + ticks) - now_ticks
        return self.vocabulary.shift_token(moved_ticks) if 0 < moved_ticks <= LONGEST_SHIFT_TICKS else token

    def _bar_ticks(self) -> int | None:
        """The next planned bar line that has no BAR yet."""
        bars_ticks = self._plan.bars.bars_ticks
        return int(bars_ticks[self._next_bar]) if self._next_bar < len(bars_ticks) else None

    def _next_asked_ticks(self) -> int | None:
        """The next moment that is not answered yet."""
        asked_ticks = self._plan.asked_ticks
        return asked_ticks[self._next_asked] if self._next_asked < len(asked_ticks) else None

    def _due_ticks(self) -> int | None:
        """The time that must not be passed without a CHORD; None while the mode forces nothing."""
        asked_ticks = self._next_asked_ticks()
        if asked_ticks is None or self._grammar.chord_is_due:
            return None
        return self._plan.ending.chord_ticks if self._options.sync is SyncMode.PAPER else asked_ticks

    def _take(self, token: int) -> Logits:
        """Write a token and return the logits of the next."""
        self._nats += surprise_nats(self._own_logits, token)
        self._answer(token)
        return self._feed(token)

    def _answer(self, token: int) -> None:
        """Retire boundaries: a CHORD answers the next one, a boundary that was passed is dropped."""
        before_ticks = self._grammar.now_ticks
        self._grammar.accept(token)
        self._forced = self._forced.after(token, before_ticks, self._grammar.now_ticks)
        self._next_bar += token == self.vocabulary.special("BAR")
        now_ticks, asked_ticks = self._grammar.now_ticks, self._plan.asked_ticks
        is_paper = self._options.sync is SyncMode.PAPER
        window_ticks = round(ANSWER_WINDOW_S * TICKS_PER_S) if is_paper else 0
        last = len(asked_ticks) - 1
        if token == self.vocabulary.special("CHORD") and self._next_asked <= last:
            reach_ticks = window_ticks if self._next_asked < last else 0
            if asked_ticks[self._next_asked] - now_ticks <= reach_ticks:
                self._next_asked += 1
        while self._next_asked < last and asked_ticks[self._next_asked] < now_ticks:
            self._next_asked += 1

    def _last_chord_is_struck(self) -> bool:
        return (
            self._next_asked == len(self._plan.asked_ticks)
            and not self._grammar.chord_is_due
            and self._tokens[-1] in self.vocabulary.time_shift
        )

    def _feed(self, token: int) -> Logits:
        """Append a token and return the logits of the next, under the conditions of the music's time now."""
        self._tokens.append(token)
        return self._hear((token,), self._conditions()[:, None])

    def _conditions(self) -> Logits:
        """What each row of the batch is told now, shape (B, 11)."""
        now = self._plan.conditions_at(
            self._grammar.now_ticks, self._next_asked_ticks(), self._model.horizon_s
        )
        conditions = np.repeat(now[None], len(self._rows), axis=0).astype(np.float32)
        for place, row in enumerate(self._rows):
            conditions[place, list(row.dropped)] = np.nan
        return conditions

    def _hear(self, tokens: tuple[int, ...], conditions: Logits) -> Logits:
        """Feed tokens with their conditions (B, T, 11); logits of the next, guided and leaning on the key."""
        rows = len(self._rows)
        logits: Logits = self._model.step(np.repeat(np.array([tokens], np.int64), rows, axis=0), conditions)
        self._own_logits = logits[0]
        guided = logits[0] if rows == 1 else self._row_weights @ logits
        valence = self._plan.valence_at(self._grammar.now_ticks)
        return np.asarray(guided + self._key.bias(valence), np.float32)

    def _hold_to_the_end(self) -> None:
        """Replace what followed the last chord by its resonance: hold, release together, silence, END."""
        while self._tokens[-1] in self.vocabulary.time_shift:
            self._tokens.pop()
        ending = self._plan.ending
        self._append_shift(ending.release_ticks - ending.chord_ticks)
        self._tokens.extend(self._grammar.release_all())
        self._append_shift(self._plan.end_ticks - ending.release_ticks)
        if "END" in self.vocabulary.specials:
            self._tokens.append(self.vocabulary.special("END"))

    def _append_shift(self, ticks: int) -> None:
        while ticks > 0:
            step = min(ticks, LONGEST_SHIFT_TICKS)
            self._tokens.append(self.vocabulary.shift_token(step))
            ticks -= step
