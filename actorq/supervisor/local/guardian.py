"""The guardian: the small process between a supervisor and its actors, and their parent.

The kernel makes it the parent of every process that an actor's handler has started and whose own
parent is gone, whatever its session, group or environment (PR_SET_CHILD_SUBREAPER). So it can end
what a dead actor has left, and everything when the supervisor dies. A supervisor is not taken for
dead before its guardian has left.

This file is run on its own, by `python -I -S guardian.py` with its supervisor's socket as standard
input. It imports little, because every start of actors waits for it. It asks only for process ids
of its own children, and it alone waits for those: an id cannot refer to another process meanwhile.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import time

MARK = "ACTORQ_ACTOR"
"""The variable in an actor's environment that identifies processes of its handler."""

LENGTH = 4
"""How many bytes of a request hold the length of the rest."""

CODE = 2
"""How many bytes tell how an actor has ended: its exit code, or −n for signal n."""

MAX_FDS = 64

STARTED = b"s"

_AGAIN_MS = 2
"""How soon to check again for killed processes; mostly they are gone at once."""

_IGNORED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGPIPE")
"""What a terminal or a service manager sends to all processes; the guardian ignores these and
leaves when its work is done."""

_HELD_BACK = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""The signals that are blocked when an actor starts, until it can ignore them."""

_TRACKER = b"resource_tracker import main"
_CLEAN_S = 1.0
"""How long a resource tracker may take; one with little to unlink takes milliseconds."""

_PR_SET_CHILD_SUBREAPER, _PR_SET_NAME = 36, 15


class Request:
    """A command, its environment, and the numbers under which it expects its descriptors."""

    def __init__(self, command: list[str], environ: dict[str, str], fds: list[int]) -> None:
        self.command, self.environ, self.fds = command, environ, fds

    def encoded(self) -> bytes:
        """Return it as texts that end with a zero byte, which no command or variable can hold."""
        variables = [f"{name}={value}" for name, value in self.environ.items()]
        counted = [str(len(self.command)), *self.command, " ".join(map(str, self.fds)), *variables]
        return b"".join(os.fsencode(text) + b"\0" for text in counted)

    @classmethod
    def decoded(cls, data: bytes) -> Request:
        """Return the request that was encoded."""
        n, *texts = map(os.fsdecode, data.split(b"\0")[:-1])
        command, fds, variables = texts[: int(n)], texts[int(n)], texts[int(n) + 1 :]
        return cls(command, dict(v.split("=", 1) for v in variables), [int(f) for f in fds.split()])


class Ward:
    """An actor, and the socket by which its supervisor learns of its end."""

    def __init__(self, pid: int, mark: str, line: socket.socket) -> None:
        self.pid = pid
        self.mark = f"{MARK}={mark}".encode()
        self.line = line
        self.code: int | None = None  # set once it is dead

    def look(self) -> None:
        """Note the actor's death without reaping it, which keeps its process id ours."""
        if self.code is None:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            died = os.waitid(os.P_PID, self.pid, flags)
            if died is not None:
                exited = died.si_code == os.CLD_EXITED
                self.code = died.si_status if exited else -died.si_status

    def bury(self) -> None:
        """Report that the actor and all its processes are gone."""
        assert self.code is not None
        os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):  # the supervisor is gone, or no longer listens
            self.line.send(self.code.to_bytes(CODE, "big", signed=True))
        self.line.close()


class Guardian:
    """The process that starts actors when asked to, and ends whatever the dead have left."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._wards: dict[int, Ward] = {}
        self._alone = False  # the supervisor is gone, or needs nothing more
        self._cleaning: dict[int, float] = {}  # orphan → how long it may live

    def run(self) -> None:
        """Serve until the supervisor is gone and nobody is left."""
        poll = select.poll()
        poll.register(self._supervisor, select.POLLIN)
        poll.register(_woken_by_deaths(), select.POLLIN)
        with contextlib.suppress(OSError):  # it is gone already: its socket tells that, too
            poll.register(os.pidfd_open(os.getppid()), select.POLLIN)
        busy = False
        while not self._alone or busy:
            if self._alone:  # its socket would be ready all the time
                time.sleep(_AGAIN_MS / 1000)
            else:
                ready = poll.poll(_AGAIN_MS if busy else None)
                self._alone = self._hear([fd for fd, _ in ready])
            busy = self._tidy()

    def _hear(self, ready: list[int]) -> bool:
        """Read what has arrived; return whether the supervisor is gone."""
        mine = (self._supervisor.fileno(), _woken_by_deaths())
        if mine[1] in ready:
            os.read(mine[1], 4096)
        if mine[0] in ready and not self._serve():
            return True
        return any(fd not in mine for fd in ready)

    def _serve(self) -> bool:
        """Answer one request; return whether there was one."""
        try:
            request = _received(self._supervisor)
        except OSError:
            return False
        if request is None:
            return False
        wanted, fds = request
        try:
            self._start(wanted, fds)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _start(self, wanted: Request, fds: list[int]) -> None:
        """Start an actor. The first descriptor is its line, the second its output."""
        line = socket.socket(fileno=os.dup(fds[0]))
        try:
            pid = _spawn(wanted, fds[1:])
            handle = os.pidfd_open(pid)
        except OSError as error:
            with contextlib.suppress(OSError):
                line.send((error.errno or 0).to_bytes(LENGTH, "big"))
            line.close()
            return
        self._wards[pid] = Ward(pid, wanted.environ.get(MARK, ""), line)
        with contextlib.suppress(OSError):
            socket.send_fds(line, [STARTED + pid.to_bytes(LENGTH, "big")], [handle])
        os.close(handle)

    def _tidy(self) -> bool:
        """End the processes that should not live; return whether some of them still do."""
        for ward in self._wards.values():
            ward.look()
            if self._alone and ward.code is None:
                os.kill(ward.pid, signal.SIGKILL)
        dead = [ward for ward in self._wards.values() if ward.code is not None]
        left = self._sweep(dead)
        if not left:
            for ward in dead:
                ward.bury()
                del self._wards[ward.pid]
        return left or (self._alone and bool(self._wards))

    def _sweep(self, dead: list[Ward]) -> bool:
        """Kill what the dead have left; return whether some of it is not gone yet."""
        children = _children()
        if children is None:
            for ward in dead:  # a group is its own as long as it is not reaped
                with contextlib.suppress(OSError):
                    os.killpg(ward.pid, signal.SIGKILL)
            return False
        left = False
        for pid in children:
            if pid in self._wards or self._is_reaped(pid):
                continue
            if self._alone or (dead and self._is_left(pid)):
                left = self._is_cleaning(pid) or _is_killed(pid) or left
        return left

    def _is_reaped(self, pid: int) -> bool:
        """Reap an orphan that has ended; return whether it had."""
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                return False
        except ChildProcessError:
            pass
        self._cleaning.pop(pid, None)
        return True

    def _is_cleaning(self, pid: int) -> bool:
        """Tell whether an orphan is to be given time because it unlinks shared memory.

        Python's resource tracker does so when all processes that used it are gone.
        """
        if pid not in self._cleaning:
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    is_tracker = _TRACKER in file.read()
            except OSError:
                is_tracker = False
            self._cleaning[pid] = time.monotonic() + _CLEAN_S if is_tracker else 0.0
        return time.monotonic() < self._cleaning[pid]

    def _is_left(self, pid: int) -> bool:
        """Tell whether an orphan belongs to no living actor; in doubt it belongs to a dead one."""
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                marks = file.read().split(b"\0")
            groups = os.getpgid(pid), os.getsid(pid)
        except OSError:  # another user's, or gone
            return True
        living = [ward for ward in self._wards.values() if ward.code is None]
        return not any(ward.mark in marks or ward.pid in groups for ward in living)


def _spawn(wanted: Request, fds: list[int]) -> int:
    """Start a program with descriptors of ours under the numbers it expects."""
    base = max(wanted.fds, default=2) + 1
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, base) for fd in fds]
    places = zip([1, 2, *wanted.fds], [high[0], *high], strict=True)
    try:
        return os.posix_spawn(
            wanted.command[0],
            wanted.command,
            wanted.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *((os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in places),
            ],
            setpgroup=0,
            setsigmask=_HELD_BACK,
            setsigdef=[*map(_number, _IGNORED), signal.SIGCHLD, signal.SIGXFSZ],
        )
    finally:
        for fd in high:
            os.close(fd)


def _children() -> list[int] | None:
    """Return the processes whose parent this is, including zombies; None if that is unknown."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:  # a kernel without that, or no /proc: only groups are known
        return None


def _is_killed(pid: int) -> bool:
    """Kill an orphan; return False if it has rights that we do not have."""
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True


def _received(sock: socket.socket) -> tuple[Request, list[int]] | None:
    """Return the next request with its descriptors, None at the end."""
    head, fds = receive(sock, LENGTH, MAX_FDS)
    left = int.from_bytes(head, "big") if len(head) == LENGTH else 0
    data = b""
    while len(data) < left:
        part = sock.recv(left - len(data))
        if not part:
            return None
        data += part
    return (Request.decoded(data), fds) if data else None


def receive(sock: socket.socket, n: int, max_fds: int) -> tuple[bytes, list[int]]:
    """Receive n bytes and descriptors, which programs started from here do not inherit.

    `socket.recv_fds` leaves them inheritable: Python 3.11 ignores the flags it is given.
    """
    flags = socket.MSG_WAITALL | socket.MSG_CMSG_CLOEXEC
    fds = array.array("i")
    data, rest, _, _ = sock.recvmsg(n, socket.CMSG_LEN(max_fds * fds.itemsize), flags)
    for _, _, payload in rest:
        fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    return data, fds.tolist()


_wakes: list[int] = []


def _woken_by_deaths() -> int:
    """Return a descriptor that becomes readable when a child has died."""
    if not _wakes:
        ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _wakes.append(ours)
    return _wakes[0]


def _number(name: str) -> signal.Signals:
    return signal.Signals[name]


def main() -> None:
    """Run as a guardian."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_NAME, b"actorq guardian", 0, 0, 0)
    for name in _IGNORED:
        signal.signal(_number(name), signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    Guardian(socket.socket(fileno=0)).run()


if __name__ == "__main__":
    main()
