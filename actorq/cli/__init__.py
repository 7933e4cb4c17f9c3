"""The command `actorq`.

Importing this package has to be cheap, because every actor started by `actorq run` imports it
again. A command's own module, and with it the database driver, is imported when it is run.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from actorq import errors
from actorq.config import masked
from actorq.escape import escape
from actorq.starting import INTERRUPTED, heed_again

OK, REFUSED, USAGE, UNREACHABLE, MISMATCH, TIMED_OUT = 0, 1, 2, 3, 4, 5

_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (errors.StoreUnavailable, UNREACHABLE),
    (errors.SchemaMismatch, MISMATCH),
    (errors.ConfigError, USAGE),
    (errors.EnqueueError, USAGE),
    (errors.ActorqError, REFUSED),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _make_printable()
    try:
        heed_again()
        from actorq.cli.parser import parse

        args = parse(argv)
        module, function = args.command.split(":")
        command = getattr(importlib.import_module(f"actorq.cli.{module}"), function)
        code = int(command(args))
        sys.stdout.flush()
    except errors.ActorqError as error:
        complain(str(error))
        return next(code for kind, code in _CODES if isinstance(error, kind))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has closed it. Nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def complain(text: str) -> None:
    """Print an error, without control characters and passwords.

    Of more than eight lines, the first and the last six are shown: if a log is quoted, the reason
    is at its end.
    """
    lines = [line.strip() for line in masked(text).splitlines() if line.strip()]
    if len(lines) > 8:
        lines = [lines[0], "…", *lines[-6:]]
    shown = "\n  ".join(escape(line, 500) for line in lines)
    print(f"actorq: {shown}", file=sys.stderr)


def _make_printable() -> None:
    """Ensure that printing fails for no character, whatever the locale, and for no closed output.

    A service manager may close all three descriptors. Files opened later would get their numbers,
    and then receive what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open as long as we run
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
