"""Writing outcomes: the settle, the settle around other people's locks, and refused rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isfinite

import msgspec
from psycopg.pq import TransactionStatus

from actorq.core.blame.halve import culprits
from actorq.core.counters.figures import times_of
from actorq.core.job.model import ErrorInfo, Row, Settlement
from actorq.core.job.retry import MAX_DELAY_S
from actorq.core.store_values import SettleReply
from actorq.core.writing.parts import failing, keeping, only, without
from actorq.errors import InternalError, RowRefused
from actorq.store.session.calls import Calls, array, bytes_array, text_array
from actorq.store.session.faults import Repeated, translated
from actorq.store.session.statements import in_order, statement

GROUPS = (1, 8, 64, 1024)  # the sizes to which {rows} is padded, each of them prepared
SEPARATOR, NONE = b"\x1e", b"\x1f"
CHARGES = {"none": 0, "failed": 1, "crashed": 2}

RowGroup = tuple[int, int, str, str | None]


def settle(
    calls: Calls, node: str, settle_no: int, settlements: Sequence[Settlement]
) -> SettleReply:
    """Write what became of the jobs of any number of batches, in one statement."""
    settlements = _closes_first(settlements)
    groups, others = _groups(settlements), _others(settlements)
    named: dict[str, str | None] = {"node": node, "settle_no": str(settle_no)}
    named |= {"times": _times(settlements), "n_jobs": str(_n(settlements))}
    params: list[str | None] = [*in_order("settle", named | _leases(settlements) | others)]
    size = next((n for n in GROUPS if n >= len(groups)), len(groups))
    first = len(params) + 1
    padding: list[RowGroup] = [(0, 0, "{}", None)] * (size - len(groups))
    params += [str(v) if isinstance(v, int) else v for g in groups + padding for v in g]
    text = statement("settle", calls.schema).replace("{rows}", _values(size, first))
    try:
        with translated():
            rows = calls.direct(text, params)
    except Repeated:
        if calls.session.info.transaction_status != TransactionStatus.IDLE:
            raise  # what surrounds this has to go, too; the next try finds the number in use
        return SettleReply(set(), is_repeated=True)
    if not rows:
        raise InternalError("the settle returned no row")
    return _settled(settlements, *rows[0])


def settle_around_locks(
    calls: Calls, node: str, settle_no: int, settlements: Sequence[Settlement]
) -> SettleReply:
    """Write the outcomes of the jobs that nobody else has locked; keep the others open."""
    ids = sorted(job for s in settlements for job in s.ids)
    with translated(), calls.session.transaction():
        leased = _lock_leases(calls, node, settlements)
        free = {row[0] for row in calls.rows("lock_jobs", ids=array(ids))}
        kept = {row[0] for row in calls.rows("pending_jobs", ids=array(ids))} - free
        mine = [without(s, kept, leased[s.lease]) for s in settlements if s.lease in leased]
        settled = _settle_or_refuse(calls, node, settle_no, mine)
    return keeping(settled, settlements, kept, leased)


def settle_first(
    calls: Calls, node: str, settle_no: int, settlements: Sequence[Settlement], n: int
) -> SettleReply:
    """Write the outcomes of n jobs only; keep the others open."""
    kept = set(sorted(job for s in settlements for job in s.ids)[n:])
    return _settle_without(calls, node, settle_no, settlements, kept, _settle_or_refuse)


def settle_refused(
    calls: Calls, node: str, settle_no: int, settlements: Sequence[Settlement], reason: str
) -> SettleReply:
    """Write outcomes of which the database refused some: find those and fail their jobs.

    Each try is rolled back, so that the fence is unchanged for the next one.
    """

    def refuses(jobs: Sequence[int]) -> bool:
        some = set(jobs)
        try:
            with translated(), calls.session.transaction(force_rollback=True):
                settle(calls, node, settle_no, [only(s, some) for s in settlements])
                calls.session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except RowRefused:
            return True
        return False

    bad = set(culprits([job for s in settlements for job in s.ids], refuses))
    error = ErrorInfo("RowRefused", reason, cause="result")
    try:
        settled = settle(calls, node, settle_no, [failing(s, bad, error) for s in settlements])
    except RowRefused:
        # A user's trigger refuses even the failed state: write the others, leave these open.
        settled = _settle_without(calls, node, settle_no, settlements, bad)
        settled.reason = reason
        return settled
    settled.refused = sorted(bad)
    return settled


def _settle_without(
    calls: Calls,
    node: str,
    settle_no: int,
    settlements: Sequence[Settlement],
    kept: set[int],
    write: Callable[[Calls, str, int, Sequence[Settlement]], SettleReply] = settle,
) -> SettleReply:
    """Write all outcomes except those of some jobs, which stay open under their lease."""
    with translated(), calls.session.transaction():
        leased = _lock_leases(calls, node, settlements)
        mine = [without(s, kept, leased[s.lease]) for s in settlements if s.lease in leased]
        settled = write(calls, node, settle_no, mine)
    return keeping(settled, settlements, kept, leased)


def _lock_leases(
    calls: Calls, node: str, settlements: Sequence[Settlement]
) -> dict[int, list[int]]:
    """Lock the leases that are still as assumed; return the jobs of each."""
    order = sorted((s.lease, s.seq) for s in settlements)
    ns, seqs = array(n for n, _ in order), array(q for _, q in order)
    return dict(calls.rows("lock_leases", node=node, leases=ns, seqs=seqs))


def _settle_or_refuse(
    calls: Calls, node: str, settle_no: int, settlements: Sequence[Settlement]
) -> SettleReply:
    """Settle inside a transaction; a refusal is found as it would be outside of one."""
    try:
        with calls.session.transaction():
            settled = settle(calls, node, settle_no, settlements)
            calls.session.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return settled
    except RowRefused as exc:
        return settle_refused(calls, node, settle_no, settlements, str(exc))


def _closes_first(settlements: Sequence[Settlement]) -> list[Settlement]:
    if len(_all_ids(settlements)) != _n(settlements):
        raise InternalError("a settle names a job twice")
    if len({s.lease for s in settlements}) != len(settlements):
        raise InternalError("a settle names a lease twice")
    return sorted(settlements, key=lambda s: (not s.closes, s.lease))


def _leases(settlements: Sequence[Settlement]) -> dict[str, str]:
    closes = [s for s in settlements if s.closes]
    bumps = [s for s in settlements if not s.closes]
    return {
        "ended": array(s.lease for s in closes),
        "ended_seqs": array(s.seq for s in closes),
        "going_on": array(s.lease for s in bumps),
        "going_on_seqs": array(s.seq for s in bumps),
        "open": bytes_array(s.open_bits or b"" for s in bumps),
    }


def _times(settlements: Sequence[Settlement]) -> str | None:
    """Return the figures of the batches that end, as JSON by lane; None if none does."""
    times = times_of(settlements)
    return msgspec.json.encode(times).decode() if times else None


def _groups(settlements: Sequence[Settlement]) -> list[RowGroup]:
    """Gather completions by batch and attempt: a row of VALUES per job costs the planner most."""
    groups: list[RowGroup] = []
    for k, s in enumerate(settlements, 1):
        groups += [(k, attempt, array(jobs), None) for attempt, jobs in s.done.items()]
        stored: dict[int, list[Row]] = {}
        for row in s.rows:
            if _is_result(row):
                stored.setdefault(row.attempt, []).append(row)
        for attempt, rows in stored.items():
            groups.append((k, attempt, array([r.id for r in rows]), _results(rows)))
    return groups


def _results(rows: Sequence[Row]) -> str:
    """Return the results of some jobs as one text."""
    texts = [NONE if r.result is None else r.result for r in rows]
    data = SEPARATOR.join(texts)
    if not all(texts) or data.count(SEPARATOR) != len(texts) - 1:
        raise RowRefused("a result is empty or holds a control character: it is not JSON")
    return str(_text(data))


def _is_result(row: Row) -> bool:
    return row.state == "completed" and row.error is None


def _others(settlements: Sequence[Settlement]) -> dict[str, str]:
    rows = [(k, r) for k, s in enumerate(settlements, 1) for r in s.rows if not _is_result(r)]
    errors = [r.error for _, r in rows]
    return {
        "ids": array(r.id for _, r in rows),
        "ks": array(k for k, _ in rows),
        "attempts": array(r.attempt for _, r in rows),
        "states": text_array(r.state for _, r in rows),
        "charges": array(CHARGES[r.charge] for _, r in rows),
        "retries_s": array(_delay(r.retry_in_s) for _, r in rows),
        "suspects": array(r.suspect for _, r in rows),
        "results": text_array(_text(r.result) for _, r in rows),
        "causes": text_array(e.cause if e else None for e in errors),
        "types": text_array(e.type if e else None for e in errors),
        "messages": text_array(e.message if e else None for e in errors),
        "tracebacks": text_array(e.traceback if e else None for e in errors),
    }


def _text(result: bytes | None) -> str | None:
    try:
        return None if result is None else result.decode()
    except UnicodeDecodeError as exc:
        raise RowRefused(f"a result is not UTF-8: {exc.reason}") from exc


def _delay(seconds: float | None) -> float | None:
    """Keep a delay in range: a misbehaving actor must not make a whole settle fail."""
    if seconds is None:
        return None
    return min(max(seconds, 0.0), MAX_DELAY_S) if isfinite(seconds) else MAX_DELAY_S


def _values(size: int, first: int) -> str:
    places = range(first, first + 4 * size, 4)
    return ", ".join(
        f"(${n}::int4, ${n + 1}::int4, ${n + 2}::int8[], ${n + 3}::text)" for n in places
    )


def _settled(
    sent: Sequence[Settlement],
    ks: Sequence[int],
    ids: list[int] | None,
    is_repeated: bool,
    hint: bool,
) -> SettleReply:
    """Return what was written: these jobs of these leases; None means all that were sent."""
    if is_repeated:
        return SettleReply(set(), is_repeated=True)
    matched = [sent[k - 1] for k in ks]
    seqs = {s.lease: s.seq + 1 for s in matched if not s.closes}
    settled = SettleReply({s.lease for s in matched}, seqs=seqs, hint=hint)
    if ids is None:
        is_sound = _n(matched) == _n(sent)
    else:
        expected, written = _all_ids(matched), set(ids)
        is_sound = written <= expected
        settled.missing = sorted(expected - written)
    if not is_sound:
        raise InternalError("a settle wrote jobs of a lease that did not match")
    return settled


def _n(settlements: Iterable[Settlement]) -> int:
    return sum(s.n for s in settlements)


def _all_ids(settlements: Sequence[Settlement]) -> set[int]:
    return set[int]().union(*(s.ids for s in settlements))
