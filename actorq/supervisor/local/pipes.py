"""One thread that reads everything actors say: frames, log lines, deaths.

It decides nothing. A death is posted only when every frame that had arrived was delivered, and when
the process and its group are gone, so that whoever learns of it can give the jobs away.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from actorq.core.plan import inputs as i
from actorq.errors import ProtocolError
from actorq.logs import logger
from actorq.pipe.logline import LogLine
from actorq.supervisor.ends import Fatal
from actorq.supervisor.local.actor_process import ActorProcess
from actorq.supervisor.local.exits import ExitInfo, OomCounter, exit_info
from actorq.supervisor.local.output_lines import OutputLines, shown
from actorq.supervisor.local.stacks import Stacks

READ_SIZE = 1 << 18
RECHECK_S = 0.002
"""How soon to check again whether a killed group is gone; mostly it is at once."""

EXIT_S = 1.0
"""How long a process may live on without its pipe: one that exits closes its pipe first."""


@dataclass(slots=True)
class _Watched:
    """What this thread knows of one actor."""

    actor: ActorProcess
    lines: OutputLines = field(default_factory=OutputLines)
    stacks: Stacks = field(default_factory=Stacks)
    code: int | None = None
    is_dead: bool = False
    is_orphaned: bool = False  # its guardian died before it
    is_broken: bool = False  # what it says is ignored
    kill_at: float = math.inf  # when to kill it if it has not ended by itself


class Pipes(threading.Thread):
    """The thread that reads from and writes to all actors; it passes what happens to `post`."""

    def __init__(self, post: Callable[[object], None]) -> None:
        super().__init__(name="actorq-pipes", daemon=True)
        self._post = post
        self._selector = selectors.DefaultSelector()
        self._orders: deque[Callable[[], None]] = deque()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._selector.register(self._wake_r, selectors.EVENT_READ, self._on_wake)
        self._watched: dict[int, _Watched] = {}
        self._oom = OomCounter()
        self._is_closing = False

    # ---- called from other threads ----

    def add(self, actor: ActorProcess) -> None:
        """Watch an actor from now on."""
        self._order(lambda: self._add(actor))
        actor.on_want_write(lambda: self._order(lambda: self._want_write(actor)))

    def stillborn(self, actor: ActorProcess, exit_: ExitInfo) -> None:
        """Report an actor whose process could not be started."""
        actor.socket.close()
        if actor.log_fd >= 0:
            os.close(actor.log_fd)
        self._order(lambda: self._post(i.ActorDied(actor.number, exit_.error(), 0, [])))

    def close(self, deadline: float) -> None:
        """End the thread once all actors are dead; at the deadline they are killed."""
        if self.ident is None:
            self._release_own()
            return
        self._order(lambda: self._close(deadline))
        self.join()

    def _order(self, call: Callable[[], None]) -> None:
        self._orders.append(call)
        with contextlib.suppress(OSError):  # full of wake-ups, or closed: this thread has ended
            self._wake_w.send(b"\0")

    # ---- this thread ----

    def run(self) -> None:
        """Serve until closed; a bug in here ends the actors and is reported as Fatal."""
        try:
            while not self._is_over():
                for key, events in self._selector.select(self._timeout()):
                    key.data(events)
                self._bury()
        except BaseException as error:  # nobody reads what actors say any more
            for watched in self._watched.values():
                watched.actor.kill("the supervisor failed")
            self._post(Fatal(error))
        self._release_own()

    def _release_own(self) -> None:
        self._selector.close()
        self._wake_r.close()
        self._wake_w.close()

    def _is_over(self) -> bool:
        return self._is_closing and not self._watched and not self._orders

    def _timeout(self) -> float | None:
        if any(watched.is_dead for watched in self._watched.values()):
            return RECHECK_S
        kill_at = min((watched.kill_at for watched in self._watched.values()), default=math.inf)
        return None if math.isinf(kill_at) else max(0.0, kill_at - time.monotonic())

    def _on_wake(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_r.recv(4096)
        while self._orders:
            self._orders.popleft()()

    def _add(self, actor: ActorProcess) -> None:
        assert actor.child is not None
        watched = self._watched[actor.number] = _Watched(actor)
        read = selectors.EVENT_READ
        self._selector.register(actor.socket, read, lambda events: self._on_pipe(watched, events))
        self._selector.register(actor.log_fd, read, lambda _: self._on_log(watched))
        self._selector.register(actor.child, read, lambda _: self._on_death(watched))

    def _want_write(self, actor: ActorProcess) -> None:
        watched = self._watched.get(actor.number)
        if watched is not None and not watched.is_broken and not watched.is_dead:
            self._listen(watched, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _listen(self, watched: _Watched, events: int) -> None:
        key = self._selector.get_key(watched.actor.socket)
        if key.events != events:
            self._selector.modify(watched.actor.socket, events, key.data)

    def _on_pipe(self, watched: _Watched, events: int) -> None:
        if events & selectors.EVENT_WRITE and watched.actor.write():
            self._listen(watched, selectors.EVENT_READ)
        if events & selectors.EVENT_READ and self._read(watched) is False:
            self._deafen(watched)
            watched.kill_at = time.monotonic() + EXIT_S

    def _read(self, watched: _Watched) -> bool | None:
        """Deliver what has arrived; None if nothing had, False at the end of the pipe."""
        try:
            data = watched.actor.socket.recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return False
        watched.actor.reader.feed(data)
        try:
            for message in watched.actor.reader.messages():
                watched.actor.ledger.check(message)
                if isinstance(message, i.Answer):
                    self._post(message)
        except ProtocolError as error:
            self._break(watched, f"it broke the protocol: {error}")
            return None
        return bool(data)

    def _break(self, watched: _Watched, problem: str) -> None:
        """End an actor that cannot be understood."""
        self._deafen(watched)
        if not watched.is_dead:
            watched.actor.kill(problem)

    def _deafen(self, watched: _Watched) -> None:
        """Ignore what an actor says from now on."""
        if not watched.is_broken and not watched.is_dead:
            self._selector.unregister(watched.actor.socket)
        watched.is_broken = True

    def _on_log(self, watched: _Watched) -> bool:
        """Log what was printed; return whether there was anything."""
        try:
            data = os.read(watched.actor.log_fd, READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError):
                self._selector.unregister(watched.actor.log_fd)
            return False
        self._log(watched, watched.lines.feed(data, time.monotonic()))
        return True

    def _log(self, watched: _Watched, lines: list[LogLine]) -> None:
        actor = watched.actor
        texts = [shown(line) for line in lines]
        watched.stacks.feed(texts)
        log = logger(f"actorq.actor.{actor.kind}")
        for line, text in zip(lines, texts, strict=True):
            job = "" if line.job is None else f" job {line.job}:"
            extra = _extra(actor, line)
            log.log(line.level, "%s[%d]%s %s", actor.kind, actor.index, job, text, extra=extra)

    # ---- death ----

    def _on_death(self, watched: _Watched) -> None:
        actor = watched.actor
        assert actor.child is not None
        self._selector.unregister(actor.child)
        if not watched.is_broken:
            self._selector.unregister(actor.socket)
        watched.code = actor.child.reap()
        watched.is_orphaned = actor.child.is_orphaned
        watched.is_dead = True

    def _bury(self) -> None:
        """Kill those that have overstayed; report those whose group is gone."""
        now = time.monotonic()
        for watched in list(self._watched.values()):
            child = watched.actor.child
            assert child is not None
            if watched.is_dead:
                if child.is_group_gone():
                    self._report(watched)
            elif now >= watched.kill_at:
                watched.kill_at = math.inf
                watched.actor.kill(
                    "it closed its pipe" if watched.is_broken else "the supervisor ends"
                )

    def _report(self, watched: _Watched) -> None:
        actor = watched.actor
        while not watched.is_broken and self._read(watched):
            pass
        while self._on_log(watched):
            pass
        self._log(watched, watched.lines.end(time.monotonic()))
        del self._watched[actor.number]
        oom = watched.code == -9 and not actor.problem and self._oom.has_risen()
        self._release(actor)
        if watched.is_orphaned:  # no job has caused that
            exit_ = ExitInfo(problem="the guardian of its supervisor has died")
            self._post(i.ActorDied(actor.number, exit_.error(), 0, []))
        else:
            exit_ = exit_info(watched.code, oom, actor.problem, watched.stacks.text())
            taken = actor.page.taken
            taken = taken if actor.ledger.is_open(taken) else 0
            self._post(i.ActorDied(actor.number, exit_.error(), taken, actor.page.running()))

    def _release(self, actor: ActorProcess) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(actor.log_fd)
        actor.socket.close()
        os.close(actor.log_fd)
        assert actor.child is not None
        actor.child.close()

    def _close(self, deadline: float) -> None:
        self._is_closing = True
        for watched in self._watched.values():
            watched.kill_at = min(watched.kill_at, deadline)


def _extra(actor: ActorProcess, line: LogLine) -> dict[str, object]:
    """Return what the record of an actor's line has besides its text."""
    return {
        "kind": actor.kind,
        "slot": actor.index,
        "actorq_kind": actor.kind,
        "actorq_batch": line.batch,
        "actorq_job": line.job,
        "actorq_attempt": line.attempt,
        "actorq_line": line,
    }
