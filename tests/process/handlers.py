"""Handlers that do as their args say, and report on the process they run in."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from multiprocess import get_context

from actorq.actor.pipe import Pipe
from actorq.core.plan.inputs import Outcomes


def touch(path: str) -> None:
    Path(path).touch()


def wait_for(path: str) -> None:
    """Wait in small steps: a test says when to go on by making a file."""
    while not Path(path).exists():
        time.sleep(0.002)


def descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def own_link() -> Pipe:
    """Return the pipe of this process, as a handler that pries would."""
    frame = sys._getframe()
    while "pipe" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    link: Pipe = frame.f_locals["pipe"]
    return link


def facts() -> dict[str, Any]:
    numeric = {name: value for name, value in os.environ.items() if name.endswith("_THREADS")}
    return {
        "env": numeric | {name: os.environ.get(name) for name in ("ACTORQ_SLOT", "EXTRA")},
        "pid": os.getpid(),
        "group": os.getpgid(0),
        "modules": sorted(sys.modules),
        "descriptors": descriptors(),
        "stdin": sys.stdin.read(),
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    }


def act(command: Any) -> Any:
    """Carry out one command: a name, or a list of a name and its arguments."""
    name, *rest = command if isinstance(command, list) else [command]
    return COMMANDS[name](*rest) if name in COMMANDS else command


def _sleep_done(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


def _raise(name: str) -> None:
    import asyncio
    import builtins

    raise asyncio.CancelledError if name == "CancelledError" else getattr(builtins, name)("told so")


def _child(path: str, *, how: str) -> int:
    """Start a process that outlives the handler; its number goes into a file."""
    if how == "orphan":
        code = "import os,sys,time\nif os.fork(): os._exit(0)\n"
    else:
        code = "import os,sys,time\n"
    code += "open(sys.argv[1]+'~','w').write(str(os.getpid()))\n"
    code += "os.rename(sys.argv[1]+'~',sys.argv[1])\ntime.sleep(1000)"
    subprocess.Popen([sys.executable, "-c", code, path])
    wait_for(path)
    return int(Path(path).read_text())


def _close_all() -> str:
    os.closerange(0, 1024)
    return "closed"


def _take_over(path: str) -> str:
    """Close every descriptor and put a file in the place of each, however high it is."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    for other in descriptors():
        if other != fd:
            with contextlib.suppress(OSError):
                os.dup2(fd, other)
    return "taken over"


def _speak_out_of_turn(data: str) -> None:
    fd = next(fd for fd, what in descriptors().items() if fd > 1024 and what.startswith("socket"))
    os.write(fd, data.encode())
    time.sleep(1000)


def _lie(actor: int, lease: int) -> None:
    """Say in a sound frame what no actor may say."""
    link = own_link()
    link.send(Outcomes(actor, lease, last=True))
    time.sleep(1000)


def _talk(actor: int, lease: int) -> None:
    """Say nothing, in lawful frames, as fast as can be and for ever."""
    link = own_link()
    while True:
        link.send(Outcomes(actor, lease))


def _half_a_frame(actor: int, lease: int, n: int) -> None:
    """Say the first n bytes of a frame that is lawful so far, and die."""
    link = own_link()
    with link._lock:
        frame = b"".join(link._writer.frame(Outcomes(actor, lease, done=[3], last=True)))
        os.write(link._fd, frame[: min(n, len(frame) - 1)])
        os.kill(os.getpid(), signal.SIGKILL)


def _thread() -> str:
    threading.Thread(target=time.sleep, args=(1000,), daemon=False).start()
    return "started"


def _own_child() -> int:
    """Start a process by the library that started this one."""
    child = get_context("fork").Process(target=time.monotonic)
    child.start()
    child.join()
    return int(child.exitcode)


def _forked_and_ended() -> int:
    """Fork, end the child as libraries end theirs, and return the signal that did it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, b"x")
        time.sleep(1000)
    os.read(reader, 1)
    os.kill(pid, signal.SIGTERM)
    return os.WTERMSIG(os.waitpid(pid, 0)[1])


def _print(text: str) -> None:
    print(text)


def _write(fd: int, text: str, times: int) -> str:
    for _ in range(times):
        os.write(fd, text.encode("latin-1"))
    return "written"


COMMANDS: dict[str, Callable[..., Any]] = {
    "facts": facts,
    "raise": _raise,
    "exit": os._exit,
    "sys.exit": sys.exit,
    "kill": lambda number: os.kill(os.getpid(), number),
    "crash": lambda: ctypes.string_at(0),
    "touch": touch,
    "wait": wait_for,
    "sleep": time.sleep,
    "sleep done": _sleep_done,
    "grandchild": lambda path: _child(path, how="plain"),
    "orphan": lambda path: _child(path, how="orphan"),
    "close": _close_all,
    "take over": _take_over,
    "lie": _lie,
    "talk": _talk,
    "half a frame": _half_a_frame,
    "shell": os.system,
    "speak": _speak_out_of_turn,
    "thread": _thread,
    "own child": _own_child,
    "forked": _forked_and_ended,
    "print": _print,
    "write": _write,
    "no stdout": lambda: setattr(sys, "stdout", None),
    "log": lambda level, text: logging.getLogger("mine").log(level, text),
    "many": lambda n: "x" * n,
}


def by_job(batch: Any) -> None:
    """Do what each job says, one after the other."""
    for job in batch:
        result = act(job.args)
        if result is not None:
            job.done(result)


def at_once(batch: Any) -> list[Any]:
    """Do what each job says, marking none."""
    return [act(args) for args in batch.args]


class Recording:
    """Write down what happens to it."""

    def __init__(self) -> None:
        self.path = Path(os.environ["EXTRA"])

    def note(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text + "\n")

    def setup(self, slot: int) -> None:
        self.note(f"setup {slot} in {os.getpid()}")

    def handle(self, batch: Any) -> list[Any]:
        self.note(f"handle {len(batch)}")
        return [act(args) for args in batch.args]

    def teardown(self) -> None:
        self.note("teardown")


class Cyclic:
    """Leave something in `setup` that only the search for cycles can free."""

    def setup(self) -> None:
        gc.disable()
        node = Recording.__new__(Recording)
        node.path = node  # type: ignore[assignment]
        self.node = weakref.ref(node)

    def handle(self, batch: Any) -> list[Any]:
        return [{"frozen": gc.get_freeze_count(), "alive": self.node() is not None}]


class BadSetup:
    """Fail as the environment says."""

    def setup(self) -> None:
        act(msgspec.json.decode(os.environ["EXTRA"]))

    def handle(self, batch: Any) -> None: ...
