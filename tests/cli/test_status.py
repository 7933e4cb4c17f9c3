"""The command status: what was done of late, and who follows, beside the counts."""

from __future__ import annotations

import uuid

import msgspec
import pytest

from actorq.cli.output import rate, short, span
from actorq.core.counters.histogram import bucket
from actorq.store.session.connection import Session
from tests.support.rows import claim, insert, register
from tests.support.shell import Shell

WAITED, RAN = {bucket(0.002): 990, bucket(0.5): 10}, {bucket(1.5): 1000}


def did(conn: Session, kind: str, minutes: int, n: int, n_failed: int = 0) -> None:
    """Make the figures of a minute that is so long ago, as the fold writes them."""
    conn.execute(
        "INSERT INTO actorq.minute (at, lane, source, n_completed, n_failed, n_retried, n_snoozed,"
        " n_cancelled, n_batches, waited, ran, sizes, cuts)"
        " SELECT date_trunc('minute', now(), 'UTC') - %s * interval '1 min', id, %s, %s, %s, 0, 0,"
        " 0, 4, %s, %s, %s, %s FROM actorq.lane WHERE kind = %s",
        [
            minutes, uuid.uuid4(), n, n_failed,
            *(msgspec.json.encode(h).decode() for h in (WAITED, RAN)),
            '{"250": 4}', '{"full": 3, "idle": 1}', kind,
        ],
    )  # fmt: skip


def follow(conn: Session, name: str, seconds: int, jobs: bool = True) -> None:
    conn.execute(
        "INSERT INTO actorq.follower (id, name, jobs, parts, hint, until)"
        " VALUES (gen_random_uuid(), %s, %s, true, true, now() + %s * interval '1 s')",
        [name, jobs, seconds],
    )


def test_what_was_done_in_the_last_minute_and_hour_is_told(actorq: Shell, conn: Session) -> None:
    insert(conn, 1)
    did(conn, "embed", 1, 1000, 60)
    did(conn, "embed", 30, 2600)
    did(conn, "embed", 70, 9_000_000)
    (found,) = actorq("status", "--json").objects
    minute, hour = found["lanes"][0]["minute"], found["lanes"][0]["hour"]
    assert (minute["n_completed"], minute["n_failed"], hour["n_completed"]) == (1000, 60, 3600)
    assert 60 <= minute["period_s"] < 120
    assert minute["completed_per_s"] == pytest.approx(1000 / minute["period_s"], rel=1e-3)
    assert minute["wait_p50_s"] == pytest.approx(0.002, rel=0.02)
    assert minute["wait_p99_s"] == pytest.approx(0.002, rel=0.02)
    assert minute["run_p99_s"] == pytest.approx(1.5, rel=0.02)
    assert (minute["mean_batch"], minute["cuts"]) == (250, {"full": 3, "idle": 1})


def test_it_is_shown_as_two_tables_of_eighty_columns(actorq: Shell, conn: Session) -> None:
    insert(conn, 1)
    insert(conn, 1, kind="thumbnail")
    did(conn, "embed", 1, 1000, 60)
    did(conn, "thumbnail", 40, 360)
    ran = actorq("status")
    tables = ran.out.split("\n\n")
    assert [table.split()[:2] for table in tables[1:3]] == [["last", "minute"], ["last", "hour"]]
    assert "thumbnail" not in tables[1]
    assert "250  full 75%" in tables[1]
    assert all(len(line) <= 80 for table in tables[1:3] for line in table.splitlines())


def test_a_kind_in_two_queues_is_told_apart(actorq: Shell, conn: Session) -> None:
    insert(conn, 1)
    insert(conn, 1, queue="other")
    did(conn, "embed", 1, 10)
    shown = actorq("status").out.split("\n\n")[1]
    assert "embed in default" in shown
    assert "embed in other" in shown


def test_where_nothing_was_done_there_are_no_tables_of_it(actorq: Shell, conn: Session) -> None:
    insert(conn, 1)
    assert "last minute" not in actorq("status").out
    assert actorq("status", "--json").objects[0]["lanes"][0]["hour"] is None


def test_settles_that_are_not_folded_yet_count(actorq: Shell, conn: Session) -> None:
    register(conn)
    claim(conn, insert(conn, 3))
    conn.execute(
        "INSERT INTO actorq.change (source, no, counts) SELECT %s, 2,"
        " json_build_array(json_build_array(id, 3, 0, 0, 0, 0)) FROM actorq.lane",
        [uuid.uuid4()],
    )
    assert actorq("status", "--json").objects[0]["lanes"][0]["minute"]["n_completed"] == 3


def test_followers_are_named_with_what_is_kept_for_them(actorq: Shell, conn: Session) -> None:
    follow(conn, "board", 60)
    follow(conn, "gone", -1)
    follow(conn, "top", 5, jobs=False)
    conn.execute(
        "INSERT INTO actorq.change (source, no, at, counts, jobs) SELECT %s, n,"
        " now() - interval '90 s', '[]', json_build_array('[]'::json, '[]'::json)"
        " FROM generate_series(1, 5) n",
        [uuid.uuid4()],
    )
    ran = actorq("status")
    assert "board     jobs and parts  woken" in ran.out
    assert "top       parts           woken" in ran.out
    assert "gone\n" not in ran.out
    assert "kept for them: 5 changes and 0 reports, 0.0 MB, the oldest 90." in ran.out
    (found,) = actorq("status", "--json").objects
    assert [each["name"] for each in found["followers"]] == ["board", "top"]
    assert found["kept"]["n_changes"] == 5
    assert found["kept"]["bytes"] > 0


def test_nothing_is_said_of_followers_while_there_are_none(actorq: Shell, conn: Session) -> None:
    assert "follow" not in actorq("status").out
    assert actorq("status", "--json").objects[0]["kept"] is None


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (0.254, "0.25"), (3.14, "3.14"), (99.96, "100"), (999.6, "1k"), (12_345, "12.3k"),
     (341_900, "342k"), (5e6, "5M"), (2.5e13, "2.5e+04G")],
)  # fmt: skip
def test_numbers_are_shown_in_three_digits(number: float, shown: str) -> None:
    assert short(number) == shown


def test_rates_and_spans_are_never_shown_as_nothing_by_rounding() -> None:
    assert (rate(0), rate(0.001), rate(0.02)) == ("0", "<0.01", "0.02")
    spans = [span(s) for s in (0, 9e-7, 0.0000123, 0.0045, 1.2, 119, 600, 90_000)]
    assert spans == ["0us", "1us", "12us", "4.5ms", "1.2s", "119s", "10m", "25h"]
