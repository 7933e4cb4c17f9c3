"""Commands that change jobs: retry, cancel and prune."""

from __future__ import annotations

from argparse import Namespace

from actorq.cli import OK, REFUSED, complain
from actorq.cli.database import database
from actorq.cli.output import count, print_json
from actorq.core.states import PRUNED_BY_DEFAULT
from actorq.errors import ConfigError
from actorq.store import admin_change
from actorq.store import cancel as store_cancel

DEFAULT_LIMIT = 1000


def retry(args: Namespace) -> int:
    """Run failed or cancelled jobs again, by id or by filter."""
    filtered = any((args.state, args.kind, args.queue, args.limit))
    if bool(args.ids) == filtered:
        raise ConfigError("retry: give either ids, or --state, --kind or --queue")
    return _retry_matching(args) if filtered else _retry_ids(args)


def _retry_ids(args: Namespace) -> int:
    with database(args) as (conn, schema):
        taken = admin_change.retry(conn, args.ids, schema)
    refused = sorted(set(args.ids) - set(taken))
    if args.json:
        print_json({"retried": taken, "refused": refused})
    else:
        print(f"{count(len(taken), 'job')} will run again")
    if refused:
        complain(f"neither failed nor cancelled, or not there: {_listed(refused)}")
    return REFUSED if refused else OK


def _retry_matching(args: Namespace) -> int:
    with database(args) as (conn, schema):
        taken = admin_change.retry_matching(
            conn,
            schema,
            state=args.state or "failed",
            kind=args.kind,
            queue=args.queue,
            limit=args.limit or DEFAULT_LIMIT,
        )
    if args.json:
        print_json({"retried": taken, "refused": []})
    else:
        full = len(taken) == (args.limit or DEFAULT_LIMIT)
        more = " (as many as --limit allows; there may be more)" if full else ""
        print(f"{count(len(taken), 'job')} will run again{more}")
    return OK


def cancel(args: Namespace) -> int:
    """Cancel waiting jobs, and ask for the cancelling of running ones."""
    with database(args) as (conn, schema):
        found = store_cancel.cancel(conn, args.ids, schema)
    if args.json:
        print_json(found)
    else:
        print(f"{count(len(found.cancelled), 'job')} cancelled")
        if found.requested:
            asked = _listed(found.requested)
            print(f"running, cancelled unless they finish first: {asked}")
    if found.busy:
        complain(f"locked by another transaction, try again: {_listed(found.busy)}")
    if found.untouched:
        complain(f"final already, or not there: {_listed(found.untouched)}")
    return REFUSED if found.busy or found.untouched else OK


def prune(args: Namespace) -> int:
    """Delete finished jobs with their results and failures."""
    if args.older_than_s is None and not args.state:
        raise ConfigError("prune: say which jobs, with --older-than-s or --state")
    deleted = 0
    with database(args) as (conn, schema):
        for n in admin_change.prune(
            conn,
            schema,
            states=args.state or PRUNED_BY_DEFAULT,
            older_than_s=args.older_than_s or 0.0,
            kind=args.kind,
            limit=args.limit,
        ):
            deleted += n
    if args.json:
        print_json({"deleted": deleted})
    else:
        print(f"{count(deleted, 'job')} deleted")
    return OK


def _listed(ids: list[int]) -> str:
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return ", ".join(map(str, ids[:10])) + more
