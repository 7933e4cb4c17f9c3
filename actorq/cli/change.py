"""Commands that change jobs: retry, cancel and prune."""

from __future__ import annotations

from argparse import Namespace

from actorq.admin import Retried
from actorq.cli import complain
from actorq.cli.database import administered
from actorq.cli.matching import NOTHING, check_known
from actorq.cli.output import ProgressLines, print_json
from actorq.core.exit_codes import FAILED, OK
from actorq.english import count


def retry(args: Namespace) -> int:
    """Run failed or cancelled jobs again, by id or by filter."""
    with administered(args) as admin:
        done = admin.retry(
            args.ids or None,
            state=args.state,
            kind=args.kind,
            queue=args.queue,
            limit=args.limit,
            progress=ProgressLines(),
        )
        is_nothing = not (done.taken or done.held or done.untouched)
        if is_nothing:
            check_known(admin, args.kind, args.queue)
    refused = sorted({*done.untouched, *done.held}) if args.ids else done.held
    if args.json:
        print_json({"retried": done.taken, "refused": refused})
    else:
        more = " (as many as --limit allows; there may be more)" if done.more else ""
        none = f"{NOTHING}: " if is_nothing else ""
        print(f"{none}{count(len(done.taken), 'job')} will run again{more}")
    _complain_of(done)
    return FAILED if refused and (args.ids or not done.taken) else OK


def _complain_of(done: Retried) -> None:
    if done.untouched:
        complain(f"neither failed nor cancelled, or not there: {_listed(done.untouched)}")
    if done.held:
        complain(f"another pending job holds the same unique key: {_listed(done.held)}")


def cancel(args: Namespace) -> int:
    """Cancel waiting jobs, and ask for the cancellation of running ones."""
    with administered(args) as admin:
        found = admin.cancel(args.ids)
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
    return FAILED if found.busy or found.untouched else OK


def prune(args: Namespace) -> int:
    """Delete finished jobs with their results and failures."""
    with administered(args) as admin:
        done = admin.prune(
            older_than_s=args.older_than_s,
            state=args.state,
            kind=args.kind,
            limit=args.limit,
            progress=ProgressLines(),
        )
        is_nothing = not (done.n_deleted or done.n_kept)
        if is_nothing:
            check_known(admin, args.kind)
    if args.json:
        print_json({"deleted": done.n_deleted, "kept": done.n_kept})
    else:
        none = f"{NOTHING}: " if is_nothing else ""
        print(f"{none}{count(done.n_deleted, 'job')} deleted")
    if done.n_kept:
        complain(
            f"{count(done.n_kept, 'job')} kept, because a foreign key refers to them: give it ON "
            "DELETE SET NULL or CASCADE (actorq doctor names it)"
        )
    return OK


def _listed(ids: list[int]) -> str:
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return ", ".join(map(str, ids[:10])) + more
