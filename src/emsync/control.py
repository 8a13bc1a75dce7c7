"""What a user may ask of the music: a key and a density, as values and in words. docs/control.md is for people.

Loads nothing heavy: the command line checks its arguments with it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""How the twelve pitch classes are spelled when they are written."""
_NATURAL_NOTES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}
_KEY = re.compile(
    r"(?P<note>[A-Ga-g])(?:[ -]?(?P<accidental>#|b|♯|♭|(?i:sharp|flat)))?"
    r"\s*(?P<mode>(?i:major|maj|minor|min)|m)?"
)

DENSITY_WORDS = {"sparse": 5.0, "medium": 8.0, "dense": 16.0}
"""Notes a second. Of 3,080 pieces by people 10 % are sparser than `sparse`, half are sparser than `medium`, 10 % are
denser than `dense` (4.95, 7.81 and 16.19; benchmarks/results/human_density.json)."""
LOWEST_DENSITY, HIGHEST_DENSITY = 0.5, 40.0
"""Notes a second that may be asked for."""


class Mode(StrEnum):
    """The two modes that the music knows."""

    MAJOR = "major"
    MINOR = "minor"


@dataclass(frozen=True)
class Key:
    """A tonic, 0 (C) to 11 (B), and a mode; None leaves the mode to valence."""

    tonic: int
    mode: Mode | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.tonic < 12:
            raise ValueError(f"a tonic is a pitch class, 0 to 11, got {self.tonic}")

    def __str__(self) -> str:
        return NAMES[self.tonic] + (f" {self.mode}" if self.mode else "")


def parse_key(text: str) -> Key:
    """A key as musicians write it. Raises ValueError for anything else.

    >>> [str(parse_key(text)) for text in ("C", "a minor", "F# minor", "Bb", "E flat major", "Am")]
    ['C', 'A minor', 'F# minor', 'Bb', 'Eb major', 'A minor']
    """
    found = _KEY.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is no key; write a tonic (C, F#, Bb), alone or with major or minor (F# minor)"
        )
    accidental = (found["accidental"] or "").lower()
    tonic = (_NATURAL_NOTES[found["note"].upper()] + _ACCIDENTALS[accidental]) % 12
    mode = (found["mode"] or "").lower()
    return Key(tonic, None if not mode else Mode.MAJOR if mode.startswith("maj") else Mode.MINOR)


def parse_density(text: str) -> float:
    """Notes a second from a word or a number. Raises ValueError for anything else.

    >>> parse_density("sparse"), parse_density("7.5")
    (5.0, 7.5)
    """
    word = text.strip().lower()
    if word in DENSITY_WORDS:
        return DENSITY_WORDS[word]
    try:
        return checked_density(float(word))
    except ValueError as error:
        raise ValueError(f"{text!r} is no density; {_DENSITY_CHOICE}") from error


def checked_density(notes_per_s: float) -> float:
    """The density itself. Raises ValueError outside `LOWEST_DENSITY`..`HIGHEST_DENSITY`, also for NaN."""
    if not (math.isfinite(notes_per_s) and LOWEST_DENSITY <= notes_per_s <= HIGHEST_DENSITY):
        raise ValueError(f"{notes_per_s:g} is no density; {_DENSITY_CHOICE}")
    return notes_per_s


_DENSITY_CHOICE = (
    f"write {', '.join(DENSITY_WORDS)} or notes a second, {LOWEST_DENSITY:g} to {HIGHEST_DENSITY:g}"
)
