"""Several takes of one film's music: what each is worth, and which is kept.

The score of a take, 1 at best, takes off what a listener would miss, in this order: boundaries that are not answered in
time, affect that was not obeyed, and music that the network found odd or all too plain. A take with a fault
(`degenerate`) is rejected, whatever its score. Weights, limits and what they were measured on: `docs/composing.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emsync.music.affect_reading import AffectLabeller
from emsync.music.degenerate import Fault, Music, faults
from emsync.types import TICK_S, Composition, CueSheet, Hit

EARLIEST_S, LATEST_S = -0.045, 0.125
"""Sound this much before or after its picture is not noticed (ITU-R BT.1359-1, thresholds of detectability)."""
HITS_WEIGHT = 1.0
"""For all boundaries missed: of five boundaries one missed outweighs all that affect was seen to differ by."""
AFFECT_WEIGHT = 0.25
"""Per unit of distance; takes of one film differed by 0.17 (standard deviation), by 0.77 at most."""
SURPRISE_WEIGHT = 0.02
"""Per nat from `SONGS_NATS`: a sixth of what affect counts for between takes, so it decides where all else is alike."""
SONGS_NATS = 1.57
"""Nats a token of songs that the network never saw (`assets/MODEL_CARD.md`). Likelier music is not better: people's
songs are about as surprising as they are long (Zhang et al. 2021, Meister et al. 2023), and loops are the likeliest."""


@dataclass(frozen=True)
class TakeScore:
    """What one take is worth.

    `hits`: share of the boundaries answered within `EARLIEST_S` to `LATEST_S`; 1 if there are none.
    `affect_distance`: mean distance in the plane of valence and arousal between what was asked and what is read from
    the notes, 0 to 2.8. `nats_per_token`: how surprised the network was; NaN where unknown.
    """

    seed: int
    hits: float
    affect_distance: float
    nats_per_token: float
    faults: tuple[Fault, ...] = ()

    @property
    def score(self) -> float:
        """1 at best; see the weights of this module."""
        oddness = abs(self.nats_per_token - SONGS_NATS)
        lost = HITS_WEIGHT * (1 - self.hits) + AFFECT_WEIGHT * self.affect_distance
        return 1 - lost - (SURPRISE_WEIGHT * oddness if math.isfinite(oddness) else 0.0)

    @property
    def is_rejected(self) -> bool:
        """Whether it has a fault."""
        return bool(self.faults)

    @property
    def badness(self) -> float:
        """Summed excess of the faults; 0 without any."""
        return sum(fault.excess for fault in self.faults)


@dataclass(frozen=True)
class Takes:
    """All takes of a film in the order of their seeds, their scores, and the index of the one that is kept."""

    compositions: tuple[Composition, ...]
    scores: tuple[TakeScore, ...]
    kept: int

    @classmethod
    def of(cls, compositions: Sequence[Composition], cue_sheet: CueSheet) -> Takes:
        """Score takes and keep the best. Raises: ValueError without any take."""
        scores = tuple(score_take(composition, cue_sheet) for composition in compositions)
        return cls(tuple(compositions), scores, best_of(scores))

    @property
    def best(self) -> Composition:
        """The take that is kept."""
        return self.compositions[self.kept]

    def verdict(self, index: int) -> str:
        """Why a take is kept or not, in words."""
        faulty = "; ".join(fault.words for fault in self.scores[index].faults)
        if index != self.kept:
            return f"rejected: {faulty}" if faulty else "another is better"
        if not faulty:
            return "kept"
        alone = len(self.scores) == 1
        return f"kept, though it has {faulty}" if alone else f"kept as the least bad, though it has {faulty}"


def best_of(scores: Sequence[TakeScore]) -> int:
    """Index of the best score without a fault; if all have faults, of the best score less badness.

    The first of equals. Raises: ValueError if there are none.
    """
    return max(
        range(len(scores)),
        key=lambda index: (not scores[index].is_rejected, scores[index].score - scores[index].badness),
    )


def score_take(composition: Composition, cue_sheet: CueSheet) -> TakeScore:
    """What a take is worth for its film."""
    bars = np.array(composition.bar_onsets_ticks, np.int64)
    return TakeScore(
        seed=composition.seed,
        hits=hit_share(composition.hits),
        affect_distance=affect_distance(composition, cue_sheet),
        nats_per_token=composition.nats_per_token,
        faults=faults(Music(composition.notes, bars, composition.duration_ticks)),
    )


def hit_share(hits: Sequence[Hit]) -> float:
    """Share of the boundaries whose chord comes so near that nobody hears it early or late; 1 without boundaries."""
    if not hits:
        return 1.0
    offsets_s = [
        hit.chord_onset_ticks * TICK_S - hit.boundary.time_s
        for hit in hits
        if hit.chord_onset_ticks is not None
    ]
    return sum(EARLIEST_S <= offset_s <= LATEST_S for offset_s in offsets_s) / len(hits)


def affect_distance(composition: Composition, cue_sheet: CueSheet) -> float:
    """Mean distance between the affect asked for and that read from the notes, every few seconds.

    The last chord, which sounds alike in every take, is left out.
    """
    end_ticks = composition.chord_onsets_ticks[-1] if composition.chord_onsets_ticks else 0
    end_ticks = end_ticks or composition.duration_ticks
    notes = composition.notes[composition.notes["onset_ticks"] < end_ticks]
    read = AffectLabeller.load().label(notes, end_ticks * TICK_S)
    centres_s = (np.arange(len(read.valence)) + 0.5) * read.hop_s
    centres_s = np.minimum(centres_s, end_ticks * TICK_S)
    valence = cue_sheet.affect.valence_at(centres_s) - read.valence
    arousal = cue_sheet.affect.arousal_at(centres_s) - read.arousal
    return float(np.hypot(valence, arousal).mean())
