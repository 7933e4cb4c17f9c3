"""Commands that change jobs: retry, cancel and prune."""

from __future__ import annotations

from argparse import Namespace

from actorq.cli import OK, REFUSED, complain
from actorq.cli.database import database
from actorq.cli.output import print_json
from actorq.cli.progress import Progress
from actorq.core.job.states import PRUNED_BY_DEFAULT
from actorq.english import count
from actorq.errors import ConfigError
from actorq.store.admin import change
from actorq.store.admin import prune as admin_prune
from actorq.store.queue import cancel as store_cancel

DEFAULT_LIMIT = 1000


def retry(args: Namespace) -> int:
    """Run failed or cancelled jobs again, by id or by filter."""
    filtered = any((args.state, args.kind, args.queue))
    if bool(args.ids) == filtered or (args.ids and args.limit):
        raise ConfigError(
            "retry: say which jobs, either by ids, or with --state, --kind or --queue; "
            "--limit goes with these three only"
        )
    return _retry_matching(args) if filtered else _retry_ids(args)


def _retry_ids(args: Namespace) -> int:
    with database(args) as (conn, schema):
        done = change.retry(conn, args.ids, schema)
    refused = sorted(set(args.ids) - set(done.taken))
    if args.json:
        print_json({"retried": done.taken, "refused": refused})
    else:
        print(f"{count(len(done.taken), 'job')} will run again")
    if others := sorted(set(refused) - set(done.held)):
        complain(f"neither failed nor cancelled, or not there: {_listed(others)}")
    _complain_of_held(done.held)
    return REFUSED if refused else OK


def _complain_of_held(held: list[int]) -> None:
    if held:
        complain(f"another pending job holds the same unique key: {_listed(held)}")


def _retry_matching(args: Namespace) -> int:
    limit = args.limit or DEFAULT_LIMIT
    taken: list[int] = []
    held: list[int] = []
    progress = Progress()
    with database(args) as (conn, schema):
        for done in change.retry_matching(
            conn,
            schema,
            state=args.state or "failed",
            kind=args.kind,
            queue=args.queue,
            limit=limit,
        ):
            taken += done.taken
            held += done.held
            progress(f"{count(len(taken), 'job')} will run again so far")
    if args.json:
        print_json({"retried": taken, "refused": held})
    else:
        more = " (as many as --limit allows; there may be more)" if len(taken) == limit else ""
        print(f"{count(len(taken), 'job')} will run again{more}")
    _complain_of_held(held)
    return REFUSED if held and not taken else OK


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
    looked = deleted = kept = 0
    progress = Progress()
    with database(args) as (conn, schema):
        for done in admin_prune.prune(
            conn,
            schema,
            states=args.state or PRUNED_BY_DEFAULT,
            older_than_s=args.older_than_s or 0.0,
            kind=args.kind,
            limit=args.limit,
        ):
            looked += done.n_looked
            deleted += done.n_deleted
            kept += done.n_kept
            progress(f"{count(deleted, 'job')} deleted so far, {looked:,} looked at")
    if args.json:
        print_json({"deleted": deleted, "kept": kept})
    else:
        print(f"{count(deleted, 'job')} deleted")
    if kept:
        complain(
            f"{count(kept, 'job')} kept, for a foreign key refers to them: give it ON DELETE "
            "SET NULL or CASCADE (actorq doctor names it)"
        )
    return OK


def _listed(ids: list[int]) -> str:
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return ", ".join(map(str, ids[:10])) + more
