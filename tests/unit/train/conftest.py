"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up shards."""
    from made_up_shards import made_up_shards  # noqa: PLC0415

    return made_up_shards(tmp_path_factory.mktemp("shards"))
