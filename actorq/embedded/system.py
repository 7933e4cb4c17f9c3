"""What a private server needs from the operating system: users, locks, files, processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actorq.errors import EmbeddedError

POLL_S = 0.01

ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    # A batch of large jobs passes through buffers of a megabyte and more. The C library would
    # return each of them to the kernel at once; at 1 kB of args per job, faulting the pages in
    # again is a fifth of what a claim costs the server.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
}
"""The environment of the server and its programs, which get nothing else of ours."""


@dataclass(frozen=True)
class ServerUser:
    """The account under which root runs the server, since PostgreSQL refuses root."""

    name: str
    uid: int
    gid: int

    def can(self, test: str, path: Path) -> bool:
        """Try as this user: `-x` may enter or run, `-r` may read, `-w` may write `path`."""
        answer = subprocess.run(
            ["test", test, str(path)], user=self.uid, group=self.gid, extra_groups=[], check=False
        )
        return answer.returncode == 0


def server_user(owner_of: Path) -> ServerUser | None:
    """Return the user as whom root's server runs; None for other users, who run it themselves.

    The owner of existing data remains its owner.
    """
    if os.geteuid() != 0:
        return None
    entries = [_entry(owner_of.stat().st_uid)] if owner_of.exists() else []
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entries.append(pwd.getpwnam(name))
    for entry in entries:
        if entry and entry.pw_uid != 0:
            return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and there is no user 'postgres' or 'nobody' to"
        " run it as: start actorq as a normal user"
    )


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def run_as(
    user: ServerUser | None, command: list[str], stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run one of the server's programs as its user, unaffected by our terminal's Ctrl-C."""
    try:
        return subprocess.run(
            command,
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
            umask=0o077,
            start_new_session=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )
    except OSError as error:
        raise EmbeddedError(f"cannot run {command[0]}: {error}") from error


def make_dir(path: Path, mode: int, user: ServerUser | None = None) -> None:
    """Create one directory with exactly this mode and owner; an existing one is kept."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    path.chmod(mode)
    if user:
        os.chown(path, user.uid, user.gid)


def open_file(path: Path, flags: int) -> int:
    """Open or create a file of the directory's owner; never through a symbolic link."""
    fd = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)
    return fd


def try_lock(fd: int, how: int) -> bool:
    """Take or convert a file lock without waiting; return whether that succeeded."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def exclusive(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the exclusive lock on `path`; give up with an error after `wait_s`."""
    fd = open_file(path, os.O_RDWR)
    try:
        deadline = time.monotonic() + wait_s
        while not try_lock(fd, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"another process has been starting or stopping the server for {wait_s:.0f} s"
                    f" (it holds {path})"
                )
            time.sleep(POLL_S)
        yield
    finally:
        os.close(fd)  # closing releases the lock


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead but not yet reaped does not."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except OSError:
        return not Path("/proc/self/stat").exists()  # without /proc, believe the signal
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def processes_in(directory: Path) -> list[int] | None:
    """Return the live processes whose working directory this is; None if that is unknowable.

    Every process of a PostgreSQL server works in its data directory, including those that
    outlive a killed postmaster. Root in a container may lack the right to look.
    """
    if not Path("/proc/self/cwd").exists():
        return None
    owner = directory.stat().st_uid
    found = []
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        try:
            if os.path.samefile(f"/proc/{pid}/cwd", directory) and alive(pid):
                found.append(pid)
        except PermissionError:
            if _owner(pid) == owner:
                return None
        except OSError:  # a kernel thread, or gone in the meantime
            continue
    return found


def _owner(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def memory_mb() -> int:
    """Return how much memory this machine or container has."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        total = 2 << 30
    with contextlib.suppress(OSError, ValueError):  # "max", or no such file: no limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total >> 20
