"""The command that puts a database and supervisors under load: stress."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import msgspec

from actorq.cli.database import warn_of_password
from actorq.cli.output import print_json
from actorq.cli.stress import wanted
from actorq.core.exit_codes import FAILED, OK
from actorq.dsn import find_dsn
from actorq.early_interrupt import INTERRUPTED
from actorq.errors import ConfigError
from actorq.stress.compare import Duel, check, compare
from actorq.stress.core.comparing import against, other_conditions
from actorq.stress.core.figures import INTERRUPTED as CUT_BY_SIGNAL
from actorq.stress.core.figures import StressReport
from actorq.stress.measure.place import StressPlace, given_place, private_place
from actorq.stress.report.page import page
from actorq.stress.report.summary import figures_of, is_well, text_of
from actorq.stress.run import StressRun

SCHEMA = "actorq_stress"
PAIRS = 3
"""How often two plans are run if they do not say it."""

Test: TypeAlias = Callable[[StressPlace, Callable[[str], None]], StressReport]
"""What runs on a place, and tells lines meanwhile."""


def stress(args: Namespace) -> int:
    """Run a stress test, write its report, and tell by the exit code whether all is well."""
    begun = time.monotonic()
    test = _test(args, begun)
    baseline = _baseline(args.baseline)
    _check_report(args.report)
    out = sys.stderr if args.json else sys.stdout
    with _place(args) as place:
        print(f"on {place.text}", file=out, flush=True)
        report = test(place, lambda line: print(line, file=out, flush=True))
    if baseline is not None:
        report = _beside(baseline, report)
    if args.report:
        _write(Path(args.report), report)
    print(text_of(report), file=out)
    if args.json:
        print_json(figures_of(report))
    if report.cut_short == CUT_BY_SIGNAL:
        return INTERRUPTED
    return OK if is_well(report) else FAILED


def _test(args: Namespace, begun: float) -> Test:
    """Return what is to be run: one plan, or two in turns."""
    if not args.compare:
        plan = wanted.plan(args.plan, args)
        return lambda place, tell: StressRun(place, plan, tell, begun=begun).run()
    a, b = (wanted.plan(name, args) for name in args.compare)
    repeats = args.repeats or (a.load.repeats if a.load else PAIRS)
    duel = Duel((a, b), repeats)
    check(duel)
    return lambda place, tell: compare(place, duel, tell)


def _baseline(path: str | None) -> StressReport | None:
    """Return an earlier report; raises ConfigError if the file is none."""
    if path is None:
        return None
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=StressReport)
    except OSError as error:
        raise ConfigError(f"--baseline {path}: {error.strerror}") from None
    except (msgspec.DecodeError, ConfigError) as error:
        raise ConfigError(f"--baseline {path} is no report of actorq stress: {error}") from None


def _beside(old: StressReport, new: StressReport) -> StressReport:
    """Return a report with what differs from an earlier one."""
    found = against(old, new)
    said = [*other_conditions(old, new), *(each.says for each in found)]
    return msgspec.structs.replace(
        new, compared=[*new.compared, *found], findings=[*new.findings, *said]
    )


def _place(args: Namespace) -> AbstractContextManager[StressPlace]:
    """Return where to run, which is made when it is entered."""
    schema = SCHEMA if args.schema is None else args.schema
    if args.embedded and args.dsn:
        raise ConfigError("--dsn and --embedded: give one of them, it decides where the jobs are")
    if args.embedded:
        return private_place(schema)
    warn_of_password(args.dsn)
    return given_place(find_dsn(args.dsn), schema)


def _check_report(path: str | None) -> None:
    """Refuse a report that cannot be written before two minutes have been spent on it."""
    if path and Path(path).suffix == ".json":
        raise ConfigError(f"--report {path}: name the HTML page; its JSON is written beside it")
    if path and not Path(path).resolve().parent.is_dir():
        raise ConfigError(f"--report {path}: there is no directory {Path(path).resolve().parent}")


def _write(path: Path, report: StressReport) -> None:
    """Write the page, and the same figures as JSON beside it."""
    path.with_suffix(".json").write_bytes(msgspec.json.encode(report))
    path.write_text(page(report), "utf-8")
