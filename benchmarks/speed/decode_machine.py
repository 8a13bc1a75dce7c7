"""What a run ran on, and how busy it was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGES = ("onnxruntime", "numpy", "torch", "transformers", "ctranslate2")


@contextmanager
def machine(record: dict[str, Any]) -> Iterator[None]:
    """Note it in `record`, the load before and after included."""
    record["cpu"] = processor()
    record["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    record["last_cache_mb"] = last_cache_mb()
    record["system"] = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    record["versions"] = {name: version(name) for name in PACKAGES}
    record["load_average_before"] = round(os.getloadavg()[0], 2)
    yield
    record["load_average_after"] = round(os.getloadavg()[0], 2)


def processor() -> str:
    """Its name, and the instructions that matter for int8."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = set(facts.get("flags", "").split())
    known = [name for name in ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8") if name in flags]
    return f"{facts.get('model name', platform.processor())} ({', '.join(known) or 'instructions unknown'})"


def last_cache_mb() -> float | None:
    """Size of the last cache level in MiB, as the system tells it; None where it tells nothing."""
    folders = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")
    sizes = [(folder / "size").read_text("utf-8").strip() for folder in folders if (folder / "size").exists()]
    return max((int(size.removesuffix("K")) / 1024 for size in sizes if size.endswith("K")), default=None)


def version(package: str) -> str:
    """Of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
