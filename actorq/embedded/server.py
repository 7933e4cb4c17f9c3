"""The life of one private server: created, started, joined, left, stopped.

Everything that starts or stops a server happens under `start.lock`. Every process that uses the
server holds a shared lock on `users.lock`; whoever can make that lock exclusive is alone with it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import conninfo, sql

from actorq.embedded import binaries, system
from actorq.embedded.settings import PORT, command_line
from actorq.errors import EmbeddedError

log = logging.getLogger("actorq.embedded")

START_S = 300.0  # recovery after a crash may have gigabytes of WAL to read
LEFTOVERS_S = 30.0  # how long the children of a killed postmaster may linger
AGAIN_S = 0.1  # … and how long to wait between two starts meanwhile
STOP_S = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, 5.0))
NAME = "actorq"  # of the superuser and of the first database
SOCKET_PATH_MAX = 103  # the shortest limit among the systems
LOG_MAX = 10 << 20
WENT_DOWN = "the server that ran went down"
TRY_AGAIN = ("pre-existing shared memory block", "lock file", WENT_DOWN)


def start(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    durable: bool = True,
    settings: Mapping[str, str | int] | None = None,
    bin_dir: str | os.PathLike[str] | None = None,
) -> Server:
    """Start the server on `data_dir`, or join the one that runs there.

    `settings` are given to the server in addition to actorq's own. With `durable=False`, meant for
    tests, a crash of the machine may lose or corrupt the data. `bin_dir` has the server's programs.
    """
    home = Path(data_dir).expanduser().resolve() if data_dir else default_home()
    server = Server(home, durable, settings or {}, Path(bin_dir) if bin_dir else None)
    server.join()
    return server


def default_home() -> Path:
    """Return the data directory of this user: below XDG_DATA_HOME or the home directory."""
    # Root runs its server as another user, who could not enter root's home.
    usual = "/var/lib" if os.geteuid() == 0 else os.path.expanduser("~/.local/share")
    parent = Path(os.environ.get("XDG_DATA_HOME") or usual)
    if parent.is_absolute():  # otherwise this user has no home
        with contextlib.suppress(OSError):
            parent.mkdir(parents=True, exist_ok=True)
        if os.access(parent, os.W_OK):
            return (parent / NAME).resolve()
    return Path(tempfile.gettempdir()).resolve() / f"{NAME}-{os.geteuid()}"


def remove(data_dir: str | os.PathLike[str]) -> bool:
    """Delete a data directory and stop its server; return False if somebody uses it."""
    server = Server(Path(data_dir).resolve(), False, {}, None)
    with server.locked():
        users = system.open_file(server.home / "users.lock", os.O_RDWR)
        try:
            if not system.try_lock(users, fcntl.LOCK_EX):
                return False
            server.stop()
            for path in {server.socket_dir, server.home}:
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(users)
    return True


class Server:
    """A running private server, which this process uses until `close` or until it ends."""

    def __init__(
        self, home: Path, durable: bool, settings: Mapping[str, str | int], bin_dir: Path | None
    ) -> None:
        """Describe the server; `join` starts it."""
        self.home = home
        self.durable = durable
        self._settings = dict(settings)
        self._bin_dir = bin_dir
        self._data = home / "data"
        self._users: int | None = None
        self._pid = os.getpid()

    @property
    def dsn(self) -> str:
        """Return the connection string of the server's first database."""
        return self._dsn(NAME)

    @property
    def socket_dir(self) -> Path:
        """Return the directory of the server's socket: in its home unless that path is too long."""
        inside = self.home / "run"
        length = len(os.fsencode(inside / f".s.PGSQL.{PORT}"))
        if length <= SOCKET_PATH_MAX and "," not in str(inside):  # a comma would separate two hosts
            return inside
        return Path("/tmp") / f"{NAME}-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]}"

    @property
    def pid(self) -> int | None:
        """Return the process id of the running postmaster, if there is one."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        if not system.alive(pid):
            return None
        ours = system.processes_in(self._data)
        return pid if ours is None or pid in ours else None

    def describe(self) -> str:
        """Describe in one line what runs where, as whom, and how durable it is."""
        owner = f" as user {self._user.name}" if self._user else ""
        kept = "durable" if self.durable else "NOT durable (for tests)"
        return (
            f"PostgreSQL {self._binaries.version} from {self._binaries.bin}{owner},"
            f" data in {self.home}, {kept}"
        )

    def __enter__(self) -> Self:
        """Return the server itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the server."""
        self.close()

    def join(self) -> None:
        """Begin to use the server, and make sure that it runs."""
        self._make_home()
        with self.locked():
            self._users = system.open_file(self.home / "users.lock", os.O_RDWR)
            system.try_lock(self._users, fcntl.LOCK_SH)
            try:
                self._prepare()
                self._bring_up()
            except BaseException:
                self._let_go()
                raise
        atexit.register(self.close)
        log.info("using %s", self.describe())

    def ensure(self) -> None:
        """Start the server again if it went down while we use it."""
        with self.locked():
            self._bring_up()

    def close(self) -> None:
        """Leave the server; whoever leaves last stops it. Closing twice is allowed."""
        if self._users is None or self._pid != os.getpid():  # a forked child does not use it
            return
        atexit.unregister(self.close)
        try:
            with self.locked():
                if self._alone():
                    self.stop()
        finally:
            self._let_go()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Prevent everybody else from starting, stopping, joining or leaving this server."""
        with system.exclusive(self.home / "start.lock", START_S):
            yield

    def stop(self) -> None:
        """Stop the server, more and more forcefully; the caller holds the start lock."""
        pid = self.pid
        for sign, wait_s in STOP_S if pid else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid or 0, sign)
            if _wait_gone(pid or 0, wait_s):
                return
            log.warning("the server did not stop within %.0f s of %s", wait_s, sign.name)

    def _let_go(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def _alone(self) -> bool:
        """Tell whether nobody else uses the server; the caller holds the start lock."""
        assert self._users is not None
        alone = system.try_lock(self._users, fcntl.LOCK_EX)
        # Back to shared in both cases, because a refused conversion has released the old lock.
        system.try_lock(self._users, fcntl.LOCK_SH)
        return alone

    def _make_home(self) -> None:
        """Create the home: it is ours, but the server's user can enter the server's part."""
        try:
            self.home.parent.mkdir(parents=True, exist_ok=True)
            # Files in it are 0600; the cluster and the socket are in 0700 directories.
            system.make_dir(self.home, 0o711 if os.geteuid() == 0 else 0o700)
            if not os.access(self.home, os.W_OK):
                raise PermissionError("it is not writable for this user")
        except OSError as error:
            raise EmbeddedError(f"cannot use the data directory {self.home}: {error}") from error

    def _prepare(self) -> None:
        """Find user and programs, and create the cluster if there is none."""
        self._user = system.server_user(self._data)
        if self._user and not self._user.can("-x", self.home):
            raise EmbeddedError(
                f"the server runs as user {self._user.name}, who cannot enter {self.home}:"
                " choose a data directory below one that everybody may enter"
            )
        self._binaries = binaries.reachable(self._choose_binaries(), self._user)
        if not self._data.exists():
            self._init()
        system.make_dir(self.socket_dir, 0o700, self._user)
        self._check_private(self.socket_dir)

    def _choose_binaries(self) -> binaries.Binaries:
        if not self._data.exists():
            return binaries.find(bin_dir=self._bin_dir)
        try:
            major = int((self._data / "PG_VERSION").read_text())
        except (OSError, ValueError) as error:
            raise EmbeddedError(f"{self._data} holds no PostgreSQL cluster: {error}") from error
        return binaries.find(major, self._bin_dir)

    def _check_private(self, directory: Path) -> None:
        """Refuse a socket directory that somebody else made: the server trusts whoever enters."""
        entry = directory.lstat()
        owner = self._user.uid if self._user else os.geteuid()
        private = stat.S_ISDIR(entry.st_mode) and not entry.st_mode & 0o077
        if entry.st_uid != owner or not private:
            raise EmbeddedError(f"{directory} exists, but is not a private directory of the server")

    def _init(self) -> None:
        """Create the cluster beside its place, so that a killed initdb leaves nothing there."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        system.make_dir(fresh, 0o700, self._user)
        command = [str(self._binaries.bin / "initdb"), "-D", str(fresh), "-U", NAME]
        command += ["-A", "trust", "-E", "UTF8", "--no-locale"]
        answer = system.run_as(self._user, command if self.durable else [*command, "--no-sync"])
        if answer.returncode:
            raise EmbeddedError(f"initdb failed: {(answer.stderr or answer.stdout).strip()}")
        fresh.rename(self._data)

    def _bring_up(self) -> None:
        """Make sure that the server runs as requested; the caller holds the start lock."""
        running_as = self._running_as()
        if running_as not in (None, "\n".join(self._command())):
            self._change(running_as or "")
        deadline = time.monotonic() + START_S
        leftovers_until = time.monotonic() + LEFTOVERS_S
        while time.monotonic() < deadline:
            said = self._start_or_join(deadline)
            if said is None:
                self._make_database()
                return
            if not any(sign in said for sign in TRY_AGAIN) or time.monotonic() > leftovers_until:
                raise EmbeddedError(f"PostgreSQL did not start; its log ends with\n{said}")
            self._clear_stale()
            time.sleep(AGAIN_S)
        raise EmbeddedError(f"PostgreSQL did not answer within {START_S:.0f} s; see {self._log}")

    def _running_as(self) -> str | None:
        """Return the command line that the running server was started with, if one runs."""
        if not self.pid:
            return None
        try:
            return (self.home / "server.args").read_text()
        except OSError:
            return ""

    def _change(self, running_as: str) -> None:
        """Stop a server with other settings if only we use it; otherwise use it as it is."""
        if self._alone():
            self.stop()
        elif self.durable and "fsync=off" in running_as:
            raise EmbeddedError(
                f"the server in {self.home} runs for another process, and is not durable:"
                " end that one first, or use another data directory"
            )
        else:
            log.info("the server in %s runs with the settings of another process", self.home)

    def _start_or_join(self, deadline: float) -> str | None:
        """Wait until a server answers (None), or has ended: then return what it printed."""
        said_before = self._log_size()
        running = self.pid
        pid = running or self._spawn()
        while time.monotonic() < deadline:
            if self._answers():
                return None
            if not system.alive(pid):
                return WENT_DOWN if running else self._log_tail(said_before)
            time.sleep(system.POLL_S)
        return f"no answer within {START_S:.0f} s"

    def _spawn(self) -> int:
        """Start the server as nobody's child, so that it outlives us and leaves no zombie."""
        if self._log_size() > LOG_MAX:
            self._log.replace(self._log.with_suffix(".log.old"))
        self._write("server.args", "\n".join(self._command()))
        fd = system.open_file(self._log, os.O_WRONLY | os.O_APPEND)
        try:
            shell = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh"]
            answer = system.run_as(self._user, shell + self._command(), stderr=fd)
        finally:
            os.close(fd)
        return int(answer.stdout)

    def _command(self) -> list[str]:
        return command_line(
            self._binaries.bin, self._data, self.socket_dir, self.durable, self._settings
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._dsn("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_database(self) -> None:
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as conn:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not conn.execute(query, (NAME,)).fetchone():
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))

    def _dsn(self, dbname: str) -> str:
        return conninfo.make_conninfo(
            host=str(self.socket_dir), port=PORT, user=NAME, dbname=dbname
        )

    def _clear_stale(self) -> None:
        """Remove lock files that name a process which is not this server's.

        Process ids are reused. This happens only if it is certain that no process of the server is
        left, because the files protect the data from a second server.
        """
        if system.processes_in(self._data) == []:
            for path in (
                self._data / "postmaster.pid",
                self.socket_dir / f".s.PGSQL.{PORT}.lock",
            ):
                path.unlink(missing_ok=True)

    @property
    def _log(self) -> Path:
        return self.home / "server.log"

    def _log_size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _log_tail(self, start: int) -> str:
        with self._log.open("rb") as file:
            file.seek(max(start, self._log_size() - 4000))
            return file.read().decode(errors="replace").strip()

    def _write(self, name: str, text: str) -> None:
        fd = system.open_file(self.home / name, os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(fd, "w") as file:
            file.write(text)


def _wait_gone(pid: int, wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while system.alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(system.POLL_S)
    return True
