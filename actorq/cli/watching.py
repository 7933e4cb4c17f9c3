"""What goes on looking: the commands metrics and top, and the option --metrics of run."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from actorq.cli.database import location
from actorq.core.exit_codes import OK
from actorq.errors import ConfigError
from actorq.logs import logger

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.metrics.server import Source
    from actorq.supervisor.engine import Engine

LISTEN = "127.0.0.1:9711"


def metrics(args: Namespace) -> int:
    """Serve the metrics of a database until a signal says stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with (
        location(args) as (dsn, schema),
        _served("--listen", args.listen or LISTEN, _database(dsn, schema)) as url,
    ):
        print(f"metrics at {url}", flush=True)
        stop.wait()
    return OK


def top(args: Namespace) -> int:
    """Show what happens, again and again; one frame where there is no terminal."""
    try:
        import rich  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigError("top needs rich: pip install 'actorq[top]'") from None
    from actorq.top.live import is_terminal, live, one_frame

    with location(args) as (dsn, schema):
        (live if is_terminal() else one_frame)(dsn, schema)
    return OK


@contextmanager
def scraped(text: str | None, engine: Engine, app: App) -> Iterator[None]:
    """Serve the metrics of a supervisor while the block runs, if that was asked for."""
    if text is None:
        yield
        return
    _check_extra("--metrics")
    from actorq.metrics.supervisor import SupervisorSource
    from actorq.store.admin.status import lanes_now

    source = SupervisorSource(engine.ask, lambda: lanes_now(app.dsn(), app.schema))
    app.events.subscribe(source.hear)
    with _served("--metrics", text, source) as url:
        logger("actorq").info("metrics at %s", url)
        yield


@contextmanager
def _served(option: str, text: str, source: Source) -> Iterator[str]:
    from actorq.metrics.address import address
    from actorq.metrics.server import served

    host, port = address(option, text)
    with served(option, host, port, source) as url:
        yield url


def _database(dsn: str, schema: str) -> Source:
    _check_extra("metrics")
    from actorq.metrics.database import DatabaseSource
    from actorq.store.admin.run import placed

    with placed(dsn, schema):
        pass  # what is wrong with it is told at once
    return DatabaseSource(lambda: placed(dsn, schema))


def _check_extra(what: str) -> None:
    try:
        import prometheus_client  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigError(
            f"{what} needs prometheus-client: pip install 'actorq[metrics]'"
        ) from None
