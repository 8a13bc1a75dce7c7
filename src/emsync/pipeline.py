"""The straight line from a film to the same film with music, and the same line cut at its borders.

Every function first checks whatever can be checked, then works, then leaves all of its results or none.
Stages are imported where they are called, so that `mux` does not pay for loading the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.ahead import UNLIMITED, made_ahead, usable_cores
from emsync.checks import check_audio_stream, check_container, check_film, check_report, check_soundfont
from emsync.options import ComposeOptions, MuxOptions, RegenerateOptions, RenderOptions, ScoreOptions
from emsync.output_file import atomic_output, atomic_outputs
from emsync.output_paths import OutputPaths, check_result, new_folder, staged, takes_beside
from emsync.progress import StageClock, StageProgress, silent
from emsync.report import Analysis, ScoreReport
from emsync.types import CueSheet, SampledFrame, VideoInfo

if TYPE_CHECKING:
    from emsync.audio.mux import MuxReport
    from emsync.audio.render import RenderReport
    from emsync.audio.sound_ahead import SoundAhead
    from emsync.emotion.classifier import EmotionClassifier
    from emsync.music.messages_ahead import Hearer
    from emsync.music.regenerate import Regeneration
    from emsync.music.takes import Takes

DEFAULTS = ScoreOptions()


def score(
    film: Path,
    outputs: OutputPaths,
    options: ScoreOptions = DEFAULTS,
    *,
    overwrite: bool = False,
    on_progress: StageProgress = silent,
) -> ScoreReport:
    """A film in; the film with its music, a cue sheet, a MIDI file and a WAV out. Raises: EmsyncError."""
    from emsync.audio.sound_ahead import SoundAhead
    from emsync.music.cue_sheet import write_cue_sheet

    outputs.check(film, overwrite=overwrite)
    check_container(outputs.video)
    check_soundfont(options.render)
    clock = StageClock(on_progress)
    with staged(outputs) as made:
        info = check_film(film, options.video, options.spotting)
        check_audio_stream(info, options.mux)
        analysis = _analyse(info, options, clock)
        write_cue_sheet(analysis.cue_sheet, made.cue_sheet)
        midi = (made.midi, *made.take_files)
        duration_s = analysis.cue_sheet.duration_s
        with SoundAhead(made.wav.parent, duration_s, options.render) as ahead:
            is_heard = made.stems is None and _has_spare_core(options.compose)
            hear = ahead.hear if is_heard else None
            takes = _compose(analysis.cue_sheet, midi, options.compose, clock, hear=hear)
            rendered = _render(
                made.midi, made.wav, duration_s, options.render, clock, stems=made.stems, ahead=ahead
            )
        muxed = _mux(film, made.wav, made.video, options.mux, clock)
    return ScoreReport(film, outputs, analysis, takes, rendered, muxed, clock.times)


def analyse(
    film: Path,
    cue_sheet_path: Path,
    options: ScoreOptions = DEFAULTS,
    *,
    report_path: Path | None = None,
    overwrite: bool = False,
    on_progress: StageProgress = silent,
) -> Analysis:
    """A film in; its cue sheet out, and if asked for a report (.html, .png) for people. Raises: EmsyncError."""
    from emsync.music.cue_sheet import write_cue_sheet

    check_result(cue_sheet_path, film, overwrite=overwrite)
    if report_path is not None:
        check_report(report_path, film, cue_sheet_path, overwrite=overwrite)
    info = check_film(film, options.video, options.spotting)
    clock = StageClock(on_progress)
    if report_path is None:
        analysis = _analyse(info, options, clock)
        write_cue_sheet(analysis.cue_sheet, cue_sheet_path, overwrite=overwrite)
        return replace(analysis, stage_times=clock.times)
    with atomic_output(report_path, overwrite) as made:
        analysis = _analyse_and_report(info, made, report_path.suffix, options, clock)
        write_cue_sheet(analysis.cue_sheet, cue_sheet_path, overwrite=overwrite)
    return replace(analysis, stage_times=clock.times)


def compose(
    cue_sheet_path: Path,
    midi_path: Path,
    options: ComposeOptions = DEFAULTS.compose,
    *,
    overwrite: bool = False,
    on_progress: StageProgress = silent,
) -> Takes:
    """A cue sheet in, the best of `options.takes` takes out as MIDI. Raises: EmsyncError.

    With `options.keep_takes`, every take gets a file of its own beside it.
    """
    from emsync.music.cue_sheet import read_cue_sheet

    midi = (midi_path, *(takes_beside(midi_path, options.takes) if options.keep_takes else ()))
    for path in midi:
        check_result(path, cue_sheet_path, overwrite=overwrite)
    cue_sheet = read_cue_sheet(cue_sheet_path)
    return _compose(cue_sheet, midi, options, StageClock(on_progress), overwrite=overwrite)


def regenerate(
    cue_sheet_path: Path,
    kept_path: Path,
    midi_path: Path,
    options: RegenerateOptions,
    overwrite: bool = False,
    on_progress: StageProgress = silent,
) -> Regeneration:
    """A cue sheet and its score in; the score with one stretch composed anew out. Raises: EmsyncError."""
    from emsync.music.cue_sheet import read_cue_sheet
    from emsync.music.kept_score import KeptScore
    from emsync.music.regenerate import regenerate as compose_stretch

    check_result(midi_path, cue_sheet_path, overwrite=overwrite)
    cue_sheet, kept = read_cue_sheet(cue_sheet_path), KeptScore.read(kept_path)
    with StageClock(on_progress).stage("compose") as on_part:
        made, done = compose_stretch(kept, cue_sheet, options, on_progress=on_part)
    with atomic_output(midi_path, overwrite) as temporary:
        made.save(temporary)
    return done


def render(
    midi_path: Path,
    wav_path: Path,
    options: RenderOptions = DEFAULTS.render,
    *,
    duration_s: float | None = None,
    overwrite: bool = False,
    on_progress: StageProgress = silent,
) -> RenderReport:
    """A MIDI file in, a WAV out, as long as the music and its tail if no duration is given.

    With `options.stems`, the stems go into a folder beside the WAV. Raises: EmsyncError.
    """
    check_result(wav_path, midi_path, overwrite=overwrite)
    check_soundfont(options)
    stems = wav_path.with_suffix(".stems") if options.stems else None
    with new_folder(stems, overwrite=overwrite):
        return _render(midi_path, wav_path, duration_s, options, StageClock(on_progress), stems=stems)


def mux(
    film: Path,
    music: Path,
    output: Path,
    options: MuxOptions = DEFAULTS.mux,
    *,
    overwrite: bool = False,
    on_progress: StageProgress = silent,
) -> MuxReport:
    """A film and its music in, the film with the music out. Raises: EmsyncError."""
    check_result(output, film, overwrite=overwrite)
    check_result(output, music, overwrite=overwrite)
    return _mux(film, music, output, options, StageClock(on_progress), overwrite=overwrite)


def boundaries_from(path: Path) -> tuple[float, ...]:
    """The times in a list of boundaries, in seconds. Raises: InputError."""
    from emsync.music.spotting import read_boundary_list

    return read_boundary_list(path)


def _analyse(
    info: VideoInfo,
    options: ScoreOptions,
    clock: StageClock,
    *,
    on_frame: Callable[[SampledFrame], None] | None = None,
) -> Analysis:
    """Watch and listen at once. `on_frame` is handed every sampled frame, too, in order of time."""
    from emsync.emotion.affect import to_affect_curve
    from emsync.emotion.classifier import EmotionClassifier
    from emsync.music.spotting import spot
    from emsync.video.cuts import detector_named, shots_between
    from emsync.video.frames import scan

    with clock.stage("load"):
        classifier = EmotionClassifier.load(options.compose.threads, options=options.senses)

    def accept(frame: SampledFrame) -> None:
        classifier.accept(frame)
        if on_frame is not None:
            on_frame(frame)

    with made_ahead(_listened(info, options, classifier), depth=UNLIMITED) as listened:
        with clock.stage("scan") as on_progress:
            seen = scan(
                info,
                detector=detector_named(options.video.detector),
                frames_per_s=options.video.frames_per_s,
                on_frame=accept,
                on_progress=on_progress,
                large_height=classifier.large_height,
            )
        with clock.stage("listen") as on_progress:
            for done in listened:
                on_progress(done)
    with clock.stage("classify"):
        shots = classifier.classify(shots_between(seen.cuts, seen.duration_s))
        affect = to_affect_curve(shots, seen.duration_s, options.affect)
    with clock.stage("spot"):
        cue_sheet = spot(
            title=info.path.stem,
            info=replace(info, duration_s=seen.duration_s),
            cuts=seen.cuts,
            shots=shots,
            affect=affect,
            options=options.spotting,
        )
    return Analysis(cue_sheet, seen.decode_errors)


def _listened(info: VideoInfo, options: ScoreOptions, classifier: EmotionClassifier) -> Iterator[float]:
    """Hand the film's sound to the classifier, patch by patch; gives the part done, in [0, 1]."""
    from emsync.audio.sound_patches import sound_patches

    stream = options.mux.audio_stream
    if stream >= len(info.audio_streams):
        return
    length_s = info.duration_s
    for patch in sound_patches(info.path, duration_s=length_s, stream=stream, start_s=info.start_s):
        classifier.accept_sound(patch)
        yield min(1.0, patch.time_s / length_s)
    yield 1.0


def _analyse_and_report(
    info: VideoInfo, made: Path, suffix: str, options: ScoreOptions, clock: StageClock
) -> Analysis:
    from emsync.film_report.contents import FilmReport
    from emsync.film_report.file import write_report
    from emsync.film_report.thumbnails import ThumbnailCollector

    pictures = ThumbnailCollector(info)
    analysis = _analyse(info, options, clock, on_frame=pictures.accept)
    with clock.stage("report"):
        write_report(FilmReport(analysis, pictures.thumbnails), made, suffix=suffix)
    return analysis


def _has_spare_core(options: ComposeOptions) -> bool:
    """Whether there is a core beside those that compose; making sound on one of these takes longer than waiting."""
    from emsync.music.model import MOST_THREADS

    return usable_cores() > (options.threads or MOST_THREADS)


def _compose(
    cue_sheet: CueSheet,
    midi: tuple[Path, ...],
    options: ComposeOptions,
    clock: StageClock,
    *,
    overwrite: bool = False,
    hear: Hearer | None = None,
) -> Takes:
    """Compose all takes; the best goes into the first file of `midi`, all of them into the others, if there are any.

    `hear` is told what the first file will say while it is being composed, where that can be known.
    """
    from emsync.music.compose import compose_takes
    from emsync.music.midi_file import write_midi
    from emsync.music.takes import Takes

    if len(midi) - 1 not in {0, options.takes}:
        raise ValueError(f"{options.takes} takes cannot go into {len(midi) - 1} files")
    with clock.stage("compose") as on_progress:
        takes = Takes.of(compose_takes(cue_sheet, options, on_progress=on_progress, hear=hear), cue_sheet)
    with clock.stage("write"), atomic_outputs(midi, overwrite) as made:
        for path, composition in zip(made, (takes.best, *takes.compositions), strict=False):
            write_midi(composition, cue_sheet, path, overwrite=True)
    return takes


def _render(
    midi_path: Path,
    wav_path: Path,
    duration_s: float | None,
    options: RenderOptions,
    clock: StageClock,
    *,
    stems: Path | None,
    ahead: SoundAhead | None = None,
) -> RenderReport:
    from emsync.audio.render import render as render_music

    with clock.stage("render") as on_progress:
        return render_music(
            midi_path,
            wav_path,
            duration_s=duration_s,
            options=options,
            on_progress=on_progress,
            stems_folder=stems,
            ahead=ahead,
        )


def _mux(
    film: Path,
    music: Path,
    output: Path,
    options: MuxOptions,
    clock: StageClock,
    *,
    overwrite: bool = False,
) -> MuxReport:
    from emsync.audio.mux import mux as join

    with clock.stage("mux") as on_progress:
        return join(film, music, output, options=options, on_progress=on_progress, overwrite=overwrite)
