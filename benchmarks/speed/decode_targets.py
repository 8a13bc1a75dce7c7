"""What the decode engine should reach, and whether it does: ratios within one run.

The product's token counts, sampling and grammar included: the bare step of the engine and what Python adds to a step
in the composing loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Row = Mapping[str, Any]
Results = Mapping[str, Any]

SHIPPED_WEIGHTS: Final = "int8"
TIMES_TORCH, TIMES_HUGGING_FACE, TIMES_CTRANSLATE = 250, 6, 3
SHARE_OF_ROOF = 0.6
TIMES_BATCH_8 = 4
LOAD_S = 0.5


def targets(results: Results) -> list[dict[str, Any]]:
    """Name, target, what was measured (None if it could not be), and whether it is met."""
    found: list[dict[str, Any]] = []
    for network in dict.fromkeys(row["network"] for row in results["results"]):
        found += _against_peers(results, network)
        found += _against_the_roof(results, network)
        found += _batch(results, network)
    load_s = results["load"]["median_ms"] / 1000
    return [*found, _target("load of the shipped weights, s", LOAD_S, load_s, at_most=True)]


def python_ms(results: Results) -> float:
    """What Python adds to a step in the composing loop without guidance."""
    return float(next(row["python_ms"] for row in results["composing"] if row["batch"] == 1))


def find(rows: Sequence[Row], **labels: Any) -> list[Row]:
    """The rows with these labels."""
    return [row for row in rows if all(row.get(name) == value for name, value in labels.items())]


def our_step(results: Results, network: str, context: int, batch: int = 1) -> Row:
    """The bare step of the engine with the weights that ship and the most threads that were tried."""
    labels = {"network": network, "context": context, "batch": batch}
    rows = find(results["results"], engine="emsync", weights=SHIPPED_WEIGHTS, **labels)
    return max(rows, key=lambda row: int(row["threads"]))


def share_of_roof(results: Results, network: str, context: int, buffer: str) -> float:
    """Least time in which the bytes of a step could be read, by the time of the step."""
    step = our_step(results, network, context)
    own = network if buffer == "same size" else ""
    (stream,) = find(results["streams"], buffer=buffer, network=own, context=context)
    least_ms = step["bytes_per_step"][str(context)] / stream["gb_per_s"] / 1e6
    return float(least_ms / step["median_ms"])


def _against_peers(results: Results, network: str) -> Iterator[dict[str, Any]]:
    goals = (
        ("torch, no cache", TIMES_TORCH, (1024,)),
        ("Hugging Face GPT-2", TIMES_HUGGING_FACE, (256, 1024)),
        ("CTranslate2 GPT-2", TIMES_CTRANSLATE, (256, 1024)),
    )
    for engine, goal, contexts in goals:
        for context in contexts:
            rows = find(results["results"], engine=engine, network=network, context=context)
            ours_ms = our_step(results, network, context)["median_ms"] + python_ms(results)
            times = min(row["median_ms"] for row in rows) / ours_ms if rows else None
            yield _target(f"{network}, context {context}: times as fast as {engine}", goal, times)


def _against_the_roof(results: Results, network: str) -> Iterator[dict[str, Any]]:
    for buffer in ("main memory", "same size"):
        for context in (256, 1024):
            share = share_of_roof(results, network, context, buffer)
            name = f"{network}, context {context}: share of the roof, {buffer}"
            yield _target(name, SHARE_OF_ROOF, share)


def _batch(results: Results, network: str) -> Iterator[dict[str, Any]]:
    for context in (256, 1024):
        one = our_step(results, network, context)["median_ms"]
        eight = our_step(results, network, context, batch=8)["median_ms"]
        name = f"{network}, context {context}: tokens a second of batch 8, times batch 1"
        yield _target(name, TIMES_BATCH_8, 8 * one / eight)


def _target(name: str, goal: float, measured: float | None, *, at_most: bool = False) -> dict[str, Any]:
    """One entry; a comparison that could not be made is not met.

    >>> _target("load, s", 0.5, 0.25, at_most=True)
    {'name': 'load, s', 'target': '<= 0.5', 'measured': 0.25, 'met': True}
    """
    met = measured is not None and (measured <= goal if at_most else measured >= goal)
    rounded = None if measured is None else float(f"{measured:.3g}")
    return {"name": name, "target": f"{'<=' if at_most else '>='} {goal:g}", "measured": rounded, "met": met}
