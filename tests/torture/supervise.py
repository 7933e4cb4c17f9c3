"""A supervisor process of the torture run: short times, and its events in a file."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

from actorq.cli.load import load_app
from actorq.core.event import Event
from actorq.events import Events
from actorq.events.log_lines import LogLines
from actorq.supervisor.engine import Engine
from tests.torture import leash
from tests.torture.handlers import DIRECTORY
from tests.torture.history import SUPERVISOR, Writer


def main() -> int:
    """Serve until told to stop; the times come as arguments `name=seconds`."""
    leash.hold()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # a run in the background would have us ignore them
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    log = Writer(DIRECTORY, "supervisor")
    log.write("pid", os.getpid())
    # Actors inherit it: the process tree no longer tells whose they are once this one is killed.
    os.environ[SUPERVISOR] = str(os.getpid())

    def write(event: Event) -> None:
        fields = {k: v for k, v in event.fields().items() if k != "traceback"}
        log.write(event.name, fields)

    times: dict[str, Any] = {
        name: float(value) for name, value in (a.split("=") for a in sys.argv[1:])
    }
    app = load_app("tests.torture.handlers")  # its actors load that alone, and not this module
    options = app.run_options(**times)
    return Engine(options, Events(LogLines(), write)).run()


if __name__ == "__main__":
    sys.exit(main())
