"""From a MIDI file to a WAV file at a promised loudness.

    score.mid -read_performance-> Performance -Synthesiser-> sound -fade-> store -write_master-> music.wav

The sound is made once, window by window, into a temporary file beside the result (384 kB a second at
48 kHz, as much again for every stem), then read to be amplified and limited.
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
from emsync.audio.loudness import LoudnessMeter, Sound
from emsync.audio.mastering import WINDOW_S, WINDOWS_AHEAD, Master, write_master
from emsync.audio.performance import Performance, read_performance
from emsync.audio.soundfont import SoundFont, find_soundfont
from emsync.audio.synthesiser import Substitution, Synthesiser
from emsync.audio.wav_file import SoundStore, WavWriter
from emsync.options import RenderOptions
from emsync.output_file import atomic_output

LONGEST_FADE_S = 2.0
SHORTEST_FADE_S = 0.01
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


@dataclass(frozen=True)
class Fade:
    """A falling half cosine between two frames: 1 before, 0 from `stop` on."""

    start: int
    stop: int

    def gain(self, first: int, frames: int) -> Sound:
        """Factors for `frames` frames from `first`, shape (frames,)."""
        place = (first + np.arange(frames) - self.start) / max(self.stop - self.start, 1)
        return (0.5 + 0.5 * np.cos(np.pi * np.clip(place, 0.0, 1.0))).astype(np.float32)


def render(
    midi_path: Path,
    wav_path: Path,
    *,
    duration_s: float | None,
    options: RenderOptions,
    on_progress: Progress | None = None,
    stems_folder: Path | None = None,
) -> RenderReport:
    """Render a MIDI file to a stereo 24-bit WAV of exactly `duration_s` (None: music and its tail).

    Loudness is brought to `options.loudness_lufs` integrated, true peaks stay below
    `options.true_peak_db`. Where sound would be cut at the end, it fades, at most over the last 2 s and
    never before the last onset. With `stems_folder`, every track is also written there as 32-bit float WAV;
    their sum is the mix before the limiter. Files appear only when all of them are complete.

    Raises: `MidiError` if the MIDI file is unreadable or has no notes; `AudioError` for the soundfont;
    `OutputError` if a file cannot be written; `ValueError` if `duration_s` is not positive.
    """
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration_s must be positive, got {duration_s}")
    soundfont = find_soundfont(options.soundfont)
    performance = read_performance(midi_path)
    synthesiser = Synthesiser(performance, soundfont.path, options.sample_rate_hz)
    whole_s = synthesiser.end_s if duration_s is None else duration_s
    frames = max(round(whole_s * options.sample_rate_hz), 1)
    fade = plan_fade(performance, synthesiser.end_s, frames, options.sample_rate_hz)
    stems: tuple[Path, ...] = ()
    if stems_folder is not None:
        stems = stem_paths(stems_folder, wav_path.stem, performance)
    with contextlib.ExitStack() as outputs:
        drafts = [outputs.enter_context(atomic_output(path, overwrite=True)) for path in (wav_path, *stems)]
        tracks = performance.sounding_tracks if stems else (None,)
        source = _Source(synthesiser, fade, tracks)
        master = _write_drafts(source, drafts, options=options, report=on_progress or _ignore)
    return RenderReport(
        path=wav_path,
        duration_s=frames / options.sample_rate_hz,
        loudness_lufs=master.loudness_lufs,
        true_peak_db=master.true_peak_db,
        soundfont=soundfont,
        stems=stems,
        loudness_reached=abs(master.loudness_lufs - options.loudness_lufs) <= CLOSE_ENOUGH_LU,
        limited_db=master.limited_db,
        substitutions=synthesiser.substitutions,
    )


def plan_fade(performance: Performance, end_s: float, frames: int, rate_hz: int) -> Fade:
    """Where to fade so that the cut at `frames` cannot be heard.

    Music whose last sound dies before the cut gets only the shortest fade, which changes nothing; else the
    fade starts after the last onset and at most 2 s before the cut.
    """
    duration_s = frames / rate_hz
    if end_s <= duration_s:
        return Fade(frames - round(SHORTEST_FADE_S * rate_hz), frames)
    last_onset_s = max((onset_s for onset_s in performance.onsets_s if onset_s < duration_s), default=0.0)
    start_s = max(last_onset_s, duration_s - LONGEST_FADE_S)
    return Fade(round(min(start_s, duration_s - SHORTEST_FADE_S) * rate_hz), frames)


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
    """What is to be played: each of the tracks alone, or everything at once for the track None."""

    synthesiser: Synthesiser
    fade: Fade
    tracks: tuple[int | None, ...]

    def windows(self, track: int | None) -> Iterator[Sound]:
        """Faded sound of one track up to the cut, shape (2, up to one second)."""
        first = 0
        for window in self.synthesiser.windows(self.fade.stop, track=track):
            yield window * self.fade.gain(first, window.shape[1])
            first += window.shape[1]


def _write_drafts(source: _Source, drafts: list[Path], *, options: RenderOptions, report: Progress) -> Master:
    """Write the mix to the first draft and the stems to the others; returns what the mix measures."""
    with contextlib.ExitStack() as opened:
        mix, *stems = [opened.enter_context(contextlib.closing(SoundStore(draft.parent))) for draft in drafts]
        source_lufs = _synthesise(source, mix, stems, report)
        master = write_master(
            mix,
            drafts[0],
            source_lufs=source_lufs,
            options=options,
            on_progress=lambda done: report(SYNTHESIS_SHARE + (1 - SYNTHESIS_SHARE) * done),
        )
        _write_stems(drafts[1:], stems, gain=master.gain, rate_hz=options.sample_rate_hz)
    report(1.0)
    return master


def _synthesise(source: _Source, mix: SoundStore, stems: list[SoundStore], report: Progress) -> float:
    """Fill the stores; returns the loudness of the mix in LUFS. With stems, the mix is their sum."""
    frames = source.fade.stop
    for number, (stem, track) in enumerate(zip(stems, source.tracks, strict=False)):
        for window in source.windows(track):
            stem.append(window)
            report(SYNTHESIS_SHARE * (number + stem.frames / frames) / len(stems))
    meter = LoudnessMeter(source.synthesiser.rate_hz)
    mixed = _summed(stems, source.synthesiser.rate_hz) if stems else source.windows(None)
    with made_ahead(mixed, depth=WINDOWS_AHEAD) as windows:
        for window in windows:
            mix.append(window)
            meter.feed(window)
            if not stems:
                report(SYNTHESIS_SHARE * mix.frames / frames)
    return meter.integrated_lufs()


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
