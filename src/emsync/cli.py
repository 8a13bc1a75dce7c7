"""The command line: arguments -> options -> pipeline -> a report. Besides `cli_ending` the only module
that prints.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 a file or value of the user's cannot
be used, 2 wrong usage, 70 a bug in emsync, 130 Ctrl-C.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from emsync import __version__
from emsync import cli_arguments as arg
from emsync.cli_ending import interrupt, one_line_errors, terminate
from emsync.control import parse_density, parse_key
from emsync.options import (
    AffectOptions,
    ComposeOptions,
    MuxOptions,
    RegenerateOptions,
    RenderOptions,
    ScoreOptions,
    SenseOptions,
    SpottingOptions,
    SyncMode,
    VideoOptions,
)
from emsync.progress import progress_bars

if TYPE_CHECKING:
    from emsync.types import InstrumentGroup

app = typer.Typer(
    help="Give a film its own music: emotion that follows it, chords that land on its cuts.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"emsync {__version__}")
        raise typer.Exit


@app.callback()
def _emsync(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


@app.command()
def score(
    context: typer.Context,
    film: arg.Film,
    output: arg.Output = None,
    seed: arg.Seed = ComposeOptions.seed,
    takes: arg.Takes = ComposeOptions.takes,
    keep_takes: arg.KeepTakes = ComposeOptions.keep_takes,
    original_sound: arg.Original = MuxOptions.original_sound,
    hit: arg.HitPoints = None,
    boundaries: arg.Boundaries = None,
    minimum_distance: arg.MinimumDistance = SpottingOptions.minimum_distance_s,
    detector: arg.Detector = VideoOptions.detector,
    affect_mapping: arg.Mapping = AffectOptions.mapping,
    senses: arg.Senses = None,
    speech_weights: arg.SpeechWeights = SenseOptions.speech_weights,
    sync: arg.Sync = ComposeOptions.sync,
    temperature: arg.Temperature = ComposeOptions.temperature,
    top_p: arg.TopP = ComposeOptions.top_p,
    tempo: arg.Tempo = ComposeOptions.tempo_bpm,
    instruments: arg.Instruments = None,
    key: arg.Key = None,
    density: arg.Density = None,
    affect_guidance: arg.AffectGuidance = ComposeOptions.affect_guidance,
    boundary_guidance: arg.BoundaryGuidance = ComposeOptions.boundary_guidance,
    soundfont: arg.Soundfont = RenderOptions.soundfont,
    stems: arg.Stems = RenderOptions.stems,
    audio_stream: arg.AudioStreamNumber = MuxOptions.audio_stream,
    threads: arg.Threads = ComposeOptions.threads,
    force: arg.Force = False,
    as_json: arg.Json = False,
    quiet: arg.Quiet = False,
) -> None:
    """Compose music for a film and put it under the film.

    Writes FILM.scored.mp4, FILM.cues.json, FILM.mid and FILM.wav beside the film; with -o OUT.mp4 the
    companions are named after OUT.
    """
    with one_line_errors():
        from emsync import pipeline, report
        from emsync.output_paths import OutputPaths

        options = ScoreOptions(
            video=VideoOptions(detector=detector),
            affect=AffectOptions(mapping=affect_mapping),
            senses=_senses(senses, speech_weights),
            spotting=_spotting(minimum_distance, hit, boundaries),
            compose=_compose_options(context.params),
            render=RenderOptions(soundfont=soundfont, stems=stems),
            mux=MuxOptions(original_sound=original_sound, audio_stream=audio_stream),
        )
        with progress_bars(not quiet) as on_progress:
            outputs = OutputPaths.of(film, output, stems=stems, takes=takes if keep_takes else 0)
            result = pipeline.score(film, outputs, options, overwrite=force, on_progress=on_progress)
        told = report.score_as_json(result), report.score_for_people(result)
        _tell(*told, as_json=as_json, quiet=quiet)


@app.command()
def analyse(
    film: arg.Film,
    output: arg.Output = None,
    report_file: arg.Report = None,
    hit: arg.HitPoints = None,
    boundaries: arg.Boundaries = None,
    minimum_distance: arg.MinimumDistance = SpottingOptions.minimum_distance_s,
    detector: arg.Detector = VideoOptions.detector,
    affect_mapping: arg.Mapping = AffectOptions.mapping,
    senses: arg.Senses = None,
    speech_weights: arg.SpeechWeights = SenseOptions.speech_weights,
    threads: arg.Threads = ComposeOptions.threads,
    force: arg.Force = False,
    as_json: arg.Json = False,
    quiet: arg.Quiet = False,
) -> None:
    """Watch a film and write its cue sheet: cuts, boundaries, affect. Edit it, then compose.

    Writes FILM.cues.json beside the film; with --report, also a page or a picture for reading.
    """
    with one_line_errors():
        from emsync import pipeline, report
        from emsync.output_paths import cue_sheet_beside

        path = output or cue_sheet_beside(film)
        options = ScoreOptions(
            video=VideoOptions(detector=detector),
            affect=AffectOptions(mapping=affect_mapping),
            senses=_senses(senses, speech_weights),
            spotting=_spotting(minimum_distance, hit, boundaries),
            compose=ComposeOptions(threads=threads),
        )
        with progress_bars(not quiet) as on_progress:
            seen = pipeline.analyse(
                film, path, options, report_path=report_file, overwrite=force, on_progress=on_progress
            )
        told = (
            report.analysis_as_json(path, seen, report_path=report_file),
            report.analysis_for_people(path, seen, report_path=report_file),
        )
        _tell(*told, as_json=as_json, quiet=quiet)


@app.command()
def compose(
    context: typer.Context,
    cues: arg.CueSheetFile,
    output: arg.Output = None,
    keep: arg.Keep = None,
    begin: arg.From = None,
    end: arg.To = None,
    candidates: arg.Candidates = None,
    seed: arg.Seed = ComposeOptions.seed,
    takes: arg.Takes = ComposeOptions.takes,
    keep_takes: arg.KeepTakes = ComposeOptions.keep_takes,
    sync: arg.Sync = ComposeOptions.sync,
    temperature: arg.Temperature = ComposeOptions.temperature,
    top_p: arg.TopP = ComposeOptions.top_p,
    tempo: arg.Tempo = ComposeOptions.tempo_bpm,
    instruments: arg.Instruments = None,
    key: arg.Key = None,
    density: arg.Density = None,
    affect_guidance: arg.AffectGuidance = ComposeOptions.affect_guidance,
    boundary_guidance: arg.BoundaryGuidance = ComposeOptions.boundary_guidance,
    threads: arg.Threads = ComposeOptions.threads,
    force: arg.Force = False,
    as_json: arg.Json = False,
    quiet: arg.Quiet = False,
) -> None:
    """Compose music for a cue sheet, or a stretch of its score anew (--keep, --from, --to), and write it as MIDI.

    Writes CUES.mid beside the cue sheet, or MIDI.regenerated.mid beside the kept score.
    """
    unfit = {"--tempo": tempo, "--takes": takes != ComposeOptions.takes, "--keep-takes": keep_takes}
    arg.check_stretch(keep, begin, end, others={"--candidates": candidates, **unfit})
    with one_line_errors():
        from emsync import pipeline, report
        from emsync.output_paths import midi_beside, regenerated_beside, takes_beside

        path = output or (midi_beside(cues) if keep is None else regenerated_beside(keep))
        options = _compose_options(context.params)
        with progress_bars(not quiet) as on_progress:
            if keep is not None and begin is not None and end is not None:
                stretch = RegenerateOptions(begin, end, options, candidates or RegenerateOptions.candidates)
                done = pipeline.regenerate(cues, keep, path, stretch, force, on_progress)
                told = report.told_of_stretch(path, done)
            else:
                music = pipeline.compose(cues, path, options, overwrite=force, on_progress=on_progress)
                told = report.told_of_music(path, music, takes_beside(path, takes) if keep_takes else ())
        _tell(*told, as_json=as_json, quiet=quiet)


@app.command()
def render(
    midi: arg.MidiFile,
    output: arg.Output = None,
    soundfont: arg.Soundfont = RenderOptions.soundfont,
    duration: arg.Duration = None,
    stems: arg.Stems = RenderOptions.stems,
    force: arg.Force = False,
    as_json: arg.Json = False,
    quiet: arg.Quiet = False,
) -> None:
    """Play a MIDI file with a soundfont into a WAV.

    Writes MIDI.wav beside the MIDI file, and the stems into the folder MIDI.stems.
    """
    with one_line_errors():
        from emsync import pipeline, report

        path = output or midi.with_suffix(".wav")
        options = RenderOptions(soundfont=soundfont, stems=stems)
        with progress_bars(not quiet) as on_progress:
            heard = pipeline.render(
                midi, path, options, duration_s=duration, overwrite=force, on_progress=on_progress
            )
        told = report.sound_as_json(path, heard), report.sound_for_people(path, heard)
        _tell(*told, as_json=as_json, quiet=quiet)


@app.command()
def mux(
    film: arg.Film,
    music: arg.WavFile,
    output: arg.Output = None,
    original_sound: arg.Original = MuxOptions.original_sound,
    audio_stream: arg.AudioStreamNumber = MuxOptions.audio_stream,
    force: arg.Force = False,
    as_json: arg.Json = False,
    quiet: arg.Quiet = False,
) -> None:
    """Put music under a film; the picture is copied as it is.

    Writes FILM.scored.mp4 beside the film.
    """
    with one_line_errors():
        from emsync import pipeline, report
        from emsync.output_paths import scored_beside

        path = output or scored_beside(film)
        options = MuxOptions(original_sound=original_sound, audio_stream=audio_stream)
        with progress_bars(not quiet) as on_progress:
            joined = pipeline.mux(film, music, path, options, overwrite=force, on_progress=on_progress)
        told = report.film_as_json(path, joined), report.film_for_people(path, joined)
        _tell(*told, as_json=as_json, quiet=quiet)


def main() -> NoReturn:
    """The console script `emsync`."""
    signal.signal(signal.SIGTERM, terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        run(sys.argv[1:])
    finally:
        gc.freeze()  # or Python looks for cycles in all that was loaded once more before it ends: 0.2 s


def run(arguments: list[str]) -> NoReturn:
    """One command line, without the name of the program; ends in `SystemExit`, whatever happens."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be text
    with one_line_errors():
        app(arguments, prog_name="emsync")
    sys.exit(0)


def _compose_options(given: Mapping[str, Any]) -> ComposeOptions:
    """How to compose, of the options that `score` and `compose` have in common."""
    same = (
        "seed",
        "temperature",
        "top_p",
        "affect_guidance",
        "boundary_guidance",
        "takes",
        "keep_takes",
        "threads",
    )
    return ComposeOptions(
        **{name: given[name] for name in same},
        sync=SyncMode(given["sync"]),
        tempo_bpm=given["tempo"],
        instruments=_groups(given["instruments"]),
        key=None if given["key"] is None else parse_key(given["key"]),
        density=None if given["density"] is None else parse_density(given["density"]),
    )


def _spotting(
    minimum_distance_s: float, hits_s: list[float] | None, boundaries: Path | None
) -> SpottingOptions:
    from emsync.pipeline import boundaries_from

    return SpottingOptions(
        minimum_distance_s=minimum_distance_s,
        hit_points_s=tuple(hits_s or ()),
        boundaries_s=None if boundaries is None else boundaries_from(boundaries),
    )


def _senses(names: str | None, speech_weights: Path | None) -> SenseOptions:
    return SenseOptions(None if names is None else arg.sense_names(names), speech_weights)


def _groups(instruments: str | None) -> tuple[InstrumentGroup, ...] | None:
    from emsync.types import InstrumentGroup

    if instruments is None:
        return None
    return tuple(InstrumentGroup[name.upper()] for name in arg.instrument_names(instruments))


def _tell(for_programs: dict[str, Any], for_people: list[str], *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print(json.dumps({"emsync": __version__, **for_programs}, indent=2, allow_nan=False))
    elif not quiet:
        print("\n".join(for_people))
    sys.stdout.flush()
