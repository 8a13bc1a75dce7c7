"""Milliseconds per token of the decode engine, beside its peers, beside the speed of memory, in one run.

    python -m benchmarks.speed.decode            # minutes, 9 GB; writes benchmarks/results/decode.json
    python -m benchmarks.speed.table             # then writes docs/speed.md

Contenders of a network take turns, so that a busy machine slows all of them; medians, tenth and ninetieth percentile
are kept. Needs the extra `train`. Two peers are optional, `pip install transformers ctranslate2`; one that is missing
is reported as not installed.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from benchmarks.speed.bandwidth import FAR_BEYOND_CACHE_BYTES, best_streams, stream_contenders
from benchmarks.speed.composing_loop import CHOICES, ComposingLoop, composing_row, load_contender
from benchmarks.speed.contender import CONTEXTS, Contender, take_turns
from benchmarks.speed.decode_machine import machine
from benchmarks.speed.decode_targets import SHIPPED_NETWORK, SHIPPED_WEIGHTS, targets
from benchmarks.speed.engines import engine_contenders, torch_contender
from benchmarks.speed.networks import NETWORKS, bytes_per_step, export_all, random_network
from benchmarks.speed.peers import missing_peers, peer_contenders
from benchmarks.speed.thread_choice import ThreadChoice, thread_choices

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "decode.json"
THREAD_CHOICE_WEIGHTS = ("int8", "int4")


@dataclass
class Field:
    """All that take turns beside one network, by what their rows are called in the results."""

    engines: list[Contender] = field(default_factory=list)
    streams: list[Contender] = field(default_factory=list)
    choices: list[ThreadChoice] = field(default_factory=list)
    loops: list[tuple[Contender, ComposingLoop]] = field(default_factory=list)
    loads: list[Contender] = field(default_factory=list)

    def contenders(self) -> list[Contender]:
        """Each of them."""
        loops = [contender for contender, _ in self.loops]
        choices = [one.contender for one in self.choices]
        return [*self.engines, *self.streams, *choices, *loops, *self.loads]

    def results(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of all of them."""
        rows = [row for contender in self.engines for row in contender.rows()]
        streams = [row for contender in self.streams for row in contender.rows()]
        return {
            "results": with_ratios(rows),
            "streams": best_streams(streams),
            "composing": [composing_row(contender, loop) for contender, loop in self.loops],
            "threads": [choice.row() for choice in self.choices],
            "load": [row for contender in self.loads for row in contender.rows()],
        }


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add tokens a second, and how often that is what the torch loop makes of the same network at the same context."""
    loops = {
        (row["network"], row["context"]): row["median_ms"]
        for row in rows
        if row["engine"] == "torch, no cache"
    }
    for row in rows:
        row["tokens_per_s"] = round(1000 * row["batch"] / row["median_ms"], 1)
        loop_ms = loops[row["network"], row["context"]]
        row["times_torch_loop"] = round(loop_ms * row["tokens_per_s"] / 1000, 1)
    return rows


def enter(name: str, folder: Path, arguments: argparse.Namespace) -> Field:
    """All that takes turns beside one network; with the one that ships, the product too."""
    network, config = random_network(name), NETWORKS[name]
    threads = max(arguments.threads)
    paths = export_all(network, folder)
    size = {"network": name, "parameters": network.parameter_count}
    entered = Field(engines=[torch_contender(network, threads=threads, labels=size)])
    entered.engines += peer_contenders(config, folder, threads=threads, labels=size)
    entered.engines += engine_contenders(
        paths, config, threads_tried=arguments.threads, batches=arguments.batches, labels=size
    )
    entered.streams += streams(name, paths[SHIPPED_WEIGHTS], threads=threads)
    tried = {weights: path for weights, path in paths.items() if weights in THREAD_CHOICE_WEIGHTS}
    entered.choices += thread_choices(tried, threads_tried=arguments.threads, labels={"network": name})
    if name == SHIPPED_NETWORK:
        entered.loads.append(load_contender())
        for choice, options in CHOICES.items():
            loop = ComposingLoop(options, threads=threads)
            entered.loops.append((loop.contender(choice, threads=threads), loop))
    return entered


def streams(name: str, path: Path, *, threads: int) -> Iterator[Contender]:
    """Reading main memory, and reading as many bytes as a step of this network at each context."""
    labels = {"network": name, "buffer": "main memory"}
    yield from stream_contenders(FAR_BEYOND_CACHE_BYTES, threads=threads, contexts=CONTEXTS, labels=labels)
    labels["buffer"] = "same size"
    for context in CONTEXTS:
        moved = bytes_per_step(path, NETWORKS[name], context=context, batch=1)
        yield from stream_contenders(moved, threads=threads, contexts=(context,), labels=labels)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One run: one network after another, so that a machine of 16 GB is enough."""
    record: dict[str, Any] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    with machine(record):
        for name in NETWORKS:
            with tempfile.TemporaryDirectory() as folder:
                entered = enter(name, Path(folder), arguments)
                take_turns(entered.contenders(), arguments.rounds)
            for kind, found in entered.results().items():
                rows.setdefault(kind, []).extend(found)
            del entered
            gc.collect()
    results = {"machine": record, "rounds": arguments.rounds, **rows, "not_installed": missing_peers()}
    return {**results, "targets": targets(results)}


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts to try")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8], help="with the most threads")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(max(arguments.threads))
    results = measure(arguments)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for target in results["targets"]:
        print(
            f"{'met   ' if target['met'] else 'MISSED'} {target['measured']} {target['target']}: {target['name']}"
        )
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
