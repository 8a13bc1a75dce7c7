"""Read SoundFont 2 and 3 files: presets, their zones, and the samples those play.

A SoundFont is a RIFF file. `pdta` holds nine small tables that hang together by index: a preset has bags
of generators, a bag names an instrument, an instrument has bags of generators, a bag names a sample.
SoundFont 3 is the same with each sample stored as an Ogg Vorbis stream. Tables are read at once, samples
only when a note needs them.

Source: SoundFont Technical Specification 2.04, sections 5 to 8.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.errors import AudioError

Samples = NDArray[np.float32]

DRUM_BANK = 128
VORBIS_SAMPLE = 0x10
ROM_SAMPLE = 0x8000

_HEADERS: dict[str, np.dtype[np.void]] = {
    "phdr": np.dtype(
        [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "V12")]
    ),
    "pbag": np.dtype([("generator", "<u2"), ("modulator", "<u2")]),
    "pgen": np.dtype([("kind", "<u2"), ("amount", "<i2")]),
    "inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    "ibag": np.dtype([("generator", "<u2"), ("modulator", "<u2")]),
    "igen": np.dtype([("kind", "<u2"), ("amount", "<i2")]),
    "shdr": np.dtype(
        [
            ("name", "S20"),
            ("start", "<u4"),
            ("end", "<u4"),
            ("loop_start", "<u4"),
            ("loop_end", "<u4"),
            ("sample_rate_hz", "<u4"),
            ("root_key", "u1"),
            ("correction_cents", "i1"),
            ("link", "<u2"),
            ("kind", "<u2"),
        ]
    ),
}


class Generator:
    """Numbers of the generators that the voice honours (specification section 8.1.2)."""

    START_OFFSET, END_OFFSET, LOOP_START_OFFSET, LOOP_END_OFFSET = 0, 1, 2, 3
    START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE = 4, 12, 45, 50
    VIBRATO_TO_PITCH, MODULATION_ENVELOPE_TO_PITCH = 6, 7
    FILTER_CUTOFF, FILTER_RESONANCE, MODULATION_ENVELOPE_TO_CUTOFF = 8, 9, 11
    REVERB_SEND, PAN = 16, 17
    VIBRATO_DELAY, VIBRATO_FREQUENCY = 23, 24
    MODULATION_ENVELOPE, VOLUME_ENVELOPE = 25, 33
    INSTRUMENT, KEY_RANGE, VELOCITY_RANGE = 41, 43, 44
    FIXED_KEY, FIXED_VELOCITY, ATTENUATION = 46, 47, 48
    COARSE_TUNE, FINE_TUNE, SAMPLE, LOOP_MODE = 51, 52, 53, 54
    SCALE_TUNING, EXCLUSIVE_CLASS, ROOT_KEY = 56, 57, 58


_TIME_DEFAULT = -12_000
_DEFAULTS: dict[int, int] = {
    Generator.FILTER_CUTOFF: 13_500,
    Generator.VIBRATO_DELAY: _TIME_DEFAULT,
    Generator.FIXED_KEY: -1,
    Generator.FIXED_VELOCITY: -1,
    Generator.SCALE_TUNING: 100,
    Generator.ROOT_KEY: -1,
    **{first + step: _TIME_DEFAULT for first in (25, 33) for step in (0, 1, 2, 3, 5)},
}
# A preset may not set these: they belong to the instrument (specification section 8.5).
_INSTRUMENT_ONLY = frozenset({0, 1, 2, 3, 4, 12, 45, 46, 47, 50, 54, 57, 58})
_FULL_RANGE = (0, 127)


@dataclass(frozen=True)
class SampleHeader:
    """Where a sample lies in the file: frames from the start of `smpl`, or bytes when it is Vorbis."""

    index: int
    name: str
    start: int
    end: int
    loop_start: int
    loop_end: int
    sample_rate_hz: int
    root_key: int
    correction_cents: int
    is_vorbis: bool
    is_rom: bool


@dataclass(frozen=True)
class Zone:
    """One sample with all it takes to play it, for a range of keys and velocities (both inclusive)."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    generators: dict[int, int]
    sample: SampleHeader

    def value(self, kind: int) -> int:
        """Value of a generator in the specification's own unit, its default when the zone sets none."""
        return self.generators.get(kind, _DEFAULTS.get(kind, 0))

    def answers(self, key: int, velocity: int) -> bool:
        """Whether a note of this key and velocity sounds this zone."""
        return self.keys[0] <= key <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]


@dataclass(frozen=True)
class Preset:
    """An instrument as a MIDI program change names it."""

    name: str
    bank: int
    program: int
    zones: tuple[Zone, ...]


@dataclass(frozen=True)
class _Bag:
    """The generators of one bag, ranges apart; `target` is the instrument or sample it names, if any."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    generators: dict[int, int]
    target: int | None


class SoundFontFile:
    """An open SoundFont: presets by (bank, program), samples read and decoded on demand."""

    def __init__(self, path: Path) -> None:
        """Read the tables. Raises `AudioError` if the file is missing or not a SoundFont."""
        self.path = path
        try:
            with path.open("rb") as file:
                chunks = _locate_chunks(file, path)
                self._tables = {name: _read_table(file, chunks, name) for name in _HEADERS}
            self._smpl_offset, self._smpl_size = chunks["smpl"]
        except OSError as error:
            raise AudioError(f"cannot read the soundfont {path}: {error.strerror or error}") from error
        except (KeyError, ValueError, struct.error) as error:
            raise AudioError(
                f"{path} is not a complete SoundFont 2 or 3 file; choose another with --soundfont"
            ) from error
        self.samples = tuple(_read_sample_headers(self._tables["shdr"]))
        self.preset_names = self._index_presets()
        self._presets: dict[tuple[int, int], Preset] = {}
        self._decoded: dict[int, Samples] = {}

    def preset(self, bank: int, program: int) -> Preset:
        """The preset at a bank and program. Raises `KeyError` if there is none."""
        if (bank, program) not in self._presets:
            self._presets[bank, program] = self._build_preset(self.preset_names[bank, program])
        return self._presets[bank, program]

    def audio(self, sample: SampleHeader) -> Samples:
        """One sample as floats in [-1, 1], shape (frames,); kept in memory once read."""
        if sample.index not in self._decoded:
            self._decoded[sample.index] = self._read_audio(sample)
        return self._decoded[sample.index]

    def sample_bytes(self, sample: SampleHeader) -> bytes:
        """A sample as it is stored: 16-bit PCM or an Ogg Vorbis stream."""
        width = 1 if sample.is_vorbis else 2
        with self.path.open("rb") as file:
            file.seek(self._smpl_offset + sample.start * width)
            return file.read((sample.end - sample.start) * width)

    def _read_audio(self, sample: SampleHeader) -> Samples:
        if sample.is_rom:
            return np.zeros(1, np.float32)
        stored = self.sample_bytes(sample)
        if sample.is_vorbis:
            return _decode_vorbis(stored, self.path, sample.name)
        return np.frombuffer(stored[: len(stored) // 2 * 2], "<i2").astype(np.float32) / 32768.0

    def _index_presets(self) -> dict[tuple[int, int], int]:
        headers = self._tables["phdr"][:-1]
        return {(int(row["bank"]), int(row["program"])): index for index, row in enumerate(headers)}

    def _build_preset(self, index: int) -> Preset:
        row = self._tables["phdr"][index]
        zones: list[Zone] = []
        for preset_bag in self._bags("p", index, Generator.INSTRUMENT):
            if preset_bag.target is None:
                continue
            for bag in self._bags("i", preset_bag.target, Generator.SAMPLE):
                zone = self._combine(preset_bag, bag)
                if zone is not None:
                    zones.append(zone)
        return Preset(_text(row["name"]), int(row["bank"]), int(row["program"]), tuple(zones))

    def _combine(self, preset_bag: _Bag, bag: _Bag) -> Zone | None:
        """Instrument values are absolute, preset values are added to them (section 9.4)."""
        keys = _intersect(preset_bag.keys, bag.keys)
        velocities = _intersect(preset_bag.velocities, bag.velocities)
        if bag.target is None or bag.target >= len(self.samples) or keys is None or velocities is None:
            return None
        generators = dict(bag.generators)
        for kind, amount in preset_bag.generators.items():
            if kind not in _INSTRUMENT_ONLY:
                generators[kind] = generators.get(kind, _DEFAULTS.get(kind, 0)) + amount
        return Zone(keys, velocities, generators, self.samples[bag.target])

    def _bags(self, level: str, index: int, target_kind: int) -> list[_Bag]:
        """Local bags of a preset ("p") or instrument ("i"), each with the global bag underneath."""
        owners = self._tables["phdr" if level == "p" else "inst"]
        first, last = int(owners[index]["bag"]), int(owners[index + 1]["bag"])
        bags = [self._read_bag(level, bag, target_kind) for bag in range(first, last)]
        if not bags or bags[0].target is not None:
            return bags
        everywhere = bags[0]
        return [_over(everywhere, bag) for bag in bags[1:]]

    def _read_bag(self, level: str, bag: int, target_kind: int) -> _Bag:
        bags, table = self._tables[f"{level}bag"], self._tables[f"{level}gen"]
        rows = table[int(bags[bag]["generator"]) : int(bags[bag + 1]["generator"])]
        values = {int(row["kind"]): int(row["amount"]) for row in rows}
        target = values.pop(target_kind, None)
        keys = _range(values.pop(Generator.KEY_RANGE, None))
        velocities = _range(values.pop(Generator.VELOCITY_RANGE, None))
        return _Bag(keys, velocities, values, None if target is None else target & 0xFFFF)


def _over(everywhere: _Bag, bag: _Bag) -> _Bag:
    keys = everywhere.keys if bag.keys == _FULL_RANGE else bag.keys
    velocities = everywhere.velocities if bag.velocities == _FULL_RANGE else bag.velocities
    return _Bag(keys, velocities, everywhere.generators | bag.generators, bag.target)


def _range(amount: int | None) -> tuple[int, int]:
    return _FULL_RANGE if amount is None else (amount & 0xFF, (amount >> 8) & 0xFF)


def _intersect(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int] | None:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()


def _locate_chunks(file: io.BufferedReader, path: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of every chunk inside the LIST chunks of a RIFF `sfbk` file."""
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"sfbk":
        raise AudioError(f"{path} is not a SoundFont (.sf2 or .sf3) file; choose another with --soundfont")
    chunks: dict[str, tuple[int, int]] = {}
    while len(header := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"LIST":
            file.seek(4, io.SEEK_CUR)
            continue
        chunks[name.decode("latin-1")] = (file.tell(), size)
        file.seek(size, io.SEEK_CUR)
        _skip_padding(file, size)
    return chunks


def _skip_padding(file: io.BufferedReader, size: int) -> None:
    """RIFF pads odd chunks with one byte; MuseScore's SoundFont 3 writer does not, so look first."""
    if size % 2 and file.peek(1)[:1] == b"\0":
        file.seek(1, io.SEEK_CUR)


def _read_table(file: io.BufferedReader, chunks: dict[str, tuple[int, int]], name: str) -> NDArray[np.void]:
    offset, size = chunks[name]
    file.seek(offset)
    table = np.frombuffer(file.read(size), _HEADERS[name])
    if len(table) == 0:
        raise ValueError(f"table {name} is empty")
    return table


def _read_sample_headers(table: NDArray[np.void]) -> Iterable[SampleHeader]:
    for index, row in enumerate(table[:-1]):
        is_vorbis = bool(row["kind"] & VORBIS_SAMPLE)
        origin = 0 if is_vorbis else int(row["start"])
        yield SampleHeader(
            index=index,
            name=_text(row["name"]),
            start=int(row["start"]),
            end=int(row["end"]),
            loop_start=int(row["loop_start"]) - origin,
            loop_end=int(row["loop_end"]) - origin,
            sample_rate_hz=max(int(row["sample_rate_hz"]), 1),
            root_key=int(row["root_key"]) if row["root_key"] <= 127 else 60,
            correction_cents=int(row["correction_cents"]),
            is_vorbis=is_vorbis,
            is_rom=bool(row["kind"] & ROM_SAMPLE),
        )


def _decode_vorbis(stored: bytes, path: Path, name: str) -> Samples:
    import av  # noqa: PLC0415  (only SoundFont 3 files need a decoder)

    try:
        with av.open(io.BytesIO(stored), "r", format="ogg") as container:
            blocks = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    except (av.FFmpegError, IndexError) as error:
        raise AudioError(f"sample {name!r} of the soundfont {path} is damaged: {error}") from error
    if not blocks:
        return np.zeros(1, np.float32)
    return np.concatenate(blocks).astype(np.float32, copy=False)
