"""A score being written, one token after another, as its plan wants it.

In `exact` mode a step that would pass a boundary is cut to land on it and a CHORD is sampled there: a few candidates,
of which the one that surprises the network least is taken. In `paper` mode nothing is forced but the last chord, which
is held to the end of the film.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from emsync.errors import WeightsError
from emsync.music.forced_events import ForcedEvent, ForcedEvents
from emsync.music.grammar import Grammar, Mask
from emsync.music.guidance import GuidedModel, Logits
from emsync.music.hits import ANSWER_WINDOW_S
from emsync.music.next_token import NextToken
from emsync.music.quotation import quote_theme
from emsync.music.sampling import (
    FEW_CANDIDATES,
    draw,
    nucleus,
    probabilities,
    risen_temperature,
    surprise_nats,
)
from emsync.music.score_plan import ScorePlan
from emsync.music.shaping import Shaping, shapings_of
from emsync.music.stretch import LONGEST_PREFILL, Stretch
from emsync.music.tokenizer import Piece, decode
from emsync.music.vocabulary import LONGEST_SHIFT_TICKS, VOCABULARIES
from emsync.options import SyncMode
from emsync.types import TICK_S, TICKS_PER_S

TOKENS_PER_S_BOUND = 400
"""A piece denser than this is not music; the loop ends with an error rather than run on."""


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
    shapings: tuple[Shaping, ...]


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
            groups=plan.groups_at(0),
            bars_are_planned=plan.bars.grid is not None,
        )
        self._shapings = shapings_of(self.vocabulary, plan)
        self._guided = GuidedModel(model, plan.options)
        guided, horizon_s = self._guided, model.horizon_s  # not self: the model must go when its writer goes
        remembered = lru_cache(maxsize=4)  # many tokens lie on one tick
        self._told_at: Callable[[int, int | None], Logits] = remembered(
            lambda now, asked: guided.told(plan.conditions_at(now, asked, horizon_s))
        )
        self._next_asked = self._next_bar = self._narrow_steps = 0
        self._tokens: list[int] = []
        self._nats = 0.0
        self._forced = ForcedEvents(self.vocabulary)
        self._next_section = 0
        self._quoted_until_ticks = 0
        self._own_logits = np.zeros(self.vocabulary.size, np.float32)  # of the fully conditioned row

    @property
    def nats_per_token(self) -> float:
        """How surprised the network was by what was taken so far; what came before and the ending are not."""
        heard = min(len(self._stretch.before), LONGEST_PREFILL)
        return self._nats / max(self._model.position - heard, 1)

    def force(self, events: Iterable[ForcedEvent]) -> None:
        """Let events come at their times, from now on or later, besides what the network chooses."""
        self._forced = self._forced.joined_by(events)

    def write(self, on_step: Callable[[Sequence[int], int], None] | None = None) -> Piece:
        """Sample up to the last chord, hold it, release it; nothing sounds after the release.

        A stretch that stops before is returned with all that comes before it; what sounds when it stops ends there.
        `on_step` gets all tokens so far and their time at each time shift; none before the last chord changes later.
        """
        logits = self.listen()
        most_tokens = len(self._tokens) + 1000 + int(self._plan.end_ticks * TICK_S * TOKENS_PER_S_BOUND)
        while not (self._has_stopped() or self._last_chord_is_struck()):
            self._open_section()
            due_ticks = self._due_ticks()
            token = self._choose(logits)
            logits = self._take(token)
            if token == self.vocabulary.special("CHORD") and due_ticks == self._grammar.now_ticks:
                logits = self._strike_chord(logits)
            if on_step and token in self.vocabulary.time_shift:
                on_step(self._tokens, self._grammar.now_ticks)
            if len(self._tokens) > most_tokens:
                raise WeightsError(
                    "the composer's weights write music too dense to end; install emsync again"
                )
        if not self._has_stopped():
            self._hold_to_the_end()
        piece = decode(np.array(self._tokens, np.uint16), self.vocabulary)
        room = self._plan.ending.release_ticks - piece.notes["onset_ticks"]  # a last drum hit has no OFF
        piece.notes["duration_ticks"] = np.minimum(piece.notes["duration_ticks"], room)
        return piece

    def listen(self) -> Logits:
        """Hear the music before the stretch; logits of what comes next. `write` begins with it."""
        before = self._stretch.before
        told = []
        for place, token in enumerate(before):
            self._answer(token)
            self._append(token)
            if place >= len(before) - LONGEST_PREFILL:
                told.append(self._told())
        begin_ticks, asked_ticks = self._stretch.begin_ticks, np.array(self._plan.asked_ticks)
        passed = min(int(np.searchsorted(asked_ticks, begin_ticks)), len(asked_ticks) - 1)
        self._next_asked = max(self._next_asked, passed)
        self._next_bar = int(np.searchsorted(self._plan.bars.bars_ticks, begin_ticks))
        return self._logits(before[-LONGEST_PREFILL:], np.stack(told, axis=1))

    def surprises_nats(self, tokens: Sequence[int]) -> list[float]:
        """Take tokens that are there already, one by one: how much each surprised the network, guidance aside."""
        nats = [self._nats]
        for token in tokens:
            self._take(token)
            nats.append(self._nats)
        return [float(one) for one in np.diff(nats)]

    def _has_stopped(self) -> bool:
        stop_ticks = self._stretch.stop_ticks
        return stop_ticks is not None and self._grammar.now_ticks >= stop_ticks

    def _open_section(self) -> None:
        """At the beginning of a section that brings a theme back, let go of all notes and quote the theme."""
        sections, now_ticks = self._plan.sections, self._grammar.now_ticks
        if self._next_section == len(sections) or now_ticks < sections[self._next_section].start_ticks:
            return
        section = sections[self._next_section]
        self._next_section += 1
        if section.returns_to is None or not self._options.themes or now_ticks > section.start_ticks:
            return
        piece = decode(np.array(self._tokens, np.uint16), self.vocabulary)
        quotation = quote_theme(self._plan, piece, section, self.vocabulary)
        released = [ForcedEvent(now_ticks, off) for off in self._grammar.release_all()]
        self.force([*released, *quotation.events] if quotation.events else [])
        self._quoted_until_ticks = quotation.stop_ticks

    @property
    def _is_quoting(self) -> bool:
        return self._grammar.now_ticks < self._quoted_until_ticks

    def _quote(self, allowed: Mask) -> int | None:
        """What a quotation does: its forced events, bar lines, due chords, steps; None: ask the network."""
        step, now_ticks = self.vocabulary.time_shift, self._grammar.now_ticks
        chosen = self.vocabulary.shift_token(LONGEST_SHIFT_TICKS)
        if now_ticks in (self._bar_ticks(), self._due_ticks()):
            chosen = self.vocabulary.special("BAR" if now_ticks == self._bar_ticks() else "CHORD")
        forced = self._forced.instead_of(chosen, self._grammar, allowed)
        if forced != chosen:
            return forced
        if chosen not in step:
            return chosen if allowed[chosen] else None
        steps = np.flatnonzero(allowed[step.first : step.stop])
        return step.first + int(steps[-1]) if len(steps) else None

    def _strike_chord(self, logits: Logits) -> Logits:
        """Sample a few chords after a CHORD that had to come and keep the least surprising; logits after it."""
        if self._options.chord_candidates == 1 or self._is_quoting:
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
            tuple(shaping.copy() for shaping in self._shapings),
        )

    def _go_back(self, place: _Place) -> None:
        self._grammar = place.grammar.copy()
        self._model.truncate(place.position)
        del self._tokens[place.tokens :]
        self._next_asked, self._next_bar = place.next_asked, place.next_bar
        self._narrow_steps, self._nats = place.narrow_steps, place.nats
        self._own_logits, self._forced = place.own_logits, place.forced
        self._shapings = tuple(shaping.copy() for shaping in place.shapings)

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
        token = self._quote(allowed) if self._is_quoting else None
        if token is None:
            chosen = self._sample(logits, self._with_chords_held(allowed))
            token = self._forced.instead_of(chosen, self._grammar, allowed)
        if token in self.vocabulary.time_shift:
            token = max(self._onto_the_grid(token), self._shift_towards(self._stretch.begin_ticks))
            limits = (
                due_ticks,
                bar_ticks,
                self._forced.next_after(now_ticks),
                self._leave_ticks(),
                self._stretch.stop_ticks,
            )
            room = (
                min((ticks for ticks in limits if ticks is not None), default=self._plan.end_ticks)
                - now_ticks
            )
            return min(token, self.vocabulary.shift_token(min(room, LONGEST_SHIFT_TICKS)))
        return token

    def _with_chords_held(self, allowed: Mask) -> Mask:
        """What is allowed without cutting a chord short, or all that is allowed if there is nothing else; shape (V,).

        In `paper` mode nothing is held: the network does as it likes.
        """
        if self._options.sync is SyncMode.PAPER:
            return allowed
        held = allowed & ~self._grammar.chord_offs()
        return held if held.any() else allowed

    def _sample(self, logits: Logits, allowed: Mask) -> int:
        """A token of the nucleus, the temperature risen where the nucleus stayed narrow."""
        temperature = risen_temperature(self._options.temperature, self._narrow_steps)
        distribution = probabilities(logits, allowed, temperature=temperature)
        candidates = nucleus(distribution, self._options.top_p)
        is_narrow = len(candidates) <= FEW_CANDIDATES < int(allowed.sum())
        self._narrow_steps = self._narrow_steps + 1 if is_narrow else 0
        return draw(distribution, candidates, self._rng)

    def _silent_until(self, begin_ticks: int) -> Mask:
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

    def _leave_ticks(self) -> int | None:
        """When a group that sounds now must stop at the next direction."""
        directions = self._plan.directions
        next_ticks = directions.next_after(self._grammar.now_ticks)
        if next_ticks is None or not self._grammar.sounds_beside(directions.at(next_ticks).groups):
            return None
        return next_ticks

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
        self._grammar.play(self._plan.groups_at(self._grammar.now_ticks))
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
        self._append(token)
        return self._logits((token,), self._told()[:, None])

    def _append(self, token: int) -> None:
        """Write a token down; every shaping hears it."""
        self._tokens.append(token)
        for shaping in self._shapings:
            shaping.accept(token, self._grammar.now_ticks)

    def _told(self) -> Logits:
        """What each row of the batch is told now, shape (B, 11)."""
        return self._told_at(self._grammar.now_ticks, self._next_asked_ticks())

    def _logits(self, tokens: Sequence[int], told: Logits) -> Logits:
        """Feed tokens with what each row is told (B, T, 11); logits of the next, guided and shaped."""
        self._own_logits, guided = self._guided.step(tokens, told)
        leaning = [one.bias(self._grammar.now_ticks) for one in self._shapings]
        return np.asarray(sum((bias for bias in leaning if bias is not None), guided), np.float32)

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
