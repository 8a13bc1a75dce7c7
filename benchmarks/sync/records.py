"""What is kept of every piece: a JSON line each, so that a run can go on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.sync.films import Film

from emsync.errors import InputError
from emsync.options import SyncMode

NONE_GIVEN = "none given"
"""Composed in the paper's mode for the same film without a cut or boundary: no conditioning."""
FREE_BARS = "paper, free bars"
"""The paper's mode without bars planned so that cuts are bar lines: its own behaviour and nothing of ours."""
CONDITIONS = (*(mode.value for mode in SyncMode), FREE_BARS, NONE_GIVEN)
ANSWERS = ("announced", "struck", "audio_onsets", "audio_beats")
"""What may answer a cut: CHORD tokens; three pitches struck at once and held; onsets, beats heard in the sound."""


@dataclass(frozen=True)
class Record:
    """All that is kept of one piece. Times in seconds up to the end of what is measured; None for what is undefined.

    `speaks_s` and `rises_s` have an entry per boundary, `chance_rises_s` one per boundary of the other films of its
    kind.
    """

    film: str
    kind: str
    condition: str
    settings: dict[str, Any]
    cuts_s: list[float]
    boundaries_s: list[float]
    answers_s: dict[str, list[float]]
    speaks_s: list[float | None]
    rises_s: list[float | None]
    chance_rises_s: list[float | None]
    tokens: int
    nats: float
    note_count: int
    music: dict[str, float | None]


def read_records(path: Path, settings: dict[str, Any]) -> list[Record]:
    """What an earlier run left; a last line that broke off is left out.

    Raises: InputError if it was made with other settings, so that figures never mix two composers.
    """
    if not path.exists():
        return []
    lines = path.read_text("utf-8").split("\n")[:-1]
    records = [Record(**json.loads(line)) for line in lines]
    for number, record in enumerate(records, start=1):
        if record.settings != settings:
            raise InputError(
                f"{path}:{number}: made with {record.settings}, now {settings}; name another work folder"
            )
    return records


def append_record(path: Path, record: Record) -> None:
    """Add one line; a line that broke off before it is cut away first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.read_text("utf-8") if path.exists() else ""
    if whole and not whole.endswith("\n"):
        path.write_text(whole[: whole.rfind("\n") + 1], "utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record), allow_nan=False) + "\n")


def missing_pieces(
    films: Sequence[Film], records: Sequence[Record], conditions: Sequence[str] = CONDITIONS
) -> Iterator[tuple[int, Film, str]]:
    """Seed, film and condition of every piece not yet made; all conditions of a film before the next film."""
    done = {(record.film, record.condition) for record in records}
    for number, film in enumerate(films):
        for condition in conditions:
            if (film.name, condition) not in done:
                yield number, film, condition
