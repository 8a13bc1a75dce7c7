"""A soundfont of two kilobytes, MIDI files, and WAV files for the tests of this room."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import av
import mido
import numpy as np
from numpy.typing import NDArray

from emsync.audio.wav_file import WavWriter

RATE_HZ = 48_000
Sound = NDArray[np.float32]


def make_soundfont(path: Path, *, release_timecents: int = -4000, drum_class: int = 1) -> Path:
    """Preset (0, 0) is a looped sine, 480 Hz at its root key 69; preset (128, 0) a click of 0.5 s on any key.

    Both have full volume and no pan. Drums share an exclusive class.
    """
    sine = np.sin(2 * np.pi * np.arange(400) / 100)
    click = np.ones(24_000)
    samples = np.concatenate([sine, np.zeros(46), click, np.zeros(46)])
    headers = _sample("sine", 0, 400, (100, 300), 69) + _sample("click", 446, 24_446, (0, 0), 60)
    headers += struct.pack("<20sIIIIIBbHH", b"EOS", *([0] * 9))
    zones = [[(38, release_timecents), (54, 1), (53, 0)], [(38, 5000), (57, drum_class), (53, 1)]]
    instruments, bags, generators = b"", b"", b""
    for number, zone in enumerate(zones):
        instruments += struct.pack("<20sH", b"instrument", number)
        bags += struct.pack("<HH", len(generators) // 4, 0)
        generators += b"".join(struct.pack("<Hh", *item) for item in zone)
    presets = struct.pack("<20sHHHIII", b"Sine", 0, 0, 0, 0, 0, 0)
    presets += struct.pack("<20sHHHIII", b"Clicks", 0, 128, 1, 0, 0, 0)
    tables = {
        "phdr": presets + struct.pack("<20sHHHIII", b"EOP", 0, 0, 2, 0, 0, 0),
        "pbag": struct.pack("<6H", 0, 0, 1, 0, 2, 0),
        "pmod": bytes(10),
        "pgen": struct.pack("<6H", 41, 0, 41, 1, 0, 0),
        "inst": instruments + struct.pack("<20sH", b"EOI", 2),
        "ibag": bags + struct.pack("<HH", len(generators) // 4, 0),
        "imod": bytes(10),
        "igen": generators + bytes(4),
        "shdr": headers,
    }
    pcm = np.rint(samples * 32767).astype("<i2").tobytes()
    body = _list("INFO", _chunk("ifil", struct.pack("<HH", 2, 1))) + _list("sdta", _chunk("smpl", pcm))
    body += _list("pdta", b"".join(_chunk(name, content) for name, content in tables.items()))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"sfbk" + body)
    return path


def _sample(name: str, start: int, end: int, loop: tuple[int, int], root_key: int) -> bytes:
    return struct.pack("<20sIIIIIBbHH", name.encode(), start, end, *loop, RATE_HZ, root_key, 0, 0, 1)


def _chunk(name: str, content: bytes) -> bytes:
    return name.encode() + struct.pack("<I", len(content)) + content


def _list(kind: str, content: bytes) -> bytes:
    return _chunk("LIST", kind.encode() + content)


def make_midi(path: Path, *tracks: Sequence[mido.Message | mido.MetaMessage]) -> Path:
    """Write tracks whose message times are ticks since the message before; 500 ticks are half a second."""
    midi = mido.MidiFile(ticks_per_beat=500)
    midi.tracks.extend(mido.MidiTrack(messages) for messages in tracks)
    midi.save(str(path))
    return path


def note(
    key: int, *, wait: int = 0, ticks: int = 500, velocity: int = 100, channel: int = 0
) -> list[mido.Message]:
    """A note that starts `wait` ticks (milliseconds at 120 bpm) after the message before it."""
    return [
        mido.Message("note_on", channel=channel, note=key, velocity=velocity, time=wait),
        mido.Message("note_off", channel=channel, note=key, time=ticks),
    ]


def control(number: int, value: int, *, wait: int = 0, channel: int = 0) -> mido.Message:
    """A control change."""
    return mido.Message("control_change", channel=channel, control=number, value=value, time=wait)


def make_wav(path: Path, sound: Sound, rate_hz: int = RATE_HZ) -> Path:
    """Write sound of shape (2, frames) as a float WAV."""
    with WavWriter(path, rate_hz, sound.shape[1], "float32") as writer:
        writer.write(sound)
    return path


def read_sound(path: Path, *, stream: int = 0) -> Sound:
    """Decode a whole file as stereo float at its own rate, shape (2, frames)."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="stereo")
        frames = [part for frame in container.decode(audio=stream) for part in resampler.resample(frame)]
        return np.concatenate([np.asarray(frame.to_ndarray(), np.float32) for frame in frames], axis=1)


def tone(pitch_hz: float, duration_s: float, *, level: float = 0.2) -> Sound:
    """A sine in both channels."""
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return np.tile(level * np.sin(2 * np.pi * pitch_hz * times_s), (2, 1)).astype(np.float32)


def level_at(sound: Sound, pitch_hz: float) -> float:
    """Amplitude of one frequency in the middle of both channels."""
    mono = sound.mean(axis=0)
    times_s = np.arange(mono.size) / RATE_HZ
    window = np.hanning(mono.size)
    return float(2 * np.abs(np.sum(mono * window * np.exp(-2j * np.pi * pitch_hz * times_s))) / window.sum())
