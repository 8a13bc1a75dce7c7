"""A cue sheet becomes music: plan the score, write it token after token, shape its dynamics, report its hits.

Every token is chosen under the affect of its time, the offset to the next unanswered boundary and the place in the
planned bars (`score.py`); what is planned is in `score_plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from emsync.music.dynamics import shape_dynamics
from emsync.music.form import named
from emsync.music.guidance import guidance_rows
from emsync.music.hits import hits_of
from emsync.music.model import ComposerModel
from emsync.music.next_token import NextToken
from emsync.music.score import ScoreWriter
from emsync.music.score_plan import ScorePlan
from emsync.options import ComposeOptions
from emsync.types import Composition, CueSheet
from emsync.weights import COMPOSER, load_weights, weights_entry


def compose(
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Composition:
    """Compose the music for a cue sheet with the weights that come with the package.

    The same cue sheet, options and weights give the same notes. `on_progress` gets the part done, 0 to 1.
    Raises: CueSheetError if the film is too short for any music, WeightsError if the weights are missing,
        altered or give no finite numbers.
    """
    return compose_takes(cue_sheet, replace(options, takes=1), on_progress=on_progress)[0]


def compose_takes(
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Composition, ...]:
    """`options.takes` pieces for a cue sheet, each the one that `compose` gives for its seed; one load of the weights.

    Raises: as `compose`; ValueError for fewer than one take.
    """
    batch = len(guidance_rows(options))
    model = ComposerModel.load(load_weights(COMPOSER), threads=options.threads, batch=batch)
    sha256 = weights_entry(COMPOSER).sha256
    return compose_takes_with(model, cue_sheet, options, weights_sha256=sha256, on_progress=on_progress)


def compose_takes_with(
    model: NextToken,
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    weights_sha256: str = "",
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Composition, ...]:
    """Compose all takes with a model that is already loaded, one after another; seeds as in `take_seeds`."""
    seeds = take_seeds(options)

    def told(done: int) -> Callable[[float], None] | None:
        return None if on_progress is None else lambda part: on_progress((done + part) / len(seeds))

    return tuple(
        compose_with(
            model,
            cue_sheet,
            replace(options, seed=seed),
            weights_sha256=weights_sha256,
            on_progress=told(done),
        )
        for done, seed in enumerate(seeds)
    )


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
) -> Composition:
    """Compose with a model that is already loaded, with a batch of `guidance_rows(options)`, and reset before."""
    rng = np.random.default_rng(options.seed)
    plan = ScorePlan.of(cue_sheet, options, tonic=int(rng.integers(12)))
    model.reset()
    writer = ScoreWriter(plan, model, rng)
    piece = writer.write(on_progress)
    chords = tuple(int(ticks) for ticks in piece.chord_onsets_ticks)
    hits = hits_of(cue_sheet, chords)
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
