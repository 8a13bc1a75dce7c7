"""A cue sheet becomes music: plan the score, write it token after token, shape its dynamics, report its hits.

Every token is chosen under the affect of its time, the offset to the next unanswered boundary and the place in the
planned bars (`score.py`); what is planned is in `score_plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from emsync.music.dynamics import shape_dynamics
from emsync.music.form import named
from emsync.music.guidance import guidance_rows
from emsync.music.hits import hits_of
from emsync.music.lanes import write_together
from emsync.music.messages_ahead import Hearer, MessagesAhead
from emsync.music.model import ComposerModel
from emsync.music.next_token import NextToken
from emsync.music.score import ScoreWriter
from emsync.music.score_plan import ScorePlan
from emsync.options import ComposeOptions
from emsync.types import Composition, CueSheet
from emsync.weights import COMPOSER, load_weights, weights_entry

MOST_TOGETHER = 4
"""Takes written side by side; more would need memory for their caches and gain little."""


def compose(
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
    hear: Hearer | None = None,
) -> Composition:
    """Compose the music for a cue sheet with the weights that come with the package.

    The same cue sheet, options and weights give the same notes. `on_progress` gets the part done, 0 to 1; `hear` what
    the MIDI file will say, as far as it is certain, where bars are planned.
    Raises: CueSheetError if the film is too short for any music, WeightsError if the weights are missing,
        altered or give no finite numbers.
    """
    sha256 = weights_entry(COMPOSER).sha256
    return compose_with(
        _model_for(options, 1),
        cue_sheet,
        options,
        weights_sha256=sha256,
        on_progress=on_progress,
        hear=hear,
    )


def _model_for(options: ComposeOptions, pieces: int) -> ComposerModel:
    """A network with rows for some pieces side by side."""
    batch = len(guidance_rows(options)) * pieces
    return ComposerModel.load(load_weights(COMPOSER), threads=options.threads, batch=batch)


def compose_takes(
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
    hear: Hearer | None = None,
) -> tuple[Composition, ...]:
    """`options.takes` pieces for a cue sheet, one for each of `take_seeds`, `MOST_TOGETHER` of them side by side.

    The same options give the same takes. What one of their seeds gives alone may be another piece: see `lanes`. A take
    that is the only one is told to `hear` as in `compose`.
    Raises: as `compose`; ValueError for fewer than one take.
    """
    if options.takes == 1:
        return (compose(cue_sheet, options, on_progress=on_progress, hear=hear),)
    seeds, sha256 = take_seeds(options), weights_entry(COMPOSER).sha256
    model = _model_for(options, min(len(seeds), MOST_TOGETHER))
    made: list[Composition] = []
    for first in range(0, len(seeds), MOST_TOGETHER):
        together = seeds[first : first + MOST_TOGETHER]

        def tell(part: float, done: int = len(made), share: int = len(together)) -> None:
            if on_progress is not None:
                on_progress((done + part * share) / len(seeds))

        if model.batch != len(guidance_rows(options)) * len(together):  # fewer are left than before
            model = _model_for(options, len(together))
        made += compose_together(model, cue_sheet, options, together, weights_sha256=sha256, on_progress=tell)
    return tuple(made)


def compose_together(
    model: ComposerModel,
    cue_sheet: CueSheet,
    options: ComposeOptions,
    seeds: Sequence[int],
    *,
    weights_sha256: str = "",
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Composition, ...]:
    """One piece for each seed, with a model whose batch has the guidance rows of all of them."""
    parts = [0.0] * len(seeds)

    def writer_of(place: int) -> Callable[[NextToken], Composition]:
        return lambda lane: compose_with(
            lane,
            cue_sheet,
            replace(options, seed=seeds[place]),
            weights_sha256=weights_sha256,
            on_progress=partial(parts.__setitem__, place),
        )

    def tell() -> None:
        if on_progress is not None:
            on_progress(sum(parts) / len(parts))

    made = write_together(model, [writer_of(place) for place in range(len(seeds))], on_step=tell)
    tell()
    return made


def take_seeds(options: ComposeOptions) -> range:
    """The seeds of the takes: `seed`, `seed` + 1, ... Raises: ValueError for fewer than one take."""
    if options.takes < 1:
        raise ValueError(f"takes must be 1 or more, got {options.takes}")
    return range(options.seed, options.seed + options.takes)


def compose_with(
    model: NextToken,
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    weights_sha256: str = "",
    on_progress: Callable[[float], None] | None = None,
    hear: Hearer | None = None,
) -> Composition:
    """Compose with a model that is already loaded, with a batch of `guidance_rows(options)`, and reset before."""
    rng = np.random.default_rng(options.seed)
    plan = ScorePlan.of(cue_sheet, options, tonic=int(rng.integers(12)))
    model.reset()
    writer = ScoreWriter(plan, model, rng)
    ahead = None
    if hear is not None and plan.bars.grid is not None:
        ahead = MessagesAhead(plan, writer.vocabulary, hear)

    def tell(tokens: Sequence[int], now_ticks: int) -> None:
        if on_progress is not None:
            on_progress(now_ticks / plan.end_ticks)
        if ahead is not None:
            ahead.accept(tokens, now_ticks)

    piece = writer.write(tell)
    if on_progress is not None:
        on_progress(1.0)
    chords = tuple(int(ticks) for ticks in piece.chord_onsets_ticks)
    hits = hits_of(cue_sheet.boundaries, chords)
    notes = shape_dynamics(
        piece.notes,
        affect=cue_sheet.affect,
        chord_onsets_ticks=chords,
        hits=hits,
        bar_onsets_ticks=piece.bar_onsets_ticks,
    )
    return Composition(
        notes=notes,
        bar_onsets_ticks=tuple(int(ticks) for ticks in piece.bar_onsets_ticks),
        chord_onsets_ticks=chords,
        duration_ticks=plan.end_ticks,
        hits=hits,
        seed=options.seed,
        weights_sha256=weights_sha256,
        grid=plan.bars.grid,
        nats_per_token=writer.nats_per_token,
        sections=named(plan.sections),
    )
