"""Fixtures for every test: a server, a migrated database of one's own, a check for leaks.

Nothing starts before a test asks for it: tests of pure code need no server. By default it
is the embedded one; ACTORQ_TEST_DSN names another (a superuser's), ACTORQ_TEST_PG=15 takes
the programs of that version that Debian has installed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support import seeds
from tests.support.turns import turn
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.store.kit import Kit
    from tests.support.network import Network
    from tests.support.reuse import Databases


@pytest.hookimpl(tryfirst=True)  # before Hypothesis has looked at its options
def pytest_configure(config: pytest.Config) -> None:
    """Take a seed, and heed the signals that a shell in the background has had us ignore.

    What a test starts would ignore them, too.
    """
    seeds.take(config)
    for each, handler in (
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGINT, signal.default_int_handler),
    ):
        if signal.getsignal(each) is signal.SIG_IGN:
            signal.signal(each, handler)


def pytest_report_header() -> str:
    """Say what was drawn."""
    return seeds.said()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode
) -> None:
    """Say it again where something has failed, for a quiet run has no header."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.write_line(seeds.said())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Have tests marked `alone` wait until no other process of this run is in a test."""
    workers = getattr(item.config, "workerinput", None)
    if workers is None:
        return (yield)
    with turn(workers["testrunuid"], alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _no_byte_code() -> None:
    """Let what a test starts leave no byte code, unlike the processes that run the tests.

    Python knows a module by its size and by whole seconds, and a test may write one anew within
    one. A controller must not set this: its workers would inherit it.
    """
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Return the connection string of a database server, for making databases on it."""
    from tests.support.server import running_server

    with running_server() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """Return the name of a migrated database that others are cloned from."""
    from actorq.store.schema.migrate import migrate
    from tests.support.server import database, dbname

    with database(server) as dsn:
        migrate(dsn, "actorq")
        yield dbname(dsn)


@pytest.fixture(scope="session")
def databases(server: str, template: str) -> Iterator[Databases]:
    """Return a lender of databases, each of which is like the template."""
    from tests.support.reuse import Databases

    made = Databases(server, template)
    yield made
    made.close()


@pytest.fixture
def dsn(databases: Databases) -> Iterator[str]:
    """Return the connection string of a migrated, empty database of this test's own."""
    with databases.one() as dsn:
        yield dsn


@pytest.fixture
def empty_dsn(server: str) -> Iterator[str]:
    """Return the connection string of a database without actorq's schema."""
    from tests.support.server import database

    with database(server) as dsn:
        yield dsn


@pytest.fixture
def direct(dsn: str) -> Iterator[Connection]:
    """Return a plain connection to the test's database."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.fixture
def network(dsn: str) -> Iterator[Network]:
    """Return a way to the test's database that can be disturbed."""
    from tests.support.network import Network

    network = Network(dsn)
    yield network
    network.close()


@pytest.fixture
def kit(dsn: str) -> Iterator[Kit]:
    """Return a store on the test's database, and what its tests need around it."""
    from tests.store.kit import Kit

    kit = Kit(dsn)
    yield kit
    kit.close()


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail the test if it leaves a child process or an open file behind."""
    me = psutil.Process(os.getpid())
    children, n_fds = set(me.children(recursive=True)), _open_files(me)
    yield
    wait_until(lambda: set(me.children(recursive=True)) <= children, what="child processes to end")
    wait_until(lambda: _open_files(me) <= n_fds, what=f"open files to fall back to {n_fds}")


def _open_files(process: psutil.Process) -> int:
    """Count the open files."""
    return int(process.num_fds())
