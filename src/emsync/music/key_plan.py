"""Which pitch classes a score leans on: one tonic for the film, major or minor as its valence asks.

A network that hears a few bars forgets the key over minutes, and one this small hardly learns from labels that low
valence is minor. So the key is planned, like the bars: the logits of notes get the logarithm of a key profile as a
prior. Mode is the strongest cue of valence there is (Hevner 1935; Gabrielsson & Lindstroem 2010); keys of one tonic
(parallel, not relative) are mixed, so that valence moves the third, sixth and seventh and the tonic stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.control import Key, Mode
from emsync.music.vocabulary import LOWEST_PITCH, NOTE_COUNT, PITCHES, Vocabulary
from emsync.types import TICK_S, AffectCurve, Floats, InstrumentGroup, Notes

MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
"""Probe-tone ratings of Krumhansl & Kessler (1982), tonic first."""
VALENCE_SHARPNESS = 3.0
"""How quickly the mixture turns: at valence 0.4 it is 92 % major."""


class KeyPlan:
    """The prior of one film; `strength` 0 switches it off, 1 takes the profile as it is."""

    def __init__(self, vocabulary: Vocabulary, *, tonic: int, strength: float) -> None:
        """Raises ValueError for a tonic outside 0..11 or a negative strength."""
        if strength < 0:
            raise ValueError(f"strength must be 0 or more, got {strength}")
        self.strength, self._key = strength, Key(tonic)
        major, minor = np.array(MAJOR_PROFILE), np.array(MINOR_PROFILE)
        self._profiles = np.stack((major / major.sum(), minor / minor.sum()))
        self._classes, self._is_pitched_on = _pitch_classes(vocabulary)

    def bias(self, valence: float, asked: Key | None = None) -> Floats:
        """What is added to the logits, shape (V,): 0 at everything but ONs of pitched groups, on average 0 there.

        Args:
            valence: in [-1, 1]; below 0 minor, above 0 major, at 0 half of each.
            asked: a key in place of the film's own; its mode, if it has one, overrides valence.
        """
        key = asked or self._key
        major = _major_share(valence) if key.mode is None else float(key.mode is Mode.MAJOR)
        prior = np.roll(np.log(np.array([major, 1 - major]) @ self._profiles), key.tonic)
        prior -= prior.mean()
        return np.asarray(np.where(self._is_pitched_on, self.strength * prior[self._classes], 0.0))

    def chord_bias(self, degrees: Sequence[int], tonic: int, weight: float) -> Floats:
        """What is added so that notes belong to a chord, shape (V,): -`weight` at ONs of other pitch classes.

        Args:
            degrees: the chord's pitch classes in semitones above the tonic.
        """
        others = ~np.isin((self._classes - tonic) % 12, degrees)
        return np.asarray(np.where(self._is_pitched_on & others, -weight * min(self.strength, 1.0), 0.0))


def tonic_of(notes: Notes, affect: AffectCurve) -> int:
    """The tonic, 0 to 11, whose profile fits the notes of pitched groups best, each as long as it sounds.

    As in `KeyPlan`, valence at the onset says how much of the profile is major. 0 where nothing has a pitch.
    """
    pitched = notes[notes["group"] != InstrumentGroup.DRUMS]
    valences = affect.valence_at(pitched["onset_ticks"] * TICK_S)
    major = _major_share(valences)
    profiles = np.stack([np.array(one) / sum(one) for one in (MAJOR_PROFILE, MINOR_PROFILE)])
    log_profiles = np.log(np.stack((major, 1 - major), axis=1) @ profiles)  # (N, 12), tonic first
    degrees = (pitched["pitch"].astype(np.int64)[:, None] - np.arange(12)) % 12  # (N, 12 tonics)
    fits = np.take_along_axis(log_profiles, degrees, axis=1) * pitched["duration_ticks"][:, None]
    return int(fits.sum(axis=0).argmax())


def _major_share(valence: float | Floats) -> Any:
    """How much of the mixture of modes is major, in [0, 1], shape of `valence`."""
    return 1 / (1 + np.exp(-2 * VALENCE_SHARPNESS * valence))


def _pitch_classes(vocabulary: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pitch class of every token and whether it is an ON of a pitched group, each of shape (V,)."""
    tokens = np.arange(vocabulary.size)
    notes = np.clip(vocabulary.notes_of(tokens), 0, NOTE_COUNT - 1)
    is_pitched = notes >= PITCHES * (InstrumentGroup.DRUMS + 1)
    return (notes % PITCHES + LOWEST_PITCH) % 12, vocabulary.is_on(tokens) & is_pitched
