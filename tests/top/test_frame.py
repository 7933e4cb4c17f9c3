"""What a frame shows, at any size: the pure part of the live view."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.core.report import GroupReport
from actorq.top.choice import SORTS, Choice, keys, pressed
from actorq.top.frame import frame, sorted_lanes
from actorq.top.table import shares
from actorq.top.values import PerSecond, RecentFailure, Sight, per_second
from tests.top.values import DATABASE, actor, kind, lane, node, rates, seen, sight

CALM = PerSecond({}, None)


def shown(seen: Sight, choice: Choice | None = None, width: int = 80, height: int = 24) -> str:
    found = frame(seen, CALM, choice or Choice(), width, height)
    return "\n".join(line.text for line in found)


def many(n: int) -> Sight:
    return sight(
        lanes=[lane(f"kind.{k}", k) for k in range(n)],
        nodes=[node(k) for k in range(n)],
        reports={node(k).node: seen(*(actor(k, slot=s) for s in range(9))) for k in range(n)},
    )


def test_everything_of_a_small_installation_fits_into_80_by_24() -> None:
    text = shown(sight())
    row = text.splitlines()[3].split()
    assert row == [
        "embed",
        "7",
        "0",
        "0",
        "250",
        "0.5",
        "2ms",
        "15ms",
        "200ms",
        "1.5s",
        "100",
        "full",
        "90%",
    ]
    assert "embed[0]" in text
    assert "1 supervisor" in text
    assert "5/100 connections  snapshot 2.5s  ready 400 dead" in text
    assert "00000001" in text
    assert "q quit" in text.splitlines()[-1]


@given(
    st.integers(0, 40), st.integers(1, 200), st.integers(1, 60), st.sampled_from(["", "kinds"]),
    st.booleans(),
)  # fmt: skip
def test_no_frame_is_larger_than_its_terminal(
    n: int, width: int, height: int, table: str, typing: bool
) -> None:
    choice = Choice(table=table, typing=typing, text="kind")
    found = frame(many(n), CALM, choice, width, height, "the database does not answer")
    assert len(found) <= height
    assert all(len(line.text) <= width and line.text.isprintable() for line in found)


def test_what_does_not_fit_is_counted_and_every_table_has_a_part() -> None:
    text = shown(many(30))
    assert "kind.0" in text
    assert "actor " in text
    assert text.count("… ") == 3
    alone = shown(many(30), Choice(table="actors"))
    assert "kind.0 " not in alone
    assert alone.count("embed[") == 19


@given(st.integers(0, 100), st.lists(st.integers(0, 50), max_size=6))
def test_rows_are_shared_fairly(n: int, wanted: list[int]) -> None:
    given_ = shares(n, wanted)
    assert sum(given_) <= n
    assert all(got <= want for got, want in zip(given_, wanted, strict=True))
    if sum(wanted) >= n and wanted:
        assert sum(given_) == n
    short = [got for got, want in zip(given_, wanted, strict=True) if got < want]
    assert not short or max(given_) - min(short) <= 1


@pytest.mark.parametrize(
    ("sort", "first"),
    [("name", "a"), ("due", "b"), ("done/s", "c"), ("wait p99", "b")],
)
def test_kinds_are_sorted_by_what_is_chosen(sort: str, first: str) -> None:
    lanes = [
        msgspec.structs.replace(lane("c", 5), minute=rates(900)),
        msgspec.structs.replace(lane("a", 1), minute=None),
        msgspec.structs.replace(lane("b", 9), minute=rates(1, wait_p99_s=9.0)),
    ]
    assert sorted_lanes(lanes, Choice(sort=sort))[0].kind == first
    assert sorted_lanes(lanes, Choice(sort=sort, reverse=True))[-1].kind == first


def test_a_filter_leaves_what_has_the_text_in_its_name() -> None:
    text = shown(sight(), Choice(text="THUMB"))
    assert "thumbnail" in text
    assert "embed" not in text
    assert text.splitlines()[-1].startswith("/THUMB, by name")


def test_keys_choose() -> None:
    choice = Choice()
    for key in "s" * len(SORTS):
        choice = pressed(choice, key)
    assert choice == Choice()
    for key in "/qe\x7f\r":
        choice = pressed(choice, key)
    assert choice == Choice(text="q")
    assert pressed(choice, "2").table == "actors"
    assert pressed(pressed(choice, "m"), "\x1b") == Choice(hour=True)
    assert pressed(Choice(), "ä") == Choice()


@pytest.mark.parametrize(
    ("data", "found"),
    [(b"q", ["q"]), (b"\x1b[A", []), (b"\x1b", ["\x1b"]), ("ä".encode(), ["ä"]), (b"\xff", [])],
)
def test_arrows_and_broken_bytes_are_no_keys(data: bytes, found: list[str]) -> None:
    assert keys(data) == found


def test_quarantine_shows_suspects_and_what_was_blamed() -> None:
    groups = [GroupReport(100, True, False), GroupReport(28, False, True)]
    rests = kind(doing="resting", resting_s=12.4, fault="error OSError", groups=groups, limit=50)
    failure = RecentFailure(17, "embed", 2, True, "signal", "ActorDied", 3.0)
    text = shown(
        sight(reports={node(1).node: seen(actor(101), kinds=(rests,))}, failures=[failure])
    )
    row = next(line for line in text.splitlines() if "resting" in line)
    assert row.split()[:6] == ["embed", "resting", "12s", "128", "2", "50/100"]
    assert "error OSError" in row
    assert text.splitlines()[-4].split() == [
        "embed",
        "17",
        "2",
        "final",
        "3s",
        "signal",
        "ActorDied",
    ]


def test_a_supervisor_that_is_silent_or_does_not_report_is_told() -> None:
    text = shown(sight(nodes=[node(1), node(2), node(3, beat_age_s=99.0)]))
    ends = {line.split()[0]: line.split()[-1] for line in text.splitlines() if "0000000" in line}
    assert ends == {"00000001": "running", "00000002": "report", "00000003": "dead?"}


def test_names_from_elsewhere_cannot_drive_the_terminal() -> None:
    hostile = "\x1b[2J\x07"
    failure = RecentFailure(17, "embed", 2, True, "error", hostile, 3.0)
    found = frame(
        sight(nodes=[node(1, host=hostile)], failures=[failure]), CALM, Choice(), 80, 24, hostile
    )
    assert all(line.text.isprintable() for line in found)


def test_cpu_and_wal_are_those_of_the_time_between_two_sights() -> None:
    before = sight(reports={node(1).node: seen(actor(101, cpu_s=1.0), cpu_s=2.0)})
    database = msgspec.structs.replace(DATABASE, wal_bytes=1e9 + 3e6, now_s=1002.0)
    now = sight(
        at=12.0, database=database, reports={node(1).node: seen(actor(101, cpu_s=2.8), cpu_s=2.5)}
    )
    assert per_second(None, now) == PerSecond({}, None)
    found = per_second(before, now)
    assert found.cpu == {100: pytest.approx(0.25), 101: pytest.approx(0.9)}
    assert found.wal_bytes == 1.5e6


def test_what_a_role_may_not_see_is_empty_and_the_grant_is_told() -> None:
    blind = msgspec.structs.replace(DATABASE, sees_all=False, oldest_snapshot_s=None)
    text = shown(sight(database=blind, notes=["GRANT pg_read_all_stats TO reader: to see it"]))
    assert "snapshot -" in text
    assert "GRANT pg_read_all_stats TO reader" in text
