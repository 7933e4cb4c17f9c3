"""Which process is the actor: a process that its handler has forked must not become a second one.

A forked process has the actor's pipe and page, and the whole call stack of the handler. If it
returns from the handler, or raises, it ends up in our own code and would run the remaining jobs.
Libraries that fork, like `multiprocessing`, end their processes themselves.
"""

from __future__ import annotations

import contextlib
import os

from actorq.actor.texts import describe

_owner = 0

RETURNED = b"a process forked by the handler has come out of it, and ends here\n"


def own() -> None:
    """Make this process the actor."""
    global _owner
    _owner = os.getpid()


def leave_if_forked(error: BaseException | None = None) -> None:
    """End this process at once if it is not the actor but was forked; the error is how it got here.

    Does nothing if there is no actor at all, as in a test of a handler. Call it before anything is
    locked, because the thread that holds a lock may not have been forked.
    """
    if not _owner or os.getpid() == _owner:
        return
    code = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    with contextlib.suppress(BaseException):
        text = describe(error).traceback.encode(errors="replace") if error is not None else b""
        os.write(2, RETURNED if not text or isinstance(error, SystemExit) else text + b"\n")
    os._exit(code & 0xFF)
