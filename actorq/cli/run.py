"""The command that runs jobs: run."""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from actorq.cli.database import location
from actorq.cli.load import load_app
from actorq.dsn import VARIABLE
from actorq.supervisor.engine import Engine
from actorq.supervisor.options import RunOptions, RunSettings

if TYPE_CHECKING:
    from actorq.app import App

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def run(args: Namespace) -> int:
    """Serve an app's kinds until a signal says stop, or until nothing is due."""
    app = load_app(args.app)
    _log_to_stderr(args.log_level)
    with location(args, app) as (dsn, schema):
        app.relocate(dsn if args.dsn or args.embedded else None, schema)
        # Handlers that use another app, or a connection of their own, find the same database.
        os.environ[VARIABLE] = dsn
        return Engine(_options(args, app), app.events).run()


def _options(args: Namespace, app: App) -> RunOptions:
    given = {name: getattr(args, name) for name in ("ttl_s", "poll_s", "grace_s", "limit_s")}
    settings: RunSettings = {"notify": not args.poll_only, "until_final": args.until_final}
    settings.update({name: value for name, value in given.items() if value is not None})  # type: ignore[typeddict-item]
    return app.run_options(kinds=args.kind, queues=args.queue, drain=args.drain, **settings)


def _log_to_stderr(level: str) -> None:
    """Log to the terminal, unless the user's own code has set up logging already."""
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)
