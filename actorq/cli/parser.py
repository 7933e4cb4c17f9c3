"""What can be typed: every command with its arguments, and nothing else."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

from actorq.core.job.states import PRUNABLE, PRUNED_BY_DEFAULT, RETRIABLE, STATES
from actorq.dsn import masked
from actorq.durations import CENTURY_S, seconds_of, what_is_wrong

EXIT_CODES = """exit codes: 0 done; 1 refused, nothing of what was named is there, a job that was
waited for has failed or was cancelled, a drain has left due jobs, or a supervisor has stopped with
outcomes that were not written or batches that were killed; 2 wrong usage, settings or args, unknown
kinds among them; 3 the database cannot be reached; 4 its schema is missing, too old or too new; 5
the time was up before all jobs were final; 130 interrupted by Ctrl-C before it was done"""
DATABASE = """The database is taken from --dsn, else from ACTORQ_DSN, else from PGHOST,
PGDATABASE and so on; keep passwords out of --dsn."""


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where commands are added."""

_SPANS: set[str] = set()
"""The options that take a span of time; each is added where it is declared."""

_NEGATIVE = re.compile(r"-[0-9.]")


class Parser(argparse.ArgumentParser):
    """An argument parser whose error messages never repeat a password."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with code 2."""
        super().error(masked(message))


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments; exits with code 2 if they make no sense."""
    parser = build()
    return parser.parse_args(_joined(sys.argv[1:] if argv is None else argv))


def _joined(words: Sequence[str]) -> list[str]:
    """Return the words with negative spans of time joined to their options.

    Alone, `-5s` would be taken for an option, and nobody would hear what is wrong with it.
    """
    joined: list[str] = []
    for word in words:
        if _NEGATIVE.match(word) and joined and joined[-1] in _SPANS:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def build() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="actorq",
        description="A PostgreSQL-backed job queue for work that is cheaper in batches.",
        epilog=EXIT_CODES,
    )
    text = "show program's version number and exit"
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help=text)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        *(_migrate, _run, _enqueue, _wait, _status, _top, _metrics, _jobs, _retry, _cancel, _prune),
        *(_doctor, _stress, _demo, _docs),
    ):
        add(commands)
    return parser


def _migrate(commands: Commands) -> None:
    command = _command(commands, "migrate", "setup:migrate", "make or upgrade the schema", out=True)
    shown = command.add_mutually_exclusive_group()
    shown.add_argument(
        "--plan", action="store_true", help="show what would be run with its locks, run nothing"
    )
    shown.add_argument(
        "--sql", action="store_true", help="print the SQL of a fresh schema, run nothing"
    )
    _duration(command, "wait", "how long to try while others are in the way; default 10m")


def _run(commands: Commands) -> None:
    command = _command(commands, "run", "run:run", "run the jobs of an app until told to stop")
    command.add_argument("app", metavar="MODULE:APP", help="an App, or a function returning one")
    command.add_argument("--kind", action="append", metavar="KIND", help="only these kinds")
    command.add_argument("--queue", action="append", metavar="QUEUE", help="only these queues")
    command.add_argument("--drain", action="store_true", help="stop when nothing is due")
    command.add_argument(
        "--until-final",
        action="store_true",
        help="stop when all jobs are final: wait for retries, snoozes, schedules",
    )
    _duration(command, "limit", "with --until-final: wait no longer than this; default 1h")
    command.add_argument("--poll-only", action="store_true", help="do without LISTEN/NOTIFY")
    for name, text in (
        ("ttl", "without a sign of life for so long, others take over; default 30s"),
        ("poll", "how often to look for jobs nobody has announced; default 100ms"),
        ("grace", "how long running batches may go on after a stop; default 30s"),
    ):
        _duration(command, name, text)
    text = "serve /metrics and /healthz there, to this machine unless a host is given"
    command.add_argument("--metrics", metavar="[HOST:]PORT", help=text)
    levels = ("debug", "info", "warning", "error")
    command.add_argument("--log-level", choices=levels, default="info", help="default: info")
    text = "default: ACTORQ_LOG_FORMAT, else text"
    command.add_argument("--log-format", choices=("text", "json"), help=text)


def _enqueue(commands: Commands) -> None:
    command = _command(
        commands, "enqueue", "enqueue:enqueue", "enqueue jobs, checked by an app if given", out=True
    )
    command.add_argument(
        "words",
        nargs="+",
        metavar="[MODULE:APP] KIND JSON|-|@FILE",
        help="the args of one job as JSON; or - or @FILE: one job's args per line",
    )
    command.add_argument("--queue", help="default: the kind's, or 'default'")
    command.add_argument("--priority", type=_within(0, 9), metavar="0-9", help="0 first; default 5")
    _duration(command, "delay", "run no sooner")
    command.add_argument("--max-attempts", type=_within(1, 32_767), metavar="N")
    command.add_argument("--unique-key", metavar="KEY", help="skip while this key's job is pending")


def _wait(commands: Commands) -> None:
    command = _command(commands, "wait", "wait:wait", "wait until jobs are final", out=True)
    command.add_argument("ids", nargs="*", type=_job_id, metavar="ID")
    text = "instead of IDs: wait until so many jobs become final from now on"
    command.add_argument("--count", type=_within(1, 2**62), metavar="N", help=text)
    command.add_argument("--kind", metavar="K", help="count jobs of this kind only")
    _duration(command, "timeout", "wait no longer than this; default 1h")


def _status(commands: Commands) -> None:
    about = "count what waits, runs and was done of late, by kind"
    _command(commands, "status", "status:status", about, out=True)


def _top(commands: Commands) -> None:
    _command(commands, "top", "watching:top", "show what happens, again and again")


def _metrics(commands: Commands) -> None:
    about = "serve what Prometheus scrapes, of a database"
    command = _command(commands, "metrics", "watching:metrics", about)
    text = "default: 127.0.0.1:9711; this machine unless a host is given"
    command.add_argument("--listen", metavar="[HOST:]PORT", help=text)


def _jobs(commands: Commands) -> None:
    command = _command(commands, "jobs", "look:jobs", "list jobs, or tell all about one", out=True)
    command.add_argument("id", nargs="?", type=_job_id, metavar="ID", help="one job, with history")
    states = command.add_mutually_exclusive_group()
    _filters(command, states, STATES)
    states.add_argument("--failed", action="store_const", const="failed", dest="state",
                        help="dead letters: short for --state failed")  # fmt: skip
    command.add_argument("--limit", type=_within(1, 10_000), help="default: 50")
    command.add_argument("--before", type=_job_id, metavar="ID", help="the page below this id")
    command.add_argument("--args", action="store_true", help="show the jobs' args too")


def _retry(commands: Commands) -> None:
    command = _command(
        commands, "retry", "change:retry", "run failed or cancelled jobs again", out=True
    )
    command.add_argument("ids", nargs="*", type=_job_id, metavar="ID")
    _filters(command, command, RETRIABLE)
    command.add_argument("--limit", type=_within(1, 2**62), help="with filters; default: 1000")


def _cancel(commands: Commands) -> None:
    command = _command(commands, "cancel", "change:cancel", "cancel pending jobs", out=True)
    command.add_argument("ids", nargs="+", type=_job_id, metavar="ID")


def _prune(commands: Commands) -> None:
    command = _command(commands, "prune", "change:prune", "delete finished jobs", out=True)
    _duration(command, "older-than", "finished so long ago")
    command.add_argument(
        "--state",
        action="append",
        choices=PRUNABLE,
        help=f"may be repeated; default: {' and '.join(PRUNED_BY_DEFAULT)}",
    )
    command.add_argument("--kind")
    command.add_argument("--limit", type=_within(1, 2**62), help="delete at most so many")


def _doctor(commands: Commands) -> None:
    command = _command(commands, "doctor", "setup:doctor", "look for trouble", out=True)
    command.add_argument(
        "--repair", action="store_true", help="put every pending job where it belongs"
    )
    text = "look only at so many jobs with the lowest ids; default: at all"
    command.add_argument("--limit", type=_within(1, 2**62), help=text)


def _stress(commands: Commands) -> None:
    about = "put a database and supervisors under load"
    command = _command(commands, "stress", "stress:stress", about, out=True)
    text = "default, mixed, faults, or a TOML file; default: default"
    plans = command.add_mutually_exclusive_group()
    plans.add_argument("--plan", default="default", metavar="NAME|FILE", help=text)
    text = "run two plans in turns, and tell what differs"
    plans.add_argument("--compare", nargs=2, metavar=("A", "B"), help=text)
    text = "jobs per second, instead of a search; may be repeated"
    command.add_argument("--rate", action="append", type=_positive, metavar="N", help=text)
    command.add_argument("--arrivals", choices=("poisson", "constant"), help="default: poisson")
    _duration(command, "step", "how long each load is kept up, warm-up included; default 3.5s")
    text = "how often half of the knee, or each rate, is run; default 3"
    command.add_argument("--repeats", type=_within(1, 50), metavar="N", help=text)
    text = "drain so many jobs first; default 50000"
    command.add_argument("--drain", type=_within(0, 5_000_000), metavar="N", help=text)
    text = "bounds that decide the exit code"
    command.add_argument("--slo", metavar="p99_ms=50,lost=0", help=text)
    text = "of the arrivals; default 1"
    command.add_argument("--seed", type=_within(0, 2**63 - 1), metavar="N", help=text)
    _duration(command, "limit", "begin no step that would end after this; default 105s")
    text = "the JSON of an earlier report, to compare with"
    command.add_argument("--baseline", metavar="FILE.json", help=text)
    text = "write an HTML page, and its figures as JSON beside it"
    command.add_argument("--report", metavar="FILE", help=text)


def _demo(commands: Commands) -> None:
    command = _command(commands, "demo", "setup:demo", "see it work on real input", out=True)
    command.add_argument("--jobs", type=_within(1, 1_000_000), metavar="N", help="at most so many")


def _docs(commands: Commands) -> None:
    command = _command(commands, "docs", "docs:show", "show a page of the documentation", out=True)
    command.add_argument("topic", nargs="?", metavar="TOPIC", help="default: list all topics")


def _command(
    commands: Commands, name: str, function: str, about: str, out: bool = False
) -> argparse.ArgumentParser:
    """Add a command with the options that all commands have."""
    is_private = name in ("demo", "docs")  # one starts its own server, the other needs none
    made = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=None if is_private else DATABASE,
    )
    made.set_defaults(command=function)
    if not is_private:
        made.add_argument("--dsn", help="the database, as a URL or key=value pairs")
        made.add_argument("--schema", help="default: actorq")
        made.add_argument("--embedded", action="store_true", help="use a private server")
    if out:
        made.add_argument("--json", action="store_true", help="print JSON, one object per line")
    return made


def _filters(
    command: argparse.ArgumentParser, state: argparse._ActionsContainer, states: Sequence[str]
) -> None:
    """Add what jobs are chosen by; `state` is where the state belongs, in a group or in none."""
    state.add_argument("--state", choices=states)
    command.add_argument("--kind")
    command.add_argument("--queue")


def _within(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not within {low} to {high}")
        return value

    return number


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


_job_id = _within(0, 2**63 - 1)


def _duration(command: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add an option that takes a duration; `--name-s` is another name of it."""
    names = f"--{name}", f"--{name}-s"
    _SPANS.update(names)
    command.add_argument(
        *names,
        dest=f"{name.replace('-', '_')}_s",
        type=_span,
        metavar="TIME",
        help=f"{text} (90s, 1h30m, 7d, 2w; a bare 90 is seconds)",
    )


def _span(text: str) -> float:
    seconds = seconds_of(text)
    if seconds is None or not 0.0 <= seconds <= CENTURY_S:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} {what_is_wrong(text, 0.0, CENTURY_S)}")
    return seconds


class _ShowVersion(argparse.Action):
    """An action that prints the version, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        print(f"actorq {_version()}")
        parser.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("actorq")
    except PackageNotFoundError:
        return "(not installed)"
