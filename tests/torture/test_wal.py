"""The log of changes is read whole and once, whatever was sent twice or torn."""

from __future__ import annotations

from tests.torture.wal import parse, transactions

JOB = (
    "table actorq.job: INSERT: id[bigint]:7 run_at[actorq.instant]:'2026-01-01 10:00:00+00'"
    " kind[text]:'it''s' tags[text[]]:null args[actorq.args]:'{\"n\": 3}'"
    " state[actorq.job_state]:'pending' attempt[integer]:0"
)


def test_columns_are_read_with_their_quotes_and_nulls() -> None:
    change = parse(JOB)
    assert change is not None
    assert (change.table, change.verb) == ("job", "INSERT")
    assert change.row == {
        "id": "7", "run_at": "2026-01-01 10:00:00+00", "kind": "it's", "tags": None,
        "args": '{"n": 3}', "state": "pending", "attempt": "0",
    }  # fmt: skip


def test_other_tables_are_left_out() -> None:
    assert parse("table actorq.result: INSERT: job[bigint]:1 value[json]:'1'") is None
    assert parse("table public.job: INSERT: id[bigint]:1") is None


def test_a_transaction_that_was_sent_twice_counts_once() -> None:
    text = ["BEGIN 5", JOB, "COMMIT 5", "BEGIN 6", JOB, "COMMIT 6", "BEGIN 5", JOB, "COMMIT 5"]
    assert [(t.xid, t.place, len(t.changes)) for t in transactions(lines(text))] == [
        (5, 0, 1),
        (6, 1, 1),
    ]


def test_half_a_transaction_is_dropped() -> None:
    text = ["BEGIN 5", JOB, "BEGIN 5", JOB, JOB, "COMMIT 5", "BEGIN 9", JOB]
    assert [(t.xid, len(t.changes)) for t in transactions(lines(text))] == [(5, 2)]


def test_a_value_may_hold_line_breaks() -> None:
    text = [
        "BEGIN 5",
        "table actorq.node: INSERT: id[uuid]:'a' host[text]:'two\nlines'",
        "COMMIT 5",
    ]
    (transaction,) = transactions(lines("\n".join(text).split("\n")))
    assert transaction.changes[0].row["host"] == "two\nlines"


def lines(text: list[str]) -> list[str]:
    return [line + "\n" for line in text]
