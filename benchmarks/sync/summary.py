"""From the records of pieces to figures: means over pieces with confidence intervals, beside chance.

An entry is [figure, low, high]. The bounds hold 95 % of a bootstrap over pieces (Efron 1979, 1,000 draws), which keeps
rates between 0 and 1. Pieces in which a figure is undefined are left out; bounds are None where fewer than two remain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from benchmarks.sync.records import ANSWERS, Record
from numpy.typing import NDArray

from emsync import metrics
from emsync.metrics import OnsetMatches, match_onsets
from emsync.types import Floats

TOLERANCES_S = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
CONFIDENCE = 0.95
BOOTSTRAP_DRAWS = 1000
BOOTSTRAP_SEED = 3
IN_NOTES_S = 0.008
IN_SOUND_S = 0.03
REFERENCES = ("boundaries", "cuts")

Entry = list[float | None]
RATES: dict[str, Callable[[OnsetMatches], float]] = {
    "recall": metrics.recall,
    "precision": metrics.precision,
    "f1": metrics.f1,
    "tbiou": metrics.transition_beat_iou,
}


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Figures of every condition by its name."""
    conditions = list(dict.fromkeys(record.condition for record in records))
    return {name: _condition([one for one in records if one.condition == name]) for name in conditions}


def _condition(records: Sequence[Record]) -> dict[str, Any]:
    kinds = dict.fromkeys(record.kind for record in records)
    return {
        "pieces": len(records),
        "sync": {
            reference: {answer: agreement(records, reference, answer) for answer in ANSWERS}
            for reference in REFERENCES
        },
        "on_time": on_time(records),
        "on_time_by_kind": {kind: on_time([one for one in records if one.kind == kind]) for kind in kinds},
        "nats_per_token": mean_entry(one.nats / one.tokens for one in records if one.tokens),
        "nats_per_note": mean_entry(one.nats / one.note_count for one in records if one.note_count),
        "music": music(one.music for one in records),
    }


def agreement(records: Sequence[Record], reference: str, answer: str) -> dict[str, Any]:
    """By tolerance: rates and offsets against the film's own moments, and the rates against those of other films."""
    table: dict[str, Any] = {}
    for tolerance_s in TOLERANCES_S:
        own = [
            match_onsets(moments_of(one, reference), answers_of(one, answer), tolerance_s) for one in records
        ]
        chance = [
            [
                match_onsets(moments_of(other, reference), answers_of(one, answer), tolerance_s)
                for other in others
            ]
            for one, others in _with_others(records)
        ]
        entry: dict[str, Any] = {name: mean_entry(map(rate, own)) for name, rate in RATES.items()}
        offsets_ms = [1000 * metrics.signed_offsets(match) for match in own]
        entry["median_signed_offset_ms"] = median_entry(offsets_ms)
        entry["median_absolute_offset_ms"] = median_entry([np.abs(one) for one in offsets_ms])
        entry["shuffled"] = {
            name: mean_entry(mean_of_known(map(rate, matches)) for matches in chance)
            for name, rate in RATES.items()
        }
        table[f"{round(tolerance_s * 1000)}_ms"] = entry
    return table


def on_time(records: Sequence[Record]) -> dict[str, Entry]:
    """Share of kept boundaries answered on time, by piece: in the notes within 8 ms, in the sound within 30."""
    entries = {
        f"{answer}_within_8_ms": mean_entry(
            metrics.recall(match_onsets(moments_of(one, "boundaries"), answers_of(one, answer), IN_NOTES_S))
            for one in records
        )
        for answer in ("announced", "struck")
    }
    entries["speaks_within_30_ms"] = mean_entry(share_on_time(one.speaks_s) for one in records)
    entries["sound_rises_within_30_ms"] = mean_entry(share_on_time(one.rises_s) for one in records)
    entries["sound_rises_within_30_ms_shuffled"] = mean_entry(
        share_on_time(one.chance_rises_s) for one in records
    )
    return entries


def share_on_time(offsets_s: Sequence[float | None]) -> float:
    """Offsets of at most 30 ms / moments; a moment without an answer is not on time. NaN without a moment."""
    if not offsets_s:
        return np.nan
    on_time = [offset_s is not None and abs(offset_s) <= IN_SOUND_S + 1e-9 for offset_s in offsets_s]
    return sum(on_time) / len(offsets_s)


def music(figures: Iterable[Mapping[str, float | None]]) -> dict[str, Entry]:
    """Mean of every statistic of the notes."""
    rows = list(figures)
    names = list(rows[0]) if rows else []
    return {name: mean_entry(_as_float(row[name]) for row in rows) for name in names}


def moments_of(record: Record, reference: str) -> Floats:
    """Boundaries or cuts that count."""
    return np.array(record.boundaries_s if reference == "boundaries" else record.cuts_s, np.float64)


def answers_of(record: Record, answer: str) -> Floats:
    """Times of one kind of answer."""
    return np.array(record.answers_s[answer], np.float64)


def mean_entry(values: Iterable[float]) -> Entry:
    """Mean of the finite values and its bootstrap interval; [None, None, None] if there are none."""
    known = np.array([value for value in values if np.isfinite(value)], np.float64)
    return _bounded(len(known), lambda places: float(np.mean(known[places])), digits=5)


def median_entry(per_piece: Sequence[Floats]) -> Entry:
    """Median of all values together and its bootstrap interval over pieces."""
    filled = [values for values in per_piece if len(values)]
    return _bounded(
        len(filled),
        lambda places: float(np.median(np.concatenate([filled[place] for place in places]))),
        digits=3,
    )


def mean_of_known(values: Iterable[float]) -> float:
    """Mean of the finite values; NaN if there are none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


def _bounded(count: int, figure: Callable[[NDArray[np.int64]], float], *, digits: int) -> Entry:
    """A figure of all pieces, and the quantiles of what it is of pieces drawn with replacement, as many."""
    if not count:
        return [None, None, None]
    whole = round(figure(np.arange(count)), digits)
    if count < 2:
        return [whole, None, None]
    draws = np.random.default_rng(BOOTSTRAP_SEED).integers(count, size=(BOOTSTRAP_DRAWS, count))
    bounds = np.quantile([figure(draw) for draw in draws], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return [whole, *(round(float(bound), digits) for bound in bounds)]


def _with_others(records: Sequence[Record]) -> list[tuple[Record, list[Record]]]:
    """Each record with those of the same kind of film, which stand for shuffled cuts."""
    return [
        (one, [other for other in records if other.kind == one.kind and other.film != one.film])
        for one in records
    ]


def _as_float(value: float | None) -> float:
    return np.nan if value is None else value
