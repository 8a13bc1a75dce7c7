"""Pretrained networks by folder or hub name, or one clear error: nothing half loaded, nothing random, no pickle."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional

from emsync.errors import InputError, WeightsError

EXTRA = "Install what it needs: pip install 'emsync[vemoclap]'"
PREPROCESSOR_FILE = "preprocessor_config.json"
FAILURES = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    ImportError,
    SafetensorError,
    pickle.UnpicklingError,
)
"""What a damaged, foreign or absent checkpoint makes `transformers` raise."""


def transformers_library() -> Any:
    """The package `transformers`, imported when a network is really wanted.

    Raises: InputError if it is not installed.
    """
    try:
        import transformers  # noqa: PLC0415  (seconds that no other command must pay)
    except ImportError as error:
        raise InputError(f"The paper's extractors need the package transformers. {EXTRA}") from error
    return transformers


def load_network(class_name: str, source: str, *, kinds: tuple[str, ...], device: str = "cpu") -> Any:
    """A network of `transformers` in evaluation mode, with every weight from the source.

    Args:
        class_name: for example "ViTForImageClassification".
        source: a folder, or a name on the Hugging Face hub.
        kinds: `model_type`s of its configuration that will do.
        device: where it is to run, see `checked_device`.
    Raises: WeightsError if it cannot be had, is of another kind or lacks weights.
    """
    config = _read(transformers_library().AutoConfig, source)
    if config.model_type not in kinds:
        raise WeightsError(
            f"{source}: a network of kind {config.model_type}, but {' or '.join(kinds)} is needed."
        )
    loader = getattr(transformers_library(), class_name)
    network, report = _read(
        loader, source, output_loading_info=True, dtype=torch.float32
    )  # some are stored as halves
    absent = sorted([*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])])
    if absent:
        raise WeightsError(
            f"{source}: {len(absent)} weights of {class_name} are not in it, the first is {absent[0]}; "
            "it was made for another job. Name the checkpoint that docs/vemoclap.md names."
        )
    return network.to(device).eval()


def checked_device(name: str) -> str:
    """The name of a place where networks can run, "cpu" or a GPU ("cuda", "cuda:1", "mps").

    Raises: InputError if torch does not know it or this machine lacks it.
    """
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"No network can run on {name!r} here; use cpu. ({error})") from error
    return name


def device_of(network: Any) -> torch.device:
    """Where a network lies."""
    device: torch.device = next(network.parameters()).device
    return device


def load_tokenizer(source: str) -> Any:
    """The tokenizer that belongs to a network.

    Raises: WeightsError if it cannot be had.
    """
    return _read(transformers_library().AutoTokenizer, source)


def load_sound_reader(source: str) -> Any:
    """Whisper's way from samples to spectrograms.

    Raises: WeightsError if it cannot be had.
    """
    return _read(transformers_library().WhisperFeatureExtractor, source)


def pixel_statistics(source: str, *, otherwise: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each colour that a picture network expects, from its `preprocessor_config.json`."""
    path = transformers_library().utils.cached_file(
        _located(source),
        PREPROCESSOR_FILE,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return otherwise
    fields = json.loads(Path(path).read_text(encoding="utf-8"))
    if "image_mean" not in fields or "image_std" not in fields:
        return otherwise
    return torch.tensor(fields["image_mean"]), torch.tensor(fields["image_std"])


def normalised_pixels(
    frames: NDArray[np.uint8], size: int, statistics: tuple[Tensor, Tensor], *, crop: bool
) -> Tensor:
    """RGB frames (N, H, W, 3) as a network wants them, shape (N, 3, size, size).

    With `crop` the shorter side becomes `size` and the middle is kept; without, the whole frame is squeezed.
    """
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    height, width = pixels.shape[2:]
    scale = size / min(height, width)
    wanted = (max(size, round(height * scale)), max(size, round(width * scale))) if crop else (size, size)
    pixels = functional.interpolate(
        pixels, wanted, mode="bicubic", antialias=True, align_corners=False
    ).clamp(0, 1)
    top, left = (wanted[0] - size) // 2, (wanted[1] - size) // 2
    mean, deviation = (values[:, None, None] for values in statistics)
    return (pixels[..., top : top + size, left : left + size] - mean) / deviation


def _read(loader: Any, source: str, **options: Any) -> Any:
    """`loader.from_pretrained`, with its many ways to fail put into one sentence."""
    place = _located(source)
    try:
        return loader.from_pretrained(place, **options)
    except FAILURES as error:
        advice = (
            "it must hold config.json, the weights and, for text, the tokenizer"
            if Path(place).is_dir()
            else "without a network, download it elsewhere and give its folder"
        )
        raise WeightsError(f"{source}: cannot be loaded as {loader.__name__}; {advice}. ({error})") from error


def _located(source: str) -> str:
    """A folder's full path, or a hub name as it is.

    Raises: WeightsError if it is written like a path and there is no such folder.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return str(folder)
    if source.startswith((".", "/", "~")):
        raise WeightsError(
            f"{source}: no such folder. Give the folder that holds the weights and config.json."
        )
    return source
