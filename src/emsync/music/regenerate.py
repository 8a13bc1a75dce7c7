"""A stretch of a score is composed anew, and joins what comes before and after without a seam.

The network hears the music before the stretch, then writes as in `compose`; what still sounds from before keeps its end
(a forced event). Of several candidates the one is kept after which the music that follows surprises the network least.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emsync.errors import InputError
from emsync.music.dynamics import shape_dynamics
from emsync.music.guidance import guidance_rows
from emsync.music.hits import hits_of
from emsync.music.kept_score import KeptScore
from emsync.music.midi_edit import count_taken_out, with_other_notes
from emsync.music.model import ComposerModel
from emsync.music.next_token import NextToken
from emsync.music.score import ScoreWriter
from emsync.music.seams import nats_before, nats_from
from emsync.music.split_score import SplitScore, plan_of
from emsync.options import RegenerateOptions
from emsync.types import TICK_S, TICKS_PER_S, CueSheet, Hit, Notes
from emsync.weights import COMPOSER, load_weights, weights_entry

LONGEST_RING_S = 1.0
"""A new note that sounds when its stretch ends may ring on for so long, unless its group plays on or a bar begins."""


@dataclass(frozen=True)
class Regeneration:
    """What was done. Surprise is in nats per token, NaN where there is no music to measure it on."""

    begin_s: float
    end_s: float
    taken_out: int
    put_in: int
    hits: tuple[Hit, ...]
    """Of the boundaries inside the stretch."""
    seed: int
    candidate: int
    nats_at_begin: float
    nats_at_end: float
    nats_elsewhere: float
    weights_sha256: str = ""


def regenerate(
    kept: KeptScore,
    cue_sheet: CueSheet,
    options: RegenerateOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Any, Regeneration]:
    """The score as a `mido.MidiFile` with another stretch, and what was done, with the weights of the package.

    Raises: MidiError if it is not the score of this film; InputError if the stretch is none of it; WeightsError.
    """
    check_stretch(kept, cue_sheet, options)
    batch = len(guidance_rows(options.compose))
    model = ComposerModel.load(load_weights(COMPOSER), threads=options.compose.threads, batch=batch)
    made, done = regenerate_with(model, kept, cue_sheet, options, on_progress=on_progress)
    return made, replace(done, weights_sha256=weights_entry(COMPOSER).sha256)


def check_stretch(kept: KeptScore, cue_sheet: CueSheet, options: RegenerateOptions) -> None:
    """Raise MidiError if the score is not of this film, InputError if the stretch does not lie in it."""
    kept.check_length(cue_sheet.duration_s)
    begin_s, end_s, film_s = options.begin_s, options.end_s, cue_sheet.duration_s
    if end_s - begin_s < options.shortest_s:
        raise InputError(
            f"the stretch from {begin_s:g} s to {end_s:g} s is too short; "
            f"let --to lie at least {options.shortest_s:g} s after --from"
        )
    if end_s > film_s + 0.05:
        raise InputError(f"--to {end_s:g} lies after the end of the film at {film_s:.2f} s; give less")
    last_s = plan_of(kept, cue_sheet, options.compose, tonic=0).ending.chord_ticks * TICK_S
    if begin_s > last_s:
        raise InputError(f"--from {begin_s:g} lies after the last chord at {last_s:.2f} s; begin before it")


def regenerate_with(
    model: NextToken,
    kept: KeptScore,
    cue_sheet: CueSheet,
    options: RegenerateOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Any, Regeneration]:
    """Like `regenerate`, with a model that is already loaded and a stretch that was checked."""
    score = SplitScore.of(kept, cue_sheet, options, model.vocabulary_name)
    count = options.candidates if score.stop_ticks is not None else 1
    drafts = []
    for number in range(count):
        told = _told(on_progress, score, number, count)
        drafts.append(draft_of(score, model, np.random.default_rng((options.compose.seed, number)), told))
    best = int(np.argmin([draft.nats_at_end for draft in drafts])) if count > 1 else 0
    draft = drafts[best]
    chords = (*score.chords_before.tolist(), *draft.chords, *score.chords_after.tolist())
    begin_ticks, end_ticks = score.begin_ticks, score.end_of_stretch
    inside = [
        begin_ticks <= round(boundary.time_s * TICKS_PER_S) < end_ticks for boundary in cue_sheet.boundaries
    ]
    hits = tuple(
        hit for hit, is_inside in zip(hits_of(cue_sheet.boundaries, chords), inside, strict=True) if is_inside
    )
    notes = shape_dynamics(
        draft.notes,
        affect=cue_sheet.affect,
        chord_onsets_ticks=draft.chords,
        hits=hits,
        bar_onsets_ticks=score.plan.bars.bars_ticks,
    )
    made = with_other_notes(kept, begin_ticks, end_ticks, notes, hits)
    return made, Regeneration(
        begin_s=begin_ticks * TICK_S,
        end_s=end_ticks * TICK_S,
        taken_out=count_taken_out(kept, begin_ticks, end_ticks),
        put_in=len(notes),
        hits=hits,
        seed=options.compose.seed,
        candidate=best,
        nats_at_begin=nats_from(
            score, model, draft.notes, draft.chords, since_ticks=begin_ticks, until_ticks=end_ticks
        ),
        nats_at_end=draft.nats_at_end,
        nats_elsewhere=nats_before(score, model),
    )


@dataclass(frozen=True)
class Draft:
    """One candidate: notes and chords of the stretch."""

    notes: Notes
    chords: tuple[int, ...]
    nats_at_end: float = math.nan


def _told(
    on_progress: Callable[[float], None] | None, score: SplitScore, number: int, count: int
) -> Callable[[int], None] | None:
    """Progress of one draft of several, of which the writer tells the time that it has come to."""
    if on_progress is None:
        return None
    begin, length = score.begin_ticks, score.end_of_stretch - score.begin_ticks
    return lambda ticks: on_progress((number + min(max((ticks - begin) / length, 0.0), 1.0)) / count)


def draft_of(
    score: SplitScore,
    model: NextToken,
    rng: np.random.Generator,
    on_time: Callable[[int], None] | None = None,
) -> Draft:
    """Write the stretch once, and measure how well the music goes on; `on_time` is told where it is, in ticks."""
    model.reset()
    writer = ScoreWriter(score.plan, model, rng, stretch=score.stretch())
    writer.force(score.held())
    piece = writer.write(None if on_time is None else lambda _, ticks: on_time(ticks))
    if on_time is not None:
        on_time(score.end_of_stretch)
    end_ticks = score.end_of_stretch
    onsets = piece.notes["onset_ticks"]
    notes = piece.notes[(onsets >= score.begin_ticks) & (onsets < end_ticks)]
    chords = piece.chord_onsets_ticks
    inside = tuple(chords[(chords >= score.begin_ticks) & (chords < end_ticks)].tolist())
    if score.stop_ticks is None:
        return Draft(notes, inside)
    draft = Draft(_rung_out(notes, score), inside)
    nats = nats_from(
        score,
        model,
        draft.notes,
        draft.chords,
        since_ticks=score.stop_ticks,
        until_ticks=score.plan.end_ticks,
    )
    return replace(draft, nats_at_end=nats)


def _rung_out(notes: Notes, score: SplitScore) -> Notes:
    """Notes that sound at the end of the stretch end when their group goes on, a bar begins, or after a second."""
    end_ticks = score.end_of_stretch
    bars = score.plan.bars.bars_ticks
    latest = [end_ticks + round(LONGEST_RING_S * TICKS_PER_S), score.plan.ending.release_ticks]
    latest += bars[bars >= end_ticks][:1].tolist()
    rung = notes.copy()
    for place in np.flatnonzero(rung["onset_ticks"] + rung["duration_ticks"] == end_ticks):
        group = rung["group"][place]
        if group not in score.vocabulary.off_groups:
            continue
        following = score.after["onset_ticks"][score.after["group"] == group][:1].tolist()
        rung["duration_ticks"][place] = max(min(latest + following), end_ticks) - rung["onset_ticks"][place]
    return rung
