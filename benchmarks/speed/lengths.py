"""Films that differ in their length alone: a real one repeated, its packets copied, up to a length."""

from __future__ import annotations

import math
from pathlib import Path

import av
from benchmarks.emotion.films import repeat


def of_length(source: Path, target: Path, length_s: float) -> Path:
    """The film, again and again, until `length_s`; pictures and sound only, nothing is encoded anew.

    It ends at a decoding time, so that every picture in it can be decoded: some frames more or less.
    """
    whole = repeat(
        source, target.with_stem(f"{target.stem}-whole"), times=math.ceil(length_s / _duration_s(source))
    )
    with av.open(str(whole)) as film, av.open(str(target), "w") as output:
        outputs = {one.index: output.add_stream_from_template(one) for one in film.streams}
        for packet in film.demux():
            if packet.dts is not None and packet.dts * packet.time_base < length_s:
                packet.stream = outputs[packet.stream.index]
                output.mux(packet)
    whole.unlink()
    return target


def _duration_s(film: Path) -> float:
    from emsync.video.probe import probe  # noqa: PLC0415

    return probe(film).duration_s
