"""The live view: a thread that looks, and the terminal that shows what it has seen last."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time

from actorq.dsn import masked
from actorq.errors import ActorqError
from actorq.store.admin.run import placed
from actorq.store.session.connection import Session
from actorq.top.choice import QUIT, Choice, pressed
from actorq.top.frame import frame
from actorq.top.read import TTL_S, Sights
from actorq.top.table import Line
from actorq.top.terminal import Terminal, ViewOver
from actorq.top.values import PerSecond, Sight, per_second

EVERY_S = 1.0
SHARE = 10
"""Looking takes a tenth of the time at most: with millions of jobs it takes a while."""

FIRST_REPORTS_S = 3.0
"""How long a single frame waits for two reports of each supervisor."""

SILENT_S = 5.0
"""After how long without an answer that is said: a connection may hang for minutes."""

LEAVE_S = 2.0
UNLIMITED = 1_000_000


class Looker(threading.Thread):
    """The thread that looks about once a second, and over and over for a database that is away."""

    def __init__(self, dsn: str, schema: str) -> None:
        super().__init__(name="looker", daemon=True)
        self._dsn, self._schema = dsn, schema
        self._sights = Sights(schema)
        self._stopping = threading.Event()
        self.news, self._tell = os.pipe()  # readable when there is something new
        self.sight: Sight | None = None
        self.per_second = PerSecond({}, None)
        self.trouble = ""
        self.failed: Exception | None = None  # the end of this thread, which nobody expected
        self.wait_s = EVERY_S  # until it looks again

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopping.is_set():
            try:
                with placed(self._dsn, self._schema) as (conn, _):
                    self._look(conn)
            except ActorqError as error:
                self._away(error)
                self._stopping.wait(EVERY_S)
            except Exception as error:
                self.failed = error
                os.write(self._tell, b".")
                return

    def stop(self) -> None:
        """Leave, and have supervisors report no more."""
        self._stopping.set()
        self.join(LEAVE_S)

    def first(self) -> Sight:
        """Look once, in this thread; raises what is wrong with the database."""
        with placed(self._dsn, self._schema) as (conn, _):
            self.sight = self._sights.look(conn)
        return self.sight

    def once(self) -> Sight:
        """Look until all supervisors have reported twice, or some seconds have passed."""
        until = time.monotonic() + FIRST_REPORTS_S
        with placed(self._dsn, self._schema) as (conn, _):
            first = seen = self._sights.look(conn)
            while time.monotonic() < until and (first is seen or not _is_known(first, seen)):
                time.sleep(EVERY_S / 4)
                seen = self._sights.look(conn)
                first = seen if first.reports.keys() != seen.reports.keys() else first
            self._sights.leave(conn)
        self.sight, self.per_second = seen, per_second(first, seen)
        return seen

    def _look(self, conn: Session) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            seen = self._sights.look(conn)
            self.per_second = per_second(self.sight, seen)
            self.sight, self.trouble = seen, ""
            os.write(self._tell, b".")
            self.wait_s = max(EVERY_S, SHARE * (time.monotonic() - begun))
            self._pause(conn)
        self._sights.leave(conn)

    def _pause(self, conn: Session) -> None:
        """Wait until it is time to look again; meanwhile let supervisors go on reporting."""
        until = time.monotonic() + self.wait_s
        while (left_s := until - time.monotonic()) > 0 and not self._stopping.is_set():
            self._stopping.wait(min(left_s, TTL_S / 4))
            self._sights.ask(conn)

    def _away(self, error: ActorqError) -> None:
        first = masked(str(error)).strip().splitlines()[:1]
        self.trouble = f"the database does not answer, trying again: {' '.join(first)}"
        os.write(self._tell, b".")


def _is_known(first: Sight, seen: Sight) -> bool:
    """Tell whether it is known of all supervisors that live what they use a second."""
    living = {node.pid for node in seen.nodes if node.alive}
    return living <= per_second(first, seen).cpu.keys()


def one_frame(dsn: str, schema: str) -> None:
    """Print one frame, for what is no terminal."""
    looker = Looker(dsn, schema)
    sight = looker.once()
    width = shutil.get_terminal_size().columns  # as COLUMNS says, or 80
    lines = frame(sight, looker.per_second, Choice(), width, UNLIMITED)
    for line in lines[:-1]:  # the last one explains keys
        print(line.text)


def live(dsn: str, schema: str) -> None:
    """Show the live view until somebody quits."""
    looker = Looker(dsn, schema)
    looker.first()
    terminal = Terminal()
    try:
        with terminal.taken():
            looker.start()
            _show(terminal, looker)
    except ViewOver:
        pass
    finally:
        looker.stop()


def _show(terminal: Terminal, looker: Looker) -> None:
    choice = Choice()
    while looker.failed is None:
        terminal.show(_frame(terminal, looker, choice))
        for key in terminal.wait(EVERY_S, looker.news):
            if key == QUIT and not choice.typing:
                return
            choice = pressed(choice, key)
        _drain(looker.news)
    raise looker.failed


def _frame(terminal: Terminal, looker: Looker, choice: Choice) -> list[Line]:
    sight = looker.sight
    assert sight is not None
    silent_s = time.monotonic() - sight.at
    trouble = looker.trouble
    if silent_s > max(SILENT_S, 2 * looker.wait_s) and not trouble:
        trouble = f"the database has not answered for {silent_s:.0f} s"
    return frame(sight, looker.per_second, choice, *terminal.size, trouble)


def _drain(fd: int) -> None:
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        os.read(fd, 1024)


def is_terminal() -> bool:
    """Tell whether a live view can be shown."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
