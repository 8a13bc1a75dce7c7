"""Figures that describe music and its sync with a film, each a function of notes or of onset times.

Every metric says what it means, its formula, and what it does where it is undefined: it returns NaN, never a
flattering number. Drums are left out of everything about pitch. Ticks are 8 ms.

References:
    MuSpy: Dong, Chen, McAuley & Berg-Kirkpatrick, ISMIR 2020. MuseGAN: Dong et al., AAAI 2018.
    Jazz Transformer: Wu & Yang, ISMIR 2020. mir_eval: Raffel et al., ISMIR 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emsync.types import TICKS_PER_S, Floats, InstrumentGroup, Notes, Ticks

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
POSITIONS_PER_BAR = 16
STUCK_NOTE_S = 10.0
GRID_DIVISIONS = (16, 12)
"""Equal parts of a bar on which rhythm is written: sixteenths and triplet eighths of a bar of four beats."""
GRID_TOLERANCE_TICKS = 1
"""Onsets and bar lines are both rounded to the tick, so a note that is in time may be a tick off."""
ROUNDING_S = 1e-9
"""Slack of a tolerance: 1.1 - 1.0 is a little more than 0.1 in floating point."""


def note_density(notes: Notes, duration_ticks: int) -> float:
    """Notes per second, drums included: notes / duration. NaN for no duration."""
    return _ratio(len(notes), duration_ticks / TICKS_PER_S)


def polyphony(notes: Notes) -> float:
    """Mean number of pitches that sound at once, over the time in which at least one does.

    sum over time of sounding pitches / time with any. Two instruments on one pitch count once; drums do not
    count. NaN without a pitched note. Reference: MuSpy `polyphony`.
    """
    times, counts = _pitches_over_time(notes)
    lengths = np.diff(times)
    return _ratio(float(lengths @ counts), float(lengths[counts > 0].sum()))


def polyphony_rate(notes: Notes, duration_ticks: int, *, at_least: int = 2) -> float:
    """Share of the time in which several pitches sound: time with >= `at_least` / duration.

    Drums do not count. NaN for no duration. Reference: MuSpy `polyphony_rate`, MuseGAN's polyphonicity
    (MuSpy's code asks for more than its threshold of 2, that is `at_least=3`).
    """
    times, counts = _pitches_over_time(_clipped(notes, duration_ticks))
    return _ratio(float(np.diff(times)[counts >= at_least].sum()), duration_ticks)


def pitch_class_entropy(notes: Notes) -> float:
    """How evenly the twelve pitch classes are used: -sum p log2 p over note counts, in bits.

    0 for one pitch class, log2(12) = 3.58 for all alike. NaN without a pitched note. Reference: MuSpy
    `pitch_class_entropy`, Jazz Transformer.
    """
    counts = _pitch_class_counts(notes)
    if not counts.any():
        return np.nan
    shares = counts[counts > 0] / counts.sum()
    return float(np.sum(shares * np.log2(1 / shares)))


def pitch_range(notes: Notes) -> float:
    """Semitones from the lowest to the highest pitched note. NaN without any. Reference: MuSpy."""
    pitches = _pitched(notes)["pitch"].astype(np.int64)
    return float(pitches.max() - pitches.min()) if pitches.size else np.nan


def scale_consistency(notes: Notes) -> float:
    """Largest share of notes that lie in one scale: max over scales of notes in scale / notes.

    Over the 12 major scales, whose pitch classes are also those of the 12 natural minors. 7/12 for music that
    uses all pitch classes alike. NaN without a pitched note. Reference: MuSpy `scale_consistency`.
    """
    counts = _pitch_class_counts(notes)
    in_scale = [np.roll(counts, -tonic)[list(MAJOR_SCALE)].sum() for tonic in range(12)]
    return _ratio(float(max(in_scale)), float(counts.sum()))


def velocity_spread(notes: Notes) -> float:
    """How much loudness varies from note to note: standard deviation of the velocities, drums included.

    0 if all are alike. NaN without a note.
    """
    return float(notes["velocity"].astype(np.float64).std()) if len(notes) else np.nan


def notes_per_instant(notes: Notes) -> float:
    """Mean number of notes struck at one tick, where any is: notes / distinct onsets, drums included.

    1 for a single line. NaN without a note.
    """
    return _ratio(len(notes), len(np.unique(notes["onset_ticks"])))


def empty_time_rate(notes: Notes, duration_ticks: int) -> float:
    """Share of the duration in which nothing sounds, drums included. NaN for no duration."""
    starts, ends = _sounding_stretches(_clipped(notes, duration_ticks))
    return _ratio(float(duration_ticks - (ends - starts).sum()), duration_ticks)


def longest_silence_s(notes: Notes, duration_ticks: int) -> float:
    """Longest stretch in which nothing sounds, drums included, before, between or after notes, in seconds."""
    starts, ends = _sounding_stretches(_clipped(notes, duration_ticks))
    silences = np.append(starts, duration_ticks) - np.insert(ends, 0, 0)
    return float(silences.max()) / TICKS_PER_S


def stuck_notes(notes: Notes, *, longer_than_s: float = STUCK_NOTE_S) -> int:
    """How many pitched notes last longer than `longer_than_s`: a note whose end was forgotten."""
    return int(np.sum(_pitched(notes)["duration_ticks"] > longer_than_s * TICKS_PER_S))


def empty_bar_rate(notes: Notes, bar_onsets_ticks: Ticks, end_ticks: int) -> float:
    """Share of bars in which nothing sounds, drums included; a note held over from before does sound.

    Bars begin at `bar_onsets_ticks`, strictly increasing; the last ends at `end_ticks`. NaN without a bar.
    Reference: MuSpy `empty_measure_rate`, MuseGAN (there a note that ends on a bar line fills the next bar).
    """
    bar_starts, bar_ends = bar_spans(bar_onsets_ticks, end_ticks)
    starts, ends = _sounding_stretches(notes)
    candidate = np.searchsorted(ends, bar_starts, side="right")
    begins = np.append(starts, np.iinfo(np.int64).max)[candidate]
    return _ratio(float(np.sum(begins >= bar_ends)), len(bar_starts))


def groove_consistency(
    notes: Notes, bar_onsets_ticks: Ticks, end_ticks: int, *, positions_per_bar: int = POSITIONS_PER_BAR
) -> float:
    """How alike the rhythms of neighbouring bars are: 1 - mean Hamming distance of onset patterns.

    A bar's pattern says for each of `positions_per_bar` equal steps whether any note, drums included, starts
    nearest to it; the distance is the share of steps that differ. NaN for fewer than two bars. The value
    rises with the number of steps, so compare at one number only. Reference: MuSpy `groove_consistency`, Jazz
    Transformer.
    """
    bar_starts, bar_ends = bar_spans(bar_onsets_ticks, end_ticks)
    if len(bar_starts) < 2:
        return np.nan
    steps = steps_of(notes, bar_starts, bar_ends, positions_per_bar)
    pattern = np.zeros(len(bar_starts) * positions_per_bar, bool)
    pattern[steps[steps >= 0]] = True
    bars = pattern.reshape(-1, positions_per_bar)
    return float(1 - np.mean(bars[1:] != bars[:-1]))


def on_grid_rate(
    notes: Notes, bar_onsets_ticks: Ticks, end_ticks: int, *, tolerance_ticks: int = GRID_TOLERANCE_TICKS
) -> float:
    """Share of the distinct onsets inside bars that lie at a 16th or triplet position of their bar.

    A bar is cut into 16 and into 12 equal parts, which holds the 16ths of 4/4, 3/4, 2/4 and 6/8, not of 5/4;
    an onset counts if it is at most `tolerance_ticks` from such a place. Drums count; notes of one onset
    count once. Compare with `on_grid_chance`. NaN if no note starts in any bar.
    """
    onsets = np.unique(notes["onset_ticks"]).astype(np.int64)
    is_inside, is_on_grid = _grid_places(onsets, bar_onsets_ticks, end_ticks, tolerance_ticks)
    return _ratio(int(is_on_grid.sum()), int(is_inside.sum()))


def on_grid_chance(
    bar_onsets_ticks: Ticks, end_ticks: int, *, tolerance_ticks: int = GRID_TOLERANCE_TICKS
) -> float:
    """What `on_grid_rate` gives to onsets that know of no bar: share of the ticks of bars on the grid.

    0.2 for bars of 2 s and a tolerance of a tick, more for shorter ones. NaN without a bar.
    """
    ticks = np.arange(end_ticks, dtype=np.int64)
    is_inside, is_on_grid = _grid_places(ticks, bar_onsets_ticks, end_ticks, tolerance_ticks)
    return _ratio(int(is_on_grid.sum()), int(is_inside.sum()))


def repeated_bar_rate(
    notes: Notes, bar_onsets_ticks: Ticks, end_ticks: int, *, positions_per_bar: int = POSITIONS_PER_BAR
) -> float:
    """Share of bars, among those in which notes start, that copy an earlier bar.

    Two bars are alike if the same pitches of the same groups start nearest to the same steps; lengths and
    velocities do not matter. NaN if no note starts in any bar.
    """
    bar_starts, bar_ends = bar_spans(bar_onsets_ticks, end_ticks)
    steps = steps_of(notes, bar_starts, bar_ends, positions_per_bar)
    inside = steps >= 0
    bars, positions = np.divmod(steps[inside], positions_per_bar)
    events = np.stack([bars, positions, notes["group"][inside], notes["pitch"][inside]], axis=1)
    events = np.unique(events, axis=0)
    splits = np.flatnonzero(np.diff(events[:, 0])) + 1
    contents = [part[:, 1:].tobytes() for part in np.split(events, splits) if len(part)]
    return _ratio(len(contents) - len(set(contents)), len(contents))


@dataclass(frozen=True)
class OnsetMatches:
    """Reference onsets paired one to one with estimated ones.

    `reference_s` and `estimated_s` hold the pairs, shape (M,), increasing; the counts are of all onsets,
    paired or not.
    """

    reference_s: Floats
    estimated_s: Floats
    reference_count: int
    estimated_count: int


def match_onsets(reference_s: Floats, estimated_s: Floats, tolerance_s: float) -> OnsetMatches:
    """Pair onsets one to one so that as many as can be are at most `tolerance_s` apart.

    Of the pairings with the most pairs, the one with the least summed distance. On a line some best pairing
    never crosses, so a table over the two sorted lists finds it: best(i, j) is the best of leaving out
    reference i, leaving out estimate j, and pairing the two. mir_eval's `match_events` finds as many pairs
    (Hopcroft-Karp) but any of them; signed offsets need the nearest. Time and memory O(N x M).

    Args:
        reference_s: onsets asked for, any order, shape (N,).
        estimated_s: onsets found, any order, shape (M,).
        tolerance_s: largest distance of a pair, inclusive.
    Raises: ValueError for a negative tolerance or onsets that are not finite.
    """
    reference, estimated = (np.sort(np.asarray(side, np.float64)) for side in (reference_s, estimated_s))
    if not tolerance_s >= 0:
        raise ValueError(f"tolerance_s must be 0 or more, got {tolerance_s}")
    if not (np.isfinite(reference).all() and np.isfinite(estimated).all()):
        raise ValueError("onsets must be finite numbers of seconds")
    gains = _pair_gains(reference, estimated, tolerance_s + ROUNDING_S)
    best = np.zeros((len(reference) + 1, len(estimated) + 1))
    for i in range(len(reference)):
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], best[i, :-1] + gains[i]))
    rows, columns = _trace_pairs(best, gains)
    return OnsetMatches(reference[rows], estimated[columns], len(reference), len(estimated))


def precision(matches: OnsetMatches) -> float:
    """Share of estimated onsets that were asked for: pairs / estimates. NaN without estimates."""
    return _ratio(len(matches.reference_s), matches.estimated_count)


def recall(matches: OnsetMatches) -> float:
    """Share of reference onsets that were answered: pairs / references. NaN without references."""
    return _ratio(len(matches.reference_s), matches.reference_count)


def f1(matches: OnsetMatches) -> float:
    """Harmonic mean of precision and recall: 2 pairs / (references + estimates).

    0 if only one side is empty, NaN if both are (mir_eval gives 0 there).
    """
    return _ratio(2 * len(matches.reference_s), matches.reference_count + matches.estimated_count)


def signed_offsets(matches: OnsetMatches) -> Floats:
    """Estimated minus reference onset of every pair in seconds, shape (M,); above 0 is late."""
    return matches.estimated_s - matches.reference_s


def median_signed_offset_s(matches: OnsetMatches) -> float:
    """Median of `signed_offsets` in seconds: above 0 the answers are late as a whole. NaN without a pair."""
    offsets_s = signed_offsets(matches)
    return float(np.median(offsets_s)) if len(offsets_s) else np.nan


def median_absolute_offset_s(matches: OnsetMatches) -> float:
    """Median distance of a pair in seconds; only pairs count, so read it beside recall. NaN without a pair."""
    offsets_s = signed_offsets(matches)
    return float(np.median(np.abs(offsets_s))) if len(offsets_s) else np.nan


def transition_beat_iou(matches: OnsetMatches) -> float:
    """Of all instants at which film or music turns, the share at which both do: pairs / (cuts u beats).

    Intersection over union of cuts (references) and beats (estimates): pairs / (references + estimates - pairs).
    0 if only one side is empty, NaN if both are. Equal to f1 / (2 - f1). Reference: Jaccard index (Jaccard 1912).
    """
    pairs = len(matches.reference_s)
    return _ratio(pairs, matches.reference_count + matches.estimated_count - pairs)


def _pair_gains(reference: Floats, estimated: Floats, tolerance_s: float) -> Floats:
    """What pairing i with j is worth, shape (N, M): one pair outweighs all distances; -inf out of reach."""
    distances = np.abs(reference[:, None] - estimated[None, :])
    pair_worth = (min(distances.shape, default=0) + 1) * tolerance_s + 1
    return np.where(distances <= tolerance_s, pair_worth - distances, -np.inf)


def _trace_pairs(best: Floats, gains: Floats) -> tuple[list[int], list[int]]:
    """Walk the table back to the pairs that made its last entry; indices in increasing order."""
    rows, columns = [], []
    i, j = gains.shape
    while i > 0 and j > 0:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            rows.append(i)
            columns.append(j)
    return rows[::-1], columns[::-1]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else np.nan


def _pitched(notes: Notes) -> Notes:
    return np.asarray(notes[notes["group"] != InstrumentGroup.DRUMS])


def _pitch_class_counts(notes: Notes) -> NDArray[np.int64]:
    return np.bincount(_pitched(notes)["pitch"] % 12, minlength=12)


def _clipped(notes: Notes, duration_ticks: int) -> Notes:
    """The parts of notes within [0, duration)."""
    inside = notes[notes["onset_ticks"] < duration_ticks].copy()
    inside["duration_ticks"] = np.minimum(inside["duration_ticks"], duration_ticks - inside["onset_ticks"])
    return inside


def _union(notes: Notes, lanes: NDArray[np.int64]) -> tuple[Ticks, Ticks]:
    """Starts and ends of the stretches in which any note of a lane sounds; lanes in turn, then time."""
    onsets = notes["onset_ticks"].astype(np.int64)
    ends = onsets + notes["duration_ticks"]
    lane_offset = lanes * (int(ends.max(initial=0)) + 1)
    order = np.argsort(onsets + lane_offset, kind="stable")
    onsets, ends, lane_offset = onsets[order], ends[order], lane_offset[order]
    sounding_until = np.maximum.accumulate(ends + lane_offset)
    begins = np.concatenate(([True], (onsets + lane_offset)[1:] > sounding_until[:-1]))[: len(onsets)]
    last = np.append(np.flatnonzero(begins)[1:] - 1, len(onsets) - 1)[: begins.sum()]
    return onsets[begins], sounding_until[last] - lane_offset[last]


def _sounding_stretches(notes: Notes) -> tuple[Ticks, Ticks]:
    """Starts and ends of the stretches in which anything sounds, disjoint and increasing."""
    return _union(notes, np.zeros(len(notes), np.int64))


def _pitches_over_time(notes: Notes) -> tuple[Ticks, NDArray[np.int64]]:
    """Times at which the number of sounding pitches may change, and the number from each to the next."""
    pitched = _pitched(notes)
    starts, ends = _union(pitched, pitched["pitch"].astype(np.int64))
    times = np.concatenate((starts, ends))
    changes = np.concatenate((np.ones_like(starts), -np.ones_like(ends)))
    order = np.argsort(times, kind="stable")
    return times[order], np.cumsum(changes[order])[:-1]


def bar_spans(bar_onsets_ticks: Ticks, end_ticks: int) -> tuple[Ticks, Ticks]:
    """Starts and ends of bars; bars that begin at the end or later are left out.

    Raises: ValueError if `bar_onsets_ticks` is not strictly increasing.
    """
    onsets = np.asarray(bar_onsets_ticks, np.int64)
    if np.any(np.diff(onsets) <= 0):
        raise ValueError("bar_onsets_ticks must be strictly increasing")
    starts = onsets[onsets < end_ticks]
    return starts, np.append(starts[1:], end_ticks)[: len(starts)]


def steps_of(notes: Notes, bar_starts: Ticks, bar_ends: Ticks, positions_per_bar: int) -> NDArray[np.int64]:
    """The nearest step of each onset, counted through all bars; -1 outside them.

    An onset just before a bar line belongs to the first step of the next bar.
    """
    onsets = notes["onset_ticks"].astype(np.int64)
    if not len(bar_starts):
        return np.full(len(onsets), -1)
    bars = np.searchsorted(bar_starts, onsets, side="right") - 1
    lengths = (bar_ends - bar_starts)[bars]
    nearest = (2 * (onsets - bar_starts[bars]) * positions_per_bar + lengths) // (2 * lengths)
    steps = bars * positions_per_bar + nearest
    is_inside = (bars >= 0) & (onsets < bar_ends[-1]) & (steps < len(bar_starts) * positions_per_bar)
    return np.asarray(np.where(is_inside, steps, -1))


def _grid_places(
    times: Ticks, bar_onsets_ticks: Ticks, end_ticks: int, tolerance_ticks: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which times lie inside bars, and which of these lie near the grid of their bar; in whole numbers."""
    bar_starts, bar_ends = bar_spans(bar_onsets_ticks, end_ticks)
    bars = np.searchsorted(bar_starts, times, side="right") - 1
    is_inside = (bars >= 0) & (times < end_ticks)
    if not len(bar_starts):
        return is_inside, is_inside
    lengths = (bar_ends - bar_starts)[bars]
    is_on_grid = np.zeros(len(times), bool)
    for divisions in GRID_DIVISIONS:
        past = (times - bar_starts[bars]) * divisions % lengths
        is_on_grid |= np.minimum(past, lengths - past) <= tolerance_ticks * divisions
    return is_inside, is_inside & is_on_grid
