"""The commands status and jobs: for people, for programs, and with hostile texts."""

from __future__ import annotations

import unicodedata

import pytest

from actorq.store.admin import status as admin_status
from actorq.store.session.connection import Session
from tests.support.rows import NODE, claim, finish, insert, register
from tests.support.shell import Shell

HOSTILE = "\x1b[31mred\x1b[0m\r\n\x9b2J\u202e<script>{{7*7}}"


def test_status_of_an_empty_database(actorq: Shell) -> None:
    ran = actorq("status")
    assert ran.code == 0
    assert "no jobs yet" in ran.out
    assert "no supervisor is running" in ran.out


def test_status_shows_lanes_and_supervisors(actorq: Shell, conn: Session) -> None:
    register(conn)
    claim(conn, insert(conn, 12)[:5])
    ran = actorq("status")
    header, lane = ran.out.splitlines()[:2]
    shown = dict(zip(header.split(), lane.split(), strict=False))
    assert (shown["kind"], shown["due"], shown["running"], shown["dead"]) == (
        "embed",
        "7",
        "5",
        "0",
    )
    assert str(NODE)[:8] in ran.out


def test_status_as_json_is_one_object(actorq: Shell, conn: Session) -> None:
    insert(conn, 3)
    (status,) = actorq("status", "--json").objects
    assert status["lanes"][0]["n_due"] == 3
    assert status["nodes"] == []
    assert status["n_stored"] == 3


def test_jobs_lists_newest_first_and_names_the_next_page(actorq: Shell, conn: Session) -> None:
    ids = insert(conn, 5)
    ran = actorq("jobs", "--limit", 2)
    assert [line.split()[0] for line in ran.out.splitlines()[1:3]] == [str(ids[4]), str(ids[3])]
    assert f"--before {ids[3]}" in ran.out
    rest = actorq("jobs", "--before", ids[3], "--json").objects
    assert [job["id"] for job in rest] == ids[2::-1]


def test_no_further_page_is_promised_where_there_is_none(actorq: Shell, conn: Session) -> None:
    ids = insert(conn, 3)
    assert "more" not in actorq("jobs", "--limit", 3).out
    assert "more" not in actorq("jobs", "--limit", 1, "--before", ids[1]).out
    finish(conn, ids[1:], "failed")
    assert f"there may be more: --before {ids[1]}" in actorq("jobs", "--failed", "--limit", 2).out


def test_a_state_is_asked_for_once(actorq: Shell) -> None:
    ran = actorq("jobs", "--failed", "--state", "running")
    assert ran.code == 2
    assert "not allowed with argument" in ran.err


def test_a_running_job_that_is_to_be_cancelled_is_shown_so(actorq: Shell, conn: Session) -> None:
    register(conn)
    (job,) = insert(conn)
    claim(conn, [job])
    actorq("cancel", job)
    assert actorq("jobs", "--state", "running").out.splitlines()[1].split()[1] == "cancelling"


def test_jobs_filters(actorq: Shell, conn: Session) -> None:
    dead = insert(conn, 2)
    finish(conn, dead, "failed")
    other = insert(conn, kind="other", queue="slow")
    assert [job["id"] for job in actorq("jobs", "--failed", "--json").objects] == dead[::-1]
    assert [job["id"] for job in actorq("jobs", "--kind", "other", "--json").objects] == other
    assert [job["id"] for job in actorq("jobs", "--queue", "slow", "--json").objects] == other
    assert actorq("jobs", "--state", "running").out == "nothing matched\n"


@pytest.mark.parametrize(
    "filter_",
    [("--state", "failed"), ("--failed",), ("--kind", "x"), ("--queue", "x"), ("--before", 9),
     ("--limit", 3)],
)  # fmt: skip
def test_a_filter_beside_an_id_is_refused(
    actorq: Shell, conn: Session, filter_: tuple[object, ...]
) -> None:
    (job,) = insert(conn)
    ran = actorq("jobs", job, *filter_)
    assert (ran.code, ran.out) == (2, "")
    assert "an ID names one" in ran.err


def test_estimates_are_marked(
    actorq: Shell, conn: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        insert(conn, 4000)
    monkeypatch.setattr(admin_status, "percent", lambda *pages: 99.9999)
    monkeypatch.setattr(admin_status, "FEW", 1)
    shown = actorq("status").out
    assert " ~8,000 " in shown
    assert "~ estimated" in shown
    assert "about 8,000 jobs stored" in shown


def test_one_job_is_shown_with_its_history(actorq: Shell, conn: Session) -> None:
    (job,) = insert(conn, args='{"secret": 42}')
    finish(conn, [job], "failed")
    conn.execute("UPDATE actorq.failure SET traceback = E'Traceback:\\n  line 1\\n  line 2'")
    conn.execute("INSERT INTO actorq.result VALUES (%s, '[0.5]')", [job])
    ran = actorq("jobs", job)
    assert "ValueError: no" in ran.out
    assert "      line 2\n" in ran.out
    assert "[0.5]" in ran.out
    assert "secret" not in ran.out


def test_one_job_as_json_has_failures_result_and_holder(actorq: Shell, conn: Session) -> None:
    register(conn)
    (job,) = insert(conn)
    claim(conn, [job], n=3)
    (shown,) = actorq("jobs", job, "--json").objects
    assert shown["state"] == "running"
    assert (shown["held"]["lease"], shown["held"]["pid"]) == (3, 1)
    assert (shown["failures"], shown["result"]) == ([], None)


def test_args_are_printed_only_when_asked_for(actorq: Shell, conn: Session) -> None:
    (job,) = insert(conn, args='{"secret":\n 1.50}')
    for words in (["jobs"], ["jobs", job], ["jobs", "--json"], ["jobs", job, "--json"], ["status"]):
        assert "secret" not in actorq(*words).out
    assert "secret" in actorq("jobs", job, "--args").out
    ran = actorq("jobs", "--args", "--json")
    assert ran.objects[0]["args"] == {"secret": 1.5}
    assert "1.50" in ran.out, "numbers are passed on as they were sent"


def test_an_unknown_job_is_an_error(actorq: Shell) -> None:
    ran = actorq("jobs", 10**15)
    assert (ran.code, ran.out) == (1, "")
    assert "there is no job" in ran.err


def test_hostile_texts_cannot_move_the_terminal(actorq: Shell, conn: Session) -> None:
    (job,) = insert(conn, args='{"a": "\x9b2J\u202e"}', tags=[HOSTILE], key=HOSTILE)
    finish(conn, [job], "failed")
    conn.execute(
        "UPDATE actorq.failure SET type = %(t)s, message = %(t)s, traceback = %(t)s", {"t": HOSTILE}
    )
    for words in (["jobs"], ["jobs", job], ["jobs", job, "--args"], ["jobs", job, "--json"]):
        ran = actorq(*words, "--args") if "--args" not in words else actorq(*words)
        odd = {c for c in ran.out if unicodedata.category(c) in ("Cc", "Cf")}
        assert odd == {"\n"}


@pytest.mark.parametrize("limit", ["0", "-1", "1000000", "x"])
def test_pages_are_capped(actorq: Shell, limit: str) -> None:
    assert actorq("jobs", "--limit", limit).code == 2
