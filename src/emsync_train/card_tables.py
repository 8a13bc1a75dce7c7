"""Result files as Markdown tables, for the model card and the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def words(name: str) -> str:
    """A key of a result file in words."""
    return name.replace("_", " ")


def likelihood_table(models: Json) -> str:
    """A row per set of conditions and per n-gram."""
    names = {
        "all_conditions": "composer, all conditions given",
        "no_conditions": "composer, none given",
        "unigram": "unigram",
        "5_gram": "5-gram, Witten-Bell",
    }
    rows = [
        (
            names.get(name, f"composer, {words(name).replace('no ', 'all but ')}"),
            number(row["nats_per_token"], 3),
            number(row["nats_per_note"], 2),
            number(row["top_1"]),
            number(row["top_5"]),
        )
        for name, row in models.items()
    ]
    return table(("model", "nats per token", "nats per note", "top-1", "top-5"), rows)


def music_table(music: Json) -> str:
    """A row per figure: training songs, held-out songs, exact, soft."""
    kinds = ("train_songs", "test_songs", "composed_exact", "composed_paper")
    rows = []
    for name in music["test_songs"]:
        cells = [music[kind][name] for kind in kinds]
        rows.append((words(name), *(f"{cell['mean']:.2f} ({cell['deviation']:.2f})" for cell in cells)))
    return table(("figure", "training songs", "held-out songs", "composed, exact", "composed, soft"), rows)


def boundary_table(boundaries: Json) -> str:
    """A row per mode, kind of chord and tolerance."""
    rows = []
    for mode in ("exact", "soft", "none_given"):
        for kind in ("announced", "struck"):
            figures = boundaries[mode]
            for tolerance, own in figures[f"{kind}_own"].items():
                shuffled = figures[f"{kind}_shuffled"][tolerance]
                rows.append(
                    (
                        words(mode),
                        kind,
                        words(tolerance),
                        number(own["recall"]),
                        number(own["precision"]),
                        f"{number(own['f1'])} ({number(own['f1_standard_error'])})",
                        number(shuffled["f1"]),
                        number(own["median_signed_offset_ms"], 0),
                    )
                )
    head = ("mode", "chords", "tolerance", "recall", "precision", "F1", "F1, shuffled", "median offset, ms")
    return table(head, rows)


def affect_table(affect: Json) -> str:
    """A row per judge, with the same judge on shuffled requests."""
    names = ("valence_ccc", "valence_spearman", "arousal_ccc", "arousal_spearman", "quadrant_accuracy")
    rows = [
        (words(judge), *(number(affect[judge][name]) for name in names))
        for judge in ("evaluator", "evaluator_shuffled", "labeller", "labeller_shuffled")
    ]
    return table(("judge", *(words(name) for name in names)), rows)


def copies_table(memorisation: Json) -> str:
    """A row per kind of piece."""
    names = ("share", "p90_share", "largest_share", "longest_notes")
    rows = [
        (words(kind), str(row["pieces"]), *(number(row[name], 4 if "share" in name else 0) for name in names))
        for kind, row in memorisation.items()
        if isinstance(row, dict)
    ]
    head = (
        "melodies of",
        "pieces",
        "share of 16-note runs",
        "90 % of pieces",
        "largest",
        "longest copy, notes",
    )
    return table(head, rows)


def _gain(row: Json, condition: str) -> float | None:
    """Nats per note that being told a condition saves, None where it was not measured."""
    without = row.get(f"nats_per_note_without_{condition}")
    return None if without is None else without - row["nats_per_note"]


def _with_error(row: Json, key: str) -> str:
    """A figure, its standard error in brackets if it has one."""
    error = row.get(f"{key}_standard_error")
    return number(row.get(key)) if error is None else f"{number(row[key])} ({number(error)})"


def designs_table(designs: Json) -> str:
    """A row per design; those of one number of tokens can be compared."""
    rows = [
        (
            f"`{name}`",
            f"{row['parameters']:,}",
            number(row["tokens"] / 1e6, 0),
            number(row["validation_nats_per_note"], 2),
            number(row.get("nats_per_note"), 2),
            *(number(_gain(row, name), 3) for name in ("boundaries", "affect")),
            *(
                text
                for key in ("boundary_f1", "valence_ccc", "arousal_ccc")
                for text in (_with_error(row, key), number(row.get(f"{key}_shuffled")))
            ),
        )
        for name, row in designs["designs"].items()
    ]
    head = (
        "design",
        "parameters",
        "tokens, M",
        "nats per note, validation",
        "nats per note, test",
        "gained by boundaries",
        "gained by affect",
        "soft F1 at 250 ms",
        "shuffled",
        "valence CCC",
        "shuffled",
        "arousal CCC",
        "shuffled",
    )
    return table(head, rows)
