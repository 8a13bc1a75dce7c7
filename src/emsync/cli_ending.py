"""How a run of the command line may end: exit codes, one line for each error, signals."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from emsync.errors import EmsyncError

EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
EXIT_TERMINATED = 143


class _Interrupted(KeyboardInterrupt):
    """Ctrl-C under another type.

    A plain KeyboardInterrupt that passes through `exec` of a string, as dataclasses do at import, is remembered by
    CPython as unhandled: the process then kills itself with SIGINT at exit, although it was caught (seen in 3.11).
    """


def interrupt(*_: object) -> NoReturn:
    """What Ctrl-C does."""
    raise _Interrupted


def terminate(*_: object) -> NoReturn:
    """Leave as after an error, so that nothing half written stays behind."""
    sys.exit(EXIT_TERMINATED)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Whatever stops the body becomes one line on stderr and an exit code."""
    try:
        yield
    except EmsyncError as error:
        _stop(str(error), error.exit_code)
    except KeyboardInterrupt:
        _stop("interrupted; nothing was written", EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        sys.exit(EXIT_BROKEN_PIPE)
    except OSError as error:
        _stop(_operating_system_error(error), 1)
    except Exception as error:
        if os.environ.get("EMSYNC_DEBUG"):
            raise
        _stop(
            f"this is a bug in emsync, not your fault: {type(error).__name__}: {error} "
            "(run again with EMSYNC_DEBUG=1 for the traceback and report it)",
            EXIT_BUG,
        )


def _operating_system_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _stop(message: str, exit_code: int) -> NoReturn:
    """One line on stderr, without control characters that a file name may hold."""
    one_line = " ".join(message.split())
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in one_line)
    print(f"emsync: error: {shown}", file=sys.stderr)
    sys.exit(exit_code)
