"""The five instrument groups and the 128 General MIDI programs, in both directions."""

from __future__ import annotations

from dataclasses import dataclass

from emsync.types import InstrumentGroup

DRUM_CHANNEL = 9
"""Channel 10 as musicians count; zero-based in files."""


@dataclass(frozen=True)
class Player:
    """How one group sits in a MIDI file. Program and channel are zero-based; pan 64 is the middle."""

    name: str
    channel: int
    program: int
    volume: int
    pan: int


PLAYERS = {
    InstrumentGroup.DRUMS: Player("Drums", channel=DRUM_CHANNEL, program=0, volume=96, pan=64),
    InstrumentGroup.BASS: Player("Bass", channel=0, program=33, volume=104, pan=64),
    InstrumentGroup.GUITAR: Player("Guitar", channel=1, program=25, volume=92, pan=84),
    InstrumentGroup.PIANO: Player("Piano", channel=2, program=0, volume=100, pan=48),
    InstrumentGroup.STRINGS: Player("Strings", channel=3, program=48, volume=88, pan=60),
}
"""Programs: standard kit, electric bass (finger), acoustic guitar (steel), grand piano, string ensemble 1."""

_DRUMS, _BASS, _GUITAR, _PIANO, _STRINGS = InstrumentGroup

_PROGRAM_RANGES: tuple[tuple[int, int, InstrumentGroup], ...] = (
    (0, 15, _PIANO),  # pianos; celesta, bells, mallets: struck, then ringing
    (16, 23, _STRINGS),  # organs, accordion, harmonica: sustained
    (24, 31, _GUITAR),
    (32, 39, _BASS),
    (40, 45, _STRINGS),  # violin to contrabass, tremolo, pizzicato
    (46, 46, _PIANO),  # harp: wide plucked chords
    (47, 47, _BASS),  # timpani: tuned and low
    (48, 55, _STRINGS),  # string ensembles, voices, orchestra hit
    (56, 79, _STRINGS),  # brass, reeds, pipes
    (80, 103, _STRINGS),  # synth leads, pads, synth effects
    (104, 108, _GUITAR),  # sitar, banjo, shamisen, koto, kalimba: plucked
    (109, 111, _STRINGS),  # bagpipe, fiddle, shanai
    (112, 112, _PIANO),  # tinkle bell
    (113, 113, _DRUMS),  # agogo
    (114, 114, _PIANO),  # steel drums: tuned
    (115, 119, _DRUMS),  # woodblock, taiko, toms, reverse cymbal: rhythm, not pitch
    (120, 127, _DRUMS),  # sound effects: noise, kept out of the harmony
)
_GROUP_OF_PROGRAM = tuple(group for first, last, group in _PROGRAM_RANGES for _ in range(first, last + 1))

_NAME_WORDS = (
    ("piano", _PIANO),
    ("drum", _DRUMS),
    ("percussion", _DRUMS),
    ("bassoon", _STRINGS),
    ("bass", _BASS),
    ("guitar", _GUITAR),
    ("string", _STRINGS),
    ("violin", _STRINGS),
    ("viola", _STRINGS),
    ("cello", _STRINGS),
)


def group_of_program(program: int, is_drum: bool) -> InstrumentGroup:
    """The group that plays a zero-based General MIDI program; the drum channel is always DRUMS.

    Groups follow how an instrument sounds: struck and ringing -> PIANO, plucked -> GUITAR, low -> BASS,
    sustained (bowed, blown, sung, held) -> STRINGS, without pitch -> DRUMS.

    Raises: ValueError if `program` is not in 0..127.

    >>> group_of_program(73, is_drum=False).name  # flute
    'STRINGS'
    """
    if not 0 <= program <= 127:
        raise ValueError(f"a General MIDI program lies in 0..127, got {program}")
    return InstrumentGroup.DRUMS if is_drum else _GROUP_OF_PROGRAM[program]


def group_of_track(program: int, is_drum: bool, name: str) -> InstrumentGroup:
    """Like `group_of_program`, but the name decides where the program says nothing.

    Many files set no program, which reads as 0; a track of program 0 called "Bass" is a bass.
    """
    if not is_drum and program == 0:
        for word, group in _NAME_WORDS:
            if word in name.lower():
                return group
    return group_of_program(program, is_drum)
