"""What tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import COMPOSER, Ended, composer_module, run_here
from tests.media import make_video


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`emsync ...` in this process, with a composer that is done at once."""
    monkeypatch.setitem(sys.modules, COMPOSER, composer_module())
    return lambda *arguments: run_here(*arguments, capture=capsys)


@pytest.fixture(scope="session")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with one cut and sound; read only."""
    return make_video(
        tmp_path_factory.mktemp("film") / "film.mp4", duration_s=2.0, cuts_s=(0.8,), audio_streams=1
    )
