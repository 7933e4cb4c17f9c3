"""The command `actorq wait`: wait until jobs are final, and say what became of each."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actorq.cli import complain
from actorq.cli.database import located, location
from actorq.cli.output import print_json
from actorq.client.counting import wait_for_count
from actorq.client.waits import with_states
from actorq.core.exit_codes import FAILED, OK, TIMED_OUT, UNREACHABLE
from actorq.english import count
from actorq.errors import ConfigError, WaitTimeout

TIMEOUT_S = 3600.0


def wait(args: Namespace) -> int:
    """Wait for the jobs with these ids; 0 if all are completed, 1 if not, 5 if time is up."""
    if bool(args.ids) == (args.count is not None):
        raise ConfigError("wait: give either IDs, or --count N, with --kind if you like")
    if args.count is not None:
        return _count(args)
    if args.kind is not None:
        raise ConfigError("wait: --kind chooses what --count counts, and an ID names one job")
    ids = list(dict.fromkeys(args.ids))
    timeout_s = TIMEOUT_S if args.timeout_s is None else args.timeout_s
    became: Counter[str] = Counter()
    with location(args) as (dsn, schema), located(dsn, schema) as app, _bar(len(ids)) as advance:
        try:
            for job, state in with_states(map(app.job, ids), timeout_s=timeout_s):
                became[state] += 1
                _print(job.id, state, args.json)
                advance(state)
        except WaitTimeout as late:
            complain(str(late))
            return TIMED_OUT if late.__cause__ is None else UNREACHABLE
    if not args.json:
        states = ", ".join(f"{n:,} {state}" for state, n in sorted(became.items()))
        print(f"{count(len(ids), 'job')} final: {states}")
    return OK if became["completed"] == len(ids) else FAILED


def _count(args: Namespace) -> int:
    """Wait until a number of jobs have become final; 0 if they have, 5 if time is up."""
    timeout_s = TIMEOUT_S if args.timeout_s is None else args.timeout_s
    kinds = None if args.kind is None else [args.kind]
    with location(args) as (dsn, schema), located(dsn, schema) as app, _bar(args.count) as advance:
        n_told = 0

        def tell(n: int) -> None:
            nonlocal n_told
            for _ in range(n - n_told):
                advance("")
            n_told = n

        try:
            became = wait_for_count(
                app.database, args.count, kinds=kinds, timeout_s=timeout_s, tell=tell
            )
        except WaitTimeout as late:
            complain(str(late))
            return TIMED_OUT
    if args.json:
        print_json(became)
    else:
        states = ", ".join(f"{n:,} {state}" for state, n in sorted(became.items()))
        print(f"{count(became.total(), 'job')} became final: {states}")
    return OK


def _print(id_: int, state: str, as_json: bool) -> None:
    """Print what became of a job at once: whoever reads it through a pipe waits for it."""
    if as_json:
        print_json({"id": id_, "state": state})
    else:
        print(f"job {id_} {state}")
    sys.stdout.flush()


@contextmanager
def _bar(n_jobs: int) -> Iterator[Callable[[str], object]]:
    """Show a progress bar on stderr if that is a terminal and rich is installed."""
    try:
        if not sys.stderr.isatty():
            raise ModuleNotFoundError
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
    except ModuleNotFoundError:
        yield lambda state: None
        return
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("jobs", total=n_jobs)
        yield lambda state: bar.advance(task)
