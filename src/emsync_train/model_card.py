"""Write the model card of the shipped composer; every number in it comes from a run or a result file.

Command: python -m emsync_train.model_card --run RUN --results benchmarks/results/music.json
    --designs benchmarks/results/designs.json --config FILE.toml --device WORDS [--tokens-before N]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emsync.weights import ASSETS, COMPOSER, weights_entry
from emsync_train.card_tables import (
    affect_table,
    boundary_table,
    copies_table,
    designs_table,
    likelihood_table,
    music_table,
)

Json = dict[str, Any]
TEMPLATE = Path(__file__).parent / "assets" / "model_card.md"
"""The words of the card, with a field for every number."""


@dataclass(frozen=True)
class Run:
    """A run folder: its configuration and how far it went."""

    config: Json
    tokens: int
    minutes: float

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read `config.json` and the last line of `log.jsonl`."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        last = json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        return cls(config, int(last["tokens"]), last["seconds"] / 60)

    def in_words(self, tokens_before: int) -> str:
        """Tokens, peak learning rate, seed and where it began."""
        training = self.config["training"]
        rate, seed = training["learning_rate"], training["seed"]
        return (
            f"{self.tokens:,} tokens {self._beginning(tokens_before)} (learning rate {rate:g}, seed {seed})"
        )

    def _beginning(self, tokens_before: int) -> str:
        start = self.config.get("start")
        if not start:
            return "from scratch"
        weights = Path(start["weights"])
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        fresh = f", `{start['fresh']}*` anew" if start["fresh"] else ""
        return f"from `{weights.name}` (SHA-256 `{digest}`, {tokens_before:,} tokens{fresh})"


def card(run: Run, results: Json, designs: Json, *, config_name: str, device: str, tokens_before: int) -> str:
    """The text of the card.

    Args:
        device: what the run was trained on, in words.

    Raises: ValueError if the results are of other weights than those of the package, or of another corpus.
    """
    entry = weights_entry(COMPOSER)
    if results["weights_sha256"] != entry.sha256:
        raise ValueError("the results are of other weights; run emsync_train.evaluate again")
    if results["corpus_tokens_sha256"] != run.config["tokens_sha256"]:
        raise ValueError("the results are of another corpus than the run; evaluate on the run's shards")
    tokens = run.tokens + tokens_before
    model = run.config["model"]
    return TEMPLATE.read_text(encoding="utf-8").format(
        file=", ".join(entry.files),
        megabytes=sum((ASSETS / file).stat().st_size for file in entry.files) / 1e6,
        sha256=entry.sha256,
        parameters=results["parameters"],
        vocabulary=run.config["vocabulary"],
        vocabulary_size=model["vocabulary_size"],
        tokens=tokens,
        tokens_per_parameter=tokens / results["parameters"],
        minutes=run.minutes,
        device=device,
        run=run.in_words(tokens_before),
        corpus=run.config["tokens_sha256"],
        config_name=config_name,
        **{name: model[name] for name in ("layers", "width", "heads", "feed_forward", "context")},
        **_tables(results, designs),
    )


def _tables(results: Json, designs: Json) -> Json:
    """Everything that comes from result files."""
    likelihood, affect = results["likelihood"], results["affect"]
    return {
        "windows": likelihood["windows"],
        "counted": likelihood["tokens"],
        "likelihood_table": likelihood_table(likelihood["models"]),
        "music_table": music_table(results["music"]),
        "pieces": results["music"]["composed_exact"]["note_density_per_s"]["pieces"],
        "human_pieces": results["music"]["test_songs"]["note_density_per_s"]["pieces"],
        "boundary_table": boundary_table(results["boundaries"]),
        "affect_table": affect_table(affect),
        "affect_pieces": affect["pieces"],
        "copies_table": copies_table(results["memorisation"]),
        "designs_table": designs_table(designs),
        "commands": "\n".join(f"    {section['command']}" for section in _sections(results)),
    }


def _sections(results: Json) -> list[Json]:
    return [section for section in results.values() if isinstance(section, dict) and "command" in section]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True, help="the TOML file of the run")
    parser.add_argument("--device", required=True, help="what the run was trained on, in words")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--designs", type=Path, required=True, help="results of emsync_train.designs")
    parser.add_argument("--tokens-before", type=int, default=0, help="seen by the weights the run began with")
    parser.add_argument("--out", type=Path, default=ASSETS / "MODEL_CARD.md")
    arguments = parser.parse_args()
    results, designs = (
        json.loads(path.read_text(encoding="utf-8")) for path in (arguments.results, arguments.designs)
    )
    try:
        text = card(
            Run.read(arguments.run),
            results,
            designs,
            config_name=arguments.config.as_posix(),
            device=arguments.device,
            tokens_before=arguments.tokens_before,
        )
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {error}")
    arguments.out.write_text(text, encoding="utf-8")
    print(arguments.out)


if __name__ == "__main__":
    main()
