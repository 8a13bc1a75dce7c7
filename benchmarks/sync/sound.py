"""What can be heard of a piece: onsets and beats in its rendered sound, and how the level rises at boundaries.

Onsets and beats are librosa's (McFee et al., SciPy 2015; onset strength by spectral flux, beats by dynamic programming,
Ellis 2007), needed here alone: `pip install librosa`. Rises are read from the stems: in a full mix the attack of one
chord is masked by whatever else sounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.ndimage import uniform_filter1d

from emsync.audio.render import render
from emsync.music.midi_file import write_midi
from emsync.options import RenderOptions
from emsync.types import Composition, CueSheet, Floats, InstrumentGroup

Samples = NDArray[np.float32]

ANALYSIS_RATE_HZ = 22_050
HOP = 256
"""Frames of librosa are 11.6 ms apart."""
RISE_WINDOW_S = 0.02
RISE_STEP_S = 0.002
RISE_REACH_S = 0.1
LEAST_RISE_DB = 3.0
SILENCE_DB = -70.0


@dataclass(frozen=True)
class Heard:
    """Onsets and beats of the mix in seconds, and the pitched stems, each float32 mono."""

    onsets_s: Floats
    beats_s: Floats
    stems: tuple[Samples, ...]
    rate_hz: int


def listen(piece: Composition, sheet: CueSheet) -> Heard:
    """Render a piece with its stems as the product does, and listen."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_midi(piece, sheet, folder / "score.mid")
        report = render(
            folder / "score.mid",
            folder / "music.wav",
            duration_s=sheet.duration_s,
            options=RenderOptions(stems=True),
            stems_folder=folder,
        )
        drums = InstrumentGroup.DRUMS.name.lower()
        stems = [read_mono(path) for path in report.stems if drums not in path.stem.lower()]
        mix, rate_hz = read_mono(report.path)
    onsets_s, beats_s = onsets_and_beats(mix, rate_hz)
    return Heard(onsets_s, beats_s, tuple(samples for samples, _ in stems), rate_hz)


def read_mono(path: Path) -> tuple[Samples, int]:
    """The mean of the channels of a WAV file, full scale 1, and its rate."""
    rate_hz, samples = wavfile.read(path)
    scale = np.iinfo(samples.dtype).max + 1 if np.issubdtype(samples.dtype, np.integer) else 1
    return (samples.astype(np.float64).mean(axis=1) / scale).astype(np.float32), int(rate_hz)


def onsets_and_beats(samples: Samples, rate_hz: int) -> tuple[Floats, Floats]:
    """librosa's onsets and beats in seconds, each increasing; none in silence."""
    librosa: Any = import_module("librosa")

    if not np.any(samples):
        return np.zeros(0), np.zeros(0)
    slow = librosa.resample(samples, orig_sr=rate_hz, target_sr=ANALYSIS_RATE_HZ)
    strength = librosa.onset.onset_strength(y=slow, sr=ANALYSIS_RATE_HZ, hop_length=HOP)
    settings = {"onset_envelope": strength, "sr": ANALYSIS_RATE_HZ, "hop_length": HOP, "units": "time"}
    onsets_s = librosa.onset.onset_detect(**settings)
    _, beats_s = librosa.beat.beat_track(**settings)
    return np.asarray(onsets_s, np.float64), np.asarray(beats_s, np.float64)


def rises_s(stems: Sequence[Samples], rate_hz: int, moments_s: Floats) -> Floats:
    """How far from each moment a stem rises most, shape of `moments_s`; above 0 is late, NaN is not at all.

    The rise at t is the energy of the 20 ms after t over that of the 20 ms before, in dB, every 2 ms; both are held to
    -70 dB of full scale at least. Of all stems the largest rise within 100 ms of the moment counts, if it is 3 dB or
    more.
    """
    offsets_s = np.arange(-RISE_REACH_S, RISE_REACH_S + RISE_STEP_S / 2, RISE_STEP_S)
    found = np.full(len(moments_s), np.nan)
    if not stems:
        return found
    curves = [_rise_curve(stem, rate_hz) for stem in stems]
    for place, moment_s in enumerate(moments_s):
        frames = np.rint((moment_s + offsets_s) * rate_hz).astype(int)
        inside = (frames >= 0) & (frames < len(curves[0]))
        rise_db = np.max([curve[frames[inside]] for curve in curves], axis=0, initial=-np.inf)
        if len(rise_db) and rise_db.max() >= LEAST_RISE_DB:
            found[place] = offsets_s[inside][int(np.argmax(rise_db))]
    return found


def _rise_curve(stem: Samples, rate_hz: int) -> Samples:
    """Rise in dB at every frame."""
    window = round(RISE_WINDOW_S * rate_hz)
    energy = uniform_filter1d(stem.astype(np.float64) ** 2, window, mode="constant")
    level_db = 10 * np.log10(np.maximum(energy, 10 ** (SILENCE_DB / 10)))
    half = window // 2
    padded = np.pad(level_db, half, mode="edge")
    return np.asarray(padded[2 * half :] - padded[: -2 * half], np.float32)
