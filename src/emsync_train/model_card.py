"""Write the model card of the shipped composer; every number in it comes from a run or a result file.

Command: python -m emsync_train.model_card --run RUN --results benchmarks/results/music.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emsync.weights import ASSETS, COMPOSER, weights_entry

Json = dict[str, Any]

CARD = """# The composer's weights

Written by `python -m emsync_train.model_card`; every figure comes from the training run or from
`benchmarks/results/music.json`.

## What it is
A decoder-only transformer that writes multi-track music token by token under valence, arousal and the offset to
the next scene cut (arXiv:2502.10154). First weights: small, trained on a CPU, to be replaced by a larger model.

| | |
|---|---|
| file | `{file}`, int8 block-wise, {megabytes:.1f} MB |
| SHA-256 | `{sha256}` |
| parameters | {parameters:,} |
| layers x width x heads x feed-forward | {layers} x {width} x {heads} x {feed_forward} |
| context | {context} tokens |
| vocabulary | `{vocabulary}`, {vocabulary_size} tokens |
| trained on | {tokens:,} tokens ({tokens_per_parameter:.1f} per parameter), {hours:.1f} h on two shared CPU cores |
| runs | {runs} |
| corpus (SHA-256 of its tokens) | `{corpus}` |
| configurations | `configs/small.toml`, then `configs/small_second.toml` |

## Likelihood on held-out songs
Nats per token on {windows:.0f} windows ({counted:,.0f} tokens) of songs that were never trained on, drawn with the
source weights of training. The baselines are counted on the training songs.

| model | nats per token |
|---|---|
| unigram | {unigram:.3f} |
| 5-gram, Witten-Bell | {five_gram:.3f} |
| composer, no condition given | {no_conditions:.3f} |
| composer, affect given, boundaries not | {no_boundaries:.3f} |
| composer, all conditions given | {all_conditions:.3f} |

## What it writes
Means over {pieces} composed pieces of 60 s (films with cuts 4 to 10 s apart, affect drawn over the whole plane), and
over {human_pieces} stretches of 60 s each from training songs and from held-out songs. In brackets the standard
deviation between pieces. `exact` is the default of `emsync compose`, `paper` forces nothing.

{music_table}

## How it answers scene cuts
F1 of CHORD onsets against the film's boundaries, beside the boundaries of another film (shuffled).

{boundary_table}

`exact` is exact by construction of the decoder (the last chord of a piece answers no cut, which is what keeps F1 below
1); `paper` shows what the network alone has learned.

## How it follows affect
Correlation between the affect asked for and the labels of what was composed, {affect_pieces} pieces, `exact`: valence
{valence_r:.2f}, arousal {arousal_r:.2f}. The labeller is the one that made the training labels: this tells whether the
network obeys, not whether listeners agree.

## Data and licences
Trained on symbolic music: POP909 melodies and Open EWLD standards, each also in band arrangements made by rules
(MIT and public-domain melodies; arrangements follow the GPL-2 groove library of MMA and are not redistributed);
Freedoom (BSD-3) and game music packaged by Debian (Artistic, GPL, CC0 per file); OpenScore (CC0); Mutopia (PD, CC-BY,
CC-BY-SA per piece); piano-midi.de (CC-BY-SA 3.0 DE); GiantMIDI-Piano (CC-BY 4.0). The songs of POP909 are in copyright
and its arrangements MIT. No training file is part of this project. Affect labels come from a small regressor fitted to
the listener ratings of VGMIDI, which has no licence: only the fitted numbers are used (`docs/affect-labels.md`).

## Known failures
- It is small and saw little: phrases wander, a theme seldom returns, harmony changes without a plan.
- No velocity and no choice of instruments of its own: dynamics come from arousal afterwards, programs are fixed.
- Affect labels are made by a regressor; what they miss (timbre, lyrics, culture) it cannot know.
- Half of the corpus are rule-made pop arrangements, and it sounds like them.
"""


@dataclass(frozen=True)
class Run:
    """A run folder: its configuration and how far it went."""

    config: Json
    tokens: int
    hours: float

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read `config.json` and the last line of `log.jsonl`."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        last = json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        return cls(config, int(last["tokens"]), last["seconds"] / 3600)

    @property
    def in_words(self) -> str:
        """Tokens, peak learning rate and where it began."""
        training, start = self.config["training"], self.config.get("start")
        fresh = f", `{start['fresh']}*` anew" if start and start["fresh"] else ""
        began = f"from the run before{fresh}" if start else "from scratch"
        return f"{self.tokens:,} tokens {began} (learning rate {training['learning_rate']}, seed {training['seed']})"


def run_chain(folder: Path) -> list[Run]:
    """The run and those it started from, first one first."""
    run = Run.read(folder)
    start = run.config.get("start")
    return [*(run_chain(Path(start["weights"]).parent) if start else []), run]


def card(run: Path, results: Json) -> str:
    """The text of the card."""
    runs = run_chain(run)
    config = runs[-1].config
    entry = weights_entry(COMPOSER)
    likelihood, music = results["nats_per_token"], results["music"]
    if results["weights_sha256"] != entry.sha256:
        raise SystemExit("error: the results are of other weights; run emsync_train.evaluate again")
    return CARD.format(
        file=", ".join(entry.files),
        megabytes=sum((ASSETS / file).stat().st_size for file in entry.files) / 1e6,
        sha256=entry.sha256,
        parameters=results["parameters"],
        vocabulary=config["vocabulary"],
        tokens=sum(each.tokens for each in runs),
        tokens_per_parameter=sum(each.tokens for each in runs) / results["parameters"],
        hours=sum(each.hours for each in runs),
        runs="; ".join(each.in_words for each in runs),
        corpus=config["tokens_sha256"],
        windows=likelihood["windows"],
        counted=likelihood["tokens"],
        unigram=likelihood["unigram"],
        five_gram=likelihood["5_gram"],
        no_conditions=likelihood["no_conditions"],
        no_boundaries=likelihood["no_boundaries"],
        all_conditions=likelihood["all_conditions"],
        pieces=music["composed_exact"]["note_density_per_s"]["pieces"],
        human_pieces=music["human"]["note_density_per_s"]["pieces"],
        music_table=music_table(music),
        affect_pieces=results["affect"]["exact"]["pieces"],
        valence_r=results["affect"]["exact"]["valence_r"],
        arousal_r=results["affect"]["exact"]["arousal_r"],
        boundary_table=boundary_table(results["boundaries"]),
        **{name: config["model"][name] for name in ("layers", "width", "heads", "feed_forward", "context")},
        vocabulary_size=config["model"]["vocabulary_size"],
    )


def music_table(music: Json) -> str:
    """A row per figure: training songs, held-out songs, exact, paper."""
    rows = [
        "| figure | training songs | held-out songs | composed, exact | composed, paper |",
        "|---|---|---|---|---|",
    ]
    for name in music["human"]:
        cells = [music[kind][name] for kind in ("training", "human", "composed_exact", "composed_paper")]
        texts = [f"{cell['mean']:.2f} ({cell['deviation']:.2f})" for cell in cells]
        rows.append(f"| {name.replace('_', ' ')} | {' | '.join(texts)} |")
    return "\n".join(rows)


def boundary_table(boundaries: Json) -> str:
    """A row per tolerance: F1 and its shuffled baseline in both modes."""
    rows = [
        "| tolerance | exact | exact, shuffled | paper | paper, shuffled |",
        "|---|---|---|---|---|",
    ]
    for tolerance in ("50_ms", "250_ms", "1000_ms"):
        cells = [
            boundaries[mode][f"{kind}_{tolerance}"]
            for mode in ("exact", "paper")
            for kind in ("f1", "shuffled_f1")
        ]
        rows.append(f"| {tolerance.replace('_', ' ')} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ASSETS / "MODEL_CARD.md")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    arguments.out.write_text(card(arguments.run, results), encoding="utf-8")
    print(arguments.out)


if __name__ == "__main__":
    main()
