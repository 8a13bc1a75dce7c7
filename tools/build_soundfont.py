"""Cut the bundled soundfont out of FluidR3Mono_GM.sf3 (MIT): fewer presets, the same samples.

    python tools/build_soundfont.py FluidR3Mono_GM.sf3 src/emsync/assets/soundfont/emsync_gm.sf3

The source file is the one of the Debian package fluidr3mono-gm-soundfont 2.315. Samples are copied as
they are stored (Ogg Vorbis). Each preset is written as one instrument whose zones already hold the sum of
preset and instrument values, which is what a player works out anyway. Modulators are left out.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path

from soundfont_tables import Generator, Preset, SampleHeader, SoundFontFile, Zone

SOURCE_NAME = "FluidR3Mono_GM"
# What the five instrument groups use first, then what a user's own MIDI file is likely to ask for; the
# rest of General MIDI falls back to the nearest of these. Chosen to stay under 8 MB.
PROGRAMS = (
    *(0, 1, 3, 4, 8, 9, 10, 11, 12, 14, 16, 20),  # pianos, mallets, organs
    *(24, 25, 26, 27, 28, 32, 33, 38, 39),  # guitars, basses
    *(44, 45, 46, 47, 48, 49, 50, 51, 55),  # strings, harp, timpani
    *(56, 57, 58, 59, 60, 68, 71, 73, 75, 77),  # brass, reeds, pipes
    *(80, 81, 82, 83, 86, 87, 89, 90, 94, 95, 97, 99, 101, 103),  # leads, pads
    *(106, 107, 108, 111, 112, 113, 114, 115, 116, 117, 119, 121, 122, 126),  # plucked, struck, effects
)
KITS = (0, 40, 48)
MELODIC_BANK, DRUM_BANK = 0, 128
UNUSED = frozenset({5, 10, 13, 15, 21, 22})  # modulation oscillator and chorus


def main() -> None:
    """Read the arguments and write the font."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    font = SoundFontFile(arguments.source)
    places = [(MELODIC_BANK, program) for program in PROGRAMS] + [(DRUM_BANK, kit) for kit in KITS]
    presets = [font.preset(*place) for place in places]
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    arguments.target.write_bytes(_font(font, presets))
    size_mb = arguments.target.stat().st_size / 1e6
    print(f"{arguments.target}: {len(presets)} presets, {size_mb:.2f} MB")  # noqa: T201


def _font(font: SoundFontFile, presets: list[Preset]) -> bytes:
    samples = {zone.sample.index: zone.sample for preset in presets for zone in preset.zones}
    ordered = [samples[index] for index in sorted(samples)]
    smpl, headers = _pack_samples(font, ordered)
    numbers = {sample.index: number for number, sample in enumerate(ordered)}
    tables = _pack_presets(presets, numbers) | {"shdr": headers}
    names = ("phdr", "pbag", "pmod", "pgen", "inst", "ibag", "imod", "igen", "shdr")
    info = _chunk("ifil", struct.pack("<HH", 3, 0)) + _chunk("INAM", b"EMSYNC GM (subset of FluidR3Mono)\0")
    info += _chunk("ICOP", b"Copyright 2000-2002, 2008 Frank Wen; 2014-2017 Michael Cowgill; MIT licence\0")
    body = _list("INFO", info) + _list("sdta", _chunk("smpl", smpl))
    body += _list("pdta", b"".join(_chunk(name, tables[name]) for name in names))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"sfbk" + body


def _pack_samples(font: SoundFontFile, samples: list[SampleHeader]) -> tuple[bytes, bytes]:
    """Vorbis streams end to end, and their headers; loop points count frames from the sample's start."""
    smpl, headers = bytearray(), bytearray()
    for sample in samples:
        start = len(smpl)
        smpl += font.sample_bytes(sample)
        headers += struct.pack(
            "<20sIIIIIBbHH",
            sample.name.encode("latin-1")[:19],
            *(start, len(smpl), sample.loop_start, sample.loop_end, sample.sample_rate_hz),
            *(sample.root_key, sample.correction_cents, 0, 0x11),
        )
    headers += struct.pack("<20sIIIIIBbHH", b"EOS", *([0] * 9))
    return bytes(smpl) + b"\0" * (len(smpl) % 2), bytes(headers)


def _pack_presets(presets: list[Preset], numbers: dict[int, int]) -> dict[str, bytes]:
    tables = {name: bytearray() for name in ("phdr", "pbag", "pgen", "inst", "ibag", "igen")}
    for number, preset in enumerate(presets):
        name = preset.name.encode("latin-1")[:19]
        tables["phdr"] += struct.pack(
            "<20sHHHIII", name, preset.program, preset.bank, len(tables["pbag"]) // 4, 0, 0, 0
        )
        tables["pbag"] += struct.pack("<HH", len(tables["pgen"]) // 4, 0)
        tables["pgen"] += struct.pack("<HH", Generator.INSTRUMENT, number)
        tables["inst"] += struct.pack("<20sH", name, len(tables["ibag"]) // 4)
        _pack_zones(preset, numbers, tables)
    return {name: bytes(table) for name, table in _terminate(tables).items()}


def _pack_zones(preset: Preset, numbers: dict[int, int], tables: dict[str, bytearray]) -> None:
    """A global bag with what all zones share, then a bag for each zone."""
    settings = [_settings(zone) for zone in preset.zones]
    shared = set.intersection(*(set(each.items()) for each in settings))
    tables["ibag"] += struct.pack("<HH", len(tables["igen"]) // 4, 0)
    tables["igen"] += b"".join(struct.pack("<Hh", *item) for item in sorted(shared))
    for zone, each in zip(preset.zones, settings, strict=True):
        tables["ibag"] += struct.pack("<HH", len(tables["igen"]) // 4, 0)
        tables["igen"] += struct.pack("<HBB", Generator.KEY_RANGE, *zone.keys)
        if zone.velocities != (0, 127):
            tables["igen"] += struct.pack("<HBB", Generator.VELOCITY_RANGE, *zone.velocities)
        own = sorted(item for item in each.items() if item not in shared)
        tables["igen"] += b"".join(struct.pack("<Hh", *item) for item in own)
        tables["igen"] += struct.pack("<HH", Generator.SAMPLE, numbers[zone.sample.index])


def _settings(zone: Zone) -> dict[int, int]:
    """The generators a zone sets, but for those that the voice does not know."""
    kinds = {kind for kind in zone.generators if kind not in UNUSED}
    return {kind: max(min(zone.value(kind), 32767), -32768) for kind in kinds}


def _terminate(tables: dict[str, bytearray]) -> dict[str, bytearray]:
    """Every table ends with a record that only says where the one before it stops."""
    tables["phdr"] += struct.pack("<20sHHHIII", b"EOP", 0, 0, len(tables["pbag"]) // 4, 0, 0, 0)
    tables["pbag"] += struct.pack("<HH", len(tables["pgen"]) // 4, 0)
    tables["inst"] += struct.pack("<20sH", b"EOI", len(tables["ibag"]) // 4)
    tables["ibag"] += struct.pack("<HH", len(tables["igen"]) // 4, 0)
    for name, size in (("pgen", 4), ("igen", 4), ("pmod", 10), ("imod", 10)):
        tables.setdefault(name, bytearray()).extend(bytes(size))
    return tables


def _chunk(name: str, content: bytes) -> bytes:
    return name.encode() + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _list(kind: str, content: bytes) -> bytes:
    return _chunk("LIST", kind.encode() + content)


if __name__ == "__main__":
    main()
