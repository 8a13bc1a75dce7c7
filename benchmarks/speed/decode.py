"""Milliseconds per token of the decode engine, beside its peers, beside the speed of memory, in one run.

    python -m benchmarks.speed.decode            # about 8 minutes; writes benchmarks/results/decode.json
    python -m benchmarks.speed.table             # then writes docs/speed.md

Contenders take turns, so that a busy machine slows all of them; medians, tenth and ninetieth percentile are kept.
Needs the extra `train`. Two peers are optional, `pip install transformers ctranslate2`; one that is missing is
reported as not installed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from benchmarks.speed.bandwidth import FAR_BEYOND_CACHE_BYTES, best_streams, stream_contenders
from benchmarks.speed.composing_loop import CHOICES, ComposingLoop, composing_row, load_contender
from benchmarks.speed.contender import CONTEXTS, Contender, take_turns
from benchmarks.speed.decode_machine import machine
from benchmarks.speed.decode_targets import SHIPPED_WEIGHTS, targets
from benchmarks.speed.engines import engine_contenders, torch_contender
from benchmarks.speed.networks import NETWORKS, bytes_per_step, export_all, random_network
from benchmarks.speed.peers import missing_peers, peer_contenders
from benchmarks.speed.thread_choice import ThreadChoice, thread_choices

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "decode.json"
THREAD_CHOICE_WEIGHTS = ("int8", "int4")


@dataclass
class Field:
    """All that take turns, by what their rows are called in the results."""

    engines: list[Contender] = field(default_factory=list)
    streams: list[Contender] = field(default_factory=list)
    choices: list[ThreadChoice] = field(default_factory=list)
    loops: list[tuple[Contender, ComposingLoop]] = field(default_factory=list)
    load: Contender = field(default_factory=load_contender)

    def contenders(self) -> list[Contender]:
        """Each of them, peers of one network next to each other."""
        loops = [contender for contender, _ in self.loops]
        return [*self.engines, *self.streams, *(one.contender for one in self.choices), *loops, self.load]

    def results(self) -> dict[str, Any]:
        """The rows of all of them."""
        rows = [row for contender in self.engines for row in contender.rows()]
        streams = [row for contender in self.streams for row in contender.rows()]
        return {
            "results": with_ratios(rows),
            "streams": best_streams(streams),
            "composing": [composing_row(contender, loop) for contender, loop in self.loops],
            "threads": [choice.row() for choice in self.choices],
            "load": next(self.load.rows()),
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


def add_network(name: str, entered: Field, folder: Path, arguments: argparse.Namespace) -> None:
    """Our engine, the torch loop, peers, streams of the same size and thread choices of one network."""
    network, config = random_network(name), NETWORKS[name]
    threads = max(arguments.threads)
    paths = export_all(network, folder)
    size = {"network": name, "parameters": network.parameter_count}
    entered.engines.append(torch_contender(network, threads=threads, labels=size))
    entered.engines += peer_contenders(config, folder, threads=threads, labels=size)
    entered.engines += engine_contenders(
        paths, config, threads_tried=arguments.threads, batches=arguments.batches, labels=size
    )
    labels = {"buffer": "same size", "network": name}
    for context in CONTEXTS:
        moved = bytes_per_step(paths[SHIPPED_WEIGHTS], config, context=context, batch=1)
        entered.streams += stream_contenders(moved, threads=threads, contexts=(context,), labels=labels)
    tried = {weights: path for weights, path in paths.items() if weights in THREAD_CHOICE_WEIGHTS}
    entered.choices += thread_choices(tried, threads_tried=arguments.threads, labels={"network": name})


def enter_all(folder: Path, arguments: argparse.Namespace) -> Field:
    """Everything that takes turns in one run."""
    entered = Field()
    threads = max(arguments.threads)
    for name in NETWORKS:
        add_network(name, entered, folder, arguments)
    labels = {"buffer": "main memory", "network": ""}
    entered.streams += stream_contenders(
        FAR_BEYOND_CACHE_BYTES, threads=threads, contexts=CONTEXTS, labels=labels
    )
    for name, options in CHOICES.items():
        loop = ComposingLoop(options, threads=threads)
        entered.loops.append((loop.contender(name, threads=threads), loop))
    return entered


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One run."""
    record: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(machine(record))
        entered = enter_all(folder, arguments)
        take_turns(entered.contenders(), arguments.rounds)
    results = {"machine": record, "rounds": arguments.rounds, **entered.results()}
    return {**results, "not_installed": missing_peers(), "targets": targets(results)}


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
