"""A stretch of a MIDI file gets other notes; every other message stays where it is and what it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import mido
import numpy as np

from emsync.music.kept_score import KeptNote, KeptScore, Lane
from emsync.music.midi_file import boundary_marker, describe_boundary, midi_ticks_at, setup_messages
from emsync.music.midi_groups import DRUM_CHANNEL, PLAYERS
from emsync.music.midi_tempo import US_PER_TICK
from emsync.types import TICKS_PER_S, Hit, InstrumentGroup, Notes

_RELEASE, _KEPT, _STRIKE, _END = range(4)
"""At one MIDI tick new notes end before, and new notes begin after, what was there."""


@dataclass(frozen=True)
class _Part:
    """Where a group's new notes go."""

    track: int
    channel: int


@dataclass(frozen=True)
class _Event:
    ticks: int
    rank: int
    message: Any


def with_other_notes(
    kept: KeptScore, begin_ticks: int, stop_ticks: int, notes: Notes, hits: tuple[Hit, ...]
) -> Any:
    """The file as a `mido.MidiFile`, in which notes that begin from `begin_ticks` up to `stop_ticks` are others.

    A group's notes go where the file has most of its notes, else into a track of their own after all others. The
    markers of boundaries in `hits` say what became of them. A track may end later than it did, if a new note does.
    """
    gone = _taken_out(kept, begin_ticks, stop_ticks)
    staying = [note for note in kept.kept_notes if note not in gone]
    places = {(note.lane.track, place) for note in gone for place in note.places}
    tracks = [
        [_Event(now, rank, _refreshed(message, hits)) for place, now, rank, message in _absolute(track)
         if (number, place) not in places]
        for number, track in enumerate(kept.file.tracks)
    ]  # fmt: skip
    begin = int(kept.tempo_map.ticks_at(np.array(begin_ticks * US_PER_TICK)))
    parts = _parts(kept, set(notes["group"].tolist()), tracks, begin)
    for lane, intervals in _fitted(kept, notes, parts, staying).items():
        for onset, end, velocity in intervals:
            struck = mido.Message("note_on", channel=lane.channel, note=lane.pitch, velocity=velocity)
            released = mido.Message("note_off", channel=lane.channel, note=lane.pitch)
            tracks[lane.track] += [_Event(onset, _STRIKE, struck), _Event(end, _RELEASE, released)]
    made = mido.MidiFile(type=kept.file.type, ticks_per_beat=kept.file.ticks_per_beat, charset="latin-1")
    made.tracks = [_to_track(events) for events in tracks]
    return made


def count_taken_out(kept: KeptScore, begin_ticks: int, stop_ticks: int) -> int:
    """How many notes begin from `begin_ticks` up to `stop_ticks`."""
    return len(_taken_out(kept, begin_ticks, stop_ticks))


def _taken_out(kept: KeptScore, begin_ticks: int, stop_ticks: int) -> set[KeptNote]:
    inside = (kept.onsets_ticks >= begin_ticks) & (kept.onsets_ticks < stop_ticks)
    return {kept.kept_notes[place] for place in np.flatnonzero(inside)}


def _absolute(track: Any) -> list[tuple[int, int, int, Any]]:
    """(place, MIDI tick, rank, message) of a track."""
    rows, now = [], 0
    for place, message in enumerate(track):
        now += message.time
        rows.append((place, now, _END if message.type == "end_of_track" else _KEPT, message))
    return rows


def _refreshed(message: Any, hits: tuple[Hit, ...]) -> Any:
    """A message, or the marker of a boundary with what became of it now."""
    if message.type != "marker":
        return message
    for hit in hits:
        if message.text.startswith(f"{boundary_marker(hit.boundary)} "):
            text = describe_boundary(hit.boundary, hit)
            return message.copy(text=text.encode("utf-8").decode("latin-1"))
    return message


def _parts(
    kept: KeptScore, groups: set[int], tracks: list[list[_Event]], begin: int
) -> Mapping[InstrumentGroup, _Part]:
    """Where each group plays; a group that the file lacks gets a track, or in format 0 a channel, of its own."""
    counts = Counter((note.group, note.lane.track, note.lane.channel) for note in kept.kept_notes)
    parts: dict[InstrumentGroup, _Part] = {}
    for (group, track, channel), _ in counts.most_common():
        parts.setdefault(group, _Part(track, channel))
    taken = {channel for _, _, channel in counts}
    for group in sorted(InstrumentGroup(number) for number in groups):
        if group not in parts:
            channel = _free_channel(PLAYERS[group].channel, taken)
            taken.add(channel)
            parts[group] = _new_part(kept, group, channel, tracks, begin)
    return parts


def _free_channel(wanted: int, taken: set[int]) -> int:
    free = [channel for channel in range(16) if channel not in taken and channel != DRUM_CHANNEL]
    return wanted if wanted == DRUM_CHANNEL or wanted not in taken or not free else free[0]


def _new_part(
    kept: KeptScore, group: InstrumentGroup, channel: int, tracks: list[list[_Event]], begin: int
) -> _Part:
    name, *setup = setup_messages(replace(PLAYERS[group], channel=channel))
    if kept.file.type == 0:
        tracks[0] += [_Event(begin, _KEPT, message) for message in setup]
        return _Part(0, channel)
    tracks.append([_Event(0, _KEPT, message) for message in (name, *setup)])
    tracks[-1].append(_Event(0, _END, mido.MetaMessage("end_of_track")))
    return _Part(len(tracks) - 1, channel)


def _fitted(
    kept: KeptScore, notes: Notes, parts: Mapping[InstrumentGroup, _Part], staying: list[KeptNote]
) -> dict[Lane, list[tuple[int, int, int]]]:
    """New notes as (onset, end, velocity) in MIDI ticks, none while its pitch sounds in its lane already.

    MIDI ticks may be coarser than ours: a note for which no tick is left is left out.
    """
    onsets_ticks = notes["onset_ticks"].astype(np.int64)
    ends_ticks = onsets_ticks + notes["duration_ticks"]
    grid = kept.bars(int(ends_ticks.max(initial=0)) + TICKS_PER_S).grid
    onsets = midi_ticks_at(onsets_ticks, kept.tempo_map, grid)
    ends = midi_ticks_at(ends_ticks, kept.tempo_map, grid)
    lanes: dict[Lane, list[tuple[int, int, int]]] = defaultdict(list)
    for note, onset, end in zip(notes, onsets.tolist(), ends.tolist(), strict=True):
        part = parts[InstrumentGroup(int(note["group"]))]
        lanes[Lane(part.track, part.channel, int(note["pitch"]))].append((onset, end, int(note["velocity"])))
    there: dict[Lane, list[tuple[int, int]]] = defaultdict(list)
    for one in staying:
        there[one.lane].append((one.onset, one.end))
    return {lane: _fitted_lane(sorted(new), sorted(there[lane])) for lane, new in lanes.items()}


def _fitted_lane(new: list[tuple[int, int, int]], there: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    fitted: list[tuple[int, int, int]] = []
    for place, (onset, end, velocity) in enumerate(new):
        sounding_until = max((until for since, until in there if since < onset), default=0)
        begin = max(onset, sounding_until, fitted[-1][1] if fitted else 0)
        struck_again = [since for since, _ in there if since >= onset] + [
            since for since, *_ in new[place + 1 :]
        ]
        stop = min([max(end, begin + 1), *struck_again])
        if begin < stop:
            fitted.append((begin, stop, velocity))
    return fitted


def _to_track(events: list[_Event]) -> Any:
    last = max(event.ticks for event in events)
    track, now = mido.MidiTrack(), 0
    for event in sorted(events, key=lambda event: (event.rank == _END, event.ticks, event.rank)):
        ticks = last if event.rank == _END else event.ticks
        track.append(event.message.copy(time=ticks - now))
        now = ticks
    return track
