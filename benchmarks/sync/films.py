"""Films whose cuts are known: made-up cut lists with the shot lengths of real kinds of film, and real cut lists.

No picture is needed, since the cue sheet is all that music knows of a film; so what is measured on them is the
composer's doing and no detector's. All is drawn by seed.

Shot lengths follow a log-normal distribution (Salt, Cinemetrics; Redfern, Statistica, fits the Dagum distribution
instead). Its mean is that of the kind of film, its standard deviation 1.2 times the mean
(our choice, after Salt).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from emsync.music.spotting import spot
from emsync.options import SpottingOptions
from emsync.types import AffectCurve, AffectPoint, CueSheet, Cut, Floats, VideoInfo

SEED = 2025
DEVIATION_OF_MEAN = 1.2
SHORTEST_SHOT_S = 5 / 24
"""Five frames: no detector of ours tells shorter shots apart."""
RATE_FPS = Fraction(24)
"""A frame of 24 a second is no whole number of ticks, so boundaries do not lie on the grid of the music."""
ENDING_S = 5.0
"""What lies nearer to the end is not measured: there every piece strikes a last chord, asked for or not."""
REAL_CUTS = Path(__file__).with_name("real_cuts.json")
REAL = "real"


@dataclass(frozen=True)
class FilmKind:
    """A kind of film, how long its shots are on average, and who counted."""

    name: str
    mean_shot_s: float
    source: str


KINDS = (
    FilmKind(
        "trailer",
        60 / 38,
        "38 cuts a minute since the 1990s, in a sample of 154 trailers since 1950 (Palmer, Wired, June 2013)",
    ),
    FilmKind(
        "advertisement",
        2.0,
        "under 2 s in 1991 (MacLachlan & Logan, Journal of Advertising Research 1993)",
    ),
    FilmKind(
        "music clip",
        2.0,
        "about 2 s in one clip (Perez Rufi & Rodriguez-Lopez, 2017, ISSN 1696-019X); few counts are published",
    ),
    FilmKind(
        "interview",
        8.0,
        "our choice, for want of a count: between a feature film (about 4 s, Salt) and a televised lecture "
        "(about 20 s, National Institute of Multimedia Education)",
    ),
)


@dataclass(frozen=True)
class Film:
    """A film to compose for. Times are measured up to `measured_to_s`."""

    name: str
    kind: str
    sheet: CueSheet

    @property
    def measured_to_s(self) -> float:
        """Cuts and boundaries after it do not count."""
        return self.sheet.duration_s - ENDING_S

    @property
    def cuts_s(self) -> Floats:
        """Every cut that counts, shape (N,), increasing."""
        return self._that_count([cut.time_s for cut in self.sheet.cuts])

    @property
    def boundaries_s(self) -> Floats:
        """Every boundary that counts, shape (N,), increasing."""
        return self._that_count([boundary.time_s for boundary in self.sheet.boundaries])

    def _that_count(self, times_s: Sequence[float]) -> Floats:
        times = np.array(times_s, np.float64)
        return np.asarray(times[times <= self.measured_to_s])


def films(count: int, duration_s: float) -> list[Film]:
    """`count` films, the kinds in turn, the last of them excerpts of real cut lists."""
    makers = cycle([*(kind.name for kind in KINDS), REAL])
    numbers = dict.fromkeys((*(kind.name for kind in KINDS), REAL), 0)
    made = []
    for kind in islice(makers, count):
        made.append(film_of_kind(kind, numbers[kind], duration_s))
        numbers[kind] += 1
    return made


def film_of_kind(kind: str, number: int, duration_s: float) -> Film:
    """Film `number` of a kind. It has a boundary that counts: a film without one is drawn again."""
    for attempt in range(1000):
        rng = np.random.default_rng((SEED, _number_of(kind), number, attempt))
        cuts = _excerpt(number, duration_s, rng) if kind == REAL else _made_up(kind, duration_s, rng)
        film = Film(f"{kind} {number}", kind, cue_sheet(f"{kind} {number}", cuts, duration_s, rng))
        if len(film.boundaries_s):
            return film
    raise ValueError(f"no {kind} of {duration_s} s has a boundary that counts; make films longer")


def shot_lengths(mean_s: float, rng: np.random.Generator) -> Iterator[float]:
    """Endless log-normal shot lengths in seconds; shorter ones than `SHORTEST_SHOT_S` are drawn again."""
    sigma = math.sqrt(math.log(1 + DEVIATION_OF_MEAN**2))
    mu = math.log(mean_s) - sigma**2 / 2
    while True:
        length_s = float(rng.lognormal(mu, sigma))
        if length_s >= SHORTEST_SHOT_S:
            yield length_s


def cue_sheet(
    title: str,
    cuts: Sequence[Cut],
    duration_s: float,
    rng: np.random.Generator,
    options: SpottingOptions | None = None,
) -> CueSheet:
    """The cuts spotted as the product does, under one drawn affect."""
    valence, arousal = rng.uniform(-0.9, 0.9, 2).tolist()
    return spot(
        title=title,
        info=_info(title, duration_s),
        cuts=tuple(cuts),
        shots=(),
        affect=AffectCurve((AffectPoint(0.0, valence, arousal),)),
        options=options or SpottingOptions(),
    )


def without_boundaries(sheet: CueSheet) -> CueSheet:
    """The same film for a composer that is told of no cut."""
    return replace(sheet, cuts=(), boundaries=(), dropped=())


def others_of_its_kind(film: Film, all_films: Sequence[Film]) -> list[Film]:
    """The films whose cuts stand for chance: as many and as long shots, at other times. May be empty."""
    return [other for other in all_films if other.kind == film.kind and other.name != film.name]


def real_cut_lists() -> dict[str, tuple[float, tuple[Cut, ...]]]:
    """Duration in seconds and cuts of every real film by its name."""
    document = json.loads(REAL_CUTS.read_text("utf-8"))
    return {
        film["film"]: (film["duration_s"], tuple(Cut(time_s, strength) for time_s, strength in film["cuts"]))
        for film in document["films"]
    }


def _made_up(kind: str, duration_s: float, rng: np.random.Generator) -> list[Cut]:
    mean_s = next(one.mean_shot_s for one in KINDS if one.name == kind)
    cuts: list[Cut] = []
    time_s = 0.0
    for length_s in shot_lengths(mean_s, rng):
        time_s += length_s
        if time_s >= duration_s:
            return cuts
        on_frame_s = round(time_s * RATE_FPS) / float(RATE_FPS)
        cuts.append(Cut(on_frame_s, float(rng.uniform(0.3, 1.0))))
    return cuts


def _excerpt(number: int, duration_s: float, rng: np.random.Generator) -> list[Cut]:
    """A stretch of a real film that is long enough, drawn evenly; films in turn."""
    long_enough = [film for film in real_cut_lists().values() if film[0] >= duration_s]
    if not long_enough:
        raise ValueError(f"no real film lasts {duration_s} s; make pieces shorter")
    whole_s, cuts = long_enough[number % len(long_enough)]
    begin_s = float(rng.uniform(0, whole_s - duration_s))
    return [
        replace(cut, time_s=cut.time_s - begin_s)
        for cut in cuts
        if begin_s < cut.time_s < begin_s + duration_s
    ]


def _number_of(kind: str) -> int:
    return [*(one.name for one in KINDS), REAL].index(kind)


def _info(title: str, duration_s: float) -> VideoInfo:
    return VideoInfo(
        path=Path(title),
        duration_s=duration_s,
        width=640,
        height=360,
        frame_rate_fps=RATE_FPS,
        is_variable_frame_rate=False,
        rotation_degrees=0,
        codec="h264",
        pixel_format="yuv420p",
        container="mp4",
        audio_streams=(),
    )
