"""A compressed soundfont without the samples of presets that are not played, to load it in half the time.

Only the entries of those samples are emptied in a copy of the file's bytes: every preset keeps its name and its place.
An emptied sample must not be played: what would be heard is whatever lies at its place.
Source: SoundFont 2.04 specification, sections 7.1 to 7.10 (tables of the `pdta` list) and 8.1.2 (generators).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int]
"""Bank and program of a preset."""
Records = NDArray[np.void]

_INSTRUMENT, _SAMPLE = 41, 53
_COMPRESSED = 0x10
_TABLES: dict[bytes, Any] = {
    b"phdr": [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("zones", "<u2"), ("rest", "V12")],
    b"pbag": [("generators", "<u2"), ("modulators", "<u2")],
    b"pgen": [("kind", "<u2"), ("amount", "<u2")],
    b"inst": [("name", "S20"), ("zones", "<u2")],
    b"ibag": [("generators", "<u2"), ("modulators", "<u2")],
    b"igen": [("kind", "<u2"), ("amount", "<u2")],
    b"shdr": [("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("rest", "V16"), ("kind", "<u2")],
}


def part_of(content: bytes, played: Collection[Place]) -> bytes:
    """The soundfont with all samples emptied but those of the presets that are played.

    A font that is not compressed, or that does not read as one, is given back as it is.
    """
    part = bytearray(content)
    tables = _tables(part)
    if (
        set(tables) != set(_TABLES)
        or not len(tables[b"shdr"])
        or not (tables[b"shdr"]["kind"] & _COMPRESSED).any()
    ):
        return content
    try:
        needed = _samples(tables, played)
    except IndexError:
        return content
    samples = tables[b"shdr"]
    is_idle = np.ones(len(samples), np.bool_)
    for number in needed:
        is_idle[number : number + 2] = False  # TinySoundFont plays a frame or two of the sample that follows
    for edge in ("start", "end"):
        samples[edge][is_idle] = 0
    return bytes(part)


def _tables(content: bytearray) -> dict[bytes, Records]:
    """The tables of a soundfont, views of its bytes."""
    found = {}
    for name, first, size in _chunks(content, 12, len(content)):
        if name == b"LIST" and content[first : first + 4] == b"pdta":
            for table, start, length in _chunks(content, first + 4, first + size):
                if table in _TABLES:
                    kind = np.dtype(_TABLES[table])
                    found[table] = np.frombuffer(content, kind, length // kind.itemsize, start)
    return found


def _chunks(content: bytearray, first: int, last: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size of each chunk that lies wholly between two places."""
    while first + 8 <= last:
        name, size = struct.unpack_from("<4sI", content, first)
        if first + 8 + size > last:
            return
        yield name, first + 8, size
        first += 8 + size + size % 2


def _samples(tables: Mapping[bytes, Records], played: Collection[Place]) -> set[int]:
    """Numbers of the samples of the presets."""
    needed: set[int] = set()
    for number, preset in enumerate(tables[b"phdr"][:-1]):
        if (int(preset["bank"]), int(preset["program"])) in played:
            for instrument in _named(_INSTRUMENT, tables[b"phdr"], number, tables[b"pbag"], tables[b"pgen"]):
                needed.update(_named(_SAMPLE, tables[b"inst"], instrument, tables[b"ibag"], tables[b"igen"]))
    return needed


def _named(what: int, headers: Records, number: int, bags: Records, generators: Records) -> list[int]:
    """What the zones of a preset or an instrument name."""
    zones = bags["generators"][int(headers[number]["zones"]) : int(headers[number + 1]["zones"]) + 1]
    inside = generators[int(zones[0]) : int(zones[-1])]
    return [int(amount) for amount in inside["amount"][inside["kind"] == what]]
