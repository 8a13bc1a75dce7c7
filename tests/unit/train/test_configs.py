"""The configurations in the repository are read, and are the sizes they say; wrong ones are named."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("lightning_fabric", reason="training needs Lightning Fabric")

from made_up_shards import made_up_shards  # noqa: E402

from emsync.errors import InputError  # noqa: E402
from emsync.music.vocabulary import EMSYNC, PAPER  # noqa: E402
from emsync_train.dataset import Shards, WindowSampler  # noqa: E402
from emsync_train.model import Composer  # noqa: E402
from emsync_train.train_config import RunConfig, read_config  # noqa: E402

CONFIGS = Path(__file__).parents[3] / "configs"
EVERY_TOML = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.toml"))
ABLATIONS = [name for name in EVERY_TOML if name.startswith("ablations/")]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shards]:
    """Made-up shards by vocabulary."""
    return {
        vocabulary.name: Shards(
            made_up_shards(tmp_path_factory.mktemp(vocabulary.name), vocabulary=vocabulary)
        )
        for vocabulary in (EMSYNC, PAPER)
    }


def read(name: str, shards: dict[str, Shards]) -> RunConfig:
    table = tomllib.loads((CONFIGS / name).read_text(encoding="utf-8"))
    return read_config(CONFIGS / name, shards[table.get("vocabulary", EMSYNC.name)])


def parameters(name: str, shards: dict[str, Shards]) -> int:
    with torch.device("meta"):
        return Composer(read(name, shards).model).parameter_count


def test_the_folder_has_the_configurations_that_are_written_about() -> None:
    assert {"tiny.toml", "small.toml", "base.toml", "base_untied.toml", "paper.toml"} <= set(EVERY_TOML)
    assert "ablations/base.toml" in EVERY_TOML


@pytest.mark.parametrize("name", EVERY_TOML)
def test_every_configuration_is_read_and_trains_on_windows_of_its_own_length(
    shards: dict[str, Shards], name: str
) -> None:
    config = read(name, shards)
    assert config.windows.length == config.model.context
    own = shards[config.vocabulary]
    WindowSampler(own, own.of_split("train"), config.source_weights, config.windows)
    steps = config.training.total_tokens / (config.training.batch_size * config.model.context)
    assert steps > 5 * config.training.warmup_steps


@pytest.mark.parametrize(
    ("name", "millions"),
    [("base.toml", 21.2), ("base_untied.toml", 22.0), ("paper.toml", 37.1), ("small.toml", 2.3)],
)
def test_a_configuration_has_the_size_it_says(shards: dict[str, Shards], name: str, millions: float) -> None:
    assert round(parameters(name, shards) / 1e6, 1) == millions


def test_the_next_run_differs_from_what_ships_in_its_output_and_its_beginning_only(
    shards: dict[str, Shards],
) -> None:
    shipped, following = read("base.toml", shards), read("base_untied.toml", shards)
    assert following.model == replace(shipped.model, tied_output=False, initialisation="fan_in")
    assert replace(following, model=shipped.model) == shipped


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations_learn_from_the_same_number_of_tokens_with_the_same_sizes(
    shards: dict[str, Shards], name: str
) -> None:
    found, base = read(name, shards), read("ablations/base.toml", shards)
    for field in ("total_tokens", "batch_size", "learning_rate", "seed"):
        assert getattr(found.training, field) == getattr(base.training, field)
    for field in ("layers", "width", "heads", "context"):
        assert getattr(found.model, field) == getattr(base.model, field)
    assert found.source_weights == base.source_weights


@pytest.mark.parametrize("name", [name for name in ABLATIONS if name != "ablations/base.toml"])
def test_an_ablation_differs_from_its_base(shards: dict[str, Shards], name: str) -> None:
    assert read(name, shards) != read("ablations/base.toml", shards)


def test_the_gated_ablation_has_as_many_parameters(shards: dict[str, Shards]) -> None:
    gated, base = (parameters(f"ablations/{name}.toml", shards) for name in ("swiglu", "base"))
    assert gated == pytest.approx(base, rel=0.01)


@pytest.mark.parametrize("name", ["paper.toml", "ablations/paper.toml"])
def test_shards_of_another_vocabulary_are_refused_naming_both(shards: dict[str, Shards], name: str) -> None:
    message = rf"{name}: vocabulary 'paper' is asked for, the shards have '{EMSYNC.name}'"
    with pytest.raises(InputError, match=message):
        read_config(CONFIGS / name, shards[EMSYNC.name])
