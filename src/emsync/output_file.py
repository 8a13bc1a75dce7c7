"""One way to write a result: all of it appears under its name, or nothing does."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from emsync.errors import OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EFBIG: "the file grew past what this disk allows; write elsewhere",
    errno.EROFS: "the folder is read-only; write elsewhere",
    errno.EACCES: "no permission to write in this folder; write elsewhere",
    errno.EPERM: "no permission to write in this folder; write elsewhere",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
_WRITE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@contextmanager
def atomic_output(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; give it the name `path` once the body succeeded.

    The temporary has the suffix of `path` (libraries choose a container by it) and exists, empty, when
    the body starts. It is removed on every exception, KeyboardInterrupt included. A symbolic link is
    written through. Checks come first, so a caller can enter this before hours of work.

    Raises: OutputError if `path` exists and `overwrite` is false, is no regular file, its folder is
        missing or not writable, or the disk fills up while the body writes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_output(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("all of it")
    ...     (Path(folder) / "a.txt").read_text()
    'all of it'
    """
    target = Path(os.path.realpath(path))
    check_output(path, overwrite)
    temporary = target.parent / f".emsync-{secrets.token_hex(6)}{target.suffix}"
    try:
        _create_empty(temporary, path)
        yield temporary
        check_output(path, overwrite)
        _replace(temporary, target, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _WRITE_ERRNOS:
            raise _output_error(path, error) from error
        raise


@contextmanager
def atomic_outputs(paths: Sequence[Path], overwrite: bool = False) -> Iterator[tuple[Path, ...]]:
    """Several `atomic_output`s at once: a temporary for each path, named only once the body wrote them all."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(atomic_output(path, overwrite)) for path in paths)


def check_output(path: Path, overwrite: bool = False) -> None:
    """Raise OutputError now if `atomic_output(path, overwrite)` would refuse; touches nothing.

    Let a command call it on every output before its first slow step.
    """
    try:
        _check(path, Path(os.path.realpath(path)), overwrite)
    except OSError as error:
        raise _output_error(path, error) from error


def _check(path: Path, target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file in it")
    if target.exists() and not target.is_file():
        raise OutputError(f"{path}: is a device or pipe; give the name of a regular file")
    if target.exists() and not overwrite:
        raise OutputError(f"{path}: already exists; choose another name or allow overwriting (--force)")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")


def _create_empty(temporary: Path, path: Path) -> None:
    """Create the file with the permissions the user's umask gives (tempfile would make it private)."""
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise _output_error(path, error) from error


def _replace(temporary: Path, target: Path, path: Path) -> None:
    try:
        temporary.replace(target)
    except OSError as error:
        raise _output_error(path, error) from error


def _output_error(path: Path, error: OSError) -> OutputError:
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"{path}: cannot be written: {reason}")
