"""Films for the cost of the analysis: a real one made longer by repeating it, and long ones made by code."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 320, 180, 12
SHOT_S = 4
MINUTE_S = 60
SOUND_RATE_HZ = 16_000
BLOCK = 20
"""Pixels on a side of the blocks of colour that a made-up shot is laid out with."""


def repeat(source: Path, target: Path, *, times: int) -> Path:
    """The film several times in a row, its packets copied and not encoded anew; pictures and sound only.

    Sound may be encoded some milliseconds beyond a film's two ends; there what overlaps is dropped.
    """
    files = target.with_suffix(".txt")
    files.write_text(f"file '{source.resolve()}'\n" * times, "utf-8")
    options = {"safe": "0"}
    with av.open(str(files), format="concat", options=options) as row, av.open(str(target), "w") as output:
        inputs = [stream for stream in row.streams if stream.type in {"video", "audio"}]
        outputs = {one.index: output.add_stream_from_template(one) for one in inputs}
        last = {one.index: -math.inf for one in inputs}
        for packet in row.demux(inputs):
            index = packet.stream.index
            if packet.dts is not None and packet.dts > last[index]:
                last[index] = packet.dts
                packet.stream = outputs[index]
                output.mux(packet)
    return target


def made_up_minute(path: Path) -> Path:
    """A minute of small pictures with a cut every four seconds, and a sound that changes with each shot."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE_HZ, layout="mono")
        for number in range(MINUTE_S * FPS):
            frame = av.VideoFrame.from_ndarray(_pixels(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        for second in range(MINUTE_S):
            heard = av.AudioFrame.from_ndarray(_samples(second)[None], format="fltp", layout="mono")
            heard.sample_rate, heard.pts = SOUND_RATE_HZ, second * SOUND_RATE_HZ
            container.mux(sound.encode(heard))
        container.mux(sound.encode())
    return path


def _pixels(number: int) -> NDArray[np.uint8]:
    """A wall of coloured blocks, another in each shot, that moves two pixels a frame: uint8 (180, 320, 3)."""
    shot = number // (SHOT_S * FPS)
    blocks = np.random.default_rng(shot).integers(0, 256, (HEIGHT // BLOCK, WIDTH // BLOCK, 3))
    wall = blocks.astype(np.uint8).repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    return np.ascontiguousarray(np.roll(wall, 2 * number, axis=1))


def _samples(second: int) -> NDArray[np.float32]:
    """One second of a tone in noise, another tone in each shot: float32 (16000,)."""
    generator = np.random.default_rng(second)
    pitch_hz = 110.0 * 2 ** (second // SHOT_S % 24 / 12)
    times_s = second + np.arange(SOUND_RATE_HZ) / SOUND_RATE_HZ
    tone = 0.2 * np.sin(2 * np.pi * pitch_hz * times_s)
    return (tone + 0.02 * generator.standard_normal(SOUND_RATE_HZ)).astype(np.float32)
