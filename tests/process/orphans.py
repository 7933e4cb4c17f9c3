"""A supervisor to be killed: starts actors, keeps them busy, prints their numbers."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

from tests.actor.support import kind_of
from tests.process.handlers import touch, wait_for
from tests.process.support import troupe, work


def in_python(batch: Any) -> None:
    touch(batch.args[0])
    time.sleep(1000)


def in_c_with_the_lock(batch: Any) -> None:
    touch(batch.args[0])
    re.match("(a+)+$", "a" * 60 + "b")  # holds the interpreter's lock, and will for ages


def into_a_full_pipe(batch: Any) -> list[str]:
    """Answer with more than a pipe takes, once the supervisor reads no more."""
    touch(batch.args[0])
    wait_for(batch.args[0] + ".go")
    touch(batch.args[0] + ".gone")
    return ["x" * 900_000] * len(batch)


if __name__ == "__main__":
    with troupe() as actors:
        marks = sys.argv[1:]
        started = [
            actors.start(kind_of(handler), index)
            for index, handler in enumerate((in_python, in_c_with_the_lock, into_a_full_pipe))
        ]
        for actor, mark in zip(started, marks, strict=True):
            actor.send(*work([mark], actor=actor.number))
        print(*(actor.pid for actor in started), flush=True)
        time.sleep(1000)
