"""One voice: a sample played at a pitch, through envelopes, a low-pass filter and the pan law.

Everything is worked out for whole arrays of frames, window after window, so that a note of any length
takes little memory. Honoured: tuning, loops, both envelopes, vibrato, low-pass filter, attenuation, pan.
Left out: the modulation oscillator, chorus, and modulators stored in the file, whose defaults (velocity,
volume, expression, pan, pitch bend) are built in.

Source: SoundFont Technical Specification 2.04, sections 8 and 9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from emsync.audio.performance import Automation, ScoreNote
from emsync.audio.soundfont_file import Generator, Samples, Zone

SILENCE_DB = 90.0
"""A voice this far below its peak is over."""
FULL_DECAY_DB = 96.0
"""Decay and release times of a volume envelope are given for a fall this deep (as FluidSynth reads it)."""
ATTENUATION_SCALE = 0.4
"""Sound cards of the format's first days applied 0.4 of the written attenuation; fonts are voiced for it."""
SHORTEST_ATTACK_S, SHORTEST_RELEASE_S, CHOKE_S = 0.001, 0.01, 0.02
OPEN_FILTER_CENTS = 13_500
FILTER_STEP = 256
FILTER_STEP_CENTS = 50
"""A moving filter is looked at every 256 frames (5 ms at 48 kHz) and set anew when it moved a quarter tone."""
BEND_MARGIN = 2 ** (2 / 12)
"""A sample that plays once may last this much longer: the pitch wheel can be down by two semitones."""
MOST_MISSING = 256
"""FFmpeg drops up to this many frames at the end of a Vorbis stream (34 of 427 bundled samples lack 128). A
loop that needs them is moved earlier by as many frames: what repeats may be cut anywhere."""
_GUARD = 4


def seconds_of(timecents: int) -> float:
    """Duration of an envelope stage; -12000 timecents is 1 ms."""
    return float(2.0 ** (min(timecents, 8000) / 1200))


@dataclass(frozen=True)
class Envelope:
    """Delay, attack, hold, decay, sustain, release: durations in seconds, `release_at_s` from the onset.

    `fall` is how far the sustain lies below the peak: in dB for volume, in [0, 1] for modulation.
    `full_fall` is the depth that decay and release times are given for.
    """

    delay_s: float
    attack_s: float
    hold_s: float
    decay_s: float
    release_s: float
    fall: float
    full_fall: float
    release_at_s: float

    @cached_property
    def decay_start_s(self) -> float:
        """Time from the onset at which the peak ends."""
        return self.delay_s + self.attack_s + self.hold_s

    def attack_level(self, times_s: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rise of the attack, 0 to 1, straight in amplitude; it freezes where the note is released."""
        held_s = np.minimum(times_s, np.float32(self.release_at_s))
        level: NDArray[np.float32] = np.clip((held_s - self.delay_s) / self.attack_s, 0.0, 1.0)
        return level

    def depth(self, times_s: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far below the peak, in the unit of `fall`, at each time from the onset."""
        held_s = np.minimum(times_s, np.float32(self.release_at_s))
        slope = self.full_fall / self.decay_s
        decay = np.clip((held_s - self.decay_start_s) * slope, 0.0, self.fall)
        release = np.maximum(times_s - self.release_at_s, 0.0) * (self.full_fall / self.release_s)
        depth: NDArray[np.float32] = (decay + release).astype(np.float32)
        return depth

    @cached_property
    def end_s(self) -> float:
        """Time from the onset at which a volume envelope has fallen below `SILENCE_DB`."""
        at_release = float(self.depth(np.array([self.release_at_s], np.float32))[0])
        fading_s = max(SILENCE_DB - at_release, 0.0) * self.release_s / self.full_fall
        released = self.release_at_s + fading_s
        if self.fall < SILENCE_DB:
            return released
        return min(released, self.decay_start_s + self.decay_s * SILENCE_DB / self.full_fall)


def _envelope(zone: Zone, first: int, key: int, release_at_s: float) -> Envelope:
    """The six stages that start at generator `first` (25 modulation, 33 volume)."""
    values = [zone.value(first + step) for step in range(8)]
    is_volume = first == Generator.VOLUME_ENVELOPE
    sustain = min(max(values[4], 0), 1440 if is_volume else 1000)
    return Envelope(
        delay_s=seconds_of(values[0]),
        attack_s=max(seconds_of(values[1]), SHORTEST_ATTACK_S),
        hold_s=seconds_of(values[2] + values[6] * (60 - key)),
        decay_s=seconds_of(values[3] + values[7] * (60 - key)),
        release_s=max(seconds_of(values[5]), SHORTEST_RELEASE_S * (FULL_DECAY_DB / 60 if is_volume else 1)),
        fall=sustain / 10 if is_volume else sustain / 1000,
        full_fall=FULL_DECAY_DB if is_volume else 1.0,
        release_at_s=release_at_s,
    )


@dataclass(frozen=True)
class Wave:
    """A sample cut out for a zone, with guard frames so that four-point interpolation never looks outside.

    `frames` starts one frame early. `loop_length` is 0 for a sample that plays once.
    """

    frames: Samples
    length: int
    loop_start: int
    loop_length: int


def cut_wave(zone: Zone, audio: Samples) -> Wave:
    """Apply the zone's address offsets to a decoded sample."""
    first = _offset(zone, Generator.START_OFFSET, Generator.START_COARSE)
    last = len(audio) + _offset(zone, Generator.END_OFFSET, Generator.END_COARSE)
    first = min(max(first, 0), len(audio) - 1)
    last = min(max(last, first + 1), len(audio))
    loop_start = zone.sample.loop_start + _offset(zone, Generator.LOOP_START_OFFSET, 45) - first
    loop_end = zone.sample.loop_end + _offset(zone, Generator.LOOP_END_OFFSET, 50) - first
    body = audio[first:last]
    missing = max(loop_end - len(body), 0)
    if missing <= MOST_MISSING:
        loop_start, loop_end = max(loop_start - missing, 0), loop_end - missing
    is_looped = zone.value(Generator.LOOP_MODE) & 1 and 0 <= loop_start < loop_end - 1 < len(body)
    if not is_looped:
        frames = np.concatenate([np.zeros(1, np.float32), body, np.zeros(_GUARD, np.float32)])
        return Wave(frames, len(body), 0, 0)
    length = loop_end - loop_start
    guard = body[loop_start + np.arange(_GUARD) % length]
    frames = np.concatenate([np.zeros(1, np.float32), body[:loop_end], guard])
    return Wave(frames, loop_end, loop_start, length)


def _offset(zone: Zone, fine: int, coarse: int) -> int:
    return zone.value(fine) + 32768 * zone.value(coarse)


class Voice:
    """A note's zone on its way through time; call `render` with windows in order."""

    def __init__(self, note: ScoreNote, zone: Zone, wave: Wave, rate_hz: int) -> None:
        """Work out all that stays constant; `rate_hz` is the output rate."""
        self.note, self.zone, self._wave, self._rate_hz = note, zone, wave, rate_hz
        self.start_frame = round(note.onset_s * rate_hz)
        self.exclusive_class = zone.value(Generator.EXCLUSIVE_CLASS)
        self.reverb_send = min(max(zone.value(Generator.REVERB_SEND), 0), 1000) / 1000
        key = zone.value(Generator.FIXED_KEY)
        self._key = key if key >= 0 else note.key
        release_at_s = max(note.release_s - note.onset_s, 0.0)
        self._volume = _envelope(zone, Generator.VOLUME_ENVELOPE, self._key, release_at_s)
        self._modulation = _envelope(zone, Generator.MODULATION_ENVELOPE, self._key, release_at_s)
        self._ratio = self._base_ratio()
        self._gain = self._base_gain()
        self._phase = 0.0
        self._filter_state = np.zeros(2)
        self._choked_at_s = math.inf

    @property
    def end_frame(self) -> int:
        """First frame after the voice, counted from the start of the performance."""
        length_s = min(self._volume.end_s, self._choked_at_s + CHOKE_S)
        if not self._wave.loop_length and not self._bends:
            played_s = self._wave.length / self._ratio / self._rate_hz
            length_s = min(length_s, played_s * BEND_MARGIN)
        return self.start_frame + math.ceil(length_s * self._rate_hz) + 1

    def choke(self, time_s: float) -> None:
        """Silence the voice at a time of the performance: another of its exclusive class has started."""
        self._choked_at_s = min(self._choked_at_s, max(time_s - self.note.onset_s, 0.0))

    def render(self, first_frame: int, frames: int, automation: Automation) -> Samples:
        """The next window, shape (2, frames). `first_frame` counts from the start of the performance."""
        start_s = first_frame / self._rate_hz
        offset = (first_frame - self.start_frame) / self._rate_hz
        times_s = (offset + np.arange(frames) / self._rate_hz).astype(np.float32)
        bend = automation.bend_cents.between(start_s, frames, self._rate_hz)
        mono = self._interpolate(self._positions(times_s, bend))
        mono = self._filter(mono, times_s) * self._amplitude(times_s)
        mono *= automation.gain.between(start_s, frames, self._rate_hz)
        return self._place(mono, automation.pan.between(start_s, frames, self._rate_hz))

    @cached_property
    def _bends(self) -> bool:
        kinds = (Generator.VIBRATO_TO_PITCH, Generator.MODULATION_ENVELOPE_TO_PITCH)
        return any(self.zone.value(kind) for kind in kinds)

    def _base_ratio(self) -> float:
        """Frames of the sample per frame of output at the written pitch."""
        zone, sample = self.zone, self.zone.sample
        root = zone.value(Generator.ROOT_KEY)
        root = root if root >= 0 else sample.root_key
        cents = (self._key - root) * zone.value(Generator.SCALE_TUNING) + sample.correction_cents
        cents += 100 * zone.value(Generator.COARSE_TUNE) + zone.value(Generator.FINE_TUNE)
        return float(sample.sample_rate_hz / self._rate_hz * 2.0 ** (cents / 1200))

    def _base_gain(self) -> float:
        velocity = self.zone.value(Generator.FIXED_VELOCITY)
        velocity = velocity if velocity >= 0 else self.note.velocity
        attenuation_db = ATTENUATION_SCALE * self.zone.value(Generator.ATTENUATION) / 10
        return float(min((velocity / 127) ** 2 * 10 ** (-attenuation_db / 20), 1.0))

    def _positions(
        self, times_s: NDArray[np.float32], bend: float | NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Where in the sample each frame reads, shape (frames,); advances the phase."""
        if not self._bends and not isinstance(bend, np.ndarray):
            step = self._ratio * 2.0 ** (bend / 1200)
            positions: NDArray[np.float64] = self._phase + step * np.arange(len(times_s))
            self._phase += step * len(times_s)
            return positions
        cents = bend + self._pitch_modulation(times_s)
        steps = self._ratio * np.exp2(cents / 1200, dtype=np.float64)
        ends = self._phase + np.cumsum(steps)
        self._phase = float(ends[-1])
        return ends - steps

    def _pitch_modulation(self, times_s: NDArray[np.float32]) -> NDArray[np.float32]:
        zone = self.zone
        envelope_cents = zone.value(Generator.MODULATION_ENVELOPE_TO_PITCH)
        vibrato_cents = zone.value(Generator.VIBRATO_TO_PITCH)
        delay_s = seconds_of(zone.value(Generator.VIBRATO_DELAY))
        rate_hz = 8.176 * 2 ** (zone.value(Generator.VIBRATO_FREQUENCY) / 1200)
        cycles = np.maximum(times_s - delay_s, 0.0) * rate_hz + 0.25
        triangle = 4 * np.abs(cycles % 1.0 - 0.5) - 1
        cents: NDArray[np.float32] = vibrato_cents * triangle + envelope_cents * self._modulation_level(
            times_s
        )
        return cents

    def _modulation_level(self, times_s: NDArray[np.float32]) -> NDArray[np.float32]:
        level = self._modulation.attack_level(times_s) - self._modulation.depth(times_s)
        clipped: NDArray[np.float32] = np.maximum(level, 0.0)
        return clipped

    def _interpolate(self, positions: NDArray[np.float64]) -> Samples:
        """Four-point, third-order Hermite interpolation, looping where the sample loops."""
        wave = self._wave
        if wave.loop_length:
            last = wave.loop_start + wave.loop_length
            if positions[-1] >= last:
                looped = (positions - wave.loop_start) % wave.loop_length + wave.loop_start
                positions = np.where(positions >= last, looped, positions)
        else:
            positions = np.minimum(positions, wave.length)
        whole = positions.astype(np.int64)
        x = (positions - whole).astype(np.float32)
        before, here, after, beyond = (wave.frames[step:].take(whole) for step in range(4))
        slope = 0.5 * (after - before)
        curve = before - 2.5 * here + 2 * after - 0.5 * beyond
        cubic = 0.5 * (beyond - before) + 1.5 * (here - after)
        result: Samples = ((cubic * x + curve) * x + slope) * x + here
        return result

    def _amplitude(self, times_s: NDArray[np.float32]) -> Samples:
        volume = self._volume
        level: Samples = np.exp(volume.depth(times_s) * np.float32(-math.log(10) / 20))
        level *= np.float32(self._gain)
        if times_s[0] < volume.delay_s + volume.attack_s:
            level *= volume.attack_level(times_s)
        if times_s[-1] > self._choked_at_s:
            level *= np.clip(1 - (times_s - self._choked_at_s) / CHOKE_S, 0.0, 1.0)
        return level

    def _filter(self, mono: Samples, times_s: NDArray[np.float32]) -> Samples:
        cutoff_cents = self.zone.value(Generator.FILTER_CUTOFF)
        sweep_cents = self.zone.value(Generator.MODULATION_ENVELOPE_TO_CUTOFF)
        if cutoff_cents + min(sweep_cents, 0) >= OPEN_FILTER_CENTS:
            return mono
        if not sweep_cents:
            return self._low_pass(mono, cutoff_cents)
        moving = cutoff_cents + sweep_cents * self._modulation_level(times_s[::FILTER_STEP])
        steps = np.rint(moving / FILTER_STEP_CENTS)
        changes = np.flatnonzero(np.diff(steps)) + 1
        pieces = np.split(mono, changes * FILTER_STEP)
        settings = steps[np.concatenate([[0], changes])] * FILTER_STEP_CENTS
        return np.concatenate(
            [self._low_pass(piece, cents) for piece, cents in zip(pieces, settings, strict=True)]
        )

    def _low_pass(self, mono: Samples, cutoff_cents: float) -> Samples:
        """Two-pole low-pass; resonance in centibels is spread over peak and passband as the format asks."""
        cutoff_hz = min(max(8.176 * 2 ** (cutoff_cents / 1200), 20.0), 0.45 * self._rate_hz)
        resonance_db = self.zone.value(Generator.FILTER_RESONANCE) / 10 - 3.01
        quality = 10 ** (max(resonance_db, -3.01) / 20)
        omega = 2 * math.pi * cutoff_hz / self._rate_hz
        alpha = math.sin(omega) / (2 * quality)
        gain = (1 - math.cos(omega)) / 2 / math.sqrt(max(quality, 1.0)) / (1 + alpha)
        feedback = [1.0, -2 * math.cos(omega) / (1 + alpha), (1 - alpha) / (1 + alpha)]
        result, self._filter_state = lfilter([gain, 2 * gain, gain], feedback, mono, zi=self._filter_state)
        return np.asarray(result, np.float32)

    def _place(self, mono: Samples, pan: float | NDArray[np.float32]) -> Samples:
        """Constant-power pan; the zone's own place and the channel's add up."""
        own = self.zone.value(Generator.PAN) / 500
        angle = (np.clip(own + pan, -1.0, 1.0) + 1) * (math.pi / 4)
        left, right = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        return np.stack([mono * left, mono * right])
