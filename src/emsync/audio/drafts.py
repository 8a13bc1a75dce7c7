"""Files that appear only when they are complete."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from emsync.errors import OutputError


class Drafts:
    """Temporary files beside their targets: all renamed at once by `finish`, all removed otherwise.

    Use as a context manager; whatever ends the block before `finish`, Ctrl-C included, leaves no file.
    """

    def __init__(self) -> None:
        """Start with no file."""
        self._pending: list[tuple[Path, Path]] = []

    def start(self, target: Path) -> Path:
        """Path to write in place of `target`: same folder, same suffix, hidden name."""
        number, name = tempfile.mkstemp(
            prefix=f".{target.stem[:40]}-", suffix=target.suffix, dir=target.parent
        )
        os.close(number)
        self._pending.append((Path(name), target))
        return Path(name)

    def finish(self) -> None:
        """Give every file its real name, with the permissions that a newly made file would have."""
        umask = os.umask(0)
        os.umask(umask)
        while self._pending:
            draft, target = self._pending[0]
            draft.chmod(0o666 & ~umask)
            draft.replace(target)
            self._pending.pop(0)

    def __enter__(self) -> Drafts:
        return self

    def __exit__(self, *details: object) -> None:
        for draft, _ in self._pending:
            with contextlib.suppress(OSError):
                draft.unlink()


@contextlib.contextmanager
def output_errors(target: Path) -> Iterator[None]:
    """Turn what the system says while writing `target` into an `OutputError` with one clear line."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {_reason(error, target)}") from error


def _reason(error: OSError, target: Path) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full; make room or choose another folder with -o"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"the folder {target.parent} may not be written to; choose another with -o"
    if not target.parent.is_dir():
        return f"there is no folder {target.parent}; make it first"
    if target.is_dir():
        return "there is a folder of that name"
    return error.strerror or str(error)
