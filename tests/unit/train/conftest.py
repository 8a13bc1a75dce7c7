"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as those of tests are slower on two threads than on one."""
    if find_spec("torch") is None:
        yield
        return
    import torch  # noqa: PLC0415

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up shards."""
    from made_up_shards import made_up_shards  # noqa: PLC0415

    return made_up_shards(tmp_path_factory.mktemp("shards"))
