"""Play a performance on a SoundFont: windows of stereo sound, one bus per stem.

Deterministic: the same file and font give the same samples. A window is one second, so memory does not
grow with the length of the music.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.audio.performance import DRUM_CHANNEL, Performance, ScoreNote
from emsync.audio.reverb import DECAY_S, PRE_DELAY_S, Reverb
from emsync.audio.soundfont_file import DRUM_BANK, Preset, SoundFontFile, Zone
from emsync.audio.voice import Voice, Wave, cut_wave
from emsync.errors import AudioError

REVERB_LEVEL = 0.4
"""Hall against source at a full send (CC 91 = 127); the usual 40 gives about -12 dB."""


@dataclass(frozen=True)
class Substitution:
    """A program that the soundfont lacks, and the preset that played its notes."""

    program: int
    is_drums: bool
    preset: str


class Synthesiser:
    """A performance on a SoundFont. `bus_of_track` sends each track to a bus; all to one when None."""

    def __init__(
        self, performance: Performance, soundfont_path: Path, rate_hz: int, *, buses: bool = False
    ) -> None:
        """Open the font and prepare every voice. Raises `AudioError` if the font cannot be used."""
        self._performance, self.rate_hz = performance, rate_hz
        self._font = SoundFontFile(soundfont_path)
        if not self._font.preset_names:
            raise AudioError(f"the soundfont {soundfont_path} holds no presets")
        self._substitutions: dict[tuple[int, bool], str] = {}
        self._waves: dict[int, Wave] = {}
        tracks = sorted({note.track for note in performance.notes})
        self.bus_tracks = tracks if buses else [-1]
        self._bus = {track: index if buses else 0 for index, track in enumerate(tracks)}
        self._voices = self._prepare_voices()

    @property
    def substitutions(self) -> tuple[Substitution, ...]:
        """Programs that were played by another preset."""
        return tuple(
            Substitution(program, is_drums, preset)
            for (program, is_drums), preset in sorted(self._substitutions.items())
        )

    @cached_property
    def end_s(self) -> float:
        """When the last voice and the hall have died away."""
        last = max((voice.end_frame for voice in self._voices), default=0)
        return last / self.rate_hz + DECAY_S + PRE_DELAY_S

    def windows(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """All sound from time 0, `frames` in all, as windows of shape (buses, 2, up to one second)."""
        reverbs = [Reverb(self.rate_hz) for _ in self.bus_tracks]
        waiting = iter(self._voices)
        upcoming = next(waiting, None)
        active: list[Voice] = []
        for first in range(0, frames, self.rate_hz):
            size = min(self.rate_hz, frames - first)
            while upcoming is not None and upcoming.start_frame < first + size:
                active.append(upcoming)
                upcoming = next(waiting, None)
            dry, send = self._mix(active, first, size)
            for bus, reverb in enumerate(reverbs):
                dry[bus] += REVERB_LEVEL * reverb.add(send[bus])
            active = [voice for voice in active if voice.end_frame > first + size]
            yield dry

    def _mix(
        self, voices: list[Voice], first: int, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Dry sound, shape (buses, 2, size), and reverb send, shape (buses, size), of one window."""
        dry = np.zeros((len(self.bus_tracks), 2, size), np.float32)
        send = np.zeros((len(self.bus_tracks), size), np.float32)
        for voice in voices:
            automation = self._performance.automation[voice.note.channel]
            start, stop = max(voice.start_frame, first), min(voice.end_frame, first + size)
            sound = voice.render(start, stop - start, automation)
            amount = automation.reverb.between(start / self.rate_hz, stop - start, self.rate_hz)
            bus, frames = self._bus[voice.note.track], slice(start - first, stop - first)
            dry[bus, :, frames] += sound
            send[bus, frames] += (sound[0] + sound[1]) * np.minimum(amount + voice.reverb_send, 1.0)
        return dry, send

    def _prepare_voices(self) -> list[Voice]:
        voices: list[Voice] = []
        choking: dict[tuple[int, int], list[Voice]] = {}
        for note in self._performance.notes:
            started = [self._voice(note, zone) for zone in self._zones(note)]
            classes = {voice.exclusive_class for voice in started} - {0}
            for exclusive in classes:
                for earlier in choking.get((note.channel, exclusive), []):
                    earlier.choke(note.onset_s)
                choking[note.channel, exclusive] = [v for v in started if v.exclusive_class == exclusive]
            voices += started
        return sorted(voices, key=lambda voice: voice.start_frame)

    def _voice(self, note: ScoreNote, zone: Zone) -> Voice:
        if id(zone) not in self._waves:
            self._waves[id(zone)] = cut_wave(zone, self._font.audio(zone.sample))
        return Voice(note, zone, self._waves[id(zone)], self.rate_hz)

    def _zones(self, note: ScoreNote) -> list[Zone]:
        preset = self._preset(note)
        return [zone for zone in preset.zones if zone.answers(note.key, note.velocity)]

    def _preset(self, note: ScoreNote) -> Preset:
        is_drums = note.channel == DRUM_CHANNEL
        names = self._font.preset_names
        wanted = (DRUM_BANK if is_drums else note.bank, note.program)
        if wanted in names:
            return self._font.preset(*wanted)
        bank = DRUM_BANK if is_drums else 0
        found = self._font.preset(*_nearest(list(names), bank, note.program))
        if (found.bank, found.program) != (bank, note.program):
            self._substitutions[note.program, is_drums] = found.name
        return found


def _nearest(available: list[tuple[int, int]], bank: int, program: int) -> tuple[int, int]:
    """The preset to use for one that is missing: same family of eight first, then the closest number."""
    same_bank = [place for place in available if place[0] == bank] or available

    def distance(place: tuple[int, int]) -> tuple[bool, int]:
        return place[1] // 8 != program // 8, abs(place[1] - program)

    if bank == DRUM_BANK:
        return min(same_bank)
    return min(same_bank, key=distance)
