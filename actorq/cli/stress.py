"""The command that puts a database and supervisors under load: stress."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actorq.cli.database import warn_of_password
from actorq.cli.output import print_json
from actorq.core.exit_codes import FAILED, OK
from actorq.dsn import find_dsn
from actorq.early_interrupt import INTERRUPTED
from actorq.errors import ConfigError

if TYPE_CHECKING:
    from actorq.stress.core.figures import StressReport
    from actorq.stress.core.plan import StressPlan
    from actorq.stress.measure.place import StressPlace

SCHEMA = "actorq_stress"


def stress(args: Namespace) -> int:
    """Run a stress test, write its report, and tell by the exit code whether all is well."""
    from actorq.stress.report.summary import figures_of, is_well, text_of
    from actorq.stress.run import StressRun

    begun = time.monotonic()
    plan = _plan(args)
    _check_report(args.report)
    out = sys.stderr if args.json else sys.stdout
    with _place(args) as place:
        print(f"on {place.text}", file=out, flush=True)
        test = StressRun(place, plan, lambda line: print(line, file=out, flush=True), begun=begun)
        report = test.run()
    if args.report:
        _write(Path(args.report), report)
    print(text_of(report), file=out)
    if args.json:
        print_json(figures_of(report))
    if report.cut_short == "it was interrupted":
        return INTERRUPTED
    return OK if is_well(report) else FAILED


def _plan(args: Namespace) -> StressPlan:
    from actorq.stress.core import reading

    plan = _named_plan(args.plan)
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
