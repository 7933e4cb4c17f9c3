"""The command that shows how things stand: status."""

from __future__ import annotations

from argparse import Namespace

from actorq.admin import FollowerStatus, LaneStatus, NodeStatus, Rates, Status
from actorq.cli.database import administered
from actorq.cli.output import cuts, duration, print_json, print_table, rate, short, span
from actorq.core.exit_codes import OK
from actorq.english import count
from actorq.escape import escape

WAITING = ("n_due", "n_scheduled", "n_retrying", "n_suspect")
MAX_LABEL_CHARS = 24


def status(args: Namespace) -> int:
    """Show the counts of each kind, what was done of late, the supervisors and the followers."""
    with administered(args) as admin:
        found = admin.status()
    if args.json:
        print_json(found)
        return OK
    _print_lanes(found.lanes)
    _print_rates(found.lanes)
    print()
    _print_nodes(found.nodes)
    _print_followers(found)
    if any(lane.waiting_estimated or lane.dead_estimated for lane in found.lanes):
        print("~ estimated, off by some percent: there are too many to count them each time")
    about = "about " if found.stored_estimated else ""
    print(f"{about}{count(found.n_stored, 'job')} stored, finished ones included")
    return OK


def _print_lanes(lanes: list[LaneStatus]) -> None:
    if not lanes:
        print("no jobs yet")
        return
    headers = (
        "queue", "kind", "due", "scheduled", "retrying", "suspect", "running", "dead",
        "oldest", "next",
    )  # fmt: skip
    rows = [
        (
            lane.queue, lane.kind,
            *(_number(getattr(lane, name), lane.waiting_estimated) for name in WAITING),
            lane.n_running, _number(lane.n_dead, lane.dead_estimated),
            duration(lane.oldest_due_s), duration(lane.next_in_s),
        )
        for lane in lanes
    ]  # fmt: skip
    print_table(headers, rows)


class _Estimate(int):
    """A number that is shown as an estimate."""

    def __format__(self, spec: str) -> str:
        return f"~{int(self):{spec}}"


def _number(n: int, is_estimate: bool) -> int:
    return _Estimate(n) if is_estimate else n


def _print_nodes(nodes: list[NodeStatus]) -> None:
    if not nodes:
        print("no supervisor is running")
        return
    headers = ("supervisor", "host", "pid", "up", "last beat", "batches", "running")
    rows = [
        (
            node.node[:8], node.host, str(node.pid), duration(node.up_s),
            duration(node.beat_age_s) if node.alive else f"{duration(node.beat_age_s)} (dead?)",
            node.n_batches, node.n_running,
        )
        for node in nodes
    ]  # fmt: skip
    print_table(headers, rows)


def _print_rates(lanes: list[LaneStatus]) -> None:
    """Print what was done of late, as a table for the minute and one for the hour."""
    for title, name in (("last minute", "minute"), ("last hour", "hour")):
        done = [(lane, getattr(lane, name)) for lane in lanes if getattr(lane, name)]
        if done:
            print()
            headers = (
                title,
                "done/s",
                "failed",
                "again",
                "wait p50 p99",
                "run p50 p99",
                "batch",
                "cut",
            )
            print_table(headers, [(label(lane, lanes), *_done(rates)) for lane, rates in done])


def label(lane: LaneStatus, lanes: list[LaneStatus]) -> str:
    """Return the kind, with its queue if it has jobs in several."""
    n_queues = sum(other.kind == lane.kind for other in lanes)
    name = lane.kind if n_queues == 1 else f"{lane.kind} in {lane.queue}"
    return escape(name, MAX_LABEL_CHARS)


def _done(rates: Rates) -> tuple[object, ...]:
    return (
        rate(rates.completed_per_s),
        rate(rates.failed_per_s),
        rate(rates.retried_per_s),
        _pair(rates.wait_p50_s, rates.wait_p99_s),
        _pair(rates.run_p50_s, rates.run_p99_s),
        None if rates.mean_batch is None else short(rates.mean_batch),
        cuts(rates.cuts, rates.n_batches),
    )


def _pair(p50_s: float | None, p99_s: float | None) -> str | None:
    return None if p50_s is None or p99_s is None else f"{span(p50_s)} {span(p99_s)}"


def _print_followers(found: Status) -> None:
    if not found.followers:
        return
    rows = [
        (
            each.name, _followed(each), "woken" if each.hint else "polls",
            duration(each.since_s), duration(each.left_s),
        )
        for each in found.followers
    ]  # fmt: skip
    print()
    print_table(("follower", "follows", "how", "since", "gone in"), rows)
    if (kept := found.kept) is not None:
        about = "about " if kept.estimated else ""
        oldest = f", the oldest {duration(kept.oldest_s)} old" if kept.oldest_s is not None else ""
        print(
            f"kept for them: {about}{count(kept.n_changes, 'change')} and "
            f"{count(kept.n_told, 'report')}, {kept.bytes / 1e6:,.1f} MB{oldest}"
        )


def _followed(follower: FollowerStatus) -> str:
    what = ("jobs", "parts", "reports")
    return " and ".join(name for name in what if getattr(follower, name)) or "counts"
