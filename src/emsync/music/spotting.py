"""Spotting: which moments of the film the music must answer.

Selection is greedy by strength: the strongest cut is kept first, then the next strongest that keeps its
distance from all kept ones, and so on. So the strongest cut of a cluster always survives, which choosing
the largest summed strength would not promise (two weak cuts can outvote the strong one between them).
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from emsync.errors import InputError
from emsync.options import SpottingOptions
from emsync.types import AffectCurve, Boundary, CueSheet, Cut, DroppedBoundary, Shot, ShotEmotion, VideoInfo

MUSIC_MINIMUM_DISTANCE_S = 0.3
"""Two answers closer than this merge into one for a listener; even the user's own are held to it."""

_TOLERANCE_S = 1e-6
_LARGEST_LIST_BYTES = 10_000_000
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", re.ASCII)
_CLOCK = re.compile(r"([0-9]+):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]+)?)", re.ASCII)
_FRAME_TIMECODE = re.compile(r"[0-9]+:[0-9]+:[0-9]+[:;][0-9]+", re.ASCII)
_WRITE_IT_AS = "write seconds (75.5) or HH:MM:SS.mmm (00:01:15.500)"


def spot(
    *,
    title: str,
    info: VideoInfo,
    cuts: tuple[Cut, ...],
    shots: tuple[ShotEmotion, ...],
    affect: AffectCurve,
    options: SpottingOptions,
) -> CueSheet:
    """Choose the boundaries of a film and give a reason for every moment that is not one.

    The user's moments (`options.hit_points_s`, and `options.boundaries_s`, which replaces the cuts) are
    kept whatever their distance from cuts. Of two closer than `MUSIC_MINIMUM_DISTANCE_S` the earlier is
    kept and the later reported. Cuts keep `options.minimum_distance_s` (paper: 4 s, section 5) from one
    another and from the user's moments; of equally strong ones the earlier wins. No boundary lies at 0 or
    in the last `options.closing_silence_s`. Times of cuts, shots and boundaries are rounded to 1 ms.

    Raises: InputError if a hit point or imported boundary is negative, NaN or after the end of the film,
        or an option is negative. ValueError if a cut is not a finite time.
    """
    _check_options(options)
    kept, dropped = _keep_the_users(_users_times_s(options, info.duration_s), info.duration_s, options)
    rounded_cuts = tuple(sorted((_round_cut(cut) for cut in cuts), key=lambda cut: cut.time_s))
    if options.boundaries_s is None:
        chosen, passed_over = _keep_the_strongest(rounded_cuts, kept, info.duration_s, options)
    else:
        chosen, passed_over = [], [_drop(cut, "replaced by the list of boundaries") for cut in rounded_cuts]
    return CueSheet(
        title=title,
        duration_s=info.duration_s,
        frame_rate_fps=info.frame_rate_fps,
        cuts=tuple(cut for cut in rounded_cuts if 0 <= cut.time_s <= info.duration_s),
        shots=tuple(_round_shot(shot, info.duration_s) for shot in shots),
        boundaries=tuple(sorted(kept + chosen, key=lambda boundary: boundary.time_s)),
        dropped=tuple(sorted(dropped + passed_over, key=lambda one: one.time_s)),
        affect=affect,
    )


def read_boundary_list(path: Path) -> tuple[float, ...]:
    """Times in seconds from a text file with one time per line, sorted, duplicates merged.

    A time is seconds (`75.5`) or a clock time (`00:01:15.500`). `#` starts a comment; empty lines are
    skipped. Frame numbers (`00:01:15:12`) are refused: their meaning depends on the frame rate.

    Raises: InputError with file and line number if a line is no time, or the file cannot be read or
        holds no time at all.
    """
    times_s = set()
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        content = line.split("#", 1)[0].strip()
        if content:
            times_s.add(_parse_time(content, f"{path}:{number}"))
    if not times_s:
        raise InputError(f"{path}: holds no times; {_WRITE_IT_AS}, one per line")
    return tuple(sorted(times_s))


def _check_options(options: SpottingOptions) -> None:
    for name in ("minimum_distance_s", "closing_silence_s"):
        value = getattr(options, name)
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name}: {value} is not possible; give 0 or more seconds")


def _users_times_s(options: SpottingOptions, duration_s: float) -> list[float]:
    """The user's own moments, checked, rounded to 1 ms, sorted."""
    for name, times_s in (("hit point", options.hit_points_s), ("boundary", options.boundaries_s or ())):
        for time_s in times_s:
            if not math.isfinite(time_s):
                raise InputError(f"{name} {time_s}: is not a time; give seconds from the start of the film")
            if time_s < 0:
                raise InputError(f"{name} {time_s} s: lies before the start of the film; give 0 or more")
            if time_s > duration_s:
                raise InputError(
                    f"{name} {time_s} s: lies after the end of the film ({duration_s:.3f} s); "
                    "move it earlier or leave it out"
                )
    both = {round(time_s, 3) for time_s in (*options.hit_points_s, *(options.boundaries_s or ()))}
    return sorted(both)


def _keep_the_users(
    times_s: list[float], duration_s: float, options: SpottingOptions
) -> tuple[list[Boundary], list[DroppedBoundary]]:
    kept: list[Boundary] = []
    dropped: list[DroppedBoundary] = []
    for time_s in times_s:
        reason = _reason_at_the_edges(time_s, duration_s, options)
        if not reason and kept and time_s - kept[-1].time_s < MUSIC_MINIMUM_DISTANCE_S - _TOLERANCE_S:
            reason = f"{_distance(time_s, kept[-1])}; music cannot answer twice within 0.3 s"
        if reason:
            dropped.append(DroppedBoundary(time_s, 1.0, f"asked for by the user, but {reason}"))
        else:
            kept.append(Boundary(time_s, 1.0, "user"))
    return kept, dropped


def _keep_the_strongest(
    cuts: Iterable[Cut], users: list[Boundary], duration_s: float, options: SpottingOptions
) -> tuple[list[Boundary], list[DroppedBoundary]]:
    """Greedy by strength; the user's boundaries are already taken."""
    distance_s = max(options.minimum_distance_s, MUSIC_MINIMUM_DISTANCE_S)
    taken = sorted(users, key=lambda boundary: boundary.time_s)
    chosen: list[Boundary] = []
    dropped: list[DroppedBoundary] = []
    for cut in sorted(cuts, key=lambda cut: (-cut.strength, cut.time_s)):
        reason = _reason_at_the_edges(cut.time_s, duration_s, options)
        neighbour = _nearest(taken, cut.time_s)
        if not reason and neighbour and abs(neighbour.time_s - cut.time_s) < distance_s - _TOLERANCE_S:
            reason = f"{_distance(cut.time_s, neighbour)}; the minimum distance is {distance_s:g} s"
        if reason:
            dropped.append(_drop(cut, reason))
        else:
            boundary = Boundary(cut.time_s, cut.strength, "cut")
            chosen.append(boundary)
            insort(taken, boundary, key=lambda one: one.time_s)
    return chosen, dropped


def _reason_at_the_edges(time_s: float, duration_s: float, options: SpottingOptions) -> str:
    if time_s <= 0:
        return "at the start of the film, where the music begins anyway"
    if time_s >= duration_s:
        return "at or after the end of the film"
    if time_s >= duration_s - options.closing_silence_s:
        return f"in the last {options.closing_silence_s:g} s, which stay free for the ending"
    return ""


def _nearest(taken: list[Boundary], time_s: float) -> Boundary | None:
    """The taken boundary closest to `time_s`; `taken` is sorted by time."""
    after = bisect_left(taken, time_s, key=lambda boundary: boundary.time_s)
    around = taken[max(after - 1, 0) : after + 1]
    return min(around, key=lambda boundary: abs(boundary.time_s - time_s), default=None)


def _distance(time_s: float, kept: Boundary) -> str:
    kind = "hit point" if kept.source == "user" else f"cut of strength {kept.strength:.2f}"
    return f"{abs(time_s - kept.time_s):.3f} s from the {kind} kept at {kept.time_s:.3f} s"


def _drop(cut: Cut, reason: str) -> DroppedBoundary:
    return DroppedBoundary(cut.time_s, cut.strength, reason)


def _round_cut(cut: Cut) -> Cut:
    if not (math.isfinite(cut.time_s) and math.isfinite(cut.strength)):
        raise ValueError(f"not a cut: {cut}")
    return replace(cut, time_s=round(cut.time_s, 3))


def _round_shot(emotion: ShotEmotion, duration_s: float) -> ShotEmotion:
    start_s = min(round(emotion.shot.start_s, 3), duration_s)
    return replace(emotion, shot=Shot(start_s, min(round(emotion.shot.end_s, 3), duration_s)))


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_LIST_BYTES:
            raise InputError(f"{path}: is too large for a list of times; give a text file")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file; {_WRITE_IT_AS}, one per line") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from error


def _parse_time(content: str, place: str) -> float:
    """Seconds from one line; exact decimals, so that 90.1 and 00:01:30.1 are one time."""
    if _FRAME_TIMECODE.fullmatch(content):
        raise InputError(
            f"{place}: {content!r} counts frames, which depends on the frame rate; {_WRITE_IT_AS}"
        )
    clock = _CLOCK.fullmatch(content)
    if clock:
        hours, minutes, seconds = (Decimal(part) for part in clock.groups())
        time_s = float(hours * 3600 + minutes * 60 + seconds)
    elif _SECONDS.fullmatch(content):
        time_s = float(content)
    else:
        raise InputError(f"{place}: {content!r} is not a time; {_WRITE_IT_AS}")
    if not math.isfinite(time_s):
        raise InputError(f"{place}: {content[:20]!r}... is too large for a time; {_WRITE_IT_AS}")
    return time_s
