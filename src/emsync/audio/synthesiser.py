"""Play messages on a SoundFont with TinySoundFont: windows of stereo sound.

Deterministic: the same messages, font and programs give the same samples, whenever the messages come. A window is one
second, so memory does not grow with the length of the music.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.audio.performance import CHANNELS, DRUM_CHANNEL, Program
from emsync.audio.reverb import Reverb
from emsync.audio.soundfont_part import Place, part_of
from emsync.errors import AudioError
from emsync.types import Message, PlayedMessage

DRUM_BANK = 128
PROGRAMS = 128
PITCH_CENTRE = 8192
RESET_CONTROLLERS = 121
BANK_SELECT = 0
MOST_VOICES = 256
REVERB_LEVEL = 0.16
"""The hall against the dry sound: about 16 dB below it."""
STAND_INS = {29: 27, 30: 27, 40: 48, 41: 48, 42: 48, 43: 48}
"""Overdriven guitars by the clean one and solo strings by the ensemble, where the next number would be an effect."""
GRAND_PIANO, STEEL_GUITAR, FINGERED_BASS, STRING_ENSEMBLE = 0, 25, 33, 48
ENSEMBLE = frozenset(
    {
        Program(0, is_drums=True),
        *(
            Program(number, is_drums=False)
            for number in (GRAND_PIANO, STEEL_GUITAR, FINGERED_BASS, STRING_ENSEMBLE)
        ),
    }
)
"""What our scores are played on. All of it is loaded whatever a piece plays: sound that is made while a piece is still
being composed must not depend on who comes in later."""
SPEAKS_AFTER_S = {FINGERED_BASS: 0.02, STRING_ENSEMBLE: 0.02}
"""How long after its onset a slow program is first heard; it is played as much ahead, as editors shift slow tracks.

Their pitches come within 15 dB of their loudest after 7 to 51 ms, half of them within 17; the piano's after 4 to 10.
"""
INSTALL = "install the synthesiser: pip install --no-deps tinysoundfont"


@dataclass(frozen=True)
class Substitution:
    """A program that the soundfont lacks, and the preset that played its notes."""

    program: int
    is_drums: bool
    preset: str


class Synthesiser:
    """A SoundFont that plays whatever it is given, as often as needed, all of it or one track alone."""

    def __init__(
        self, soundfont_path: Path, rate_hz: int, programs: Collection[Program] = frozenset()
    ) -> None:
        """Load what the programs and `ENSEMBLE` need of the font.

        Raises: `AudioError` if it cannot be used or no synthesiser is installed.
        """
        self.rate_hz = rate_hz
        content = _read(soundfont_path)
        self._synth, self._font = _loaded(part_of(content, ()), soundfont_path, rate_hz)
        self._names = self._preset_names()
        if not self._names:
            raise AudioError(f"the soundfont {soundfont_path} holds no General MIDI presets; choose another")
        part = part_of(content, {self._preset(program) for program in ENSEMBLE | frozenset(programs)})
        self._synth, self._font = _loaded(part, soundfont_path, rate_hz)
        self._substitutions: dict[tuple[int, bool], str] = {}

    @property
    def substitutions(self) -> tuple[Substitution, ...]:
        """Programs that were played by another preset, known once the windows were made."""
        places = sorted(self._substitutions.items())
        return tuple(Substitution(program, is_drums, preset) for (program, is_drums), preset in places)

    def windows(
        self, messages: Iterable[PlayedMessage], frames: int, *, track: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Sound from time 0, `frames` in all, as windows of shape (2, up to one second).

        A window is made as soon as a later message is known. Notes of other programs than were loaded are not heard as
        they should be. With `track`, only its notes; programs and controllers of all tracks still count, since tracks
        may share a channel. The tracks' sounds add up to the whole.

        Args:
            messages: in playing order; slow programs are played ahead here.
        """
        self._reset()
        hall = Reverb(self.rate_hz)
        waiting = played_ahead(messages)
        upcoming = next(waiting, None)
        for first in range(0, frames, self.rate_hz):
            size = min(self.rate_hz, frames - first)
            dry = np.zeros((2, size), np.float32)
            made = 0
            while upcoming is not None and (place := self._frame(upcoming)) < first + size:
                made = self._generate(dry, made, place - first)
                self._play(upcoming, track)
                upcoming = next(waiting, None)
            self._generate(dry, made, size)
            yield dry + np.float32(REVERB_LEVEL) * hall.add(dry.sum(axis=0))

    def _preset(self, program: Program) -> Place:
        """What plays a program: its preset or the nearest one that the font has."""
        return nearest_preset(list(self._names), DRUM_BANK if program.is_drums else 0, program.number)

    def _frame(self, played: PlayedMessage) -> int:
        return round(played.time_s * self.rate_hz)

    def _generate(self, out: NDArray[np.float32], start: int, stop: int) -> int:
        """Fill frames `start` to `stop` of a window; returns where the next sound begins."""
        if stop > start:
            sound = np.frombuffer(self._synth.generate(stop - start), np.float32)
            out[:, start:stop] = sound.reshape(-1, 2).T
        return max(start, stop)

    def _play(self, played: PlayedMessage, track: int | None) -> None:
        message = played.message
        if message.type in ("note_on", "note_off"):
            if track is None or played.track == track:
                self._play_note(message)
        elif message.type == "program_change":
            self._select(message.channel, message.program)
        elif message.type == "control_change" and message.control != BANK_SELECT:
            self._synth.control_change(message.channel, message.control, message.value)
        elif message.type == "pitchwheel":
            self._synth.pitchbend(message.channel, message.pitch + PITCH_CENTRE)

    def _play_note(self, message: Message) -> None:
        if message.type == "note_on" and message.velocity > 0:
            self._synth.noteon(message.channel, message.note, message.velocity)
        else:
            self._synth.noteoff(message.channel, message.note)

    def _reset(self) -> None:
        """Silence, and the state in which a General MIDI instrument is switched on."""
        self._synth.sounds_off()
        self._synth.generate(self.rate_hz // 4)  # what was cut off fades for a few ms
        for channel in range(CHANNELS):
            self._synth.control_change(channel, RESET_CONTROLLERS, 0)
            self._synth.pitchbend(channel, PITCH_CENTRE)
            self._select(channel, 0, is_asked=False)

    def _select(self, channel: int, program: int, *, is_asked: bool = True) -> None:
        """Give a channel a program, or the nearest one that the font has."""
        is_drums = channel == DRUM_CHANNEL
        found = self._preset(Program(program, is_drums))
        if found != (DRUM_BANK if is_drums else 0, program) and is_asked:
            self._substitutions[program, is_drums] = self._names[found]
        self._synth.program_select(channel, self._font, *found, is_drums)

    def _preset_names(self) -> dict[tuple[int, int], str]:
        """The font's melodic presets and drum kits, by (bank, program)."""
        names = {}
        for bank in (0, DRUM_BANK):
            for program in range(PROGRAMS):
                name = self._synth.sfpreset_name(self._font, bank, program)
                if name:
                    names[bank, program] = name
        return names


def played_ahead(messages: Iterable[PlayedMessage]) -> Iterator[PlayedMessage]:
    """The same messages in playing order, those to a slow program earlier by `SPEAKS_AFTER_S`, but not before 0.

    A message is given as soon as none that is still to come can be played before it.
    """
    longest_s = max(SPEAKS_AFTER_S.values())
    programs = [0] * CHANNELS
    waiting: list[tuple[float, int, PlayedMessage]] = []
    for number, played in enumerate(messages):
        message = played.message
        if message.type == "program_change":
            programs[message.channel] = message.program
        is_slow = message.channel != DRUM_CHANNEL and programs[message.channel] in SPEAKS_AFTER_S
        ahead_s = SPEAKS_AFTER_S[programs[message.channel]] if is_slow else 0.0
        moved = replace(played, time_s=max(played.time_s - ahead_s, 0.0)) if ahead_s else played
        heapq.heappush(waiting, (moved.time_s, number, moved))
        while waiting and waiting[0][0] <= played.time_s - longest_s:
            yield heapq.heappop(waiting)[-1]
    while waiting:
        yield heapq.heappop(waiting)[-1]


def nearest_preset(available: list[tuple[int, int]], bank: int, program: int) -> tuple[int, int]:
    """The (bank, program) to play for one that may be missing: a stand-in, its family of eight, the closest number.

    A missing drum kit is played by the lowest one there is.
    """
    same_bank = [place for place in available if place[0] == bank] or available
    if (bank, program) in same_bank:
        return bank, program
    if bank == DRUM_BANK:
        return min(same_bank)
    if (bank, STAND_INS.get(program)) in same_bank:
        return bank, STAND_INS[program]
    return min(same_bank, key=lambda place: (place[1] // 8 != program // 8, abs(place[1] - program)))


def require_synthesiser() -> Any:
    """The TinySoundFont module. Raises `AudioError` telling how to install it if it is missing."""
    try:
        import tinysoundfont  # noqa: PLC0415  (it may be missing, and this is where it is missed)
    except ImportError as error:
        raise AudioError(f"no synthesiser is installed; {INSTALL}") from error
    return tinysoundfont


def _read(soundfont_path: Path) -> bytes:
    try:
        return soundfont_path.read_bytes()
    except OSError as error:
        raise AudioError(f"{soundfont_path} cannot be read: {error.strerror}; choose another") from error


def _loaded(content: bytes, soundfont_path: Path, rate_hz: int) -> tuple[Any, int]:
    """A synthesiser with the font in it, and the font's number."""
    synth = require_synthesiser().Synth(samplerate=rate_hz)
    try:
        return synth, synth.sfload(content, max_voices=MOST_VOICES)
    except Exception as error:  # the binding raises its own RuntimeError types
        raise AudioError(
            f"{soundfont_path} cannot be used as a soundfont; choose an .sf2 or .sf3 file"
        ) from error
