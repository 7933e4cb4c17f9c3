"""Commands around the queue: migrate, doctor and demo."""

from __future__ import annotations

from argparse import Namespace

from actorq.admin import Check, Finding, Repaired
from actorq.cli import complain
from actorq.cli.database import SCHEMA, administered
from actorq.cli.output import ProgressLines, print_json, print_table
from actorq.core.exit_codes import FAILED, OK
from actorq.english import count
from actorq.errors import ConfigError
from actorq.escape import escape
from actorq.store.schema.plan import Planned, PlannedStep

_MARKS = {"ok": "ok  ", "warn": "WARN", "bad": "BAD "}


def migrate(args: Namespace) -> int:
    """Make or upgrade the schema, show what that would do, or print the SQL that makes it."""
    if args.sql:
        from actorq.app import App

        app = App(schema=SCHEMA if args.schema is None else args.schema)
        print(app.admin.migration_sql(), end="")
        return OK
    with administered(args) as admin:
        if args.plan:
            _print_plan(admin.migration_plan(), args.json)
            return OK
        wait_s = {} if args.wait_s is None else {"wait_s": args.wait_s}
        done = admin.migrate(progress=lambda heard: complain(str(heard)), **wait_s)
    if args.json:
        print_json(done)
    elif done.applied:
        print(f"schema {done.schema}: applied {', '.join(done.applied)}")
    else:
        print(f"schema {done.schema} is up to date")
    return OK


def _print_plan(found: Planned, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if not found.steps:
        print(f"schema {found.schema} is up to date")
        return
    headers = ["migration", "step", "phase", "runs", "locks"]
    print_table(headers, [_plan_row(step) for step in found.steps])
    for old in found.stops:
        print(f"the supervisor that is {old} runs an older actorq: it will finish and stop")


def _plan_row(step: PlannedStep) -> list[str]:
    locks = ", ".join(f"{lock.mode} on {lock.table}" for lock in step.locks)
    runs = "in a transaction" if step.in_transaction else "on its own"
    return [step.migration, step.step, step.phase, runs, locks or "none"]


def doctor(args: Namespace) -> int:
    """Check the database; with --repair, first repair what can be repaired."""
    with administered(args) as admin:
        diagnosis = admin.doctor(
            repair=args.repair,
            limit=args.limit,
            found=None if args.json else _print_finding,
            progress=ProgressLines(),
        )
    if args.json:
        print_json(diagnosis)
    return FAILED if diagnosis.verdict == "bad" else OK


def _print_finding(finding: Finding) -> None:
    if isinstance(finding, Check):
        mark, text = _MARKS[finding.level], escape(finding.text, 1000)
        print(f"{mark}  {finding.name}: {text}", flush=True)
    else:
        _print_repaired(finding)


def _print_repaired(repaired: Repaired) -> None:
    if repaired.renamed:
        complain("the schema was renamed: its functions were created again")
    rows = count(repaired.n_added, "row")
    print(f"repaired: {rows} added to ready, {repaired.n_removed:,} removed from it")
    if repaired.n_matched:
        jobs = count(repaired.n_matched, "job")
        print(f"repaired: failures and results of {jobs} made to fit, or deleted with nobody's job")


def demo(args: Namespace) -> int:
    """Run the demo on a private server."""
    try:
        from actorq.demo.run import run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the demo needs {error.name}: pip install 'actorq[embedded,cli,demo]'"
        ) from None
    return run(args.json, args.jobs)
