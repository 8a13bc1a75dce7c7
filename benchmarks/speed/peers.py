"""Networks of the same size in the engines that one might pick instead: Hugging Face GPT-2 and CTranslate2.

Both decode GPT-2 (learned positions, layer norm, GELU) with random weights and as many layers, heads, units and
tokens as ours: nearly the same work. Neither package is needed for anything else; without it a peer is reported as not
installed: `pip install transformers ctranslate2`.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.speed.contender import CONTEXTS, Contender

from emsync_train.model_config import ModelConfig

NEW_TOKENS = 10
"""Made in a turn behind a prompt that fills the context; the prompt and the first of them are not timed."""
MOST_ROUNDS = 5
NEEDS = {
    "Hugging Face GPT-2": ("transformers",),
    "CTranslate2 GPT-2": ("transformers", "ctranslate2"),
}
"""The packages of each peer; CTranslate2 is given the network that transformers makes."""


def missing_peers() -> list[str]:
    """Those that cannot run here because a package is not installed."""
    return [
        peer_name
        for peer_name, packages in NEEDS.items()
        if any(importlib.util.find_spec(package) is None for package in packages)
    ]


def peer_contenders(
    config: ModelConfig, folder: Path, *, threads: int, labels: dict[str, Any]
) -> Iterator[Contender]:
    """Every peer that is installed."""
    missing = missing_peers()
    if "Hugging Face GPT-2" in missing:
        return
    network = gpt2(config)
    named = {**labels, "parameters": sum(one.numel() for one in network.parameters())}
    named |= {"threads": threads, "batch": 1}
    yield peer(hugging_face(network), {**named, "engine": "Hugging Face GPT-2", "weights": "fp32"})
    if "CTranslate2 GPT-2" in missing:
        return
    converted = convert(network, folder / f"ctranslate2.{config.layers}x{config.width}")
    for weights, kind in (("fp32", "float32"), ("int8", "int8")):
        made = ctranslate(converted, kind, threads, config.vocabulary_size)
        yield peer(made, {**named, "engine": "CTranslate2 GPT-2", "weights": weights})


def peer(generate: Callable[[int, Callable[[], None]], None], labels: dict[str, Any]) -> Contender:
    """A contender of `generate(context, told)`, which calls `told` after each new token."""

    def run(context: int) -> Sequence[float]:
        at_s: list[float] = []
        generate(context, lambda: at_s.append(time.perf_counter()))
        if len(at_s) != NEW_TOKENS + 1:
            raise RuntimeError(f"{labels['engine']} made {len(at_s)} tokens instead of {NEW_TOKENS + 1}")
        return [1000 * (after - before) for before, after in itertools.pairwise(at_s)]

    return Contender(labels, run, most_rounds=MOST_ROUNDS, rests=True)


def gpt2(config: ModelConfig) -> Any:
    """A GPT-2 of these sizes with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    torch.manual_seed(0)
    sizes = GPT2Config(
        vocab_size=config.vocabulary_size,
        n_positions=config.context,
        n_embd=config.width,
        n_layer=config.layers,
        n_head=config.heads,
        n_inner=config.feed_forward,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=0,
    )
    return GPT2LMHeadModel(sizes).eval()


def hugging_face(network: Any) -> Callable[[int, Callable[[], None]], None]:
    """`generate` as it comes: its own KV cache, sampling, and nothing that ends it early."""
    from transformers import StoppingCriteria, StoppingCriteriaList  # noqa: PLC0415

    tokens = torch.randint(0, network.config.vocab_size, (1, max(CONTEXTS)))

    class Told(StoppingCriteria):  # type: ignore[misc]
        """Asked after each token; never stops."""

        def __init__(self, told: Callable[[], None]) -> None:
            self.told = told

        def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
            self.told()
            return torch.zeros(len(input_ids), dtype=torch.bool)

    @torch.inference_mode()
    def generate(context: int, told: Callable[[], None]) -> None:
        prompt = tokens[:, :context]
        network.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=NEW_TOKENS + 1,
            do_sample=True,
            top_k=0,
            stopping_criteria=StoppingCriteriaList([Told(told)]),
        )

    return generate


def convert(network: Any, folder: Path) -> Path:
    """The network in the form of CTranslate2; its converter wants a tokenizer only for the names of tokens."""
    loader = importlib.import_module("ctranslate2.converters.transformers").GPT2Loader()
    spec = loader.get_model_spec(network)
    loader.set_vocabulary(spec, token_names(network.config.vocab_size))
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = "0"
    spec.validate()
    spec.optimize(quantization=None)
    folder.mkdir()
    spec.save(str(folder))
    return folder


def token_names(count: int) -> list[str]:
    """Names for the tokens of a network without a tokenizer."""
    return [str(number) for number in range(count)]


def ctranslate(
    folder: Path, kind: str, threads: int, vocabulary_size: int
) -> Callable[[int, Callable[[], None]], None]:
    """CTranslate2 with the weights in `kind`."""
    ctranslate2 = importlib.import_module("ctranslate2")
    generator = ctranslate2.Generator(str(folder), device="cpu", compute_type=kind, intra_threads=threads)
    numbers = torch.randint(0, vocabulary_size, (max(CONTEXTS),)).tolist()
    names = [str(number) for number in numbers]

    def generate(context: int, told: Callable[[], None]) -> None:
        def heard(_: object) -> bool:
            told()
            return False

        generator.generate_batch(
            [names[:context]],
            max_length=NEW_TOKENS + 1,
            min_length=NEW_TOKENS + 1,
            sampling_topk=0,
            include_prompt_in_result=False,
            callback=heard,
        )

    return generate
