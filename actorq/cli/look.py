"""The command that lists jobs, or tells all about one."""

from __future__ import annotations

from argparse import Namespace

import msgspec

from actorq.admin import History, Holder, JobRow
from actorq.admin.wanted import JOBS_LIMIT
from actorq.cli import complain
from actorq.cli.database import administered
from actorq.cli.matching import NOTHING, check_known
from actorq.cli.output import (
    ProgressLines,
    duration,
    print_fields,
    print_json,
    print_table,
    print_text,
    raw,
)
from actorq.core.exit_codes import FAILED, OK
from actorq.errors import ConfigError
from actorq.escape import escape


def jobs(args: Namespace) -> int:
    """List jobs, or show one with its history."""
    if args.id is not None:
        _check_no_filters(args)
        return _one_job(args)
    limit = JOBS_LIMIT if args.limit is None else args.limit
    with administered(args) as admin:
        found = admin.jobs(
            state=args.state,
            kind=args.kind,
            queue=args.queue,
            limit=limit,
            before=args.before,
            args=args.args,
            found=_print_objects if args.json else None,
            progress=ProgressLines(),
        )
        if not found:
            check_known(admin, args.kind, args.queue)
        is_full = len(found) == limit and not args.json
        more = is_full and bool(admin.jobs(limit=1, before=found[-1].id))
    if not args.json:
        _print_found(found, args.args)
    if more:
        is_filtered = args.state or args.kind or args.queue
        print(f"{'there may be more' if is_filtered else 'more'}: --before {found[-1].id}")
    return OK


def _print_objects(found: list[JobRow]) -> None:
    for job in found:
        print_json(_job_object(job))


def _check_no_filters(args: Namespace) -> None:
    given = [
        n for n in ("state", "kind", "queue", "limit", "before") if getattr(args, n) is not None
    ]
    if given:
        raise ConfigError(f"jobs: --{given[0]} chooses among many jobs, and an ID names one")


def _print_found(found: list[JobRow], with_args: bool) -> None:
    if found:
        _print_jobs(found, with_args)
    else:
        print(NOTHING)


def _one_job(args: Namespace) -> int:
    with administered(args) as admin:
        found = admin.job(args.id, args=args.args)
    if found is None:
        complain(f"there is no job {args.id}")
        return FAILED
    if args.json:
        print_json(_history_object(found))
    else:
        _print_history(found)
    return OK


def _print_jobs(found: list[JobRow], with_args: bool) -> None:
    headers = ["id", "state", "kind", "queue", "prio", "attempt", "since", "error"]
    rows: list[list[object]] = [
        [
            str(job.id), _state(job), job.kind, job.queue, str(job.priority), str(job.attempt),
            duration(job.age_s), _error(job),
        ]
        for job in found
    ]  # fmt: skip
    if with_args:
        headers.append("args")
        rows = [[*row, job.args] for row, job in zip(rows, found, strict=True)]
    print_table(headers, rows)


def _print_history(history: History) -> None:
    job = history.job
    print_fields(
        [
            ("job", job.id),
            ("state", _state(job)),
            ("kind", job.kind),
            ("queue", job.queue),
            ("priority", job.priority),
            ("key", job.key or None),
            ("tags", ", ".join(job.tags) or None),
            ("created", job.created_at),
            ("run at", job.run_at),
            ("attempted", job.attempted_at),
            ("finalized", job.finalized_at),
            ("attempts", _attempts(job)),
            ("held by", _held(history.held) if history.held else None),
            ("args", job.args),
            ("result", history.result),
        ]
    )
    for failure in history.failures:
        last = ", final" if failure.final else ""
        print(f"\nattempt {failure.attempt} failed at {failure.failed_at} ({failure.cause}{last})")
        print_text(f"{failure.type}: {failure.message}", "  ")
        print_text(failure.traceback)


def _state(job: JobRow) -> str:
    return "cancelling" if job.cancel_at and job.state == "running" else job.state


def _attempts(job: JobRow) -> str:
    most = "" if job.max_attempts is None else f", at most {job.max_attempts} failures"
    counts = f"{job.n_failed} failed, {job.n_crashed} crashed, {job.n_lost} lost"
    return f"{job.attempt} ({counts}{most})"


def _held(held: Holder) -> str:
    who = f"{held.host} pid {held.pid}" if held.host else "a supervisor that is gone"
    return f"{who}, lease {held.lease} of node {held.node}, for {duration(held.held_s)}"


def _error(job: JobRow) -> str | None:
    if job.error_type is None:
        return None
    return escape(f"{job.error_type}: {job.error_message}")


def _job_object(job: JobRow) -> dict[str, object]:
    fields = msgspec.structs.asdict(job)
    if job.args is None:
        del fields["args"]
    else:
        fields["args"] = raw(job.args)
    return fields


def _history_object(history: History) -> dict[str, object]:
    return {
        **_job_object(history.job),
        "held": history.held,
        "result": raw(history.result),
        "failures": history.failures,
    }
