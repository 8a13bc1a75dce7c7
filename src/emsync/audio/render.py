"""From a MIDI file to a WAV file at a promised loudness.

    score.mid -read_performance-> Performance -Synthesiser-> sound -faded-> Mixdown -write_master-> music.wav

The sound is made once, window by window, into a temporary file beside the result (384 kB a second at
48 kHz, as much again for every stem), then read to be amplified and limited. Where a score is still being composed,
much of it may be made already: `sound_ahead.py`.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emsync.ahead import made_ahead
from emsync.audio.fade import Fade, faded, plan_fade
from emsync.audio.loudness import Sound
from emsync.audio.mastering import WINDOW_S, WINDOWS_AHEAD, Master, write_master
from emsync.audio.mixdown import Mixdown
from emsync.audio.performance import Performance, read_performance
from emsync.audio.sound_ahead import SoundAhead
from emsync.audio.soundfont import SoundFont, find_soundfont
from emsync.audio.synthesiser import Substitution, Synthesiser
from emsync.audio.wav_file import SoundStore, WavWriter
from emsync.options import RenderOptions
from emsync.output_file import atomic_output

CLOSE_ENOUGH_LU = 0.5
SYNTHESIS_SHARE = 0.85
"""Part of the work that synthesis is, for the progress bar."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class RenderReport:
    """What was written and what it measures.

    `loudness_lufs` and `true_peak_db` are measured on the samples of the file. `loudness_reached` tells
    whether the target was met within 0.5 LU: it is not when peaks leave no room, or when nothing sounds.
    `limited_db` is the deepest cut of the limiter. `substitutions` are programs the soundfont lacks.
    """

    path: Path
    duration_s: float
    loudness_lufs: float
    true_peak_db: float
    soundfont: SoundFont
    stems: tuple[Path, ...]
    loudness_reached: bool
    limited_db: float
    substitutions: tuple[Substitution, ...]


def render(
    midi_path: Path,
    wav_path: Path,
    *,
    duration_s: float | None,
    options: RenderOptions,
    on_progress: Progress | None = None,
    stems_folder: Path | None = None,
    ahead: SoundAhead | None = None,
) -> RenderReport:
    """Render a MIDI file to a stereo 24-bit WAV of exactly `duration_s` (None: music and its tail).

    Loudness is brought to `options.loudness_lufs` integrated, true peaks stay below
    `options.true_peak_db`. Where sound would be cut at the end, it fades, at most over the last 2 s and
    never before the last onset. With `stems_folder`, every track is also written there as 32-bit float WAV;
    their sum is the mix before the limiter. Files appear only when all of them are complete. Sound of this file that is
    there `ahead` is not made again, unless there are stems; the result is the same.

    Raises: `MidiError` if the MIDI file is unreadable or has no notes; `AudioError` for the soundfont;
    `OutputError` if a file cannot be written; `ValueError` if `duration_s` is not positive.
    """
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration_s must be positive, got {duration_s}")
    soundfont = find_soundfont(options.soundfont)
    performance = read_performance(midi_path)
    whole_s = performance.end_s if duration_s is None else duration_s
    frames = max(round(whole_s * options.sample_rate_hz), 1)
    stems: tuple[Path, ...] = ()
    if stems_folder is not None:
        stems = stem_paths(stems_folder, wav_path.stem, performance)
    report = on_progress or _ignore
    with contextlib.ExitStack() as opened:
        drafts = [opened.enter_context(atomic_output(path, overwrite=True)) for path in (wav_path, *stems)]
        stores = [opened.enter_context(contextlib.closing(SoundStore(draft.parent))) for draft in drafts[1:]]
        mixdown = None
        if ahead is not None and not stems:
            mixdown = ahead.finished(performance, frames, lambda done: report(SYNTHESIS_SHARE * done))
        if mixdown is None:
            synthesiser = Synthesiser(soundfont.path, options.sample_rate_hz, performance.programs)
            mixdown = opened.enter_context(contextlib.closing(Mixdown(drafts[0].parent, synthesiser)))
            fade = plan_fade(performance, frames, synthesiser.rate_hz)
            _synthesise(_Source(synthesiser, performance, fade), mixdown, stores, report)
        master = _mastered(mixdown, drafts[0], options, report)
        _write_stems(drafts[1:], stores, gain=master.gain, rate_hz=options.sample_rate_hz)
    report(1.0)
    return RenderReport(
        path=wav_path,
        duration_s=frames / options.sample_rate_hz,
        loudness_lufs=master.loudness_lufs,
        true_peak_db=master.true_peak_db,
        soundfont=soundfont,
        stems=stems,
        loudness_reached=abs(master.loudness_lufs - options.loudness_lufs) <= CLOSE_ENOUGH_LU,
        limited_db=master.limited_db,
        substitutions=mixdown.substitutions,
    )


def stem_paths(folder: Path, stem: str, performance: Performance) -> tuple[Path, ...]:
    """A file name for every track that has notes: `title.02-strings.wav`; unnamed tracks keep the number."""
    paths = []
    for number, track in enumerate(performance.sounding_tracks, start=1):
        name = re.sub(r"[^\w]+", "-", performance.track_names[track]).strip("-").lower()
        paths.append(folder / (f"{stem}.{number:02d}-{name}.wav" if name else f"{stem}.{number:02d}.wav"))
    return tuple(paths)


def _ignore(fraction: float) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True)
class _Source:
    """What is to be played, all at once or track by track."""

    synthesiser: Synthesiser
    performance: Performance
    fade: Fade

    @property
    def frames(self) -> int:
        """Up to the cut."""
        return self.fade.stop

    def windows(self, track: int | None = None) -> Iterator[Sound]:
        """Faded sound of everything or of one track, shape (2, up to one second)."""
        windows = self.synthesiser.windows(self.performance.messages, self.frames, track=track)
        return faded(windows, self.frames, self.synthesiser.rate_hz, lambda: self.fade)


def _synthesise(source: _Source, mixdown: Mixdown, stems: list[SoundStore], report: Progress) -> None:
    """Fill the stores. With stems, the mix is their sum."""
    for number, (stem, track) in enumerate(zip(stems, source.performance.sounding_tracks, strict=False)):
        for window in source.windows(track):
            stem.append(window)
            report(SYNTHESIS_SHARE * (number + stem.frames / source.frames) / len(stems))
    mixed = _summed(stems, source.synthesiser.rate_hz) if stems else source.windows()
    with made_ahead(mixed, depth=WINDOWS_AHEAD) as windows:
        for frames in mixdown.take(windows):
            if not stems:
                report(SYNTHESIS_SHARE * frames / source.frames)


def _mastered(mixdown: Mixdown, draft: Path, options: RenderOptions, report: Progress) -> Master:
    return write_master(
        mixdown.sound,
        draft,
        source_lufs=mixdown.loudness_lufs,
        options=options,
        on_progress=lambda done: report(SYNTHESIS_SHARE + (1 - SYNTHESIS_SHARE) * done),
    )


def _summed(stores: list[SoundStore], window_frames: int) -> Iterator[Sound]:
    """The sum of stores of equal length, window by window."""
    for start in range(0, stores[0].frames, window_frames):
        stop = min(start + window_frames, stores[0].frames)
        yield np.sum([store.read(start, stop) for store in stores], axis=0, dtype=np.float32)


def _write_stems(drafts: list[Path], stems: list[SoundStore], *, gain: float, rate_hz: int) -> None:
    for draft, stem in zip(drafts, stems, strict=True):
        with WavWriter(draft, rate_hz, stem.frames, "float32") as writer:
            for start in range(0, stem.frames, WINDOW_S * rate_hz):
                stop = min(start + WINDOW_S * rate_hz, stem.frames)
                writer.write(stem.read(start, stop) * np.float32(gain))
