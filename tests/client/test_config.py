"""Where the database is: argument, ACTORQ_DSN, PG*; and no password is ever shown."""

from __future__ import annotations

from typing import Any

import pytest

from actorq import App, ConfigError
from actorq.dsn import find_dsn, masked

EVERYTHING = {"ACTORQ_DSN": "dbname=env", "PGHOST": "h", "PGDATABASE": "pg"}


def test_the_argument_comes_first_then_the_variable_then_libpq() -> None:
    assert find_dsn("dbname=arg", EVERYTHING) == "dbname=arg"
    assert find_dsn(None, EVERYTHING) == "dbname=env"
    assert find_dsn(None, {"PGDATABASE": "pg"}) == ""
    assert find_dsn(None, {"ACTORQ_DSN": "", "PGSERVICE": "s"}) == ""


@pytest.mark.parametrize("environ", [{}, {"PATH": "/bin"}, {"ACTORQ_DSN": "", "PGHOST": ""}])
def test_no_database_is_an_error_that_names_the_ways(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        find_dsn(None, environ)
    for way in (
        "--dsn postgresql://",
        "--embedded",
        "App(dsn=",
        "ACTORQ_DSN",
        "PGHOST",
        "App(embedded=True)",
    ):
        assert way in str(caught.value)


def test_an_app_without_a_dsn_is_refused_when_it_enqueues(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACTORQ_DSN", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PGSERVICE", raising=False)
    app = App()
    with pytest.raises(ConfigError, match="no database is configured"):
        app.kind("embed").enqueue({})


def test_a_variable_that_changes_is_followed(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTORQ_DSN", dsn)
    with App() as app:
        job = app.kind("embed").enqueue({})
        monkeypatch.setenv("ACTORQ_DSN", f"{dsn} application_name=other")
        assert job.state() == "ready"
        with app.client.connections.lent() as conn:
            assert conn.info.parameter_status("application_name") == "other"


@pytest.mark.parametrize("dsn", ["", "  ", "a\0b", 5, b"dbname=x"])
def test_a_dsn_must_be_text(dsn: Any) -> None:
    with pytest.raises(ConfigError, match="dsn"):
        App(dsn)


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql+psycopg://me:s3cret@h/db", "write postgresql:// and .* SQLAlchemy's to know"),
        ("postgres+asyncpg://h/db", "begins with postgres.asyncpg://"),
        ("jdbc:postgresql://h/db", "begins with jdbc:postgresql://"),
        ("mysql://h/db", "PostgreSQL only"),
        (" sqlite:///x.db", "PostgreSQL only"),
    ],
)
def test_a_dsn_of_another_tool_is_refused_with_advice(dsn: str, said: str) -> None:
    for refuse in (App, lambda dsn: find_dsn(None, {"ACTORQ_DSN": dsn})):
        with pytest.raises(ConfigError, match=said) as caught:
            refuse(dsn)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "dsn", ["postgresql://h/db", "POSTGRES://h/db", "host=h password=mysql://x", "service=a"]
)
def test_a_dsn_of_libpq_is_taken_whatever_it_holds(dsn: str) -> None:
    assert find_dsn(dsn) == dsn


SECRETS = [
    "postgresql://me:s3cret@host/db",
    "postgresql://me:s3cret@host:5432,other/db?sslmode=require",
    "postgresql://me@host/db?password=s3cret&x=1",
    "postgres://me:s3:cr3t@host/db",
    "postgresql://me:s3cr%40et@host/db",
    "host=h password=s3cret dbname=x",
    "host=h password = s3cret",
    "password='s3 cr\\'et' dbname=x",
    "PASSWORD=s3cret sslpassword=s3cret",
    "password=s3\\ cret",
    "password='s3cret",
]


@pytest.mark.parametrize("dsn", SECRETS)
def test_passwords_are_masked(dsn: str) -> None:
    for text in (masked(dsn), repr(App(dsn))):
        assert "s3" not in text
        assert "cr" not in text.replace("secret", "")
        assert "***" in text


@pytest.mark.parametrize("dsn", ["dbname=x", "postgresql://me@host/db", "postgresql:///db", ""])
def test_a_dsn_without_password_is_shown_whole(dsn: str) -> None:
    assert masked(dsn) == dsn
