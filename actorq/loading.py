"""Whether this process is an actor that loads the user's modules to find its handler.

The top-level code of those modules then runs again. Some of it must not: a supervisor started there
would start actors in turn, and a job enqueued there would be enqueued by every actor.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from actorq.errors import ConfigError

_loading = threading.Event()

_MAIN = "__main__"


@contextmanager
def loading() -> Iterator[None]:
    """Mark the body as code that has already run, in the supervisor."""
    _loading.set()
    try:
        yield
    finally:
        _loading.clear()


def refuse_while_loading(what: str) -> None:
    """Raise ConfigError if this is an actor that loads modules and would do `what` again."""
    if _loading.is_set():
        raise ConfigError(
            f"{what} while an actor loads the module with its handler, or one imported by it"
            f"{_where()}. An actor imports them once more, and all that stands at their top level "
            "is run again: put the call under  if __name__ == '__main__':  or into a function that "
            "actors do not call"
        )


def twin_of_main() -> str:
    """Return the name by which the script that runs was imported as well, empty if it was not."""
    path = getattr(sys.modules.get(_MAIN), "__file__", None)
    names = [
        name
        for name, module in list(sys.modules.items())
        if name != _MAIN and path and getattr(module, "__file__", None) == path
    ]
    return next(iter(names), "")


def _where() -> str:
    """Return the line at the top level of a module that has led here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return "" if frame is None else f", at {frame.f_code.co_filename}:{frame.f_lineno}"
