"""One job: what is written, and what is refused before anything is sent."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pandas as pd
import psycopg
import pytest

import actorq
from actorq import App
from actorq.args.options import Options
from actorq.errors import ArgsInvalid, ArgsTooLarge, EnqueueError, UnknownKind

UTC = dt.UTC


class Doc(msgspec.Struct):
    path: str
    text: str = ""


TEXTS = ["", "é😀", 'tab\tquote"back\\slash\nline', "{}$1 %s :x", r"\N", r"\.", "\x1f\x7f\u2028"]


def row(db: psycopg.Connection, id_: int, columns: str) -> tuple[Any, ...]:
    found = db.execute(f"SELECT {columns} FROM actorq.job WHERE id = {id_}").fetchone()
    assert found is not None
    return found


def test_a_job_is_written_and_ready(app: App, db: psycopg.Connection) -> None:
    job = app.kind("embed", args=Doc).enqueue(Doc("a", "b"))
    assert job.is_new
    assert row(db, job.id, "queue, kind, key, priority, max_attempts, tags, state, attempt") == (
        *("default", "embed", "", 5, None, None, "pending", 0),
    )
    assert row(db, job.id, "args::text, run_at = created_at") == ('{"path":"a","text":"b"}', True)
    assert db.execute("SELECT id FROM actorq.ready").fetchall() == [(job.id,)]
    assert job.state() == "ready"
    assert job.result() is None


def test_every_option_reaches_its_column(app: App, db: psycopg.Connection) -> None:
    job = app.kind("embed", args=Doc, queue="slow").enqueue(
        Doc("a"),
        queue="q",
        priority=0,
        max_attempts=7,
        key="k\t\\",
        tags=['a,"{}\\', "é"],
        delay_s=90,
    )
    assert row(db, job.id, "queue, priority, max_attempts, key, tags") == (
        *("q", 0, 7, "k\t\\", ['a,"{}\\', "é"]),
    )
    assert row(db, job.id, "run_at - created_at") == (dt.timedelta(seconds=90),)
    assert job.state() == "scheduled"
    other = app.kinds["embed"].enqueue(Doc("a"))
    assert row(db, other.id, "queue") == ("slow",)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_any_text_is_kept(app: App, db: psycopg.Connection, text: str) -> None:
    job = app.kind("embed", args=Doc).enqueue(Doc(text, text * 3), key=text)
    args, key = row(db, job.id, "args::text, key")
    assert (msgspec.json.decode(args, type=Doc), key) == (Doc(text, text * 3), text)


@pytest.mark.parametrize(
    "when",
    [
        dt.datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        dt.datetime(2030, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=14, minutes=59))),
        dt.datetime.max.replace(tzinfo=UTC),
        dt.datetime(1900, 1, 1, tzinfo=UTC),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        pd.Timestamp("2030-01-01 12:00:00.123456", tz="Europe/Berlin"),
    ],
)
def test_an_instant_is_kept_to_the_microsecond(
    app: App, db: psycopg.Connection, when: dt.datetime
) -> None:
    job = app.kind("embed").enqueue({}, run_at=when)
    (epoch,) = row(db, job.id, "extract(epoch FROM run_at)")
    assert float(epoch) == pytest.approx((when - dt.datetime.fromtimestamp(0, UTC)).total_seconds())


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"delay_s": -1}, "delay_s=-1 is less than 0 s: it must be from 0 to 3,155,760,000 seconds"),
    ({"delay_s": math.nan}, "delay_s=nan"),
    ({"delay_s": math.inf}, "delay_s=inf"),
    ({"delay_s": 1e300}, "delay_s=1e.300"),
    ({"delay_s": "5 min"}, "delay_s='5 min'"),
    ({"run_at": dt.datetime(2030, 1, 1)}, "run_at=2030-01-01T00:00:00 has no time zone"),
    ({"run_at": "infinity"}, "run_at must be a datetime, not str"),
    ({"run_at": pd.NaT}, "run_at is NaT, no instant: give None"),
    ({"run_at": pd.Timestamp("2030-01-01")}, "run_at=2030-01-01T00:00:00 has no time zone"),
    ({"run_at": np.datetime64("2030-01-01")}, "run_at must be a datetime, not datetime64"),
    ({"delay_s": pd.NaT}, "delay_s=NaT is no span of time: it must be"),
    ({"run_at": dt.date(2030, 1, 1)}, "run_at must be a datetime, not date"),
    (
        {"run_at": dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-14)))},
        "out of range in UTC",
    ),
    ({"run_at": dt.datetime.now(UTC), "delay_s": 1}, "both given"),
    ({"priority": -1}, "priority=-1 must be a whole number from 0 to 9"),
    ({"priority": 10}, "priority=10"),
    ({"priority": 2**63}, "priority="),
    ({"priority": True}, "priority=True"),
    ({"priority": 1.0}, "priority=1.0"),
    ({"max_attempts": 0}, "max_attempts=0 must be a whole number from 1 to 32,767"),
    ({"max_attempts": -1}, "max_attempts=-1"),
    ({"max_attempts": 32_768}, "max_attempts=32768"),
    ({"max_attempts": 2**31}, "max_attempts=2147483648"),
    ({"queue": ""}, "queue '' is not a legal name"),
    ({"queue": "a b"}, "queue 'a b' is not a legal name"),
    ({"queue": "q\n"}, "queue"),
    ({"key": "x" * 129}, "key has 129 bytes as UTF-8: 0 to 128 are legal"),
    ({"key": "é" * 65}, "key has 130 bytes"),
    ({"key": "a\0"}, "key holds the NUL character"),
    ({"key": "\ud800"}, "key holds a lone surrogate"),
    ({"key": 7}, "key must be text, not int"),
    ({"key": 0}, "key must be text, not int"),
    ({"unique_key": ""}, "unique_key has 0 bytes as UTF-8: 1 to 512 are legal"),
    ({"unique_key": "x" * 10**6}, "unique_key has 1,000,000 bytes"),
    ({"unique_key": "\0"}, "unique_key holds the NUL"),
    ({"unique_key": 7}, "unique_key must be text"),
    ({"tags": "abc"}, "tags must be a list of texts, not str"),
    ({"tags": 5}, "tags must be a list"),
    ({"tags": 0}, "tags must be a list"),
    ({"tags": ["a"] * 17}, "tags: 17 are given, 16 are legal"),
    ({"tags": ["x" * 65]}, "1 to 64 characters"),
    ({"tags": [""]}, "is not legal"),
    ({"tags": ["a\0"]}, "is not legal"),
    ({"tags": ["\ud800"]}, "is not legal"),
    ({"tags": [b"a"]}, "is not legal"),
    ({"tags": ["é" * 64] * 9}, "together they have more than 1,024 bytes"),
]


@pytest.mark.parametrize(("options", "said"), BAD_OPTIONS, ids=lambda value: ascii(value)[:40])
def test_wrong_options_are_named(options: dict[str, Any], said: str) -> None:
    kind = App("postgresql://nowhere.invalid").kind("embed")
    with pytest.raises(EnqueueError, match=said):
        kind.enqueue({}, **options)
    with pytest.raises(EnqueueError, match=said):
        Options(**options)


def test_none_means_the_default(app: App, db: psycopg.Connection) -> None:
    nothing: dict[str, Any] = dict.fromkeys(Options.__struct_fields__)
    job = app.kind("embed").enqueue({}, **nothing)
    app.kind("embed").enqueue_many([{}], **nothing)
    assert row(db, job.id, "queue, key, priority, tags") == ("default", "", 5, None)


def test_functions_as_keys_are_for_bulk_only(app: App) -> None:
    with pytest.raises(EnqueueError, match="only in enqueue_many"):
        app.kind("embed").enqueue({}, key=len)


def test_refused_args_send_nothing() -> None:
    app = App("postgresql://nowhere.invalid", max_args_bytes=50)
    kind = app.kind("embed", args=Doc)
    with pytest.raises(ArgsInvalid, match="the args do not fit Doc"):
        kind.enqueue({"path": 5})  # type: ignore[call-overload]
    with pytest.raises(ArgsInvalid, match="give one value"):
        kind.enqueue(Doc("a"), Doc("b"))  # type: ignore[call-overload]
    with pytest.raises(ArgsTooLarge, match="50 are allowed"):
        kind.enqueue(Doc("x" * 50))


def test_enqueue_by_name(app: App) -> None:
    app.kind("embed", args=Doc)
    assert app.enqueue("embed", Doc("a")).kind == "embed"
    assert app.enqueue_many("embed", [Doc("a")]) == 1
    with pytest.raises(ArgsInvalid):
        app.enqueue("embed", {"path": 1})
    for name in ("embde", "os.system"):
        with pytest.raises(UnknownKind, match=f"kind '{name}' is not declared .* embed"):
            app.enqueue(name, {})
    with pytest.raises(actorq.ConfigError, match="is not a legal name"):
        app.enqueue("'; DROP TABLE job;--", {})


def test_undeclared_names_where_allowed(dsn: str) -> None:
    with App(dsn, allow_undeclared=True) as app:
        assert app.enqueue("whatever", [1, 2]).state() == "ready"
        with pytest.raises(actorq.ConfigError, match="is not a legal name"):
            app.enqueue("a b", {})


def test_the_handle_reads_what_became_of_the_job(app: App, db: psycopg.Connection) -> None:
    job = app.kind("embed").enqueue({})
    db.execute("DELETE FROM actorq.ready")
    db.execute(
        f"UPDATE actorq.job SET state = 'completed', finalized_at = now() WHERE id = {job.id}"
    )
    db.execute(f"INSERT INTO actorq.result VALUES ({job.id}, '{{\"a\": [1.5, null]}}')")
    assert job.state() == "completed"
    assert app.job(job.id).result() == {"a": [1.5, None]}
    db.execute(f"DELETE FROM actorq.job WHERE id = {job.id}")
    assert job.state() is None


def test_args_of_a_function_kind(app: App, db: psycopg.Connection) -> None:
    @app.actor("thumbnail")
    def thumbnail(path: str, width: int = 200) -> str:
        return f"{path}@{width}"

    assert thumbnail("a", width=3) == "a@3"
    ids = [thumbnail.enqueue("a").id, thumbnail.enqueue(path="b", width=7, priority=1).id]
    assert [row(db, id_, "args, priority") for id_ in ids] == [
        ({"path": "a"}, 5),
        ({"path": "b", "width": 7}, 1),
    ]
    assert thumbnail.enqueue_many([{"path": "a"}, ("b", 3), "c"]) == 3
    with pytest.raises(ArgsInvalid, match=r"item 1: .*no parameter 'widht'"):
        thumbnail.enqueue_many([{"path": "a"}, {"widht": 3}])
