"""Where a handler was when its process crashed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import actorq
from actorq.supervisor.local.stacks import Stacks
from tests.actor.support import kind_of
from tests.process import handlers
from tests.process.support import work

OURS = Path(actorq.__file__).parent
THREADING = threading.__file__

PRINTED = f"""\
something before
Fatal Python error: Segmentation fault
Thread 0x00007f0001 [actorq-gather] (most recent call first):
  File "{THREADING}", line 327 in wait
  File "{OURS}/actor/loop.py", line 96 in _run
  File "{THREADING}", line 982 in run
Thread 0x00007f0002 (most recent call first):
  File "{OURS}/actor/pipe.py", line 70 in _watch
Thread 0x00007f0003 (most recent call first):
  File "/home/me/prefetch.py", line 7 in fetch
  File "{THREADING}", line 982 in run
Current thread 0x00007f0004 (most recent call first):
  File "/lib/numpy/core.py", line 3 in dot
  File "/home/me/handlers.py", line 12 in resize
  File "{OURS}/actor/adapters.py", line 99 in handle
  File "{OURS}/actor/loop.py", line 60 in _serve
Current thread's C stack trace (most recent call first):
  Binary file "/usr/bin/python", at _Py_DumpStack+0x40 [0x7f]
Extension modules: numpy.core (total: 1)
"""


def test_the_handlers_threads_are_shown_and_ours_are_not() -> None:
    stacks = Stacks()
    for line in PRINTED.splitlines():
        stacks.feed([line])
    assert stacks.text().splitlines() == [
        "Fatal Python error: Segmentation fault",
        "Current thread 0x00007f0004 (most recent call first):",
        '  File "/lib/numpy/core.py", line 3 in dot',
        '  File "/home/me/handlers.py", line 12 in resize',
        "Thread 0x00007f0003 (most recent call first):",
        '  File "/home/me/prefetch.py", line 7 in fetch',
        f'  File "{THREADING}", line 982 in run',
    ]


def test_the_last_crash_counts_and_without_one_there_is_nothing() -> None:
    stacks = Stacks()
    assert stacks.text() == ""
    stacks.feed(PRINTED.splitlines())
    stacks.feed(["Fatal Python error: Aborted"])
    assert stacks.text() == "Fatal Python error: Aborted"


def test_a_crash_within_our_own_code_shows_where() -> None:
    stacks = Stacks()
    frame = f'  File "{OURS}/actor/context.py", line 60 in __iter__'
    stacks.feed(["Fatal Python error: Bus error", "Current thread 0x1 (most recent call first):"])
    stacks.feed([frame])
    assert frame in stacks.text()


@pytest.mark.parametrize("handler", [handlers.by_job, handlers.at_once])
def test_a_segmentation_fault_is_reported_with_the_handlers_own_stack(actors, handler) -> None:
    actor = actors.start(kind_of(handler))
    actor.send(*work(["a", "crash"], actor=actor.number))
    trace = actors.died(actor).error.traceback
    assert "Segmentation fault" in trace
    assert "handlers.py" in trace
    assert "string_at" in trace
    assert str(OURS) not in trace


def test_a_crash_of_a_child_is_not_taken_for_the_actors_own(actors) -> None:
    actor = actors.start(kind_of(handlers.at_once))
    program = "import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)"
    actors.run(actor, [["shell", f"python3 -c '{program}' || true"]])
    actor.kill()
    assert actors.died(actor).error.traceback == ""
