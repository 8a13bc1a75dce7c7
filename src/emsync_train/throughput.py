"""How fast training runs and what the chip could do; how many tokens fit into the minutes that are left.

Command: python -m emsync_train.throughput --run RUN --minutes 18 [--out RUN/total_tokens]
reads the run's log, prints tokens per second, model FLOPs utilisation and the loss, and fails unless it falls.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from emsync.errors import EmsyncError, InputError
from emsync.output_file import atomic_output
from emsync_train.model import Composer
from emsync_train.model_config import ModelConfig

DENSE_BFLOAT16_PEAKS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("H100", "PCIE"), 756e12),
    (("H100", "NVL"), 835e12),
    (("H200", "NVL"), 835e12),
    (("H100",), 989e12),
    (("H200",), 989e12),
    (("A100",), 312e12),
    (("L4",), 121e12),
)
"""FLOP/s of dense bfloat16 matrix products, from NVIDIA's data sheets of these cards (half of the figure they
print for sparse matrices). The first row whose words are all in the device's name counts."""

LEAST_FALL_NATS = 0.1
"""A loss that fell by less over a probe is not falling: 50 steps of warm-up bring more than 1."""
SPARE_SHARE = 0.05
"""Of the minutes that are left, for reports, validation and checkpoints."""


def flops_per_token(config: ModelConfig) -> float:
    """Floating-point operations of training on one token, forward and backward.

    6 for each weight of a matrix that multiplies (the output layer does, also where it shares the embedding's
    weights; looking up the embedding does not), and 12 x layers x width x context / 2 for attention, which is
    causal and so reaches half of the context on average. Norms, softmax and rotations are left out.

    Source: Chowdhery et al. 2022 (PaLM), appendix B, which counts 12 x layers x width x context without the
    half; the 6 as in Kaplan et al. 2020, section 2.1, and Hoffmann et al. 2022 (Chinchilla), appendix F.
    """
    with torch.device("meta"):
        network = Composer(config)
    weights = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Linear))
    weights += config.vocabulary_size * config.width if config.tied_output else 0
    return 6.0 * weights + 12.0 * config.layers * config.width * config.context / 2


@functools.cache
def peak_flops(device: torch.device) -> float | None:
    """FLOP/s that matrix products of this device can reach; None where nobody knows how to ask.

    On a GPU the data sheet's dense bfloat16 figure, or a measured bfloat16 product if the card is not in
    `DENSE_BFLOAT16_PEAKS`; on a CPU a measured float32 product with torch's present number of threads.
    """
    if device.type == "cuda":
        known = known_peak(torch.cuda.get_device_name(device))
        return measured_peak(device, torch.bfloat16, 8192) if known is None else known
    return measured_peak(device, torch.float32, 1024) if device.type == "cpu" else None


def known_peak(device_name: str) -> float | None:
    """Dense bfloat16 FLOP/s by the data sheet, or None if the card is not in the table.

    >>> known_peak("NVIDIA H100 80GB HBM3"), known_peak("NVIDIA A100-SXM4-80GB"), known_peak("NVIDIA L40S")
    (989000000000000.0, 312000000000000.0, None)
    """
    words = set(device_name.upper().replace("-", " ").split())
    return next((peak for needed, peak in DENSE_BFLOAT16_PEAKS if words.issuperset(needed)), None)


def measured_peak(device: torch.device, dtype: torch.dtype, size: int, *, rounds: int = 5) -> float:
    """FLOP/s of the fastest of some square matrix products."""
    generator = torch.Generator(device).manual_seed(0)  # its own: training's draws must stay what they are
    left, right = (torch.randn(size, size, generator=generator, device=device).to(dtype) for _ in range(2))
    wait: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    durations_s = []
    for _ in range(rounds):
        wait()
        began = time.perf_counter()
        torch.matmul(left, right)
        wait()
        durations_s.append(time.perf_counter() - began)
    return 2 * float(size) ** 3 / min(durations_s)


def model_flops_utilisation(tokens_per_s: float, config: ModelConfig, device: torch.device) -> float | None:
    """Share of the device's peak that training uses, in [0, 1]; None where the peak is unknown.

    Source: Chowdhery et al. 2022 (PaLM), appendix B.
    """
    peak = peak_flops(device)
    return None if peak is None else tokens_per_s * flops_per_token(config) / peak


@dataclass(frozen=True)
class Progress:
    """What the log of a run says: tokens seen, losses in nats per token, speed after the first report."""

    tokens: int
    first_loss: float
    last_loss: float
    tokens_per_s: float

    def fell_by(self, least_nats: float) -> bool:
        """True if the loss fell by at least so much; never if it is not a number."""
        return self.first_loss - self.last_loss >= least_nats

    def tokens_within(self, seconds: float) -> int:
        """Tokens that fit into so many seconds at this speed, `SPARE_SHARE` of them spared."""
        return int(self.tokens_per_s * max(seconds, 0.0) * (1 - SPARE_SHARE))


def read_progress(log: Path) -> Progress:
    """First and last report of training and the median speed without the first, which also compiled.

    Raises: InputError if the log is missing, damaged or has fewer than two reports.
    """
    try:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        reports = [row for row in rows if "train_nats_per_token" in row]
        if len(reports) < 2:
            raise ValueError(f"{len(reports)} reports of training where 2 are needed")
        return Progress(
            tokens=int(rows[-1]["tokens"]),
            first_loss=float(reports[0]["train_nats_per_token"]),
            last_loss=float(reports[-1]["train_nats_per_token"]),
            tokens_per_s=statistics.median(float(row["tokens_per_s"]) for row in reports[1:]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{log}: not the log of a run ({error}); train more steps") from error


def describe(progress: Progress, config: ModelConfig, device: torch.device) -> str:
    """One line for the person who decides whether to go on."""
    utilisation = model_flops_utilisation(progress.tokens_per_s, config, device)
    used = "unknown" if utilisation is None else f"{100 * utilisation:.1f} %"
    return (
        f"{progress.tokens_per_s:,.0f} tokens/s, model FLOPs utilisation {used} "
        f"({flops_per_token(config) / 1e6:.0f} MFLOP a token), "
        f"loss {progress.first_loss:.3f} -> {progress.last_loss:.3f} nats a token"
    )


def read_model_config(path: Path) -> ModelConfig:
    """The network's sizes in a run's `config.json`. Raises InputError if they are not there."""
    try:
        return ModelConfig(**json.loads(path.read_text(encoding="utf-8"))["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the configuration of a run ({error}); train one first") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, required=True, help="run folder with log.jsonl and config.json")
    parser.add_argument("--minutes", type=float, help="training time that is left: print the tokens it holds")
    parser.add_argument(
        "--start-s", type=float, default=0.0, help="seconds of it that pass before the first step"
    )
    parser.add_argument(
        "--probe", action="store_true", help="the run starts anew: tokens of this one do not count"
    )
    parser.add_argument("--least-fall-nats", type=float, default=LEAST_FALL_NATS, help="of a healthy loss")
    parser.add_argument("--out", type=Path, help="with --minutes: a file for that number")
    options = parser.parse_args(arguments)
    try:
        _report(options)
    except EmsyncError as error:
        sys.exit(f"error: {error}")


def _report(options: argparse.Namespace) -> None:
    progress = read_progress(options.run / "log.jsonl")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(describe(progress, read_model_config(options.run / "config.json"), device))
    if not progress.fell_by(options.least_fall_nats):
        raise InputError(f"{options.run}: the loss is not falling; find out why before you spend more time")
    if options.minutes is None:
        return
    seen = 0 if options.probe else progress.tokens
    total = seen + progress.tokens_within(options.minutes * 60 - options.start_s)
    print(f"{total:,} tokens in all: {seen:,} seen and what fits into {options.minutes:g} minutes")
    if options.out is not None:
        with atomic_output(options.out, overwrite=True) as temporary:
            temporary.write_text(f"{total}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
