"""Whether this process is an actor that loads the user's modules to find its handler.

The top-level code of those modules then runs again. Some of it must not: a supervisor started there
would start actors in turn, and a job enqueued there would be enqueued by every actor.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from actorq.errors import ConfigError

_loading = threading.Event()


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
            f"{what} while an actor loads the module with its handler, or one imported by it: put "
            "the call under  if __name__ == '__main__':  or into a function that actors do not call"
        )
