"""Start actor processes: each with its page, its pipes and the environment of its slot."""

from __future__ import annotations

import _thread
import contextlib
import os
import socket
from collections.abc import Mapping
from types import BuiltinFunctionType

from actorq.actor.boot import boot_of
from actorq.actor.bound import BoundKind
from actorq.core.job.policy import KindPolicy
from actorq.dsn import Place
from actorq.errors import ConfigError
from actorq.loading import refuse_while_loading
from actorq.pipe.page import Page
from actorq.supervisor.local import process
from actorq.supervisor.local.actor_process import ActorProcess
from actorq.supervisor.local.exits import ExitInfo
from actorq.supervisor.local.guardian_client import Guard
from actorq.supervisor.local.pipes import Pipes
from actorq.supervisor.local.process import Child, GuardedChild

THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "ACTORQ_THREADS",
)
"""Variables that numeric libraries read once, when they are loaded. The last one is for handlers,
which pass it to libraries that read none."""

SEND_BUFFER = 1 << 20
"""The send buffer for a batch's args; the system may allow less. What does not fit wakes two
threads later: with 1 kB a job and the kernel's 208 kB, a job costs the supervisor 1/7 more."""

NO_FD = -1


class Pool:
    """The starter of actor processes; `pipes` reports each of them until it is dead.

    `place` is where the jobs are, for handlers that enqueue.
    """

    def __init__(self, pipes: Pipes, place: Place | None = None) -> None:
        refuse_while_loading("a supervisor was started")
        if not isinstance(_thread.start_new_thread, BuiltinFunctionType):
            raise ConfigError(
                "the threads of this process have been patched, as by eventlet or gevent, and a "
                "supervisor needs real ones: patch where handlers run only, in their setup or "
                "where ACTORQ_SLOT is in os.environ, and enqueue from patched processes"
            )
        self._pipes = pipes
        self._place = place
        self._guard = Guard.start()
        self._closed = socket.socket()  # stands for the pipe of an actor that could not be started
        self._closed.close()

    def spawn(self, number: int, kind: BoundKind, index: int) -> ActorProcess:
        """Start an actor for slot `index` of a kind.

        Without a guardian, call it in a thread that lives as long as the actors should, because
        the kernel ends them with it. Raises ConfigError for a handler that cannot be sent. If the
        system refuses a process, its ActorDied says so.
        """
        boot = boot_of(number, kind, index, self._place)
        actor = ActorProcess(
            number, kind.name, index, Page.private(kind.policy.max_batch), self._closed, NO_FD
        )
        try:
            self._bring_up(actor, kind)
        except OSError as error:
            actor.page.close()
            actor.page = Page.private(actor.page.capacity)
            self._pipes.stillborn(actor, ExitInfo(problem=f"it could not be started: {error}"))
            return actor
        self._pipes.add(actor)
        actor.send(boot)
        return actor

    @property
    def guardian(self) -> int | None:
        """Return the process id of the guardian, None if there is none."""
        return self._guard.pid if self._guard is not None else None

    def close(self) -> None:
        """Let the guardian leave."""
        if self._guard is not None:
            self._guard.close()

    def _bring_up(self, actor: ActorProcess, kind: BoundKind) -> None:
        """Give an actor its page, pipes and process; raises OSError if one is refused."""
        actor.page = Page.shared(kind.policy.max_batch)
        try:
            self._connect(actor, kind)
        finally:
            actor.page.handed_over()

    def _connect(self, actor: ActorProcess, kind: BoundKind) -> None:
        actor.socket, theirs = socket.socketpair()
        with theirs:
            actor.log_fd, their_log = os.pipe()
            try:
                actor.socket.setblocking(False)
                with contextlib.suppress(OSError):  # Linux grants what it may, other systems refuse
                    actor.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                os.set_blocking(actor.log_fd, False)
                actor.child = self._start(kind, actor, theirs.fileno(), their_log)
            finally:
                os.close(their_log)

    def _start(
        self, kind: BoundKind, actor: ActorProcess, fd: int, log_fd: int
    ) -> Child | GuardedChild:
        if self._guard is not None and not self._guard.is_alive():
            self._guard.close()
            self._guard = Guard.start()
        return process.start(
            (fd, self.guardian or os.getpid(), actor.page.fd, actor.page.capacity),
            name=f"actorq {kind.name}[{actor.index}]",
            env=environment(dict(os.environ), kind.policy, actor.index),
            log_fd=log_fd,
            fds=[fd, actor.page.fd],
            guard=self._guard,
        )


def environment(base: Mapping[str, str], policy: KindPolicy, index: int) -> dict[str, str]:
    """Return the environment of an actor: the kind's own settings, then the environment here.

    The default is one thread each: as many actors as cores already keep those busy.
    """
    threads = dict.fromkeys(THREAD_COUNTS, str(policy.threads or 1))
    around = {**threads, **base} if policy.threads is None else {**base, **threads}
    return {**around, "ACTORQ_SLOT": str(index), **policy.env}
