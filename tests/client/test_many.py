"""Many jobs: streamed, all or none, equal to single ones in every column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import msgspec
import psycopg
import pytest

from actorq import App
from actorq.errors import ArgsInvalid, EnqueueError, RowRefused
from actorq.kind import Kind
from tests.client.test_enqueue import TEXTS


class Doc(msgspec.Struct):
    path: str
    text: str = ""


@pytest.fixture
def embed(app: App) -> Kind:
    return app.kind("embed", args=Doc)


def count(db: psycopg.Connection, table: str = "job") -> int:
    found = db.execute(f"SELECT count(*) FROM actorq.{table}").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("n", [0, 1, 499, 500, 501, 1000, 10_000, 10_500, 20_001])
@pytest.mark.parametrize("return_ids", [False, True])
def test_any_number(embed: Kind, db: psycopg.Connection, n: int, return_ids: bool) -> None:
    docs = (Doc(str(i)) for i in range(n))
    got = embed.enqueue_many(docs, return_ids=return_ids)  # type: ignore[call-overload]
    assert count(db) == count(db, "queued") == n
    if not return_ids:
        assert got == n
        return
    rows = db.execute("SELECT id, args ->> 'path' FROM actorq.job").fetchall()
    assert dict(rows) == {id_: str(i) for i, id_ in enumerate(got)}


OPTIONS: list[dict[str, Any]] = [
    {},
    {"return_ids": True},
    {"delay_s": 60},
    {"queue": "q", "priority": 0, "max_attempts": 3, "key": "a\t\n\\N", "tags": ['a,"{}\\', "\\N"]},
    {"key": lambda doc: doc["path"] if isinstance(doc, dict) else doc.path},
    {"key": lambda doc: doc.path, "return_ids": True, "tags": ["x"]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options) or "none")
def test_rows_are_those_of_single_jobs(
    embed: Kind, db: psycopg.Connection, options: dict[str, Any]
) -> None:
    docs = [Doc(text, text) for text in TEXTS]
    embed.enqueue_many(docs, **options)
    single = {name: value for name, value in options.items() if name != "return_ids"}
    for doc in docs:
        if callable(options.get("key")):
            single["key"] = options["key"](doc)
        embed.enqueue(doc, **single)
    columns = (
        "queue, kind, key, priority, max_attempts, tags::text, args::text, state, attempt,"
        " round(extract(epoch FROM run_at - created_at))"
    )
    rows = db.execute(f"SELECT {columns} FROM actorq.job ORDER BY id").fetchall()
    assert rows[: len(docs)] == rows[len(docs) :]
    assert db.execute(
        "SELECT count(*) FROM actorq.queued r JOIN actorq.job j USING (id, run_at, priority)"
    ).fetchone() == (2 * len(docs),)


def misfit_at(n: int, total: int) -> Iterator[Doc]:
    for i in range(total):
        yield Doc("a" if i != n else "\0")


@pytest.mark.parametrize("n", [0, 499, 700, 10_001, 15_000])
@pytest.mark.parametrize("return_ids", [False, True])
def test_one_misfit_and_none_is_enqueued(
    embed: Kind, db: psycopg.Connection, n: int, return_ids: bool
) -> None:
    with pytest.raises(ArgsInvalid, match=rf"^item {n}: a text holds the NUL .* none of the call"):
        embed.enqueue_many(misfit_at(n, 16_000), return_ids=return_ids)  # type: ignore[call-overload]
    assert count(db) == 0
    assert embed.enqueue(Doc("a")).state() == "ready"


@pytest.mark.parametrize("n", [0, 499, 501, 11_000])
def test_a_source_that_breaks_is_heard_and_nothing_is_enqueued(
    embed: Kind, db: psycopg.Connection, n: int
) -> None:
    def source() -> Iterator[Doc]:
        yield from (Doc("a") for _ in range(n))
        raise LookupError("the source is gone")

    with pytest.raises(LookupError, match="the source is gone"):
        embed.enqueue_many(source())
    assert count(db) == 0


def test_items_are_fetched_while_others_are_sent(embed: Kind, db: psycopg.Connection) -> None:
    seen = []

    def source() -> Iterator[Doc]:
        for i in range(25_000):
            if i % 5000 == 0:
                seen.append(
                    db.execute(
                        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY %'"
                        " AND datname = current_database() AND pid <> pg_backend_pid()"
                    ).fetchone()
                )
            yield Doc("a")

    assert embed.enqueue_many(source()) == 25_000
    assert (1,) in seen[1:]


def after_inserts(db: psycopg.Connection, what: LiteralString) -> None:
    """Have the server do something at the end of every statement that inserts jobs."""
    db.execute(
        "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN " + what + "; RETURN NULL; END $$"
    )
    db.execute(
        "CREATE TRIGGER slow AFTER INSERT ON actorq.job"
        " FOR EACH STATEMENT EXECUTE FUNCTION public.slow()"
    )


@pytest.mark.parametrize("return_ids", [False, True])
def test_items_are_fetched_while_the_server_works_on_others(
    embed: Kind, db: psycopg.Connection, return_ids: bool
) -> None:
    after_inserts(db, "PERFORM pg_advisory_xact_lock_shared(77)")
    db.execute("SELECT pg_advisory_lock(77)")

    def source() -> Iterator[Doc]:
        for i in range(25_000):
            if i == 10_100:  # not in the first statement: it would wait for ever
                db.execute("SELECT pg_advisory_unlock(77)")
            yield Doc("a")

    embed.enqueue_many(source(), return_ids=return_ids)  # type: ignore[call-overload]
    assert count(db) == count(db, "queued") == 25_000


def test_what_the_server_says_in_the_end_is_heard_while_more_is_made(
    embed: Kind, db: psycopg.Connection
) -> None:
    after_inserts(db, "RAISE EXCEPTION 'not today'")
    numbers = iter(range(1_000_000))
    with pytest.raises(RowRefused, match="not today"):
        embed.enqueue_many(Doc(str(n)) for n in numbers)
    assert next(numbers) < 30_000
    db.execute("DROP TRIGGER slow ON actorq.job")
    assert embed.enqueue(Doc("a")).state() == "ready"
    assert count(db) == 1


def test_large_args_are_sent_in_small_pieces(embed: Kind, db: psycopg.Connection) -> None:
    assert embed.enqueue_many(Doc("x" * 300_000) for _ in range(30)) == 30
    assert len(embed.enqueue_many([Doc("x" * 300_000)] * 30, return_ids=True)) == 30
    assert count(db) == 60


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": lambda doc: 7}, "item 0: key must be text, not int"),
        ({"key": lambda doc: "x" * 129}, "item 0: key has 129 bytes"),
        ({"unique_key": lambda doc: ""}, "item 0: unique_key has 0 bytes"),
        ({"unique_key": "same"}, "unique_key must be a function"),
        ({"priority": 99}, "priority=99"),
    ],
)
def test_wrong_options(embed: Kind, db: psycopg.Connection, options: Any, said: str) -> None:
    with pytest.raises(EnqueueError, match=said):
        embed.enqueue_many([Doc("a")], **options)
    assert count(db) == 0


def test_untyped_lists_and_tuples_are_args_as_they_are(app: App, db: psycopg.Connection) -> None:
    app.kind("any").enqueue_many([[1, 2], (3,), "x", None])
    rows = db.execute("SELECT args FROM actorq.job ORDER BY id").fetchall()
    assert rows == [([1, 2],), ([3],), ("x",), (None,)]


NAN = [{"a": 1.5}, {"a": float("nan")}, {"a": None}]


def test_nan_in_one_of_many_refuses_all_and_says_how_to_choose(
    app: App, db: psycopg.Connection
) -> None:
    with pytest.raises(ArgsInvalid, match=r"item 1: NaN and infinity .* nan=\"null\""):
        app.kind("free").enqueue_many(NAN)
    assert count(db) == 0


@pytest.mark.parametrize(("nan", "text"), [("null", '{"a":null}'), ("string", '{"a":"NaN"}')])
@pytest.mark.parametrize("options", [{}, {"return_ids": True}, {"key": str}])
def test_nan_in_one_of_many_becomes_what_its_kind_says(
    app: App, db: psycopg.Connection, nan: Any, text: str, options: Any
) -> None:
    app.kind("free", nan=nan).enqueue_many(NAN, **options)
    rows = db.execute("SELECT args::text FROM actorq.job ORDER BY id").fetchall()
    assert rows == [('{"a":1.5}',), (text,), ('{"a":null}',)]


@pytest.mark.parametrize("items", ["cat.jpg", b"cat.jpg", {"path": "cat.jpg"}])
def test_one_value_is_not_taken_for_many(embed: Kind, db: psycopg.Connection, items: Any) -> None:
    """A text is an iterable of its letters: seven jobs, each of a letter."""
    with pytest.raises(EnqueueError, match=r"items must be the args of many jobs, .* enqueue\(…\)"):
        embed.enqueue_many(items)
    assert db.execute("SELECT count(*) FROM actorq.job").fetchone() == (0,)
