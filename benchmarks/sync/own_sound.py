"""When the chord that answers a boundary speaks, by its own sound: its notes alone, as the product renders them.

In a mix what else is struck nearby may rise more than the chord itself. Here each chord is played by itself, on the
patches and at the velocities of the piece. It speaks when its level comes within 15 dB of its loudest, as onsets of
notes were measured in ensembles (Rasch, Acustica 1979: a threshold 15 to 20 dB below the maximum).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter1d

from emsync.audio.performance import DRUM_CHANNEL, Performance, read_performance
from emsync.audio.soundfont import find_soundfont
from emsync.audio.synthesiser import Synthesiser
from emsync.music.midi_file import write_midi
from emsync.types import TICK_S, Composition, CueSheet, Floats, PlayedMessage

RATE_HZ = 48_000
SPEAKS_BELOW_PEAK_DB = 15.0
PEAK_WITHIN_S = 0.5
LEVEL_WINDOW_S = 0.005
APART_S = 6.0
"""Chords are played so far from each other that one has died away when the next is struck."""
BEFORE_S, EARLIEST_S = 1.0, 0.1
SILENCE = 1e-10


def chords_speak_s(piece: Composition, sheet: CueSheet, moments_s: Floats, *, reach_s: float) -> Floats:
    """How far from each moment its chord speaks, shape of `moments_s`; above 0 is late.

    A moment's chord is the CHORD nearest to it, at most `reach_s` away; NaN where there is none or it has no sound.
    """
    found = np.full(len(moments_s), np.nan)
    onsets_s = [_nearest(np.array(piece.chord_onsets_ticks) * TICK_S, moment_s) for moment_s in moments_s]
    answered = [
        place
        for place, (onset_s, moment_s) in enumerate(zip(onsets_s, moments_s, strict=True))
        if abs(onset_s - moment_s) <= reach_s
    ]
    if answered:
        struck_s = np.array([onsets_s[place] for place in answered])
        found[answered] = struck_s + delays_s(_performance(piece, sheet), struck_s) - moments_s[answered]
    return found


def delays_s(performance: Performance, onsets_s: Sequence[float] | Floats) -> Floats:
    """From each onset until what is struck there speaks, each chord alone; shape of `onsets_s`; NaN for silence.

    Below 0 where slow programs are played so far ahead that they are heard early.
    """
    apart = tuple(_apart(performance, onsets_s))
    synthesiser = Synthesiser(find_soundfont(None).path, RATE_HZ, performance.programs)
    frames = round((BEFORE_S + APART_S * len(onsets_s)) * RATE_HZ)
    sound = np.concatenate([window.mean(axis=0) for window in synthesiser.windows(apart, frames)])
    window = round(LEVEL_WINDOW_S * RATE_HZ)
    # Energy of the window that ends at a frame: nothing is heard before it sounds.
    energy = uniform_filter1d(
        sound.astype(np.float64) ** 2, window, mode="constant", origin=(window - 1) // 2
    )
    return np.array([_delay_s(energy, round(place * RATE_HZ)) for place in _places_s(len(onsets_s))])


def _delay_s(energy: Floats, frame: int) -> float:
    first = frame - round(EARLIEST_S * RATE_HZ)
    heard = energy[first : frame + round(PEAK_WITHIN_S * RATE_HZ)]
    if heard.max() <= SILENCE:
        return np.nan
    spoken = first + int(np.argmax(heard >= heard.max() * 10 ** (-SPEAKS_BELOW_PEAK_DB / 10)))
    return (spoken - frame) / RATE_HZ


def _places_s(count: int) -> list[float]:
    """Where each chord is played."""
    return [BEFORE_S + APART_S * number for number in range(count)]


def _apart(performance: Performance, onsets_s: Sequence[float] | Floats) -> Iterator[PlayedMessage]:
    """How the instruments are set up, then each chord at its place; a note is released after what is listened to."""
    for played in performance.messages:
        if not played.message.type.startswith("note"):
            yield replace(played, time_s=0.0)
    for onset_s, place_s in zip(onsets_s, _places_s(len(onsets_s)), strict=True):
        chord = [played for played in performance.messages if _is_struck(played, float(onset_s))]
        yield from (replace(played, time_s=place_s + max(played.time_s - onset_s, 0.0)) for played in chord)
        for played in chord:
            yield replace(played, time_s=place_s + PEAK_WITHIN_S, message=played.message.copy(velocity=0))


def _is_struck(played: PlayedMessage, onset_s: float) -> bool:
    """Whether a note of a pitched instrument begins with the chord, to a tick."""
    in_time = abs(played.time_s - onset_s) <= TICK_S
    return played.is_onset and in_time and played.message.channel != DRUM_CHANNEL


def _performance(piece: Composition, sheet: CueSheet) -> Performance:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "score.mid"
        write_midi(piece, sheet, path)
        return read_performance(path)


def _nearest(times_s: Floats, moment_s: float) -> float:
    """The nearest of some times; infinity if there are none."""
    return float(times_s[np.abs(times_s - moment_s).argmin()]) if len(times_s) else np.inf
