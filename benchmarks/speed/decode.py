"""Milliseconds per token of the decode engine, beside the same network as a plain torch loop without a cache.

Command: python benchmarks/speed/decode.py [--rounds 7] [--threads 1 2] [--out benchmarks/results/decode.json]

Both networks of the table have random weights, which cost the same time as trained ones. Contenders take turns,
so that a busy machine slows all of them; median, tenth and ninetieth percentile are kept. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from emsync.music.conditions import Condition
from emsync.music.model import ComposerModel
from emsync.music.vocabulary import EMSYNC
from emsync_train.decode_graph import Quantisation
from emsync_train.export import export
from emsync_train.model import Composer
from emsync_train.model_config import ModelConfig

NETWORKS = {
    "small": ModelConfig(EMSYNC.size, layers=6, width=160, heads=5, feed_forward=640, context=1152),
    "base": ModelConfig(EMSYNC.size, layers=8, width=448, heads=7, feed_forward=1792, context=1152),
    "large": ModelConfig(EMSYNC.size, layers=11, width=512, heads=8, feed_forward=2048, context=1152),
}
QUANTISATIONS: tuple[Quantisation, ...] = ("fp32", "int8", "int4")
CONTEXTS = (1024, 256)
"""Longest first: an engine that holds a long context is truncated to the shorter one at no cost."""
STEPS = 10
"""Steps timed together in a round, all at the same context."""


@dataclass
class Contender:
    """One way to make a token: `step(context)` makes one after `context` others."""

    labels: dict[str, Any]
    prepare: Callable[[int], None]
    step: Callable[[int], None]
    steps: int = STEPS
    times_ms: dict[int, list[float]] = field(default_factory=lambda: {context: [] for context in CONTEXTS})

    def run_round(self, context: int) -> None:
        """Time some steps at one context."""
        self.prepare(context)
        for _ in range(self.steps):
            began = time.perf_counter()
            self.step(context)
            self.times_ms[context].append(1000 * (time.perf_counter() - began))

    def rows(self) -> Iterator[dict[str, Any]]:
        """A result per context."""
        for context, times_ms in self.times_ms.items():
            low, median, high = np.percentile(times_ms, [10, 50, 90])
            figures = {"median_ms": median, "p10_ms": low, "p90_ms": high}
            rounded = {name: round(float(value), 4) for name, value in figures.items()}
            yield {**self.labels, "context": context, **rounded, "steps": len(times_ms)}


def engine_contender(path: Path, *, threads: int, batch: int, labels: dict[str, Any]) -> Contender:
    """Our engine: the cache is filled once, then the same place is written again and again."""
    began = time.perf_counter()
    model = ComposerModel.load(path, threads=threads, batch=batch)
    load_s = round(time.perf_counter() - began, 4)
    longest = np.random.default_rng(0).integers(0, model.vocabulary_size, (batch, max(CONTEXTS)))
    conditions = np.zeros((batch, max(CONTEXTS), len(Condition)), np.float32)

    def prepare(context: int) -> None:
        if model.position < context:
            model.step(longest, conditions)
        step(context)

    def step(context: int) -> None:
        model.truncate(context - 1)
        model.step(longest[:, context - 1 : context], conditions[:, :1])

    sizes = {
        "threads": threads,
        "batch": batch,
        "file_mb": round(path.stat().st_size / 1e6, 2),
        "load_s": load_s,
    }
    return Contender({**labels, **sizes}, prepare, step)


def torch_contender(network: Composer, *, threads: int, labels: dict[str, Any]) -> Contender:
    """Everything again for every token, as a plain loop over the network does."""
    tokens = torch.randint(0, network.config.vocabulary_size, (1, max(CONTEXTS)))
    conditions = torch.zeros(1, max(CONTEXTS), len(Condition))
    present = torch.ones_like(conditions)

    @torch.inference_mode()
    def step(context: int) -> None:
        network(tokens[:, :context], conditions[:, :context], present[:, :context])

    return Contender({**labels, "threads": threads, "batch": 1}, lambda context: None, step, steps=1)


def contenders(folder: Path, threads_tried: list[int]) -> Iterator[Contender]:
    """All of one run; the torch loop gets the most threads."""
    for name, config in NETWORKS.items():
        torch.manual_seed(0)
        network = Composer(config).eval()
        size = {"network": name, "parameters": network.parameter_count}
        torch_threads = max(threads_tried)
        labels = {**size, "engine": "torch, no cache", "weights": "fp32"}
        yield torch_contender(network, threads=torch_threads, labels=labels)
        for quantisation in QUANTISATIONS:
            path = folder / f"{name}.{quantisation}.onnx"
            export(network, path, metadata={"vocabulary": EMSYNC.name}, quantisation=quantisation)
            labels = {**size, "engine": "emsync", "weights": quantisation}
            for threads in threads_tried:
                yield engine_contender(path, threads=threads, batch=1, labels=labels)
            if quantisation == "int8":
                yield engine_contender(path, threads=torch_threads, batch=8, labels=labels)


@contextmanager
def machine(record: dict[str, Any]) -> Iterator[None]:
    """Note in `record` what the run ran on and how busy it was before and after."""
    cpu_lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in cpu_lines if line.startswith("model name")]
    record["cpu"] = names[0] if names else platform.processor()
    record["cores"] = os.cpu_count()
    record["system"] = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    record["versions"] = {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__}
    record["load_average_before"] = round(os.getloadavg()[0], 2)
    yield
    record["load_average_after"] = round(os.getloadavg()[0], 2)


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each row of the engine how often it is faster than the torch loop at the same context."""
    loops = {(row["network"], row["context"]): row["median_ms"] for row in rows if row["engine"] != "emsync"}
    for row in rows:
        tokens_per_ms = row["batch"] / row["median_ms"]
        row["times_torch_loop"] = round(loops[row["network"], row["context"]] * tokens_per_ms, 1)
    return rows


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts to try")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decode.json"))
    options = parser.parse_args()
    torch.set_num_threads(max(options.threads))
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, machine(record):
        all_contenders = list(contenders(Path(folder), options.threads))
        for context in CONTEXTS:
            for _ in range(options.rounds):
                for contender in all_contenders:
                    contender.run_round(context)
    rows = with_ratios([row for contender in all_contenders for row in contender.rows()])
    for row in rows:
        print(
            f"{row['network']:6} {row['engine']:16} {row['weights']:5} threads {row['threads']} batch {row['batch']}"
            f" context {row['context']:5}: {row['median_ms']:9.3f} ms a step ({row['p10_ms']:.3f} to"
            f" {row['p90_ms']:.3f}), {row['times_torch_loop']:.1f} x torch loop"
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({"machine": record, "results": rows}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
