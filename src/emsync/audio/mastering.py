"""Bring a mix to its loudness below its peak and write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emsync.ahead import made_ahead
from emsync.audio.loudness import (
    SILENCE_LUFS,
    Limiter,
    LoudnessMeter,
    Sound,
    Source,
    TruePeakMeter,
    to_gain,
)
from emsync.audio.wav_file import WavWriter
from emsync.options import RenderOptions

WINDOW_S = 5
WINDOWS_AHEAD = 2
"""Windows that are made before they are taken: 2 MB each."""
PASSES = 4
TOLERANCE_LU = 0.1
MOST_PUSH_DB = 6.0
"""Limiting eats loudness; the gain may rise by this much to win it back, no more, or nothing stays soft."""


@dataclass(frozen=True)
class Master:
    """A written mix: the linear gain it got and what its samples measure.

    `limited_db` is the deepest cut of the limiter, 0 when it never worked.
    """

    gain: float
    loudness_lufs: float
    true_peak_db: float
    limited_db: float


def write_master(
    source: Source,
    path: Path,
    *,
    source_lufs: float,
    options: RenderOptions,
    on_progress: Callable[[float], None],
) -> Master:
    """Amplify `source`, whose loudness is `source_lufs`, to the target, limit it, write it as 24-bit WAV.

    When the limiter takes loudness away the gain is raised and the file written again, at most four times
    in all. Silence stays silence.
    """
    gain_db = options.loudness_lufs - source_lufs if source_lufs > SILENCE_LUFS else 0.0
    pushed_db = 0.0
    for attempt in range(PASSES):

        def report(fraction: float, attempt: int = attempt) -> None:
            on_progress(1 - 0.5**attempt * (1 - 0.5 * fraction))

        master = _write_once(source, path, gain=to_gain(gain_db + pushed_db), options=options, report=report)
        missing_lu = options.loudness_lufs - master.loudness_lufs
        push_db = min(missing_lu, MOST_PUSH_DB - pushed_db)
        if master.limited_db == 0 or abs(missing_lu) <= TOLERANCE_LU or push_db <= 0:
            break
        pushed_db += push_db
    return master


def _write_once(
    source: Source, path: Path, *, gain: float, options: RenderOptions, report: Callable[[float], None]
) -> Master:
    rate_hz = options.sample_rate_hz
    limiter = Limiter(source, rate_hz, gain=gain, ceiling_db=options.true_peak_db)
    loudness, peak = LoudnessMeter(rate_hz), TruePeakMeter()
    done = 0
    with (
        WavWriter(path, rate_hz, source.frames, "pcm24") as writer,
        made_ahead(_limited(limiter, source.frames, rate_hz), depth=WINDOWS_AHEAD) as windows,
    ):
        for window in windows:
            written = writer.write(window)
            loudness.feed(written)
            peak.feed(written)
            done += window.shape[1]
            report(done / source.frames)
    return Master(gain, loudness.integrated_lufs(), peak.peak_db(), limiter.deepest_db)


def _limited(limiter: Limiter, frames: int, rate_hz: int) -> Iterator[Sound]:
    """The limiter's sound, shape (2, up to five seconds); a window is made while the one before it is measured."""
    for start in range(0, frames, WINDOW_S * rate_hz):
        yield limiter.read(start, min(start + WINDOW_S * rate_hz, frames))
