"""Files in parts small enough to travel: shards to the GPU and back again the weights.

A packed folder holds
    manifest.json   name, bytes and SHA-256 of every file and of every part
    part-000 ...    the files, one after the other, compressed or not, cut into parts

Commands: python -m emsync_train.pack pack --shards DIR --out FOLDER [--part-mib 45]   compressed shards
          python -m emsync_train.pack unpack --packed FOLDER --out DIR                 either kind, checked
          python -m emsync_train.pack weights --run RUN --out FOLDER [--part-mib 15]   bfloat16 weights, config, log
          python -m emsync_train.pack split --file FILE --out FOLDER [--part-mib 15]   any file as it is
          python -m emsync_train.pack join --packed FOLDER --out DIR                   another word for unpack
Only `weights` needs torch and safetensors; the rest is the standard library.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from emsync.errors import EmsyncError, InputError
from emsync.output_file import atomic_output

Compression: TypeAlias = Literal["xz", "none"]

MANIFEST = "manifest.json"
PART_PATTERN = "part-*"
MIB = 1 << 20
CHUNK_BYTES = MIB
BLOCK_BYTES = 16 * MIB
"""What one process compresses at a time; twice the dictionary of `XZ_PRESET`."""
XZ_PRESET = 6
"""Higher presets and filters for 16-bit numbers gained less than 0.1 % on tokens."""
SHARDS_PART_MIB = 45.0
WEIGHTS_PART_MIB = 15.0
RUN_FILES = ("config.json", "log.jsonl")


@dataclass(frozen=True)
class Entry:
    """A file or a part: its plain name, its size and what its bytes hash to."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a packed folder promises. Files and parts are in the order of their bytes."""

    compression: Compression
    files: tuple[Entry, ...]
    parts: tuple[Entry, ...]

    @property
    def ratio(self) -> float:
        """Bytes in parts per byte of the files."""
        whole = sum(entry.size_bytes for entry in self.files)
        return sum(entry.size_bytes for entry in self.parts) / max(whole, 1)


def write_parts(
    files: Sequence[Path], folder: Path, *, part_mib: float, compression: Compression, workers: int = 1
) -> Manifest:
    """Pack the files into `folder`; parts of an earlier packing there are replaced.

    Args:
        files: with different names; the folders they lie in are forgotten.
        part_mib: largest size of a part.
        workers: processes that compress.
    Raises: InputError if a file is missing or a part could hold nothing.
    """
    part_bytes = int(part_mib * MIB)
    if min(part_bytes, workers) < 1:
        raise InputError(
            f"parts of {part_mib} MiB by {workers} workers: both must be above 0; give larger ones"
        )
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: no such file, so there is nothing to pack; make it first")
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (folder / MANIFEST, *folder.glob(PART_PATTERN)):  # without a manifest: no packed folder
        stale.unlink(missing_ok=True)
    entries = tuple(_entry(path) for path in files)
    stream = _compressed(files, workers) if compression == "xz" else _chunks_of(files)
    manifest = Manifest(compression, entries, tuple(_cut(stream, folder, part_bytes)))
    with atomic_output(folder / MANIFEST, overwrite=True) as temporary:
        temporary.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
    return manifest


def _entry(path: Path) -> Entry:
    with path.open("rb") as file:
        return Entry(path.name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _chunks_of(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _compressed(files: Sequence[Path], workers: int) -> Iterator[bytes]:
    """Every block as an xz stream of its own: streams in a row are one xz file."""
    blocks = [(path, offset) for path in files for offset in range(0, path.stat().st_size, BLOCK_BYTES)]
    if workers == 1:
        yield from map(_compressed_block, blocks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_compressed_block, blocks)


def _compressed_block(block: tuple[Path, int]) -> bytes:
    path, offset = block
    with path.open("rb") as file:
        file.seek(offset)
        return lzma.compress(file.read(BLOCK_BYTES), preset=XZ_PRESET)


def _cut(stream: Iterable[bytes], folder: Path, part_bytes: int) -> Iterator[Entry]:
    """Write the stream as parts of `part_bytes`, the last one shorter."""
    held = bytearray()
    number = 0
    for chunk in stream:
        held += chunk
        while len(held) >= part_bytes:
            yield _write_part(folder, number, bytes(held[:part_bytes]))
            del held[:part_bytes]
            number += 1
    if held:
        yield _write_part(folder, number, bytes(held))


def _write_part(folder: Path, number: int, content: bytes) -> Entry:
    path = folder / f"part-{number:03d}"
    with atomic_output(path, overwrite=True) as temporary:
        temporary.write_bytes(content)
    return Entry(path.name, len(content), hashlib.sha256(content).hexdigest())


def read_parts(folder: Path, out: Path) -> Manifest:
    """Unpack `folder` into `out`: every file comes back to the byte, or none appears.

    Raises: InputError naming the manifest, part or file that is missing, cut short or altered.
    """
    manifest = read_manifest(folder)
    for part in manifest.parts:
        _check(folder / part.name, part)
    stream: Iterator[bytes] = _chunks_of(folder / part.name for part in manifest.parts)
    reader = _Reader(_decompressed(stream) if manifest.compression == "xz" else stream)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as outputs:  # leaving it renames all files, the last packed first
        for entry in manifest.files:
            temporary = outputs.enter_context(atomic_output(out / entry.name, overwrite=True))
            with temporary.open("wb") as file:
                file.writelines(reader.take(entry.size_bytes))
            _check(temporary, entry, shown=folder / MANIFEST)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a packed folder. Raises InputError when it is missing or not one."""
    path = folder / MANIFEST
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        files, parts = (tuple(Entry(**entry) for entry in table[key]) for key in ("files", "parts"))
        manifest = Manifest(table["compression"], files, parts)
        names = [entry.name for entry in (*files, *parts)]
        strange = [name for name in names if not name or name in {".", ".."} or Path(name).name != name]
        if manifest.compression not in get_args(Compression) or strange:
            raise ValueError(f"unexpected {strange or manifest.compression}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the manifest of a packed folder ({error}); pack it again") from error
    return manifest


def _check(path: Path, entry: Entry, *, shown: Path | None = None) -> None:
    """Raise InputError unless the file is what the entry says; the message names `shown`, else the file."""
    name = path if shown is None else f"{shown}: {entry.name}"
    if not path.is_file():
        raise InputError(f"{name}: this part is missing; copy it again")
    size_bytes = path.stat().st_size
    if size_bytes != entry.size_bytes:
        raise InputError(f"{name}: has {size_bytes} bytes instead of {entry.size_bytes}; copy it again")
    if _entry(path).sha256 != entry.sha256:
        raise InputError(f"{name}: its SHA-256 is not the promised one, so it was altered; copy it again")


def _decompressed(stream: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = lzma.LZMADecompressor()
    for chunk in stream:
        rest = chunk
        while rest:
            if decompressor.eof:
                decompressor = lzma.LZMADecompressor()
            if plain := decompressor.decompress(rest):
                yield plain
            rest = decompressor.unused_data


class _Reader:
    """Cuts a stream of chunks, none empty, into runs of wanted lengths."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.held = b""

    def take(self, size_bytes: int) -> Iterator[bytes]:
        """The next `size_bytes`, or fewer where the stream ends."""
        while size_bytes and (chunk := self.held or next(self.chunks, b"")):
            taken, self.held = chunk[:size_bytes], chunk[size_bytes:]
            size_bytes -= len(taken)
            yield taken


def pack_shards(shards: Path, out: Path, *, part_mib: float = SHARDS_PART_MIB, workers: int = 1) -> Manifest:
    """A whole shard folder, compressed. Raises InputError if it is none or holds folders."""
    summary = shards / "corpus.json"
    if not summary.is_file():
        raise InputError(f"{shards}: not a complete shard folder (no corpus.json); build it first")
    others = sorted(path for path in shards.iterdir() if path != summary and not path.name.startswith("."))
    # First packed is last renamed: without corpus.json a half unpacked folder is no shard folder.
    return write_parts([summary, *others], out, part_mib=part_mib, compression="xz", workers=workers)


def pack_weights(run: Path, out: Path, *, part_mib: float = WEIGHTS_PART_MIB) -> Manifest:
    """The weights of a run in bfloat16, its config.json and its log.jsonl, not compressed.

    Only matrices are rounded; vectors (scales, biases) stay float32, they are few.
    Raises: InputError if the run folder lacks one of them or the weights are damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        write_bfloat16(run / "weights.safetensors", weights)
        files = [weights, *(run / name for name in RUN_FILES)]
        return write_parts(files, out, part_mib=part_mib, compression="none")


def write_bfloat16(weights: Path, out: Path) -> None:
    """Write the float32 weights of a run with their matrices rounded to bfloat16, their notes kept."""
    import torch  # noqa: PLC0415  (unpacking needs neither)
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415
    from safetensors.torch import save_file  # noqa: PLC0415

    try:
        with safe_open(weights, "pt") as file:
            notes: Mapping[str, str] | None = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{weights}: not the weights of a run ({error}); train one first") from error
    rounded = {
        name: tensor.to(torch.bfloat16) if tensor.ndim > 1 else tensor for name, tensor in tensors.items()
    }
    save_file(rounded, out, dict(notes or {}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    options = _parser().parse_args(arguments)
    try:
        manifest = _run(options)
    except EmsyncError as error:
        sys.exit(f"error: {error}")
    for entry in (*manifest.files, *manifest.parts):
        print(f"{entry.name:24} {entry.size_bytes / MIB:9.2f} MiB  {entry.sha256[:16]}")
    print(f"{len(manifest.parts)} parts, {manifest.ratio:.3f} of the size of the files")


def _run(options: argparse.Namespace) -> Manifest:
    if options.command == "pack":
        return pack_shards(options.shards, options.out, part_mib=options.part_mib, workers=options.workers)
    if options.command == "weights":
        return pack_weights(options.run, options.out, part_mib=options.part_mib)
    if options.command == "split":
        return write_parts([options.file], options.out, part_mib=options.part_mib, compression="none")
    return read_parts(options.packed, options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="compress a shard folder into parts")
    pack.add_argument("--shards", type=Path, required=True)
    pack.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that compress")
    weights = commands.add_parser("weights", help="weights in bfloat16, config and log of a run, in parts")
    weights.add_argument("--run", type=Path, required=True)
    split = commands.add_parser("split", help="one file in parts, as it is")
    split.add_argument("--file", type=Path, required=True)
    for command, part_mib in (
        (pack, SHARDS_PART_MIB),
        (weights, WEIGHTS_PART_MIB),
        (split, WEIGHTS_PART_MIB),
    ):
        command.add_argument("--part-mib", type=float, default=part_mib, help="largest part in MiB")
    reader = commands.add_parser("unpack", aliases=["join"], help="check parts, put the files together again")
    reader.add_argument("--packed", type=Path, required=True)
    for command in (pack, weights, split, reader):
        command.add_argument("--out", type=Path, required=True, help="folder to write")
    return parser


if __name__ == "__main__":
    main()
