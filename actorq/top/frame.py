"""What is shown of what is seen: a frame of lines, for a terminal of some size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from actorq.cli.output import Figure, cuts, duration, rate, short, span
from actorq.core.report import KindReport, NodeReport
from actorq.escape import escape
from actorq.store.admin.rows import NodeStatus
from actorq.store.admin.status import LaneStatus
from actorq.store.counters.rates import Rates
from actorq.top.choice import HELP, TABLES, Choice
from actorq.top.table import Line, TableRow, TextTable, lines, shares
from actorq.top.values import PerSecond, Sight

WIDE = 110
"""From this width on there is room for more columns."""

OLD_S = 5.0
"""A report that is older is not of a supervisor that is well."""

NONE = Figure("-")


def frame(
    sight: Sight, per_second: PerSecond, choice: Choice, width: int, height: int, trouble: str = ""
) -> list[Line]:
    """Return the lines of a frame: no more than `height`, none longer than `width`."""
    tables = [
        table
        for table in (
            _kinds(sight, choice, width),
            _actors(sight, per_second, choice),
            _quarantine(sight, choice),
            _failures(sight, choice),
            _supervisors(sight, per_second, choice),
        )
        if choice.table in ("", table.name) and (table.rows or table.name == choice.table)
    ]
    head, foot = _head(sight, per_second, trouble), _foot(sight, choice)
    room = height - len(head) - len(foot) - len(tables)
    wanted = [len(table.rows) for table in tables]
    body = [
        line
        for table, n in zip(tables, shares(max(0, room), wanted), strict=True)
        for line in lines(table, width, n)
    ]
    shown = [*head, *body, *foot] if room >= 0 else [*head, *foot]
    return [Line(line.text[:width], line.style) for line in shown[:height]]


# ---- head and foot ----


def _head(sight: Sight, per_second: PerSecond, trouble: str) -> list[Line]:
    known = sight.database
    n_actors = sum(len(seen.node.report.actors) for seen in sight.reports.values())
    alive = sum(node.alive for node in sight.nodes)
    first = (
        f"actorq top  {sight.clock}  {escape(known.database, 30)}  {_many(alive, 'supervisor')}  "
        f"{_many(n_actors, 'actor')}  {short(sight.n_stored)} jobs stored"
    )
    found = [Line(first, "bold"), Line(_database(sight, per_second))]
    return [*found, Line(escape(trouble, 400), "red")] if trouble else found


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _database(sight: Sight, per_second: PerSecond) -> str:
    known = sight.database
    wal = "-" if per_second.wal_bytes is None else f"{short(per_second.wal_bytes)}B/s"
    n_dead = "-" if known.n_dead is None else short(known.n_dead)
    snapshot = duration(known.oldest_snapshot_s) or ("none" if known.sees_all else "-")
    return (
        f"PostgreSQL {known.version.split()[0]}  {known.n_connections}/{known.max_connections} "
        f"connections  snapshot {snapshot}  ready {n_dead} dead  WAL {wal}"
    )


def _foot(sight: Sight, choice: Choice) -> list[Line]:
    notes = [Line(escape(note, 400), "yellow") for note in sight.notes]
    if choice.typing:
        return [*notes, Line(f"filter: {choice.text}_", "bold")]
    chosen = [f"/{choice.text}"] * bool(choice.text)
    chosen += ["last hour"] * choice.hour
    chosen.append(f"by {choice.sort}{' reversed' if choice.reverse else ''}")
    return [*notes, Line(f"{', '.join(chosen)}  {HELP}", "dim")]


# ---- kinds ----


def _kinds(sight: Sight, choice: Choice, width: int) -> TextTable:
    period = "hour" if choice.hour else "minute"
    headings: tuple[str, ...] = (
        f"kind, last {period}" if width >= WIDE else "kind",
        *("due", "sched", "run", "done/s", "fail/s", "wait", "p99", "ran", "p99", "batch", "cut"),
    )
    if width >= WIDE:
        headings += ("again/s", "dead", "oldest")
    states = _states(sight)
    rows = [
        TableRow(_kind_cells(lane, sight.lanes, choice, width), _style(states.get(lane.kind, "")))
        for lane in sorted_lanes(sight.lanes, choice)
        if choice.shows(lane.kind, lane.queue)
    ]
    return TextTable(TABLES["1"], headings, rows)


def _kind_cells(
    lane: LaneStatus, lanes: list[LaneStatus], choice: Choice, width: int
) -> tuple[str, ...]:
    found = _rates(lane, choice)
    n_queues = sum(other.kind == lane.kind for other in lanes)
    cells = (
        lane.kind if n_queues == 1 else f"{lane.kind} in {lane.queue}",
        *map(short, (lane.n_due + lane.n_suspect, lane.n_scheduled, lane.n_running)),
        *_rate_cells(found),
    )
    if width < WIDE:
        return cells
    again = rate(found.retried_per_s) if found else NONE
    return (*cells, again, short(lane.n_dead), Figure(duration(lane.oldest_due_s) or "-"))


def _rate_cells(found: Rates | None) -> tuple[str, ...]:
    if found is None:
        return (NONE,) * 7 + ("",)
    times = (found.wait_p50_s, found.wait_p99_s, found.run_p50_s, found.run_p99_s)
    return (
        rate(found.completed_per_s),
        rate(found.failed_per_s),
        *(NONE if seconds is None else Figure(span(seconds)) for seconds in times),
        NONE if found.mean_batch is None else short(found.mean_batch),
        (cuts(found.cuts, found.n_batches) or "").removesuffix(" 100%"),
    )


def _rates(lane: LaneStatus, choice: Choice) -> Rates | None:
    return lane.hour if choice.hour else lane.minute


def sorted_lanes(lanes: list[LaneStatus], choice: Choice) -> list[LaneStatus]:
    """Return the lanes as chosen; by a number, those with the largest first."""
    by_name = sorted(lanes, key=lambda lane: (lane.kind, lane.queue), reverse=choice.reverse)
    if choice.sort == "name":
        return by_name
    key = SORTED_BY[choice.sort]
    return sorted(by_name, key=lambda lane: key(lane, choice), reverse=not choice.reverse)


def _of_rates(name: str) -> Callable[[LaneStatus, Choice], float]:
    def key(lane: LaneStatus, choice: Choice) -> float:
        found = _rates(lane, choice)
        return float(getattr(found, name) or 0.0) if found else 0.0

    return key


SORTED_BY: dict[str, Callable[[LaneStatus, Choice], float]] = {
    "due": lambda lane, choice: lane.n_due + lane.n_suspect,
    "running": lambda lane, choice: lane.n_running,
    "done/s": _of_rates("completed_per_s"),
    "failed/s": _of_rates("failed_per_s"),
    "wait p99": _of_rates("wait_p99_s"),
}

WORST = ("unavailable", "resting", "doubted", "starting", "available")


def _states(sight: Sight) -> dict[str, str]:
    """Return the worst state of each kind among all supervisors."""
    found: dict[str, str] = {}
    for _, node in _reported(sight):
        for kind in node.report.kinds:
            found[kind.kind] = min(kind.doing, found.get(kind.kind, "available"), key=WORST.index)
    return found


def _style(state: str) -> str:
    return {"unavailable": "red", "resting": "yellow", "doubted": "yellow"}.get(state, "")


def _reported(sight: Sight) -> Iterator[tuple[NodeStatus, NodeReport]]:
    """Yield the supervisors that report, each with its report."""
    for node in sight.nodes:
        seen = sight.reports.get(node.node)
        if seen is not None and seen.age_s < OLD_S:
            yield node, seen.node


# ---- actors and supervisors ----


def _actors(sight: Sight, per_second: PerSecond, choice: Choice) -> TextTable:
    headings = ("actor", "pid", "state", "since", "batch", "jobs", "cpu", "memory", "host")
    rows = [
        TableRow(
            (
                f"{actor.kind}[{actor.slot}]",
                Figure(actor.pid or "-"),
                actor.doing,
                Figure(span(actor.since_s + sight.reports[node.node].age_s)),
                Figure(actor.lease or ""),
                Figure(f"{actor.n_jobs:,}" if actor.lease else ""),
                _percent(per_second.cpu.get(actor.pid)),
                _memory(actor.memory_mb),
                escape(node.host, 20),
            ),
            {"loading": "yellow", "stopping": "yellow", "resting": "yellow"}.get(actor.doing, ""),
        )
        for node, report in _reported(sight)
        for actor in report.report.actors
        if choice.shows(actor.kind, actor.doing, node.host)
    ]
    return TextTable(TABLES["2"], headings, rows)


def _supervisors(sight: Sight, per_second: PerSecond, choice: Choice) -> TextTable:
    headings = (
        *("supervisor", "host", "pid", "up", "beat", "batches", "jobs", "cpu", "memory", "phase"),
    )
    reports = {node.node: report for node, report in _reported(sight)}
    rows = []
    for node in sight.nodes:
        report = reports.get(node.node)
        cells = (
            node.node[:8],
            escape(node.host, 20),
            Figure(node.pid),
            Figure(duration(node.up_s) or ""),
            Figure(duration(node.beat_age_s) or ""),
            short(node.n_batches),
            short(node.n_running),
            _percent(per_second.cpu.get(node.pid)),
            _memory(report.memory_mb if report else None),
            _phase(node, report),
        )
        if choice.shows(node.node, node.host):
            rows.append(TableRow(cells, "" if node.alive else "red"))
    return TextTable(TABLES["4"], headings, rows)


def _phase(node: NodeStatus, report: NodeReport | None) -> str:
    if not node.alive:
        return "dead?"
    return report.report.phase if report else "no report"


def _percent(cpu: float | None) -> Figure:
    return NONE if cpu is None else Figure(f"{100 * cpu:.0f}%")


def _memory(megabytes: float | None) -> Figure:
    return NONE if megabytes is None else Figure(f"{megabytes:,.0f}M")


# ---- quarantine ----


def _quarantine(sight: Sight, choice: Choice) -> TextTable:
    headings = ("quarantine", "state", "suspects", "groups", "limit", "why")
    rows = [
        _suspected(kind)
        for _, node in _reported(sight)
        for kind in node.report.kinds
        if _is_troubled(kind) and choice.shows(kind.kind)
    ]
    return TextTable(TABLES["3"], headings, rows)


def _is_troubled(kind: KindReport) -> bool:
    is_well = kind.doing in ("available", "starting")
    return bool(kind.groups or kind.n_verdicts or kind.limit < kind.max_batch or not is_well)


def _suspected(kind: KindReport) -> TableRow:
    rests = f" {kind.resting_s:.0f}s" if kind.resting_s else ""
    verdicts = f"{kind.n_verdicts} wait for their verdict" if kind.n_verdicts else ""
    return TableRow(
        (
            kind.kind,
            f"{kind.doing}{rests}",
            short(sum(group.n for group in kind.groups)),
            short(len(kind.groups)),
            Figure(f"{kind.limit}/{kind.max_batch}"),
            ", ".join(filter(None, (verdicts, escape(kind.fault, 60)))),
        ),
        _style(kind.doing),
    )


def _failures(sight: Sight, choice: Choice) -> TextTable:
    headings = ("blamed", "job", "attempt", "ago", "cause", "error")
    rows = [
        TableRow(
            (
                failure.kind,
                Figure(failure.job),
                Figure(f"{failure.attempt}{' final' if failure.final else ''}"),
                Figure(span(max(0.0, failure.age_s))),
                failure.cause,
                escape(failure.type, 40),
            )
        )
        for failure in sight.failures
        if choice.shows(failure.kind, failure.cause, failure.type)
    ]
    return TextTable(TABLES["3"], headings, rows)
