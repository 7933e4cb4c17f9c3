"""Commands around the queue: migrate, doctor and demo."""

from __future__ import annotations

from argparse import Namespace

from actorq.cli import OK, REFUSED
from actorq.cli.database import SCHEMA, database, location
from actorq.cli.output import count, print_json
from actorq.errors import ConfigError
from actorq.escape import escape
from actorq.store import admin_doctor
from actorq.store.migrate import migrate as apply_migrations
from actorq.store.migrate import sql_text

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
    """Check the database; with --repair, mend the membership of jobs first."""
    with database(args) as (conn, schema):
        repaired = admin_doctor.repair(conn, schema) if args.repair else None
        checks = admin_doctor.diagnose(conn, schema)
    worst = admin_doctor.worst(checks)
    if args.json:
        print_json({"verdict": worst, "repaired": repaired, "checks": checks})
    else:
        if repaired is not None:
            rows = count(repaired.n_added, "row")
            print(f"repaired: {rows} added to ready, {repaired.n_removed:,} removed from it")
        for check in checks:
            print(f"{_MARKS[check.level]}  {check.name}: {escape(check.text, 1000)}")
    return REFUSED if worst == "bad" else OK


def demo(args: Namespace) -> int:
    """Run the demo on a private server."""
    try:
        from actorq.demo.run import run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the demo needs {error.name}: pip install 'actorq[embedded,cli,demo]'"
        ) from None
    return run(args.json, args.jobs)
