"""The commands retry, cancel and prune."""

from __future__ import annotations

from actorq.store.session.connection import Session
from tests.support.rows import claim, finish, insert, states
from tests.support.shell import Shell


def test_retry_by_id(actorq: Shell, conn: Session) -> None:
    ids = insert(conn, 2)
    finish(conn, ids, "failed")
    ran = actorq("retry", *ids)
    assert (ran.code, ran.out) == (0, "2 jobs will run again\n")
    assert states(conn, ids) == ["retrying", "retrying"]


def test_retry_says_which_jobs_it_refuses(actorq: Shell, conn: Session) -> None:
    dead, alive = insert(conn, 2)
    finish(conn, [dead], "failed")
    ran = actorq("retry", dead, alive, "--json")
    assert ran.code == 1
    assert ran.objects == [{"retried": [dead], "refused": [alive]}]
    assert str(alive) in ran.err


def test_retry_by_filter_is_capped_and_says_so(actorq: Shell, conn: Session) -> None:
    ids = insert(conn, 5)
    finish(conn, ids, "failed")
    ran = actorq("retry", "--kind", "embed", "--limit", 3)
    assert ran.code == 0
    assert ran.out.startswith("3 jobs will run again (as many as --limit allows")
    assert actorq("retry", "--state", "failed").out == "2 jobs will run again\n"
    assert actorq("retry", "--state", "failed").out == "nothing matched: 0 jobs will run again\n"


def test_retry_needs_either_ids_or_a_filter(actorq: Shell) -> None:
    assert actorq("retry").code == 2
    assert actorq("retry", 1, "--kind", "embed").code == 2
    assert actorq("retry", 1, "--limit", 5).code == 2


def test_retry_with_a_limit_alone_retries_nothing(actorq: Shell, conn: Session) -> None:
    ids = insert(conn, 2)
    finish(conn, ids, "failed")
    ran = actorq("retry", "--limit", 1)
    assert ran.code == 2
    assert "--state, --kind or --queue" in ran.err
    assert states(conn, ids) == ["failed", "failed"]


def test_retry_names_the_jobs_whose_unique_key_is_taken(actorq: Shell, conn: Session) -> None:
    (dead,) = insert(conn, unique_key="x")
    finish(conn, [dead], "failed")
    (holder,) = insert(conn, unique_key="x")
    conn.execute("INSERT INTO actorq.unique_key VALUES ('embed', 'x', %s)", [holder])
    ran = actorq("retry", dead, "--json")
    assert (ran.code, ran.objects) == (1, [{"retried": [], "refused": [dead]}])
    assert f"another pending job holds the same unique key: {dead}" in ran.err
    assert actorq("retry", "--kind", "embed").code == 1
    assert states(conn, [dead]) == ["failed"]


def test_prune_deletes_what_is_asked_for_and_never_a_pending_job(
    actorq: Shell, conn: Session
) -> None:
    done, dead, pending, running = insert(conn, 4)
    finish(conn, [done], age_s=100)
    finish(conn, [dead], "failed", age_s=100)
    claim(conn, [running])
    assert actorq("prune", "--older-than-s", 1000).out == "nothing matched: 0 jobs deleted\n"
    assert actorq("prune", "--older-than-s", 50, "--json").objects == [{"deleted": 1, "kept": 0}]
    assert actorq("prune", "--state", "failed").out == "1 job deleted\n"
    assert states(conn, [done, dead, pending, running]) == ["ready", "running"]


def test_prune_without_saying_what_is_refused(actorq: Shell, conn: Session) -> None:
    finish(conn, insert(conn))
    ran = actorq("prune")
    assert ran.code == 2
    assert "--older-than-s or --state" in ran.err
    assert actorq("prune", "--state", "pending").code == 2
    assert actorq("prune", "--older-than-s", "nan").code == 2


def test_cancel_takes_waiting_jobs_and_asks_for_running_ones(actorq: Shell, conn: Session) -> None:
    waiting, running = insert(conn, 2)
    claim(conn, [running])
    ran = actorq("cancel", waiting, running)
    assert ran.code == 0
    assert ran.out.startswith("1 job cancelled\nrunning, cancelled unless")
    assert states(conn, [waiting, running]) == ["cancelled", "running"]
    assert "cancelling" in actorq("jobs", running).out


def test_cancel_says_which_jobs_it_cannot(actorq: Shell, conn: Session) -> None:
    (job,) = insert(conn)
    finish(conn, [job])
    ran = actorq("cancel", job, 10**15, "--json")
    assert ran.code == 1
    assert ran.objects == [
        {"cancelled": [], "requested": [], "busy": [], "untouched": [job, 10**15]}
    ]
    assert f"{job}, {10**15}" in ran.err


def test_a_filter_that_meets_nothing_says_so_and_names_the_kinds_there_are(
    actorq: Shell, conn: Session
) -> None:
    insert(conn)
    for words, said in (
        (("jobs", "--kind", "embed", "--failed"), "nothing matched\n"),
        (("retry", "--kind", "embed"), "nothing matched: 0 jobs will run again\n"),
        (("prune", "--kind", "embed", "--state", "failed"), "nothing matched: 0 jobs deleted\n"),
    ):
        assert actorq(*words)[:2] == (0, said)
        mistyped = ["embd" if word == "embed" else word for word in words]
        ran = actorq(*mistyped)
        assert (ran.code, ran.out) == (2, "")
        assert "actorq: no job was ever of kind 'embd'; kinds are: embed\n" in ran.err
        assert actorq(*mistyped, "--json").code == 2


def test_a_queue_without_any_job_ever_is_refused(actorq: Shell, conn: Session) -> None:
    insert(conn)
    for words in (["jobs"], ["retry"]):
        ran = actorq(*words, "--queue", "slow")
        assert ran.code == 2
        assert "no job was ever on queue 'slow'; queues are: default" in ran.err


def test_before_the_first_job_there_are_no_kinds(actorq: Shell) -> None:
    assert actorq("jobs")[:2] == (0, "nothing matched\n")
    assert "kinds are: none yet" in actorq("jobs", "--kind", "embed").err
