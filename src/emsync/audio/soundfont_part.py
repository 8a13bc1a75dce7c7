"""A compressed soundfont without the samples that a piece does not play, to load it in a third of the time.

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

_KEY_RANGE, _INSTRUMENT, _SAMPLE = 43, 41, 53
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


def part_of(content: bytes, played: Mapping[Place, Collection[int]]) -> bytes:
    """The soundfont with all samples emptied but those for the keys that are played on each preset.

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


def _samples(tables: Mapping[bytes, Records], played: Mapping[Place, Collection[int]]) -> set[int]:
    """Numbers of the samples that the presets may need for their keys."""
    needed: set[int] = set()
    for number, preset in enumerate(tables[b"phdr"][:-1]):
        keys = played.get((int(preset["bank"]), int(preset["program"])), ())
        zones = _zones(tables[b"phdr"], number, tables[b"pbag"], tables[b"pgen"])
        for instrument in _named(zones, _INSTRUMENT, keys):
            inner = _zones(tables[b"inst"], instrument, tables[b"ibag"], tables[b"igen"])
            needed.update(_named(inner, _SAMPLE, keys))
    return needed


def _zones(headers: Records, number: int, bags: Records, generators: Records) -> Iterator[dict[int, int]]:
    """The generators of each zone of a preset or an instrument, by kind."""
    for bag in range(int(headers[number]["zones"]), int(headers[number + 1]["zones"])):
        zone = generators[int(bags[bag]["generators"]) : int(bags[bag + 1]["generators"])]
        yield dict(zip(zone["kind"].tolist(), zone["amount"].tolist(), strict=True))


def _named(zones: Iterator[dict[int, int]], what: int, keys: Collection[int]) -> Iterator[int]:
    """What the zones name that hold one of the keys; a zone without a range of its own may hold any."""
    for zone in zones:
        lowest, highest = zone.get(_KEY_RANGE, 0x7F00) & 0xFF, zone.get(_KEY_RANGE, 0x7F00) >> 8
        if what in zone and any(lowest <= key <= highest for key in keys):
            yield zone[what]
