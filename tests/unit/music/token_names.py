"""Tokens by their names, for tests of the grammar."""

from __future__ import annotations

import numpy as np
import pytest

from emsync.music.vocabulary import EMSYNC, PAPER
from emsync.types import InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
BANDS = [
    frozenset(band)
    for band in (
        InstrumentGroup,
        {BASS},
        {GUITAR},
        {PIANO},
        {STRINGS},
        {DRUMS, BASS},
        {DRUMS, STRINGS},
        {BASS, STRINGS},
        {DRUMS, GUITAR, PIANO},
    )
]

BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)
NAMES = {
    vocabulary: [vocabulary.name_of(token) for token in range(vocabulary.size)]
    for vocabulary in (EMSYNC, PAPER)
}
KINDS = {vocabulary: np.array([name.split()[0] for name in names]) for vocabulary, names in NAMES.items()}
TOKENS = {
    vocabulary: {name: token for token, name in enumerate(names)} for vocabulary, names in NAMES.items()
}


def kind_of(name: str) -> str:
    return name.split(maxsplit=1)[0]


def note_of(name: str) -> str:
    """Group and pitch of an ON or OFF, however hard it is struck."""
    return " ".join(name.split()[1:3])


def shift_of(name: str) -> int:
    kind, _, ticks = name.partition(" ")
    return int(ticks) if kind == "TIME_SHIFT" else 0
