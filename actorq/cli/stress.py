"""The command that puts a database and supervisors under load: stress."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from actorq.cli.database import warn_of_password
from actorq.cli.output import print_json
from actorq.core.exit_codes import FAILED, OK
from actorq.dsn import find_dsn
from actorq.early_interrupt import INTERRUPTED
from actorq.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.stress.core.figures import StressReport
    from actorq.stress.core.plan import StressPlan
    from actorq.stress.measure.place import StressPlace

SCHEMA = "actorq_stress"
PAIRS = 3
"""How often two plans are run if they do not say it."""

Test: TypeAlias = "Callable[[StressPlace, Callable[[str], None]], StressReport]"
"""What runs on a place, and tells lines meanwhile."""


def stress(args: Namespace) -> int:
    """Run a stress test, write its report, and tell by the exit code whether all is well."""
    from actorq.stress.core.figures import INTERRUPTED as CUT_BY_SIGNAL
    from actorq.stress.report.summary import figures_of, is_well, text_of

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
    from actorq.stress.compare import Duel, check, compare
    from actorq.stress.run import StressRun

    if not args.compare:
        plan = _changed(_named_plan(args.plan), args)
        return lambda place, tell: StressRun(place, plan, tell, begun=begun).run()
    a, b = (_changed(_named_plan(name), args) for name in args.compare)
    repeats = args.repeats or (a.load.repeats if a.load else PAIRS)
    duel = Duel((a, b), repeats)
    check(duel)
    return lambda place, tell: compare(place, duel, tell)


def _changed(plan: StressPlan, args: Namespace) -> StressPlan:
    """Return a plan with what was typed."""
    from actorq.stress.core import reading

    options: dict[str, Any] = {
        "load.rates": tuple(args.rate) if args.rate else None,
        "load.arrivals": args.arrivals,
        "load.step_s": args.step_s,
        "load.warm_up_s": None if args.step_s is None else args.step_s / 4,
        "load.repeats": args.repeats,
        "drain_jobs": args.drain,
        "seed": args.seed,
        "max_s": args.limit_s,
        "slo": reading.slo_of(args.slo) if args.slo else None,
    }
    return reading.changed(plan, {name: v for name, v in options.items() if v is not None})


def _baseline(path: str | None) -> StressReport | None:
    """Return an earlier report; raises ConfigError if the file is none."""
    import msgspec

    from actorq.stress.core.figures import StressReport

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
    import msgspec

    from actorq.stress.core.comparing import against, other_conditions

    found = against(old, new)
    said = [*other_conditions(old, new), *(each.says for each in found)]
    return msgspec.structs.replace(
        new, compared=[*new.compared, *found], findings=[*new.findings, *said]
    )


def _named_plan(name: str) -> StressPlan:
    from actorq.stress.core import reading

    if name in reading.BUILT_IN:
        return reading.BUILT_IN[name]
    try:
        text = Path(name).read_text("utf-8")
    except OSError as error:
        known = ", ".join(reading.BUILT_IN)
        raise ConfigError(
            f"--plan {name}: {error.strerror}; give a TOML file, or one of {known}"
        ) from None
    return reading.plan_of_toml(text, name)


def _place(args: Namespace) -> AbstractContextManager[StressPlace]:
    from actorq.stress.measure.place import given_place, private_place

    schema = SCHEMA if args.schema is None else args.schema
    if args.embedded and args.dsn:
        raise ConfigError("--dsn and --embedded: give one of them, it decides where the jobs are")
    if args.embedded:
        return private_place(schema)
    warn_of_password(args.dsn)
    return given_place(find_dsn(args.dsn), schema)


def _check_report(path: str | None) -> None:
    """Refuse a report that cannot be written before two minutes have been spent on it."""
    if path and not Path(path).resolve().parent.is_dir():
        raise ConfigError(f"--report {path}: there is no directory {Path(path).resolve().parent}")


def _write(path: Path, report: StressReport) -> None:
    """Write the page, and the same figures as JSON beside it."""
    import msgspec

    from actorq.stress.report.page import page

    path.write_text(page(report), "utf-8")
    path.with_suffix(".json").write_bytes(msgspec.json.encode(report))
