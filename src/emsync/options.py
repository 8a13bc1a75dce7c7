"""Every default, once. The command line and the Python functions read the same values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # numpy must not be loaded for --help
    from emsync.control import Key
    from emsync.types import InstrumentGroup


class OriginalSound(StrEnum):
    """What becomes of the sound the video already has."""

    KEEP = "keep"
    DUCK = "duck"
    REPLACE = "replace"


class SyncMode(StrEnum):
    """How boundaries are answered: as the paper does (nothing forced), exactly, or exactly and on beats."""

    PAPER = "paper"
    EXACT = "exact"
    BEAT = "beat"


@dataclass(frozen=True)
class VideoOptions:
    """How the film is watched."""

    detector: str = "adaptive"
    frames_per_s: float = 1.0


@dataclass(frozen=True)
class SenseOptions:
    """What the classifier takes in: senses by name, None being those in the box (`IN_BOX_SENSES`).

    `speech_weights` is the folder with Whisper's weights, None the one in the user's cache.
    """

    names: tuple[str, ...] | None = None
    speech_weights: Path | None = None


IN_BOX_SENSES = ("image", "sound", "craft", "faces")
EXTRA_SENSES = ("speech", "screen_text")
"""Each needs something that does not come with the package; see docs/emotion.md."""


class AffectMapping(StrEnum):
    """Where valence and arousal of a shot come from: the six categories, as in the paper, or rated directly."""

    PAPER = "paper"
    RATED = "rated"


@dataclass(frozen=True)
class AffectOptions:
    """How the emotion of shots becomes an affect curve.

    Against flicker the curve keeps its value through a shot that differs from it by less than `smallest_change` in
    both valence and arousal, or that is shorter than `shortest_change_s`; 0 switches each off. Short shots in a
    row count together.
    """

    smoothing_s: float = 2.0
    smallest_change: float = 0.08
    shortest_change_s: float = 1.0
    mapping: AffectMapping = AffectMapping.RATED


@dataclass(frozen=True)
class SpottingOptions:
    """Which cuts become boundaries. 4 s is the paper's minimum distance (section 5)."""

    minimum_distance_s: float = 4.0
    closing_silence_s: float = 1.0
    hit_points_s: tuple[float, ...] = ()
    boundaries_s: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ComposeOptions:
    """How music is sampled. The paper samples with temperature 1.35 and top-p 0.6 (section 1, Sampling).

    Without a tempo, arousal sets it; without instruments, the network chooses; without a key, its tonic is drawn and
    valence sets its mode. `density` is in notes a second; without one the network chooses, and only what is denser
    than `density_ceiling` is held back (None: nothing is). Directions of the cue sheet override all of these. Without
    planned bars the network writes bar lines where it likes, as in the paper, and the tempo is its own. `key_strength`
    is how much notes lean on the film's own key, `asked_key_strength` on one that is asked for; 0 leaves harmony to
    the network alone. A chord that had to come is the least
    surprising of `chord_candidates`. With `themes` later sections open with the first bars of an earlier one where the
    film feels alike. Guidance above 1 makes the music follow a condition more than it would by itself (classifier-free
    guidance, Ho & Salimans 2022). Of `takes` pieces, with the seeds `seed`, `seed` + 1 and so on, the best is kept;
    `keep_takes` writes all of them.
    """

    seed: int = 0
    sync: SyncMode = SyncMode.EXACT
    temperature: float = 1.0
    top_p: float = 0.9
    planned_bars: bool = True
    tempo_bpm: float | None = None
    instruments: tuple[InstrumentGroup, ...] | None = None
    key: Key | None = None
    density: float | None = None
    density_ceiling: float | None = 35.0
    key_strength: float = 1.25
    asked_key_strength: float = 3.5
    chord_candidates: int = 4
    themes: bool = True
    affect_guidance: float = 3.0
    boundary_guidance: float = 1.0
    takes: int = 1
    keep_takes: bool = False
    threads: int = 0


@dataclass(frozen=True)
class RegenerateOptions:
    """Which stretch of a score is composed anew, and how; of `candidates` the one that joins best is kept."""

    begin_s: float
    end_s: float
    compose: ComposeOptions = field(default_factory=ComposeOptions)
    candidates: int = 4
    shortest_s: float = 0.5


@dataclass(frozen=True)
class RenderOptions:
    """How a score becomes sound. -16 LUFS integrated, peaks below -1 dBTP."""

    soundfont: Path | None = None
    sample_rate_hz: int = 48_000
    loudness_lufs: float = -16.0
    true_peak_db: float = -1.0
    stems: bool = False


@dataclass(frozen=True)
class MuxOptions:
    """How music and film are joined."""

    original_sound: OriginalSound = OriginalSound.DUCK
    audio_stream: int = 0
    duck_db: float = -9.0


@dataclass(frozen=True)
class ScoreOptions:
    """Options of the whole line."""

    video: VideoOptions = field(default_factory=VideoOptions)
    senses: SenseOptions = field(default_factory=SenseOptions)
    affect: AffectOptions = field(default_factory=AffectOptions)
    spotting: SpottingOptions = field(default_factory=SpottingOptions)
    compose: ComposeOptions = field(default_factory=ComposeOptions)
    render: RenderOptions = field(default_factory=RenderOptions)
    mux: MuxOptions = field(default_factory=MuxOptions)
