"""Whatever road a dump comes back on, no job runs under another kind's handler."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from actorq.core.job.model import Row
from actorq.core.plan.effects import Claim
from actorq.store.admin.doctor import diagnose, repair, strays
from actorq.store.schema.migrate import migrate
from actorq.store.session.faults import BrokenLease
from tests.store.kit import ERROR, Kit, as_node, done, part
from tests.support.dump import dump, restore

STATE = ["lane", "ready", "lease", "node", "hunger", "settled", "migration"]
"""What the trigger makes anew: a dump of data alone leaves it out."""

JOBS_ONLY = ["--data-only", "-n", "actorq", *[f"-Tactorq.{table}" for table in STATE]]
PAGE = files("actorq") / "docs" / "operating" / "database.md"
ALL_DATA = ["--data-only", "-n", "actorq"]

KINDS = ["zed", "k", "mid", "aaa"]
"""Their lanes are numbered in this order; the trigger of a restore numbers them by name."""


@pytest.fixture
def old(kit: Kit) -> Kit:
    """Fill a database with jobs that wait, are leased, are suspects, have failed and completed."""
    kit.conn.execute("TRUNCATE actorq.lane RESTART IDENTITY")
    for n, kind in enumerate(KINDS, 1):
        kit.conn.execute(
            "INSERT INTO actorq.job (kind, args) SELECT %s, to_json(n)"
            " FROM generate_series(1, 10) n",
            [kind],
        )
        kit.lane = n
        batch = kit.batch(n, 6)
        dead, late, suspect, gone = batch.ids[:4]
        rows = [
            Row(dead, 0, "failed", "failed", error=ERROR),
            Row(late, 0, "pending", "failed", retry_in_s=0.0, error=ERROR),
            Row(suspect, 0, "pending", suspect=3),
            Row(gone, 0, "completed", result=b'"r"'),
        ]
        kit.store.settle(n, [part(batch, rows)])
    return kit


@pytest.fixture
def new(empty_dsn: str) -> Iterator[Kit]:
    migrate(empty_dsn)
    kit = Kit(empty_dsn)
    kit.store.leave()
    kit.conn.execute("TRUNCATE actorq.lane RESTART IDENTITY")
    yield kit
    kit.close()


def run_all(kit: Kit) -> None:
    """Take over what the dead hold, then claim and complete what every lane has.

    Nobody is given a job of another kind, and none that is given back gets lost.
    """
    node = kit.register()
    store = as_node(kit.store, node)
    for seen in kit.store.nodes():
        if seen.id != node:
            kit.store.bury(seen.id, seen.beat_at)
    kit.store.reap(100, 10, 10)
    kinds = dict(kit.rows("SELECT id, kind FROM actorq.job"))
    lease = 0
    for _ in range(5):
        for lane, kind in kit.rows("SELECT id, kind FROM actorq.lane"):
            for suspect in (0, 3):
                lease += 1
                try:
                    batches = store.claim(Claim(lane, lease, 100, suspect)).batches
                except BrokenLease:
                    store.give_back(lease)
                    continue
                for batch in batches:
                    assert {kinds[job] for job in batch.ids} == {kind}
                    store.settle(lease, [done(batch)])


def pending(kit: Kit) -> int:
    return int(kit.one("SELECT count(*) FROM actorq.job WHERE state = 'pending'"))


def check(kit: Kit) -> None:
    """Find what is wrong, mend it, and run everything; new jobs of every kind, too."""
    repair(kit.conn)
    assert strays(kit.conn) == {}
    assert [c for c in diagnose(kit.conn) if c.level == "bad"] == []
    kit.conn.execute("INSERT INTO actorq.job (kind) SELECT unnest(%s::text[])", [[*KINDS, "new"]])
    run_all(kit)
    assert pending(kit) == 0
    assert kit.one("SELECT count(*) FROM actorq.failure WHERE final") == len(KINDS)


def test_the_documented_command_is_the_one_that_is_tried_here() -> None:
    assert f"pg_dump -Fc {' '.join(JOBS_ONLY)} -f" in PAGE.read_text("utf-8")


def test_a_whole_dump_needs_nothing_more(old: Kit, empty_dsn: str, tmp_path: Path) -> None:
    dump(old.dsn, tmp_path / "all")
    assert restore(empty_dsn, tmp_path / "all") == 0
    new = Kit(empty_dsn)
    assert [c for c in diagnose(new.conn) if c.level == "bad"] == []
    assert pending(new) == 8 * len(KINDS)
    run_all(new)
    assert pending(new) == 0
    new.close()


@pytest.mark.parametrize("triggers", [[], ["--disable-triggers"]])
@pytest.mark.parametrize("at_once", [[], ["-1"]])
def test_a_dump_of_the_jobs_alone_needs_a_repair_at_most(
    old: Kit, new: Kit, tmp_path: Path, at_once: list[str], triggers: list[str]
) -> None:
    dump(old.dsn, tmp_path / "jobs", *JOBS_ONLY)
    assert restore(new.dsn, tmp_path / "jobs", "--data-only", *at_once, *triggers) == 0
    assert pending(new) == 8 * len(KINDS)
    if not triggers:
        assert strays(new.conn) == {}
        assert [c for c in diagnose(new.conn) if c.level == "bad"] == []
    check(new)


@pytest.mark.parametrize("begin", ["repair", "run"])
@pytest.mark.parametrize("triggers", [[], ["--disable-triggers"]])
def test_a_dump_of_all_data_never_brings_a_job_under_another_handler(
    old: Kit, new: Kit, tmp_path: Path, triggers: list[str], begin: str
) -> None:
    """Its lanes and leases are another database's; whether mended first or run as it is."""
    new.store.lanes([("default", kind) for kind in KINDS])
    dump(old.dsn, tmp_path / "data", *ALL_DATA)
    assert restore(new.dsn, tmp_path / "data", "--data-only", *triggers) == 1
    assert new.one("SELECT count(*) FROM actorq.lease") == len(KINDS)
    found = {c.name: c.level for c in diagnose(new.conn)}
    assert (found["lanes"], found["membership"]) == ("bad", "bad")
    if begin == "run":
        run_all(new)
    check(new)


def test_a_dump_of_all_data_is_refused_as_one_transaction(
    old: Kit, new: Kit, tmp_path: Path
) -> None:
    dump(old.dsn, tmp_path / "data", *ALL_DATA)
    assert restore(new.dsn, tmp_path / "data", "--data-only", "-1") == 1
    assert new.states() == {}


def test_a_lease_in_another_lane_is_mended_while_it_is_held(kit: Kit) -> None:
    kit.enqueue(3)
    batch = kit.batch(1)
    kit.conn.execute("UPDATE actorq.lease SET lane = 99")
    assert {c.name: c.level for c in diagnose(kit.conn)}["lanes"] == "bad"
    repair(kit.conn)
    assert kit.one("SELECT lane FROM actorq.lease") == kit.lane
    assert kit.store.settle(1, [done(batch)]).missing == []


@pytest.mark.parametrize("how", ["give back", "reap", "settle", "read", "cut"])
def test_jobs_return_to_their_own_lane_whatever_the_lease_says(kit: Kit, how: str) -> None:
    ids = kit.enqueue(5)
    other = kit.store.lanes([("default", "other")])["default", "other"]
    if how == "cut":
        kit.conn.execute("UPDATE actorq.ready SET lane = %s", [other])
        with pytest.raises(BrokenLease, match=r"another kind .* actorq doctor"):
            kit.claim(1, 2, lane=other)
        assert kit.one("SELECT count(*) FROM actorq.queued WHERE lane = %s", kit.lane) == 3
    else:
        batch = kit.batch(1)
        kit.conn.execute("UPDATE actorq.lease SET lane = %s", [other])
    if how == "settle":
        rows = [Row(job, 0, "pending") for job in ids]
        kit.store.settle(1, [part(batch, rows)])
    elif how == "reap":
        kit.store.leave()
        assert kit.store.reap(10, 10, 10).lanes == [kit.lane]
        kit.renew()
    else:
        if how == "read":
            assert kit.store.read(1) == []
        kit.store.give_back(1)
    kit.check_places()
    assert strays(kit.conn) == {}
    assert sorted(kit.batch(2).ids) == ids


def test_what_goes_back_into_a_lane_that_is_gone_makes_it_anew(kit: Kit) -> None:
    ids = kit.enqueue(5)
    kit.batch(1)
    kit.conn.execute("DELETE FROM actorq.lane")
    kit.store.give_back(1)
    kit.lane = kit.one("SELECT id FROM actorq.lane")
    assert sorted(kit.batch(2).ids) == ids


def test_what_stands_in_ready_already_is_not_put_there_again(kit: Kit) -> None:
    """As after a restore whose trigger made leased jobs ready: a reap must not stop at it."""
    ids = kit.enqueue(1)
    kit.batch(1)
    kit.conn.execute(
        "INSERT INTO actorq.ready (id, run_at, lane, priority)"
        " SELECT id, run_at, %s, priority FROM actorq.job",
        [kit.lane],
    )
    kit.store.leave()
    kit.store.reap(10, 10, 10)
    kit.renew()
    kit.check_places()
    assert kit.batch(2).ids == ids
