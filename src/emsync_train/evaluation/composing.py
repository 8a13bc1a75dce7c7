"""Pieces to measure: made-up films, and composers that write for many of them over processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from emsync.music.compose import compose_with
from emsync.music.guidance import guidance_rows
from emsync.music.model import ComposerModel
from emsync.music.next_token import NextToken
from emsync.options import ComposeOptions
from emsync.types import AffectCurve, AffectPoint, Boundary, Composition, CueSheet
from emsync.weights import COMPOSER, load_weights
from emsync_train.export import load_checkpoint
from emsync_train.torch_composer import TorchComposer

FILM_SEED = 11
GAPS_S = (4.0, 10.0)
"""Cuts of the made-up films lie this far apart, drawn evenly."""
LAST_BOUNDARY_S = 5.0
"""No boundary lies nearer to the end: the last chord, which every piece gets, must not be mistaken for an answer."""


@dataclass(frozen=True)
class Subject:
    """A composer to measure: the weights that come with the package or, by `run`, those of a run folder."""

    run: Path | None = None

    def load(self, batch: int) -> NextToken:
        """Raises InputError for a run folder without weights, WeightsError for damaged shipped ones."""
        return _loaded(self.run, batch)


@lru_cache(maxsize=4)
def _loaded(run: Path | None, batch: int) -> NextToken:
    if run is None:
        return ComposerModel.load(load_weights(COMPOSER), threads=1, batch=batch)
    network, settings = load_checkpoint(run / "weights.safetensors")
    return TorchComposer(network, settings["vocabulary"])


@dataclass(frozen=True)
class Job:
    """One piece to compose."""

    film: CueSheet
    options: ComposeOptions


def compose_all(
    subject: Subject, jobs: Sequence[Job], *, workers: int, description: str = "composing"
) -> list[Composition]:
    """The pieces of all jobs, in their order, composed over `workers` processes of one thread."""
    work = [(subject, job) for job in jobs]
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(track(pool.map(_compose_one, work), total=len(work), description=description))


def _compose_one(work: tuple[Subject, Job]) -> Composition:
    subject, job = work
    return compose_with(subject.load(len(guidance_rows(job.options))), job.film, job.options)


def film_of(
    number: int, *, duration_s: float, affect: tuple[float, float] | None = None, boundaries: bool = True
) -> CueSheet:
    """Made-up film `number`: cuts `GAPS_S` apart and one affect, drawn over the whole plane if none is given."""
    rng = np.random.default_rng((FILM_SEED, number))
    cuts = []
    time_s = rng.uniform(*GAPS_S)
    while time_s < duration_s - LAST_BOUNDARY_S:
        cuts.append(Boundary(round(float(time_s), 3), 1.0, "cut"))
        time_s += rng.uniform(*GAPS_S)
    valence, arousal = affect or tuple(rng.uniform(-0.9, 0.9, 2).tolist())
    curve = AffectCurve((AffectPoint(0.0, valence, arousal),))
    kept = tuple(cuts) if boundaries else ()
    return CueSheet(f"film {number}", duration_s, Fraction(25), (), (), kept, (), curve)
