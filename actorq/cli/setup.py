"""Commands around the queue: migrate, doctor and demo."""

from __future__ import annotations

from argparse import Namespace

from actorq.cli import OK, REFUSED, complain
from actorq.cli.database import SCHEMA, database, location
from actorq.cli.output import print_json, print_table
from actorq.cli.progress import Progress
from actorq.english import count
from actorq.errors import ConfigError
from actorq.escape import escape
from actorq.store.admin import doctor as admin_doctor
from actorq.store.admin.checks import Check, worst
from actorq.store.admin.run import connect_admin
from actorq.store.schema.migrate import WAIT_S, is_renamed, plan, restore_names, sql_text
from actorq.store.schema.migrate import migrate as apply_migrations
from actorq.store.schema.plan import Planned, PlannedStep

_MARKS = {"ok": "ok  ", "warn": "WARN", "bad": "BAD "}


def migrate(args: Namespace) -> int:
    """Make or upgrade the schema, show what that would do, or print the SQL that makes it."""
    if args.sql:
        print(sql_text(SCHEMA if args.schema is None else args.schema), end="")
        return OK
    with location(args) as (dsn, schema):
        if args.plan:
            _print_plan(plan(dsn, schema), args.json)
            return OK
        wait_s = WAIT_S if args.wait_s is None else args.wait_s
        applied = apply_migrations(dsn, schema, wait_s=wait_s, tell=complain)
    if args.json:
        print_json({"schema": schema, "applied": applied})
    elif applied:
        print(f"schema {schema}: applied {', '.join(applied)}")
    else:
        print(f"schema {schema} is up to date")
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
    """Check the database; with --repair, mend first what can be mended."""
    if args.repair:
        _restore_names(args)
    repaired, progress = None, Progress()
    checks: list[Check] = []
    with database(args) as (conn, schema):
        if args.repair:
            repaired = admin_doctor.repair(conn, schema, progress)
            if not args.json:
                _print_repaired(repaired)
        for check in admin_doctor.examine(conn, schema, progress):
            checks.append(check)
            if not args.json:
                print(
                    f"{_MARKS[check.level]}  {check.name}: {escape(check.text, 1000)}", flush=True
                )
    level = worst(checks)
    if args.json:
        print_json({"verdict": level, "repaired": repaired, "checks": checks})
    return REFUSED if level == "bad" else OK


def _restore_names(args: Namespace) -> None:
    """Mend a schema that was renamed, which no connection of ours would be used for otherwise."""
    with location(args) as (dsn, schema), connect_admin(dsn, schema) as conn:
        if is_renamed(conn, schema):
            restore_names(conn, schema)
            complain(f"the schema was renamed to {schema}: its functions were made anew")


def _print_repaired(repaired: admin_doctor.Repaired) -> None:
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
