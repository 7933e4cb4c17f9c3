"""Each role of the documentation can do what is said of it, with what it is granted there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import conninfo, sql

from actorq import App, JobFailed
from actorq.core.plan.effects import Claim
from actorq.core.store_values import NodeInfo
from actorq.errors import StoreError
from actorq.store.queue.queue import QueueStore
from actorq.store.schema.migrate import migrate, sql_text
from actorq.store.session.faults import Forbidden
from tests.store.kit import done
from tests.support.rows import claim, finish, insert
from tests.support.shell import ROOT, Shell

PAGE = (ROOT / "actorq/docs/operations.md").read_text("utf-8")
NAMES = ("enqueuer", "worker", "operator", "reader")
As = Callable[[str], str]
"""Returns a connection string by which one is that role."""


def grants() -> str:
    """Return what the documentation tells to grant: the lines that are indented."""
    section = PAGE.split("## Roles\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"^    (.*)$", section, re.M))


@pytest.fixture
def own(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET actorq.own = 'on'")
        yield conn


@pytest.fixture
def role(own: psycopg.Connection, dsn: str) -> Iterator[As]:
    """Make the roles under names of this test's own, for roles belong to the whole server."""
    ending = uuid.uuid4().hex[:8]
    text = re.sub(rf"\b({'|'.join(NAMES)})\b", rf"\1_{ending}", grants())
    made = [sql.Identifier(f"{name}_{ending}") for name in (*NAMES, "migrator", "stranger")]
    for name in made:
        own.execute(sql.SQL("CREATE ROLE {}").format(name))
    own.execute(text.encode())
    yield lambda name: conninfo.make_conninfo(dsn, options=f"-c role={name}_{ending}")
    for name in made:
        own.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(name))


def test_an_enqueuer_can_enqueue_in_every_way_and_ask_what_became_of_it(
    role: As, own: psycopg.Connection
) -> None:
    with App(role("enqueuer")) as app:
        kind = app.kind("embed")
        job = kind.enqueue({})
        assert kind.enqueue_many([1, 2]) == 2
        assert len(kind.enqueue_many([1, 2], return_ids=True)) == 2
        assert kind.enqueue({}, unique_key="x").is_new
        finish(own, [app.job(job.id).id])
        own.execute("INSERT INTO actorq.result VALUES (%s, '7')", [job.id])
        assert (job.state(), job.result()) == ("completed", 7)
        (holder,) = own.execute("SELECT job FROM actorq.unique_key").fetchall()[0]
        finish(own, [holder])
        assert kind.enqueue({}, unique_key="x").is_new


def test_an_enqueuer_can_wait_and_hears_of_a_failure_as_much_as_it_may_read(
    role: As, own: psycopg.Connection
) -> None:
    over, dead = insert(own, 2)
    finish(own, [over])
    finish(own, [dead], "failed")
    own.execute("INSERT INTO actorq.result VALUES (%s, '7')", [over])
    with App(role("enqueuer")) as app:
        assert app.job(over).result(timeout_s=60) == 7
        with pytest.raises(JobFailed, match="GRANT SELECT ON the table failure"):
            app.job(dead).result(timeout_s=60)


def test_an_enqueuer_cannot_read_args_or_take_jobs(role: As, own: psycopg.Connection) -> None:
    insert(own)
    with psycopg.connect(role("enqueuer"), autocommit=True) as conn:
        for text in ("SELECT args FROM actorq.job", "DELETE FROM actorq.ready"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(text.encode())


def test_a_worker_can_do_all_that_a_supervisor_does(role: As, own: psycopg.Connection) -> None:
    insert(own, 5, kind="k", unique_key="x")
    own.execute("INSERT INTO actorq.unique_key VALUES ('k', 'x', 1)")
    node = str(uuid.uuid4())
    store = QueueStore.connect(role("worker"), node=node)
    try:
        store.register(NodeInfo(node, "here", 1))
        lane = store.lanes([("default", "k"), ("new", "k")])["default", "k"]
        assert store.remember_kind("k", "1") is None
        assert store.remember_kind("k", "2") == "1"
        store.listen()
        store.hunger({lane}, set())
        store.hunger(set(), {lane})
        (batch,) = store.claim(Claim(lane, 1, 2)).batches
        store.settle(1, [done(batch)])
        assert store.claim(Claim(lane, 2, 2)).batches
        assert store.give_back(2, seq=0)
        assert store.beat() == []
        assert store.reap(10, 2, 2).leases == 0
        assert store.sweep_keys(("", ""), 10) == (None, 1)
        store.vacuum_ready()
        store.mend([3])
        store.leave()
    finally:
        store.close()


def test_an_operator_can_retry_cancel_prune_and_repair(
    role: As, own: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    actorq = Shell(role("operator"), capsys)
    dead, waiting, over = insert(own, 3)
    finish(own, [dead], "failed")
    finish(own, [over])
    assert actorq("retry", dead).code == 0
    assert actorq("cancel", waiting).code == 0
    assert actorq("prune", "--state", "completed").out == "1 job deleted\n"
    own.execute("DELETE FROM actorq.ready")
    own.execute("INSERT INTO actorq.job (id, kind) VALUES (1000, 'new')")
    ran = actorq("doctor", "--repair")
    assert (ran.code, "repaired: 1 row added" in ran.out) == (0, True), ran.out + ran.err


def test_a_reader_can_look_at_everything_and_change_nothing(
    role: As, own: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    actorq = Shell(role("reader"), capsys)
    dead, running = insert(own, 2)
    finish(own, [dead], "failed")
    claim(own, [running])
    for words in (["status"], ["jobs"], ["jobs", "--failed"], ["jobs", running, "--args"]):
        ran = actorq(*words)
        assert (ran.code, ran.err) == (0, "")
    ran = actorq("doctor")
    assert ran.code == 0
    assert "not checked" not in ran.out
    for words in (["retry", dead], ["prune", "--state", "failed"], ["cancel", running]):
        ran = actorq(*words)
        assert (ran.code, "permission denied" in ran.err) == (1, True)


@pytest.mark.parametrize("hidden", ["lease", "failure", "job", "node"])
def test_doctor_says_what_its_role_may_not_read_and_checks_the_rest(
    role: As, own: psycopg.Connection, capsys: pytest.CaptureFixture[str], hidden: str
) -> None:
    reader = str(conninfo.conninfo_to_dict(role("reader"))["options"]).split("=")[1]
    own.execute(f"REVOKE SELECT ON actorq.{hidden} FROM {reader}".encode())
    ran = Shell(role("reader"), capsys)("doctor")
    assert (
        f"not checked, because this role may not: permission denied for table {hidden}" in ran.out
    )
    assert "ok    connection: direct" in ran.out


def test_a_sequence_that_may_not_be_read_is_said_to_be_so(
    role: As, own: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = str(conninfo.conninfo_to_dict(role("reader"))["options"]).split("=")[1]
    own.execute(f"REVOKE SELECT ON ALL SEQUENCES IN SCHEMA actorq FROM {reader}".encode())
    assert "WARN  ids: not checked" in Shell(role("reader"), capsys)("doctor").out


def test_who_may_not_make_schemas_can_migrate_one_that_is_there(
    role: As, own: psycopg.Connection
) -> None:
    migrator = str(conninfo.conninfo_to_dict(role("migrator"))["options"]).split("=")[1]
    own.execute(f"REVOKE CREATE ON DATABASE {own.info.dbname} FROM PUBLIC".encode())
    with pytest.raises(Forbidden, match="permission denied for database"):
        migrate(role("migrator"), "jobs2")
    own.execute(f"CREATE SCHEMA jobs2 AUTHORIZATION {migrator}".encode())
    assert migrate(role("migrator"), "jobs2") != []
    own.execute(f"CREATE SCHEMA jobs3 AUTHORIZATION {migrator}".encode())
    with psycopg.connect(role("migrator"), autocommit=True) as conn:
        conn.execute(sql_text("jobs3").encode())


def test_migrating_nothing_takes_no_right_but_to_see_that(role: As, dsn: str) -> None:
    assert migrate(role("reader")) == []
    with pytest.raises(StoreError, match="permission denied"):
        migrate(role("stranger"))
