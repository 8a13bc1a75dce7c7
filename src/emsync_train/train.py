"""Train the composer from a TOML configuration, with exact resume.

Command: python -m emsync_train.train --config configs/small.toml --shards DIR --run DIR [--minutes 25]

Of third parties this needs torch, numpy, safetensors and Lightning Fabric alone; TensorBoard is used if it is there.
The run folder holds `config.json`, `checkpoint.pt` (network, optimiser and step: training state, never shipped),
`weights.safetensors` (the network alone), `log.jsonl` (a line per report) and TensorBoard events. Started again
with the same folder, it goes on from the checkpoint and sees the very windows it would have seen.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from emsync.errors import EmsyncError, InputError
from emsync_train.dataset import Batch, Shards, WindowSampler
from emsync_train.model import Composer
from emsync_train.start import Start
from emsync_train.throughput import flops_per_token, peak_flops
from emsync_train.train_config import Precision, RunConfig, TrainingConfig, read_config, write_config

try:
    from lightning_fabric import Fabric
except ImportError:  # the package `lightning` brings it under its own name
    from lightning.fabric import Fabric  # type: ignore[no-redef]


def learning_rate_at(step: int, config: TrainingConfig, total_steps: int) -> float:
    """Linear warm-up, then a cosine from the peak to `final_learning_rate_share` of it."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = min((step - config.warmup_steps) / max(total_steps - config.warmup_steps, 1), 1.0)
    low = config.final_learning_rate_share
    return config.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))


def token_losses(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """Nats of every target, shape (B, T); 0 at PAD."""
    losses = functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=pad, reduction="none"
    )
    return losses.view_as(targets)


class StepBatches(Dataset[Batch]):
    """The batch of each step for one process, whatever was drawn before."""

    def __init__(self, sampler: WindowSampler, *, seed: int, size: int, rank: int) -> None:
        self.sampler, self.seed, self.size, self.rank = sampler, seed, size, rank

    def __getitem__(self, step: int) -> Batch:
        return self.sampler.batch(self.size, np.random.default_rng((self.seed, step, self.rank)))


def held_out_batches(sampler: WindowSampler, count: int) -> Iterator[Batch]:
    """The windows of held-out songs that a run is validated on, the same every time."""
    return (sampler.batch(8, np.random.default_rng((0, index))) for index in range(count))


class Trainer:
    """One run: network, optimiser, step, and the folder they are kept in."""

    def __init__(
        self, fabric: Fabric, config: RunConfig, shards: Shards, run: Path, workers: int = 0
    ) -> None:
        self.fabric, self.config, self.run, self.workers = fabric, config, run, workers
        self.pad = shards.vocabulary.special("PAD")
        self.chord = shards.vocabulary.special("CHORD")
        weights = config.source_weights
        self.sampler = WindowSampler(shards, shards.of_split("train"), weights, config.windows)
        self.held_out = WindowSampler(shards, shards.of_split("validation"), weights, config.windows)
        torch.manual_seed(config.training.seed)
        network: Any = Composer(config.model)
        if config.start is not None:
            config.start.load_into(network)
        self.parameter_count = network.parameter_count
        optimiser = torch.optim.AdamW(
            self._parameter_groups(network), lr=config.training.learning_rate, betas=(0.9, 0.95), fused=True
        )
        self.plain_network = network  # the same parameters, never compiled
        if config.training.compile:
            network = torch.compile(network)
        self.network, self.optimiser = fabric.setup(network, optimiser)
        self.averages = [parameter.detach().clone() for parameter in self._averaged_parameters()]
        self.step = 0
        self.seconds = 0.0
        tokens_per_step = config.training.batch_size * config.model.context
        self.total_steps = config.training.total_tokens // tokens_per_step
        self.tokens_per_step = tokens_per_step
        self.flops_per_token = flops_per_token(config.model)
        self.peak_flops = peak_flops(fabric.device)
        self.writer = _summary_writer(run) if fabric.is_global_zero else None

    def _parameter_groups(self, network: Composer) -> list[dict[str, Any]]:
        """Weight decay for matrices, except those that read the conditions: it would put them to sleep."""
        decayed: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, parameter in network.named_parameters():
            is_matrix = parameter.ndim >= 2 and not name.startswith("condition_encoder.")
            (decayed if is_matrix else others).append(parameter)
        decay = self.config.training.weight_decay
        return [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]

    def fit(self, minutes: float | None = None, steps: int | None = None) -> None:
        """Train until the token budget, the clock or a number of steps is spent; a checkpoint is left either way."""
        self._resume()
        began = time.monotonic()
        reported_s, reported_step, running = began, self.step, torch.zeros(())
        last_step = self.total_steps if steps is None else min(self.total_steps, steps)
        for batch in self._batches(last_step):
            if self._out_of_time(began, minutes):
                break
            running = running + self._train_step(batch)
            self.step += 1
            if self.step % self.config.training.report_every_steps == 0:
                now = time.monotonic()
                count = self.step - reported_step
                self._report(running.item() / count, count * self.tokens_per_step / (now - reported_s))
                reported_s, reported_step, running = now, self.step, torch.zeros(())
            if self.step % self.config.training.validate_every_steps == 0:
                self._save()
                self._log({"validation_nats_per_token": self.validate()})
        self._log(self._final_figures())
        self._save()
        if self.writer is not None:
            self.writer.close()

    def _batches(self, last_step: int) -> Iterator[Batch]:
        """What this process learns from in each step that is left, drawn ahead by worker processes if any."""
        training = self.config.training
        size = training.batch_size // self.fabric.world_size
        batches = StepBatches(self.sampler, seed=training.seed, size=size, rank=self.fabric.global_rank)
        loader: DataLoader[Batch] = DataLoader(
            batches,
            batch_size=None,
            sampler=range(self.step, last_step),
            num_workers=self.workers,
            collate_fn=_as_it_is,
        )
        return iter(loader)

    def _final_figures(self) -> dict[str, float]:
        """Held-out nats per token of the weights and, where there are any, of their averages."""
        figures = {"validation_nats_per_token": self.validate()}
        if self.averages:
            self._swap_averages()
            figures["validation_nats_per_token_of_averages"] = self.validate()
            self._swap_averages()
        return figures

    def _averaged_parameters(self) -> list[torch.nn.Parameter]:
        return list(self.network.parameters()) if self.config.training.ema_decay else []

    @torch.no_grad()
    def _swap_averages(self) -> None:
        """Exchange the weights and their running averages."""
        for parameter, average in zip(self._averaged_parameters(), self.averages, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(kept)

    def _out_of_time(self, began: float, minutes: float | None) -> bool:
        spent = minutes is not None and time.monotonic() - began > minutes * 60
        return bool(self.fabric.broadcast(spent))

    def _train_step(self, batch: Batch) -> Tensor:
        """One update; returns the unweighted loss in nats per token, detached."""
        training = self.config.training
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate_at(self.step, training, self.total_steps)
        torch.manual_seed(training.seed + self.step)  # for dropout, so that a resumed run drops the same
        tokens, conditions, present = self._on_device(batch)
        losses = token_losses(self.network(tokens[:, :-1], conditions, present), tokens[:, 1:], self.pad)
        counted = tokens[:, 1:] != self.pad
        emphasis = torch.where(tokens[:, 1:] == self.chord, training.chord_loss_weight, 1.0) * counted
        loss = (losses * emphasis).sum() / emphasis.sum()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.network, self.optimiser, max_norm=training.gradient_clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.averages:
            with torch.no_grad():
                parameters: list[Tensor] = list(self._averaged_parameters())
                torch._foreach_lerp_(self.averages, parameters, 1 - training.ema_decay)
        return (losses.sum() / counted.sum()).detach()

    @torch.no_grad()
    def validate(self) -> float:
        """Nats per token on held-out songs, the same windows every time, conditions given as drawn.

        The network runs as it is: compiling it once more, without dropout and for other sizes, takes longer.
        """
        self.network.eval()
        total, count = 0.0, 0
        for batch in held_out_batches(self.held_out, self.config.training.validation_batches):
            tokens, conditions, present = self._on_device(batch)
            with self.fabric.autocast():
                logits = self.plain_network(tokens[:, :-1], conditions, present)
            losses = token_losses(logits, tokens[:, 1:], self.pad)
            total += losses.sum().item()
            count += int((tokens[:, 1:] != self.pad).sum())
        self.network.train()
        return total / count

    def _on_device(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        parts = (batch.tokens, batch.conditions, batch.present)
        tokens, conditions, present = (torch.from_numpy(part).to(self.fabric.device) for part in parts)
        return tokens, conditions, present

    def _report(self, loss: float, tokens_per_s: float) -> None:
        self.seconds += self.config.training.report_every_steps * self.tokens_per_step / tokens_per_s
        self._log(
            {
                "train_nats_per_token": loss,
                "tokens_per_s": tokens_per_s,
                **self._utilisation(tokens_per_s),
                "learning_rate": self.optimiser.param_groups[0]["lr"],
            }
        )

    def _utilisation(self, tokens_per_s: float) -> dict[str, float]:
        """Share of the matrix peak of all devices that training used (MFU), where the peak is known."""
        if self.peak_flops is None:
            return {}
        share = tokens_per_s * self.flops_per_token / (self.peak_flops * self.fabric.world_size)
        return {"model_flops_utilisation": share}

    def _log(self, values: dict[str, float]) -> None:
        if not self.fabric.is_global_zero:
            return
        row = {
            "step": self.step,
            "tokens": self.step * self.tokens_per_step,
            "seconds": self.seconds,
            **values,
        }
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({key: round(value, 6) for key, value in row.items()}) + "\n")
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, row["tokens"])

    def _save(self) -> None:
        """Checkpoint and weights, each written beside and then renamed."""
        state = {
            "network": self.network,
            "optimiser": self.optimiser,
            "step": self.step,
            "seconds": self.seconds,
            "averages": self.averages,
        }
        self.fabric.save(self.run / "checkpoint.pt.new", state)
        if self.fabric.is_global_zero:
            (self.run / "checkpoint.pt.new").replace(self.run / "checkpoint.pt")
            if self.averages:
                self._swap_averages()
            weights = {
                name.removeprefix("_orig_mod."): value.detach().cpu().contiguous()
                for name, value in self.network.state_dict().items()
            }
            save_file(weights, self.run / "weights.safetensors.new", {"step": str(self.step)})
            if self.averages:  # only now: on a CPU `weights` are the parameters themselves, no copies
                self._swap_averages()
            (self.run / "weights.safetensors.new").replace(self.run / "weights.safetensors")
        self.fabric.barrier()

    def _resume(self) -> None:
        checkpoint = self.run / "checkpoint.pt"
        if not checkpoint.exists():
            return
        state: dict[str, Any] = {"network": self.network, "optimiser": self.optimiser}
        rest = self.fabric.load(checkpoint, state, strict=True)
        self.step, self.seconds = int(rest["step"]), float(rest["seconds"])
        parameters = self._averaged_parameters()  # as many as the averages, unless ema_decay was changed
        before = rest["averages"] or [parameter.detach().clone() for parameter in parameters]
        self.averages = [average.to(self.fabric.device) for average in before[: len(parameters)]]


def _as_it_is(batch: Any) -> Any:
    return batch


def _summary_writer(run: Path) -> Any:
    """A TensorBoard writer, or None where TensorBoard is not installed: `log.jsonl` has the same numbers."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError:
        return None
    return SummaryWriter(str(run / "tensorboard"))


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--start", help="weights.safetensors of an earlier run to begin with")
    parser.add_argument("--fresh", help="with --start: parameters of this prefix are not taken over")
    parser.add_argument("--minutes", type=float, help="stop after this long and leave a checkpoint")
    parser.add_argument(
        "--steps", type=_count, help="stop after this many steps in all and leave a checkpoint"
    )
    parser.add_argument(
        "--total-tokens", type=_count, help="instead of the configuration's: sets the schedule"
    )
    parser.add_argument("--precision", choices=get_args(Precision), help="instead of the configuration's")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw windows ahead")
    parser.add_argument("--processes", type=int, default=1, help="processes of data-parallel training")
    parser.add_argument("--threads", type=int, help="CPU threads of each process")
    arguments = parser.parse_args()
    try:
        _launch(arguments)
    except EmsyncError as error:
        sys.exit(f"error: {error}")


def _count(text: str) -> int:
    """A whole number of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return int(text)


def _launch(arguments: argparse.Namespace) -> None:
    shards = Shards(arguments.shards)
    config = read_config(arguments.config, shards)
    if arguments.start:
        config = replace(config, start=Start(arguments.start, arguments.fresh))
    instead = {
        name: getattr(arguments, name)
        for name in ("total_tokens", "precision")
        if getattr(arguments, name) is not None
    }
    config = replace(config, training=replace(config.training, **instead))
    if arguments.processes < 1 or config.training.batch_size % arguments.processes:
        raise InputError(
            f"{arguments.config}: batch_size {config.training.batch_size} cannot be shared evenly by "
            f"--processes {arguments.processes}; change one of them"
        )
    arguments.run.mkdir(parents=True, exist_ok=True)
    write_config(config, shards, arguments.run)

    def train(fabric: Fabric) -> None:
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        trainer = Trainer(fabric, config, Shards(arguments.shards), arguments.run, arguments.workers)
        trainer.fit(arguments.minutes, arguments.steps)

    _with_fabric(config.training, arguments.processes, train)


def _with_fabric(training: TrainingConfig, processes: int, train: Callable[[Fabric], None]) -> None:
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    strategy = "auto" if processes == 1 else ("ddp" if accelerator == "cuda" else "ddp_fork")
    fabric = Fabric(
        accelerator=accelerator, devices=processes, strategy=strategy, precision=training.precision
    )
    fabric.launch(train)


if __name__ == "__main__":
    main()
