"""The section of docs/speed.md about decoding, from benchmarks/results/decode.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.decode_targets import find, our_step, share_of_roof
from benchmarks.speed.markdown_table import table

Row = Mapping[str, Any]
Results = Mapping[str, Any]

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "decode.json"
CONTEXTS = (256, 1024)

INTRODUCTION = """## Decoding

From `benchmarks/results/decode.json`; measure again with `python -m benchmarks.speed.decode` (extra `train`; the peers
want `pip install transformers ctranslate2`). All contenders take turns in one run. Networks with random weights:
{sizes}. `base` has the sizes of what ships, with `large` the targets were set. Entries are medians, with the
tenth to the ninetieth percentile in brackets.

{machine}
"""

PEERS = """### Beside other engines

Milliseconds for a token with {threads} threads, one piece at a time: `torch, no cache` is the same network as a plain
loop that computes everything again, the GPT-2 have as many layers, heads, units and tokens as ours. Times include
choosing the token for Hugging Face and CTranslate2, but not for ours, see below for that.
"""

ENGINE = """### Our engine

Milliseconds for a step, and tokens a second of all pieces of the batch together.
"""

ROOF = """### Beside the speed of memory

A step must read the weights once (of the embedding one row) and the KV cache of every piece. The share of the roof is
the time that this takes at the speed of memory, by the time of the step ({weights}, {threads} threads, batch 1). The
speed of memory is that of the fastest of four ways to read a buffer end to end with as many threads: one of
{far_mb:.0f} MB, far beyond the last cache{cache}, and one of just the bytes of the step, which that cache may hold in
part. The second is the harder limit.
"""

COMPOSING = """### The composing loop

The shipped weights over a film of {film_s:.0f} s: network, guidance, grammar, sampling. A step makes a token; tokens of
chord candidates that lost are steps that the music does not show. With guidance a step is one of batch 2.
"""

THREADS = """### One thread or two

A step at context {context} when the caller works for {work} ms between steps, as sampling does, in ms; CPU time counts
all that the threads do up to the next step, without that work.
"""

TARGETS = """### Targets

Ratios of this run. Where engines are compared, ours includes {python:.2f} ms that Python takes for a step of the
composing loop; {load}
"""


def section(results: Results) -> str:
    """The section in Markdown."""
    parts = (introduction, peers, engine, roof, composing, threads, goals)
    return "\n".join(part(results) for part in parts)


def introduction(results: Results) -> str:
    """What was measured on what."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    measured_on = (
        f"Measured on {machine['cores']} cores of {machine['cpu']}, {machine['system']}, {versions}; load average "
        f"{machine['load_average_before']} before and {machine['load_average_after']} after."
    )
    sizes = {row["network"]: row["parameters"] for row in find(results["results"], engine="emsync")}
    told = ", ".join(f"`{name}` of {size / 1e6:.0f} million parameters" for name, size in sizes.items())
    return INTRODUCTION.format(sizes=told, machine=measured_on)


def peers(results: Results) -> str:
    """All engines side by side, one piece."""
    most_threads = max(row["threads"] for row in results["results"])
    kinds = dict.fromkeys((row["engine"], row["weights"]) for row in results["results"])
    rows = []
    for network in networks(results):
        for engine_name, weights in kinds:
            labels = {"network": network, "engine": engine_name, "weights": weights, "batch": 1}
            found = by_context(find(results["results"], threads=most_threads, **labels))
            times = [f"{found[context]['times_torch_loop']:.0f}" for context in CONTEXTS]
            rows.append([network, engine_name, weights, *(entry(found[one]) for one in CONTEXTS), *times])
        rows += [[network, name, "", *["not installed"] * 2, "", ""] for name in results["not_installed"]]
    head = ["network", "engine", "weights", "context 256", "context 1024", "times the loop, 256", "1024"]
    return "\n".join([PEERS.format(threads=most_threads), table(head, rows)])


def engine(results: Results) -> str:
    """Every quantisation, thread count and batch of our engine."""
    ours = find(results["results"], engine="emsync")
    kinds = dict.fromkeys((row["network"], row["weights"], row["threads"], row["batch"]) for row in ours)
    rows = []
    for network, weights, thread_count, batch in kinds:
        labels = {"network": network, "weights": weights, "threads": thread_count, "batch": batch}
        found = by_context(find(ours, **labels))
        speeds = [f"{found[context]['tokens_per_s']:.0f}" for context in CONTEXTS]
        entries = [entry(found[context]) for context in CONTEXTS]
        rows.append([network, weights, str(thread_count), str(batch), *entries, *speeds])
    head = ["network", "weights", "threads", "batch", "context 256", "context 1024", "tokens/s, 256", "1024"]
    return "\n".join([ENGINE, table(head, rows)])


def roof(results: Results) -> str:
    """How near a step comes to the speed of memory."""
    rows = []
    for network in networks(results):
        for context in CONTEXTS:
            step = our_step(results, network, context)
            moved = step["bytes_per_step"][str(context)]
            line = [network, str(context), f"{moved / 1e6:.1f} MB", entry(step)]
            for buffer, own in (("main memory", ""), ("same size", network)):
                (stream,) = find(results["streams"], buffer=buffer, network=own, context=context)
                share = share_of_roof(results, network, context, buffer)
                line += [f"{stream['gb_per_s']:.1f} ({stream['way']})", f"{100 * share:.0f} %"]
            rows.append(line)
    head = [
        "network",
        "context",
        "bytes",
        "step, ms",
        "main memory, GB/s",
        "share",
        "same size, GB/s",
        "share",
    ]
    cache_mb = results["machine"]["last_cache_mb"]
    far = find(results["streams"], buffer="main memory")[0]
    told = {
        "weights": step["weights"],
        "threads": step["threads"],
        "far_mb": far["bytes"] / 1e6,
        "cache": f" of {cache_mb:.0f} MiB" if cache_mb else "",
    }
    return "\n".join([ROOF.format(**told), table(head, rows)])


def composing(results: Results) -> str:
    """The product's loop, and the bare step of the same batch."""
    rows = []
    for row in results["composing"]:
        bare = [our_step(results, "base", context, row["batch"])["median_ms"] for context in CONTEXTS]
        line = [
            row["options"],
            str(row["batch"]),
            f"{row['wall_s']:.1f}",
            str(row["tokens"]),
            str(row["steps"]),
        ]
        line += [f"{row['tokens_per_s']:.0f}", f"{row['median_ms']:.2f}", f"{row['network_ms']:.2f}"]
        rows.append([*line, f"{row['python_ms']:.2f}", " / ".join(f"{one:.2f}" for one in bare)])
    head = ["options", "batch", "seconds", "tokens", "steps", "tokens/s", "ms a step", "of which the network"]
    head += ["of which Python", "bare step, context 256 / 1024"]
    return "\n".join([COMPOSING.format(film_s=results["composing"][0]["film_s"]), table(head, rows)])


def threads(results: Results) -> str:
    """Time and CPU time of one thread and more."""
    rows = []
    for row in results["threads"]:
        line = [
            row["network"],
            row["weights"],
            f"{row['weights_mb']:.1f} MB",
            str(row["batch"]),
            str(row["threads"]),
        ]
        rows.append([*line, entry(row), f"{row['cpu_ms']:.2f}"])
    head = ["network", "weights", "file", "batch", "threads", "time", "CPU time"]
    first = results["threads"][0]
    return "\n".join(
        [THREADS.format(context=first["context"], work=first["other_work_ms"]), table(head, rows)]
    )


def goals(results: Results) -> str:
    """What should be reached and what is."""
    rows = []
    for target in results["targets"]:
        measured = "not measured" if target["measured"] is None else f"{target['measured']:g}"
        rows.append([target["name"], target["target"], measured, "yes" if target["met"] else "no"])
    without_guidance = find(results["composing"], batch=1)[0]
    load = results["load"]
    told = f"the shipped weights load in {load['median_ms'] / 1000:.2f} s, check of their hash included."
    text = TARGETS.format(python=without_guidance["python_ms"], load=told)
    return "\n".join([text, table(["target", "wanted", "measured", "met"], rows)])


def networks(results: Results) -> Iterator[str]:
    """Names of the networks, in the order of the results."""
    yield from dict.fromkeys(row["network"] for row in results["results"])


def by_context(rows: Sequence[Row]) -> dict[int, Row]:
    """Rows of one contender by their context."""
    return {row["context"]: row for row in rows}


def entry(row: Row) -> str:
    """Median and spread.

    >>> entry({"median_ms": 2.345, "p10_ms": 2.0, "p90_ms": 123.4})
    '2.35 (2.00 to 123)'
    """
    median, low, high = (number(row[name]) for name in ("median_ms", "p10_ms", "p90_ms"))
    return f"{median} ({low} to {high})"


def number(milliseconds: float) -> str:
    """Three figures where there are as many before the third decimal."""
    decimals = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:.{decimals}f}"
