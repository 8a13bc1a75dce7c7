"""A theme that comes back, as events that the score must have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from emsync.music.forced_events import ForcedEvent
from emsync.music.form import Section
from emsync.music.grammar import Limits
from emsync.music.overlaps import without_overlaps
from emsync.music.score_plan import ScorePlan
from emsync.music.theme import Theme, in_key
from emsync.music.tokenizer import Piece, on_tokens
from emsync.music.vocabulary import Vocabulary
from emsync.types import InstrumentGroup, Notes


@dataclass(frozen=True)
class Quotation:
    """Events of a theme; until `stop_ticks` nothing else is played. Without events there is none."""

    events: tuple[ForcedEvent, ...]
    stop_ticks: int


def quote_theme(plan: ScorePlan, piece: Piece, section: Section, vocabulary: Vocabulary) -> Quotation:
    """The theme that a section brings back: on its bars, in its key, played by who may play there.

    It stops before the next moment that must be answered, for which the network prepares the music itself.

    Args:
        piece: what is written so far.
        section: the section that begins now.
    """
    nothing = Quotation((), section.start_ticks)
    if section.returns_to is None:
        return nothing
    source = plan.sections[section.returns_to]
    theme = Theme.of(piece, plan.bars, source.start_ticks, source.stop_ticks)
    if theme is None:
        return nothing
    later = (ticks for ticks in plan.asked_ticks if ticks > section.start_ticks)
    notes, chords, stop_ticks = theme.quoted(plan.bars, section.start_ticks, min(section.stop_ticks, *later))
    notes = notes[np.isin(notes["group"], [int(group) for group in plan.groups_at(section.start_ticks)])]
    notes = in_key(notes, plan.key_at(source.start_ticks), plan.key_at(section.start_ticks))
    if not len(notes):
        return nothing
    notes = without_overlaps(_with_first_held(notes, section.start_ticks, stop_ticks))
    return Quotation(tuple(_events_of(notes, chords, vocabulary)), stop_ticks)


def _with_first_held(notes: Notes, start_ticks: int, stop_ticks: int) -> Notes:
    """The same notes, those struck at the start held for as long as a chord must be, up to the stop."""
    held = notes.copy()
    shortest = min(Limits().shortest_chord_ticks, stop_ticks - start_ticks)
    first = notes["onset_ticks"] == start_ticks
    held["duration_ticks"][first] = np.maximum(notes["duration_ticks"][first], shortest)
    return held


def _events_of(notes: Notes, chords_ticks: Iterable[int], vocabulary: Vocabulary) -> Iterator[ForcedEvent]:
    """ONs, OFFs and CHORDs of a quotation."""
    for ticks in chords_ticks:
        yield ForcedEvent(int(ticks), vocabulary.special("CHORD"))
    ons = on_tokens(notes, vocabulary).tolist()
    for on, note in zip(
        ons, notes[["onset_ticks", "duration_ticks", "group", "pitch"]].tolist(), strict=True
    ):
        onset, duration, group, pitch = note
        yield ForcedEvent(onset, on)
        if group in vocabulary.off_groups:
            yield ForcedEvent(onset + duration, vocabulary.off_token(InstrumentGroup(group), pitch))
