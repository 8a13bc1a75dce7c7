"""Which weights exist, where they lie, and their SHA-256. Nothing is unpickled, ever.

`assets/weights.json` lists every file of weights that comes with the package:

    {"image_features": {"files": ["efficientnet_lite0.int8.onnx"], "sha256": "..."}, ...}

Large weights may lie in several parts; the hash is that of the parts joined in order.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emsync.errors import WeightsError

ASSETS = Path(__file__).parent / "assets"
MANIFEST_NAME = "weights.json"
COMPOSER = "composer"
"""The weights that write music."""
REINSTALL = "Reinstall emsync: pip install --force-reinstall --no-deps emsync"


@dataclass(frozen=True)
class WeightsEntry:
    """One set of weights: its parts in order, and the SHA-256 of the parts joined."""

    name: str
    files: tuple[str, ...]
    sha256: str


def weights_entry(name: str, folder: Path = ASSETS) -> WeightsEntry:
    """The manifest's entry of these weights.

    Raises: WeightsError if the manifest is missing, damaged or does not know the name.
    """
    entries = _read_manifest(folder)
    if name not in entries:
        raise WeightsError(f"{folder / MANIFEST_NAME} knows no weights called '{name}'. {REINSTALL}")
    fields = entries[name]
    try:
        return WeightsEntry(name, tuple(str(file) for file in fields["files"]), str(fields["sha256"]))
    except (TypeError, KeyError) as error:
        raise WeightsError(f"{folder / MANIFEST_NAME}: the entry '{name}' is damaged. {REINSTALL}") from error


def load_weights(name: str, folder: Path = ASSETS) -> bytes:
    """The bytes of these weights, parts joined, after their hash was checked.

    Raises: WeightsError if a file is missing or its content is not what was shipped.
    """
    entry = weights_entry(name, folder)
    content = b"".join(_read_part(folder / file) for file in entry.files)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        places = ", ".join(str(folder / file) for file in entry.files)
        raise WeightsError(f"The weights '{name}' were altered: {places} has another SHA-256. {REINSTALL}")
    return content


def register_weights(name: str, files: tuple[str, ...], folder: Path = ASSETS) -> WeightsEntry:
    """Write the entry of freshly exported weights, whose parts already lie in `folder`, to the manifest."""
    content = b"".join((folder / file).read_bytes() for file in files)
    entry = WeightsEntry(name, files, hashlib.sha256(content).hexdigest())
    entries = _read_manifest(folder) if (folder / MANIFEST_NAME).exists() else {}
    entries[name] = {"files": list(files), "sha256": entry.sha256}
    (folder / MANIFEST_NAME).write_text(
        json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    return entry


def _read_part(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The weights file {path} cannot be read: {error.strerror}. {REINSTALL}"
        ) from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_NAME
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"The weights list {path} cannot be read: {error.strerror}. {REINSTALL}"
        ) from error
    except ValueError as error:
        raise WeightsError(f"The weights list {path} is damaged: {error}. {REINSTALL}") from error
    if not isinstance(entries, dict):
        raise WeightsError(f"The weights list {path} is damaged: not a JSON object. {REINSTALL}")
    return entries
