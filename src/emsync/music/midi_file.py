"""Notes to a standard MIDI file and back.

Writing uses mido, which says exactly what goes into the file (markers, tempo map, order at one instant);
reading uses symusic, which is fast. docs/decisions/0004-midi-file.md gives the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mido
import numpy as np
from symusic.core import ScoreTick, TrackTick

from emsync import __version__
from emsync.errors import MidiError
from emsync.music.bar_plan import GRID_DIVISIONS
from emsync.music.midi_groups import PLAYERS, Player, group_of_program, group_of_track
from emsync.music.midi_tempo import (
    DEFAULT_TEMPO_US,
    TICKS_PER_QUARTER,
    US_PER_TICK,
    TempoMap,
    tempo_map_of_bars,
    tempo_map_of_grid,
)
from emsync.music.overlaps import without_overlaps
from emsync.output_file import atomic_output
from emsync.types import (
    NOTE_DTYPE,
    TICK_S,
    TICKS_PER_S,
    BeatGrid,
    Boundary,
    Composition,
    CueSheet,
    Floats,
    Hit,
    Notes,
    Ticks,
)

__all__ = [
    "Marker",
    "group_of_program",
    "read_markers",
    "read_midi",
    "read_score",
    "seconds_at",
    "write_midi",
]

_LONGEST_S = 24 * 3600
_MOST_MOVED_US = US_PER_TICK * 9 // 20
_SETUP, _NOTE_OFF, _NOTE_ON = range(3)


@dataclass(frozen=True)
class Marker:
    """A marker of a MIDI file: what a DAW shows above its timeline."""

    time_s: float
    text: str


@dataclass(frozen=True)
class _Event:
    """A mido message at a MIDI tick. At one tick lower ranks come first: a pitch ends before it restarts."""

    ticks: int
    rank: int
    message: Any


def write_midi(composition: Composition, cue_sheet: CueSheet, path: Path, *, overwrite: bool = False) -> None:
    """Write a format 1 file: a conductor track, then one track for each group that has notes.

    The conductor track holds the title, seed, weights hash and generator, the tempo map and time
    signatures of the bars, and a marker at every section, cut and boundary. Every track ends where the film ends.
    The same composition gives the same bytes. Every event lies within 1 ms of its true time, but notes planned
    for a sixteenth or triplet lie on it, which is less than half a tick (4 ms) away.

    Raises: OutputError if the file cannot be written. ValueError if a note is not possible in MIDI
        (velocity outside 1..127, no length) or sounds again before it ended in its group.
    """
    _check_notes(composition.notes)
    grid = composition.grid
    if grid is None:
        tempo_map = tempo_map_of_bars(composition.bar_onsets_ticks, composition.duration_ticks)
    else:
        tempo_map = tempo_map_of_grid(grid)
    end_us = max(_microseconds(cue_sheet.duration_s), composition.duration_ticks * US_PER_TICK)
    end_ticks = int(tempo_map.ticks_at(np.array(end_us)))
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER, charset="utf-8")
    file.tracks.append(_to_track(_conductor_events(composition, cue_sheet, tempo_map), end_ticks))
    for group, player in PLAYERS.items():
        notes = composition.notes[composition.notes["group"] == group]
        if len(notes):
            events = _setup_events(player) + _note_events(notes, player.channel, tempo_map, grid)
            file.tracks.append(_to_track(events, end_ticks))
    with atomic_output(path, overwrite) as temporary:
        file.save(temporary)


def read_midi(path: Path) -> Notes:
    """All notes of a MIDI file on the 8 ms grid, sorted by onset, group, pitch.

    Tracks fold into the five groups by program, channel and, without a program, name. Where that makes
    notes of one pitch overlap, the earlier ends as the later starts; of two that start together the longer
    stays. Nothing is shorter than one tick. Exact for files that `write_midi` wrote.

    Raises: MidiError if the file is missing, no MIDI file, damaged, of format 2, or holds no notes.
    """
    score = read_score(path)
    end_s = float(seconds_at(np.array(score.end()), score))
    if not 0 <= end_s <= _LONGEST_S:
        raise MidiError(f"{path}: lasts longer than 24 hours, so it is probably damaged; export it again")
    parts = [_track_notes(track, score) for track in score.tracks]
    notes = np.concatenate([np.zeros(0, NOTE_DTYPE), *parts])
    if not len(notes):
        raise MidiError(f"{path}: holds no notes; give a file with music in it")
    return without_overlaps(notes)


def read_markers(path: Path) -> tuple[Marker, ...]:
    """The markers of a MIDI file in order of time; none is no error.

    Raises: MidiError if the file is missing, no MIDI file, damaged or of format 2.
    """
    score = read_score(path)
    markers = sorted(score.markers, key=lambda marker: marker.time)
    times_s = seconds_at(np.array([marker.time for marker in markers], np.int64), score)
    return tuple(
        Marker(time_s, marker.text) for time_s, marker in zip(times_s.tolist(), markers, strict=True)
    )


def _check_notes(notes: Notes) -> None:
    if not len(notes):
        return
    if notes["velocity"].min() < 1 or notes["velocity"].max() > 127 or notes["pitch"].max() > 127:
        raise ValueError("velocities must lie in 1..127 and pitches in 0..127")
    if notes["onset_ticks"].min() < 0 or notes["duration_ticks"].min() < 1:
        raise ValueError("notes must start at 0 or later and last at least one tick")
    lanes = notes["group"].astype(np.int64) * 128 + notes["pitch"]
    order = np.lexsort((notes["onset_ticks"], lanes))
    lanes, ordered = lanes[order], notes[order]
    ends = ordered["onset_ticks"] + ordered["duration_ticks"]
    overlaps = (lanes[1:] == lanes[:-1]) & (ordered["onset_ticks"][1:] < ends[:-1])
    if overlaps.any():
        raise ValueError(f"a note starts before the same pitch ended: {ordered[1:][overlaps][0]}")


def _conductor_events(composition: Composition, cue_sheet: CueSheet, tempo_map: TempoMap) -> list[_Event]:
    facts = (f"generator: emsync {__version__}", f"seed: {composition.seed}")
    texts = (*facts, f"weights: {composition.weights_sha256}")
    events = [_meta(0, "track_name", name=_plain(cue_sheet.title))]
    events += [_meta(0, "text", text=text) for text in texts]
    return events + _tempo_events(tempo_map) + _marker_events(composition, cue_sheet, tempo_map)


def _tempo_events(tempo_map: TempoMap) -> list[_Event]:
    """A tempo and a time signature wherever they change."""
    events: list[_Event] = []
    tempo_us, meter = 0, (0, 0)
    for span in tempo_map.spans:
        if (span.numerator, span.denominator) != meter:
            meter = (span.numerator, span.denominator)
            events.append(_meta(span.start_ticks, "time_signature", numerator=meter[0], denominator=meter[1]))
        if span.tempo_us != tempo_us:
            tempo_us = span.tempo_us
            events.append(_meta(span.start_ticks, "set_tempo", tempo=tempo_us))
    return events


def _marker_events(composition: Composition, cue_sheet: CueSheet, tempo_map: TempoMap) -> list[_Event]:
    hits = {hit.boundary.time_s: hit for hit in composition.hits}
    moments = [(section.onset_ticks * TICK_S, f"section {section.theme}") for section in composition.sections]
    moments += [(cut.time_s, f"cut {_timecode(cut.time_s)}") for cut in cue_sheet.cuts]
    moments += [
        (boundary.time_s, describe_boundary(boundary, hits.get(boundary.time_s)))
        for boundary in cue_sheet.boundaries
    ]
    times_us = [_microseconds(time_s) for time_s, _ in moments]
    ticks = tempo_map.ticks_at(np.array(times_us, np.int64)).tolist()
    return [_meta(tick, "marker", text=text) for tick, (_, text) in zip(ticks, moments, strict=True)]


def describe_boundary(boundary: Boundary, hit: Hit | None) -> str:
    """The text of a boundary's marker: `boundary 00:00:12.480 hit +0.004 s (the door slams)`."""
    answer = "missed"
    if hit and hit.chord_onset_ticks is not None:
        offset_ms = round((hit.chord_onset_ticks * TICK_S - boundary.time_s) * 1000)
        answer = f"hit {offset_ms / 1000:+.3f} s"
    label = f" ({_plain(boundary.label)})" if boundary.label else ""
    return f"{boundary_marker(boundary)} {answer}{label}"


def boundary_marker(boundary: Boundary) -> str:
    """How the marker of a boundary begins: `boundary 00:00:12.480`."""
    return f"boundary {_timecode(boundary.time_s)}"


def _timecode(time_s: float) -> str:
    """HH:MM:SS.mmm."""
    seconds, milliseconds = divmod(round(time_s * 1000), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def _setup_events(player: Player) -> list[_Event]:
    return [_Event(0, _SETUP, message) for message in setup_messages(player)]


def setup_messages(player: Player) -> tuple[Any, ...]:
    """The mido messages with which a group's track begins: name, program, volume, pan."""
    channel = player.channel
    return (
        mido.MetaMessage("track_name", name=player.name),
        mido.Message("program_change", channel=channel, program=player.program),
        mido.Message("control_change", channel=channel, control=7, value=player.volume),
        mido.Message("control_change", channel=channel, control=10, value=player.pan),
    )


def _note_events(notes: Notes, channel: int, tempo_map: TempoMap, grid: BeatGrid | None) -> list[_Event]:
    onsets_ticks = notes["onset_ticks"].astype(np.int64)
    onsets = midi_ticks_at(onsets_ticks, tempo_map, grid)
    ends = midi_ticks_at(onsets_ticks + notes["duration_ticks"], tempo_map, grid)
    events = []
    for onset, end, pitch, velocity in zip(
        onsets.tolist(),
        ends.tolist(),
        notes["pitch"].tolist(),
        notes["velocity"].tolist(),
        strict=True,
    ):
        struck = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
        events.append(_Event(onset, _NOTE_ON, struck))
        events.append(_Event(end, _NOTE_OFF, mido.Message("note_off", channel=channel, note=pitch)))
    return events


def midi_ticks_at(times_ticks: Ticks, tempo_map: TempoMap, grid: BeatGrid | None) -> Ticks:
    """MIDI ticks of times on our grid of 8 ms, shape kept."""
    return tempo_map.ticks_at(true_times_us(times_ticks, grid))


def true_times_us(times_ticks: Ticks, grid: BeatGrid | None) -> Ticks:
    """Times in microseconds; of ticks that stand for a sixteenth or triplet, that of the sixteenth or triplet.

    Nothing moves by half a tick or more, so that reading the file gives the same ticks.
    """
    times_us = times_ticks * US_PER_TICK
    if grid is None or len(grid.beat_times_s) < 2:
        return times_us
    beats_us = grid.beat_times_us
    beat = np.clip(np.searchsorted(beats_us, times_us, side="right") - 1, 0, len(beats_us) - 2)
    begin, length = beats_us[beat], np.diff(beats_us)[beat]
    moved = times_us.astype(np.float64)
    for division in GRID_DIVISIONS[::-1]:  # sixteenths last: they win
        places_us = begin + np.rint((times_us - begin) * division / length) * length / division
        moved = np.where(np.abs(places_us - times_us) <= US_PER_TICK / 2 + 1, places_us, moved)
    return np.rint(np.clip(moved, times_us - _MOST_MOVED_US, times_us + _MOST_MOVED_US)).astype(np.int64)


def _to_track(events: list[_Event], end_ticks: int) -> mido.MidiTrack:
    """Messages with the ticks between them; the order of events of one tick and rank is kept."""
    track = mido.MidiTrack()
    now = 0
    for event in sorted(events, key=lambda event: (event.ticks, event.rank)):
        track.append(event.message.copy(time=event.ticks - now))
        now = event.ticks
    track.append(mido.MetaMessage("end_of_track", time=max(end_ticks - now, 0)))
    return track


def _meta(ticks: int, kind: str, **fields: str | int) -> _Event:
    return _Event(ticks, _SETUP, mido.MetaMessage(kind, **fields))


def _plain(text: str) -> str:
    """One line that UTF-8 can hold: a title may come from any file name."""
    return " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")


def _microseconds(time_s: float) -> int:
    return round(time_s * 1_000_000)


def read_score(path: Path) -> ScoreTick:
    """A MIDI file as symusic reads it, in MIDI ticks.

    Raises: MidiError if the file is missing, no MIDI file, damaged, of format 2, or counts in SMPTE frames.
    """
    try:
        with path.open("rb") as file:
            header = file.read(14)
            _check_header(header, path)
            data = header + file.read()
    except OSError as error:
        raise MidiError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return ScoreTick.from_midi(data)
    except (RuntimeError, ValueError) as error:
        raise MidiError(f"{path}: is damaged and cannot be read as MIDI; export it again") from error


def _check_header(header: bytes, path: Path) -> None:
    """What symusic would read without a word, or refuse without a clear one."""
    if not header:
        raise MidiError(f"{path}: is empty; give a MIDI file")
    if len(header) < 14 or header[:4] != b"MThd":
        raise MidiError(f"{path}: is not a MIDI file; give a .mid file")
    if int.from_bytes(header[8:10], "big") not in (0, 1):
        raise MidiError(f"{path}: is a MIDI file of format 2 (separate songs); save it as format 1")
    division = int.from_bytes(header[12:14], "big")
    if division == 0 or division & 0x8000:
        raise MidiError(f"{path}: counts time in SMPTE frames or not at all; save it with ticks per beat")


def _track_notes(track: TrackTick, score: ScoreTick) -> Notes:
    columns = track.notes.numpy()
    starts = columns["time"].astype(np.int64)
    onsets = np.floor(seconds_at(starts, score) * TICKS_PER_S + 0.5)
    ends = np.floor(seconds_at(starts + columns["duration"], score) * TICKS_PER_S + 0.5)
    notes = np.zeros(len(starts), NOTE_DTYPE)
    notes["onset_ticks"] = onsets
    notes["duration_ticks"] = np.maximum(ends - onsets, 1)
    notes["group"] = group_of_track(track.program, track.is_drum, track.name)
    notes["pitch"] = columns["pitch"]
    notes["velocity"] = columns["velocity"]
    return notes


def seconds_at(ticks: Ticks, score: ScoreTick) -> Floats:
    """Seconds of MIDI ticks through the tempo map; exact integers until the last division."""
    tempi = sorted(((tempo.time, tempo.mspq) for tempo in score.tempos), key=lambda tempo: tempo[0])
    starts = np.array([0, *(start for start, _ in tempi)], np.int64)
    tempi_us = np.array([DEFAULT_TEMPO_US, *(tempo_us for _, tempo_us in tempi)], np.int64)
    start_times = np.concatenate(([0], np.cumsum(np.diff(starts) * tempi_us[:-1])))
    index = np.maximum(np.searchsorted(starts, ticks, side="right") - 1, 0)
    times = start_times[index] + (ticks - starts[index]) * tempi_us[index]
    return np.asarray(times / (score.ticks_per_quarter * 1e6))
