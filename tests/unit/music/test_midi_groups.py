"""Every General MIDI program belongs to one of the five groups."""

from __future__ import annotations

import pytest

from emsync.music.midi_groups import group_of_program
from emsync.types import (
    InstrumentGroup,
)


@pytest.mark.parametrize(
    ("program", "group"),
    [
        *((number, "PIANO") for number in (0, 11, 46, 114)),
        *((number, "STRINGS") for number in (16, 40, 52, 60, 79, 81, 95)),
        *((number, "GUITAR") for number in (24, 31, 105)),
        *((number, "BASS") for number in (32, 39, 47)),
        (127, "DRUMS"),
    ],
)
def test_programs_belong_to_the_documented_group(program: int, group: str) -> None:
    assert group_of_program(program, False).name == group
    assert group_of_program(program, True).name == "DRUMS"


def test_every_program_has_a_group_and_no_other_number_has() -> None:
    assert {group_of_program(program, False) for program in range(128)} == set(InstrumentGroup)
    for program in (-1, 128):
        with pytest.raises(ValueError, match=r"0\.\.127"):
            group_of_program(program, False)
