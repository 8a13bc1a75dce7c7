"""What the commands have to say when they are done: to programs (JSON) and to people (aligned lines)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from emsync.options import OriginalSound
from emsync.output_paths import OutputPaths
from emsync.progress import StageTime
from emsync.types import TICK_S, BeatGrid, Composition, CueSheet, Hit

if TYPE_CHECKING:
    from emsync.audio.mux import MuxReport
    from emsync.audio.render import RenderReport
    from emsync.music.regenerate import Regeneration
    from emsync.music.takes import Takes

Json: TypeAlias = dict[str, Any]
Row: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Analysis:
    """What was seen in a film. `decode_errors` counts damaged pieces that were skipped.

    `stage_times` are those of `analyse`; as a part of `score` it has none of its own.
    """

    cue_sheet: CueSheet
    decode_errors: int
    stage_times: tuple[StageTime, ...] = ()


@dataclass(frozen=True)
class ScoreReport:
    """The whole run of `score`."""

    film: Path
    outputs: OutputPaths
    analysis: Analysis
    takes: Takes
    rendered: RenderReport
    muxed: MuxReport
    stage_times: tuple[StageTime, ...]

    @property
    def composition(self) -> Composition:
        """The music that was kept."""
        return self.takes.best


def score_as_json(report: ScoreReport) -> Json:
    """The report of `score` for programs; README lists the fields."""
    outputs = report.outputs
    return {
        "film": str(report.film),
        "outputs": {
            "video": str(outputs.video),
            "cue_sheet": str(outputs.cue_sheet),
            "midi": str(outputs.midi),
            "wav": str(outputs.wav),
            "stems": None if outputs.stems is None else str(outputs.stems),
        },
        **_analysis_facts(report.analysis),
        **_music_facts(report.takes, outputs.take_files),
        **_sound_facts(report.rendered),
        **_mux_facts(report.muxed),
        **_time_facts(report.stage_times),
    }


def score_for_people(report: ScoreReport) -> list[str]:
    """The report of `score` as aligned lines."""
    outputs = report.outputs
    stems = [] if outputs.stems is None else [("stems", str(outputs.stems))]
    total_s = sum(time.duration_s for time in report.stage_times)
    film_s = report.analysis.cue_sheet.duration_s
    return aligned(
        [
            ("film", str(outputs.video)),
            ("music", str(outputs.wav)),
            *stems,
            ("MIDI", str(outputs.midi)),
            ("cue sheet", str(outputs.cue_sheet)),
            *_analysis_rows(report.analysis),
            *_music_rows(report.takes, outputs.take_files),
            *_sound_rows(report.rendered),
            *_mux_rows(report.muxed),
            ("time", f"{total_s:.1f} s for {film_s:.1f} s of film"),
        ]
    )


def analysis_as_json(cue_sheet_path: Path, analysis: Analysis, *, report_path: Path | None = None) -> Json:
    """The report of `analyse` for programs."""
    boundaries = [{"time_s": one.time_s, "source": one.source} for one in analysis.cue_sheet.boundaries]
    return {
        "cue_sheet": str(cue_sheet_path),
        "report": None if report_path is None else str(report_path),
        **_analysis_facts(analysis),
        "boundaries": boundaries,
        **_time_facts(analysis.stage_times),
    }


def analysis_for_people(
    cue_sheet_path: Path, analysis: Analysis, *, report_path: Path | None = None
) -> list[str]:
    """The report of `analyse` as aligned lines."""
    times = ", ".join(f"{one.time_s:.2f}" for one in analysis.cue_sheet.boundaries) or "none"
    return aligned(
        [
            ("cue sheet", str(cue_sheet_path)),
            *([] if report_path is None else [("report", str(report_path))]),
            *_analysis_rows(analysis),
            ("boundaries", f"at {times} s"),
        ]
    )


def music_as_json(midi_path: Path, takes: Takes, *, take_files: Sequence[Path] = ()) -> Json:
    """The report of `compose` for programs."""
    return {"midi": str(midi_path), **_music_facts(takes, take_files)}


def music_for_people(midi_path: Path, takes: Takes, *, take_files: Sequence[Path] = ()) -> list[str]:
    """The report of `compose` as aligned lines."""
    return aligned([("MIDI", str(midi_path)), *_music_rows(takes, take_files)])


def told_of_music(midi_path: Path, takes: Takes, take_files: Sequence[Path]) -> tuple[Json, list[str]]:
    """What `compose` tells programs and people."""
    return (
        music_as_json(midi_path, takes, take_files=take_files),
        music_for_people(midi_path, takes, take_files=take_files),
    )


def told_of_stretch(midi_path: Path, done: Regeneration) -> tuple[Json, list[str]]:
    """What `compose --keep` tells programs and people."""
    return stretch_as_json(midi_path, done), stretch_for_people(midi_path, done)


def stretch_as_json(midi_path: Path, done: Regeneration) -> Json:
    """The report of `compose --keep` for programs; surprise is in nats per token."""
    return {
        "midi": str(midi_path),
        "from_s": round(done.begin_s, 3),
        "to_s": round(done.end_s, 3),
        "notes_taken_out": done.taken_out,
        "notes_put_in": done.put_in,
        "boundaries": [_hit_facts(hit) for hit in done.hits],
        "seed": done.seed,
        "candidate": done.candidate,
        "surprise_nats": {
            "after_from": _finite(done.nats_at_begin),
            "after_to": _finite(done.nats_at_end),
            "elsewhere": _finite(done.nats_elsewhere),
        },
        "weights_sha256": done.weights_sha256,
    }


def stretch_for_people(midi_path: Path, done: Regeneration) -> list[str]:
    """The report of `compose --keep` as aligned lines."""
    at_begin, at_end, elsewhere = (
        "nothing there" if math.isnan(nats) else f"{nats:.2f}"
        for nats in (done.nats_at_begin, done.nats_at_end, done.nats_elsewhere)
    )
    return aligned(
        [
            ("MIDI", str(midi_path)),
            ("stretch", f"{done.begin_s:.2f} s to {done.end_s:.2f} s, all else as it was"),
            ("notes", f"{done.put_in} in place of {done.taken_out}, seed {done.seed}"),
            ("boundaries", hits_for_people(done.hits)),
            ("surprise", f"after --from {at_begin}, after --to {at_end}, elsewhere {elsewhere} nats a token"),
        ]
    )


def sound_as_json(wav_path: Path, rendered: RenderReport) -> Json:
    """The report of `render` for programs."""
    stems = [str(path) for path in rendered.stems]
    return {"wav": str(wav_path), "stems": stems, **_sound_facts(rendered)}


def sound_for_people(wav_path: Path, rendered: RenderReport) -> list[str]:
    """The report of `render` as aligned lines."""
    return aligned([("music", str(wav_path)), *_sound_rows(rendered)])


def film_as_json(film_path: Path, muxed: MuxReport) -> Json:
    """The report of `mux` for programs."""
    return {"video": str(film_path), **_mux_facts(muxed)}


def film_for_people(film_path: Path, muxed: MuxReport) -> list[str]:
    """The report of `mux` as aligned lines."""
    return aligned([("film", str(film_path)), *_mux_rows(muxed)])


def aligned(rows: Sequence[Row]) -> list[str]:
    """Two columns of text."""
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {value}" for name, value in rows]


def hit_offset_s(hit: Hit) -> float | None:
    """Seconds from the boundary to the chord that answered it, negative if early; None if missed."""
    if hit.chord_onset_ticks is None:
        return None
    return hit.chord_onset_ticks * TICK_S - hit.boundary.time_s


def hits_for_people(hits: Sequence[Hit], grid: BeatGrid | None = None) -> str:
    """How many boundaries were answered, how closely, on which beats of a click track, and which were missed."""
    if not hits:
        return "none"
    offsets_s = [abs(offset_s) for hit in hits if (offset_s := hit_offset_s(hit)) is not None]
    told = f"{len(offsets_s)} of {len(hits)} hit"
    if offsets_s:
        told += f", at most {max(offsets_s) * 1000:.0f} ms off"
    if offsets_s and grid is not None:
        places = [_place_of(hit, grid) for hit in hits]
        counts = {place: places.count(place) for place in ("downbeat", "beat", "between")}
        told += f"; {counts['downbeat']} on downbeats, {counts['beat']} on other beats"
        told += f", {counts['between']} between beats" if counts["between"] else ""
    missed = [f"{hit.boundary.time_s:.2f} s" for hit in hits if hit.chord_onset_ticks is None]
    return told + (f"; missed at {', '.join(missed)}" if missed else "")


def _finite(number: float) -> float | None:
    return round(number, 3) if math.isfinite(number) else None


def _place_of(hit: Hit, grid: BeatGrid | None) -> str | None:
    return None if grid is None or hit.chord_onset_ticks is None else grid.place_of(hit.chord_onset_ticks)


def _hit_facts(hit: Hit, grid: BeatGrid | None = None) -> Json:
    offset_s = hit_offset_s(hit)
    return {
        "time_s": hit.boundary.time_s,
        "source": hit.boundary.source,
        "label": hit.boundary.label,
        "hit": offset_s is not None,
        "offset_s": None if offset_s is None else round(offset_s, 4),
        "falls_on": _place_of(hit, grid),
    }


def _analysis_facts(analysis: Analysis) -> Json:
    sheet = analysis.cue_sheet
    return {
        "duration_s": sheet.duration_s,
        "cuts_s": [cut.time_s for cut in sheet.cuts],
        "dropped": [{"time_s": one.time_s, "reason": one.reason} for one in sheet.dropped],
        "decode_errors": analysis.decode_errors,
    }


def _analysis_rows(analysis: Analysis) -> list[Row]:
    sheet = analysis.cue_sheet
    cuts = f"{len(sheet.cuts)} in {sheet.duration_s:.1f} s"
    if sheet.dropped:
        cuts += f"; {len(sheet.dropped)} left out, the cue sheet says why"
    damage = ("damage", f"{analysis.decode_errors} damaged pieces of the film were skipped")
    return [("cuts", cuts), *([damage] if analysis.decode_errors else [])]


def _music_facts(takes: Takes, take_files: Sequence[Path]) -> Json:
    composition = takes.best
    return {
        "boundaries": [_hit_facts(hit, composition.grid) for hit in composition.hits],
        "sections": [
            {"time_s": one.onset_ticks * TICK_S, "theme": one.theme} for one in composition.sections
        ],
        "notes": len(composition.notes),
        "seed": composition.seed,
        "weights_sha256": composition.weights_sha256,
        "takes": [_take_facts(takes, index, take_files) for index in range(len(takes.scores))],
    }


def _take_facts(takes: Takes, index: int, take_files: Sequence[Path]) -> Json:
    take = takes.scores[index]
    known = math.isfinite(take.nats_per_token)
    return {
        "seed": take.seed,
        "score": round(take.score, 4),
        "hits": round(take.hits, 4),
        "affect_distance": round(take.affect_distance, 4),
        "nats_per_token": round(take.nats_per_token, 4) if known else None,
        "faults": [fault.words for fault in take.faults],
        "kept": index == takes.kept,
        "midi": str(take_files[index]) if take_files else None,
    }


def _take_rows(takes: Takes, take_files: Sequence[Path]) -> list[Row]:
    """A row for each take; of a single one without a fault there is nothing to tell."""
    if len(takes.scores) == 1 and not takes.scores[0].is_rejected:
        return []
    rows = []
    for index, take in enumerate(takes.scores):
        told = f"seed {take.seed}, score {take.score:.3f}, {take.hits:.0%} hit in time, "
        rows.append(
            (f"take {index + 1}", f"{told}affect {take.affect_distance:.2f} off: {takes.verdict(index)}")
        )
    return rows + ([("all takes", ", ".join(map(str, take_files)))] if take_files else [])


def _music_rows(takes: Takes, take_files: Sequence[Path]) -> list[Row]:
    composition = takes.best
    notes = f"{len(composition.notes)} in {len(composition.bar_onsets_ticks)} bars, seed {composition.seed}"
    boundaries = ("boundaries", hits_for_people(composition.hits, composition.grid))
    return [boundaries, ("notes", notes), *_take_rows(takes, take_files)]


def _sound_facts(rendered: RenderReport) -> Json:
    lufs, peak_db = rendered.loudness_lufs, rendered.true_peak_db
    return {
        "loudness_lufs": round(lufs, 2) if math.isfinite(lufs) else None,
        "true_peak_db": round(peak_db, 2) if math.isfinite(peak_db) else None,
        "soundfont": str(rendered.soundfont.path),
    }


def _sound_rows(rendered: RenderReport) -> list[Row]:
    loudness = f"{rendered.loudness_lufs:.1f} LUFS, peaks at {rendered.true_peak_db:.1f} dBTP"
    soundfont = f"{rendered.soundfont.name} ({rendered.soundfont.origin})"
    return [("loudness", loudness), ("soundfont", soundfont)]


def _time_facts(stage_times: Sequence[StageTime]) -> Json:
    return {
        "seconds": {time.stage: round(time.duration_s, 3) for time in stage_times},
        "cpu_seconds": {time.stage: round(time.cpu_s, 3) for time in stage_times},
    }


def _mux_facts(muxed: MuxReport) -> Json:
    return {
        "original_sound": None if muxed.original_sound is None else muxed.original_sound.value,
        "left_out": list(muxed.left_out),
        "damaged_packets": muxed.damaged_packets,
    }


def _mux_rows(muxed: MuxReport) -> list[Row]:
    kept = muxed.original_sound is OriginalSound.KEEP
    rows = [("film sound", "not in it" if muxed.original_sound is None else "kept" if kept else "ducked")]
    if muxed.left_out:
        rows.append(("left out", ", ".join(muxed.left_out)))
    return rows
