"""The command line that both judges of affect share: fit on rated music, map over a corpus, keep the numbers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from emsync.errors import EmsyncError


def fit_command(module: str, what: str, fit: Callable[[Path, Path, Path, Path], object]) -> None:
    """`python -m MODULE fit --affect DIR --midi DIR --manifest CSV --out JSON`, errors as one line.

    Args:
        module: the one that is run.
        what: it fits, for the help.
        fit: called with the four paths in this order.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    commands = parser.add_subparsers(required=True)
    options = commands.add_parser("fit", help=f"fit {what} on VGMIDI and map it over a corpus")
    options.add_argument("--affect", type=Path, required=True, help="folder with VGMIDI's rating files")
    options.add_argument("--midi", type=Path, required=True, help="folder with vgmidi/ and the corpus")
    options.add_argument("--manifest", type=Path, required=True, help="CSV with path, source, dur_s")
    options.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    try:
        fit(arguments.affect, arguments.midi, arguments.manifest, arguments.out)
    except (EmsyncError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
