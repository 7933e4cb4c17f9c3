"""Commands around the queue: migrate, doctor and demo."""

from __future__ import annotations

from argparse import Namespace

from actorq.cli import OK, REFUSED, complain
from actorq.cli.database import SCHEMA, database, location
from actorq.cli.output import print_json
from actorq.cli.progress import Progress
from actorq.english import count
from actorq.errors import ConfigError
from actorq.escape import escape
from actorq.store.admin import doctor as admin_doctor
from actorq.store.admin.checks import Check, worst
from actorq.store.admin.run import connect_admin
from actorq.store.schema.migrate import is_renamed, restore_names, sql_text
from actorq.store.schema.migrate import migrate as apply_migrations

_MARKS = {"ok": "ok  ", "warn": "WARN", "bad": "BAD "}


def migrate(args: Namespace) -> int:
    """Make or upgrade the schema, or print the SQL that makes it."""
    if args.sql:
        print(sql_text(SCHEMA if args.schema is None else args.schema), end="")
        return OK
    with location(args) as (dsn, schema):
        applied = apply_migrations(dsn, schema)
    if args.json:
        print_json({"schema": schema, "applied": applied})
    elif applied:
        print(f"schema {schema}: applied {', '.join(applied)}")
    else:
        print(f"schema {schema} is up to date")
    return OK


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
