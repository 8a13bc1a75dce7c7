"""A kept score cut at a stretch: what is there before and after it, as the writer must know it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from emsync.music.chords import CHORD_PITCHES, TOGETHER_TICKS, chord_onsets
from emsync.music.forced_events import ForcedEvent
from emsync.music.kept_score import KeptScore
from emsync.music.key_plan import tonic_of
from emsync.music.score_plan import ScorePlan
from emsync.music.stretch import Stretch
from emsync.music.tokenizer import Piece, canonical, encode, token_times_ticks
from emsync.music.vocabulary import VOCABULARIES, Vocabulary
from emsync.options import ComposeOptions, RegenerateOptions
from emsync.types import TICKS_PER_S, CueSheet, InstrumentGroup, Notes, Ticks


@dataclass(frozen=True)
class SplitScore:
    """A kept score cut at a stretch: plan, and canonical notes and chords before and after it.

    Notes belong where they begin. `stop_ticks` is None if the stretch ends with the score.
    """

    plan: ScorePlan
    begin_ticks: int
    stop_ticks: int | None
    before: Notes
    after: Notes
    chords_before: Ticks
    chords_after: Ticks
    vocabulary: Vocabulary

    @classmethod
    def of(
        cls, kept: KeptScore, cue_sheet: CueSheet, options: RegenerateOptions, vocabulary_name: str
    ) -> SplitScore:
        """Cut a score for a network of some vocabulary."""
        begin_ticks, stop_ticks = (round(time_s * TICKS_PER_S) for time_s in (options.begin_s, options.end_s))
        onsets = kept.notes["onset_ticks"]
        outside = kept.notes[(onsets < begin_ticks) | (onsets >= stop_ticks)]
        compose = options.compose
        tonic = tonic_of(outside if len(outside) else kept.notes, cue_sheet.affect)
        if compose.instruments is None:
            compose = replace(compose, instruments=_band(outside))
        plan = plan_of(kept, cue_sheet, compose, tonic=tonic)
        notes = canonical(outside, VOCABULARIES[vocabulary_name])
        notes = notes[notes["onset_ticks"] < plan.end_ticks]
        notes["duration_ticks"] = np.minimum(notes["duration_ticks"], plan.end_ticks - notes["onset_ticks"])
        chords = chords_of(kept.notes, plan)
        ends_with_score = stop_ticks > plan.ending.chord_ticks
        stop = plan.end_ticks if ends_with_score else stop_ticks
        return cls(
            plan=plan,
            begin_ticks=begin_ticks,
            stop_ticks=None if ends_with_score else stop_ticks,
            before=notes[notes["onset_ticks"] < begin_ticks],
            after=notes[notes["onset_ticks"] >= stop],
            chords_before=chords[chords < begin_ticks],
            chords_after=chords[(chords >= stop) & (chords < plan.end_ticks)],
            vocabulary=VOCABULARIES[vocabulary_name],
        )

    @property
    def end_of_stretch(self) -> int:
        """Where the stretch ends, in ticks."""
        return self.plan.end_ticks if self.stop_ticks is None else self.stop_ticks

    def tokens(self, notes: Notes, chords: tuple[int, ...]) -> list[int]:
        """The whole score with some notes and chords in the stretch."""
        joined = np.concatenate((self.before, notes, self.after))
        chord_ticks = np.concatenate((self.chords_before, np.array(chords, np.int64), self.chords_after))
        piece = Piece(joined, self.plan.bars.bars_ticks, chord_ticks, self.plan.end_ticks)
        return [int(token) for token in encode(piece, self.vocabulary)]

    def stretch(self) -> Stretch:
        """What the writer must know of the music before."""
        tokens = np.array(self.tokens(self.before[:0], ()))
        times = token_times_ticks(tokens, self.vocabulary)
        is_before = (times < self.begin_ticks) & ~self.vocabulary.time_shift.holds(tokens)
        before = tokens[: int(np.flatnonzero(is_before)[-1]) + 1] if is_before.any() else tokens[:1]
        return Stretch(tuple(before.tolist()), self.begin_ticks, self.stop_ticks)

    def held(self) -> list[ForcedEvent]:
        """The ends of what still sounds when the stretch begins."""
        return [
            ForcedEvent(onset + length, self.vocabulary.off_token(InstrumentGroup(group), pitch))
            for onset, length, group, pitch, _ in self.before.tolist()
            if onset + length >= self.begin_ticks and group in self.vocabulary.off_groups
        ]


def plan_of(kept: KeptScore, cue_sheet: CueSheet, options: ComposeOptions, *, tonic: int) -> ScorePlan:
    """The plan of the film, with the bars of the file and no themes to bring back."""
    plan = ScorePlan.of(cue_sheet, replace(options, planned_bars=False), tonic=tonic)
    bars = kept.bars(plan.end_ticks)
    return replace(plan, options=replace(options, planned_bars=True), bars=bars, sections=())


def _band(notes: Notes) -> tuple[InstrumentGroup, ...] | None:
    """Who plays already; None if that is nobody with a pitch."""
    groups = tuple(InstrumentGroup(number) for number in sorted(set(notes["group"].tolist())))
    return groups if set(groups) - {InstrumentGroup.DRUMS} else None


def chords_of(notes: Notes, plan: ScorePlan) -> Ticks:
    """Chords as in training, and what was struck on boundaries."""
    beats = np.rint(plan.bars.beats_ticks).astype(np.int64)
    bars = plan.bars.bars_ticks
    found = set(chord_onsets(notes, beats, bar_onsets_ticks=bars).tolist()) if len(beats) > 1 else set()
    pitched = notes[notes["group"] != InstrumentGroup.DRUMS]
    for asked_ticks in plan.asked_ticks:
        since = pitched["onset_ticks"] - asked_ticks
        struck = pitched[(since >= 0) & (since <= TOGETHER_TICKS)]
        if len(set(struck["pitch"].tolist())) >= CHORD_PITCHES:
            found.add(int(struck["onset_ticks"].min()))
    return np.array(sorted(found), np.int64)
