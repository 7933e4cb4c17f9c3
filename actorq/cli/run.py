"""The command that runs jobs: run."""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from actorq.cli import exit_code
from actorq.cli.database import location
from actorq.cli.load import load_app
from actorq.cli.watching import scraped
from actorq.dsn import VARIABLE, masked
from actorq.errors import ActorqError, ConfigError
from actorq.logs import JsonLines, logger
from actorq.supervisor.engine import Engine
from actorq.supervisor.options import RunOptions, RunSettings

if TYPE_CHECKING:
    from actorq.app import App

LOG_FORMAT_VARIABLE = "ACTORQ_LOG_FORMAT"
FORMATS = ("text", "json")
LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def run(args: Namespace) -> int:
    """Serve an app's kinds until a signal says stop, or until nothing is due."""
    is_json = _format(args.log_format) == "json"
    try:
        return _served(args, is_json)
    except ActorqError as error:
        if not is_json:
            raise
        _log_as_json(args.log_level)
        logger("actorq").error("%s", masked(str(error)))
        return exit_code(error)


def _served(args: Namespace, is_json: bool) -> int:
    app = load_app(args.app)
    (_log_as_json if is_json else _log_to_stderr)(args.log_level)
    with location(args, app) as (dsn, schema):
        app.relocate(dsn if args.dsn or args.embedded else None, schema)
        # Handlers that use another app, or a connection of their own, find the same database.
        os.environ[VARIABLE] = dsn
        engine = Engine(_options(args, app), app.events, counts=args.metrics is not None)
        with scraped(args.metrics, engine, app):
            return engine.run()


def _format(given: str | None) -> str:
    """Return how to log: as the option says, else as the variable does."""
    found = given or os.environ.get(LOG_FORMAT_VARIABLE) or FORMATS[0]
    if found not in FORMATS:
        raise ConfigError(
            f"{LOG_FORMAT_VARIABLE}={found!r}: the log is written as {' or '.join(FORMATS)}"
        )
    return found


def _options(args: Namespace, app: App) -> RunOptions:
    given = {name: getattr(args, name) for name in ("ttl_s", "poll_s", "grace_s", "limit_s")}
    settings: RunSettings = {"notify": not args.poll_only, "until_final": args.until_final}
    settings.update({name: value for name, value in given.items() if value is not None})  # type: ignore[typeddict-item]
    return app.run_options(kinds=args.kind, queues=args.queue, drain=args.drain, **settings)


def _log_to_stderr(level: str) -> None:
    """Log to the terminal, unless the user's own code has set up logging already."""
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)


def _log_as_json(level: str) -> None:
    """Log JSON to the terminal, also where the user's own code has set up logging already.

    That code's handlers stay; of those that write to the terminal, only the format is replaced.
    """
    logging.captureWarnings(True)
    root = logging.getLogger()
    _log_to_stderr(level)
    theirs = [handler for handler in root.handlers if _writes_to_stderr(handler)]
    for handler in theirs or [logging.StreamHandler()]:
        handler.setFormatter(JsonLines())
        if handler not in root.handlers:
            root.addHandler(handler)


def _writes_to_stderr(handler: logging.Handler) -> bool:
    return getattr(handler, "stream", None) in (sys.stderr, sys.__stderr__)
