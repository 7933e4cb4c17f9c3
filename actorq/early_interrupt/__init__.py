"""Ctrl-C while the command `actorq` is being imported: it ends at once, and says nothing.

Nothing has begun by then, and a traceback out of somebody's import would tell nobody anything.
This is imported before all else. Programs that only use actorq as a library keep their signals.
"""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)


def _is_command() -> bool:
    """Return whether this is the command, by its script or as `python -m actorq`."""
    words, name = sys.orig_argv, (sys.argv or [""])[0]
    is_module = any(words[i : i + 2] == ["-m", "actorq"] for i in range(1, len(words)))
    return (is_module and name == "-m") or os.path.basename(name) == "actorq"


def heed_again() -> None:
    """Have Ctrl-C raise KeyboardInterrupt, as Python does: who runs a command catches it."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)
