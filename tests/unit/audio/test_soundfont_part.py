"""A part of a soundfont plays what it is for as the whole does, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
import pytest

from emsync.audio import synthesiser as module
from emsync.audio.performance import Performance, read_performance
from emsync.audio.soundfont import BUNDLED
from emsync.audio.soundfont_part import Place, part_of
from emsync.audio.synthesiser import Synthesiser

RATE_HZ = 48_000
FONT = BUNDLED.read_bytes()
PIECES = {
    "band": {0: 0, 1: 48, 2: 40, 3: 56, 9: 0},
    "drums": {9: 0},
    "other kit": {9: 25},
    "bass": {0: 33, 1: 115},
}


def performance(tmp_path: Path, programs: dict[int, int]) -> Performance:
    """A scale over five octaves on each channel, with the program that it is given."""
    file = mido.MidiFile(type=1)
    for channel, program in programs.items():
        track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=program)])
        for key in range(36, 97, 4):
            track.append(mido.Message("note_on", channel=channel, note=key, velocity=30 + key, time=0))
            track.append(mido.Message("note_off", channel=channel, note=key, time=100))
        file.tracks.append(track)
    file.save(tmp_path / "scale.mid")
    return read_performance(tmp_path / "scale.mid")


def sound(played: Performance, seconds: int = 4) -> np.ndarray:
    synthesiser = Synthesiser(BUNDLED, RATE_HZ, played.programs)
    return np.concatenate(list(synthesiser.windows(played.messages, seconds * RATE_HZ)), axis=1)


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_sounds_as_with_the_whole_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    played = performance(tmp_path, PIECES[piece])
    with_part = sound(played)
    monkeypatch.setattr(module, "part_of", lambda content, _: content)
    whole = sound(played)
    assert np.abs(whole).max() > 0.1
    # samples lie elsewhere, so places in them round otherwise: a drum may have its last frame more or less
    difference = with_part - whole
    assert np.abs(difference).max() < 2e-3
    assert np.sqrt(np.mean(difference**2)) < 1e-4 * np.sqrt(np.mean(whole**2))


def sample_ends(font: bytes) -> np.ndarray:
    first = font.index(b"shdr") + 8
    return np.frombuffer(font, np.uint8)[first:].reshape(-1, 46)[:-1, 24:28].copy().view("<u4").ravel()


@pytest.mark.parametrize(
    ("played", "least", "most"), [((), 0, 0), ([(0, 0)], 11, 60), ([(0, 0), (0, 48), (128, 0)], 61, 300)]
)
def test_only_samples_of_the_presets_that_are_played_are_left(
    played: Sequence[Place], least: int, most: int
) -> None:
    assert least <= np.count_nonzero(sample_ends(part_of(FONT, played))) <= most
    assert np.count_nonzero(sample_ends(FONT)) > 400


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", FONT[:100], FONT[:-30_000], FONT.replace(b"shdr", b"shdx"), bytes(1000)],
    ids=["nothing", "head", "beginning", "cut off", "no samples", "zeros"],
)
def test_what_is_no_soundfont_is_given_back_as_it_is(content: bytes) -> None:
    assert part_of(content, ()) == content
