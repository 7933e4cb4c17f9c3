"""A supervisor to be killed: starts two actors, keeps them busy, prints their numbers."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

from tests.actor.support import kind_of
from tests.process.handlers import touch
from tests.process.support import troupe, work


def in_python(batch: Any) -> None:
    touch(batch.args[0])
    time.sleep(1000)


def in_c_with_the_lock(batch: Any) -> None:
    touch(batch.args[0])
    re.match("(a+)+$", "a" * 60 + "b")  # holds the interpreter's lock, and will for ages


if __name__ == "__main__":
    with troupe() as actors:
        marks = sys.argv[1:]
        started = [
            actors.start(kind_of(handler), index)
            for index, handler in enumerate((in_python, in_c_with_the_lock))
        ]
        for actor, mark in zip(started, marks, strict=True):
            actor.send(work([mark]))
        print(*(actor.pid for actor in started), flush=True)
        time.sleep(1000)
