"""Passwords and args stay where they belong: in no log, error, repr, event or list of processes."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import psutil
import pytest
from psycopg import conninfo

from actorq import App
from actorq.dsn import masked
from actorq.errors import ActorqError
from actorq.store.session import connection
from actorq.supervisor.options import RunOptions
from tests.support.running import Supervisors, actors_of
from tests.support.shell import spawn
from tests.support.wait import wait_until

CANARY = "h0neyp0t"
AT = "127.0.0.1:1"  # nobody listens there
DSNS = [
    f"postgresql://me:{CANARY}@{AT}/db",
    f"postgresql://me:a:{CANARY}@{AT}/db",
    f"postgresql://me:a/{CANARY}@{AT}/db",
    f"postgresql://me:{CANARY}/b@{AT}/db",
    f"postgresql://me:a@{CANARY}@{AT}/db",
    f"postgresql://me:a#{CANARY}?b@{AT}/db",
    f"postgresql://me:a%40{CANARY}@{AT}/db",
    f"postgresql://{AT}/db?password={CANARY}&sslpassword=a{CANARY}",
    f"me:{CANARY}@{AT}/db",
    f"POSTGRES://me:{CANARY}@{AT}/db",
    f"postgresql://me:{CANARY}@[::1/db",
    f"host=127.0.0.1 port=1 password={CANARY}",
    f"host=127.0.0.1 port=1 password\n=\n'a {CANARY}'",
    f"host=127.0.0.1 port=1 password='{CANARY}",
    f"host=127.0.0.1 port=1 PASSWORD=a\\ {CANARY}",
]


@pytest.mark.parametrize("pooler", [False, True])
@pytest.mark.parametrize("dsn", DSNS)
def test_no_password_is_in_any_error_traceback_or_repr(dsn: str, pooler: bool) -> None:
    app = App(dsn, pooler=pooler)
    with pytest.raises(ActorqError) as caught:
        app.kind("k").enqueue(1)
    options = RunOptions(dsn=dsn, schema="actorq", kinds=(app.kind("k").bound(),))
    told = "".join(traceback.format_exception(caught.value))
    assert CANARY not in told + repr(app) + repr(options) + masked(f"cannot use {dsn}: no")


@pytest.mark.parametrize("dsn", [DSNS[0], DSNS[2], DSNS[4], DSNS[8], DSNS[13]])
def test_no_command_prints_a_password(dsn: str) -> None:
    ran = spawn("status", ACTORQ_DSN=dsn)
    assert ran.code in (2, 3)
    assert CANARY not in ran.out + ran.err
    assert "Traceback" not in ran.err


HANDLERS = """
    import logging
    from typing import Literal
    import msgspec
    import actorq

    app = actorq.App()
    app.events.subscribe(lambda event: print("event", event, event.fields(), flush=True))

    class Args(msgspec.Struct, forbid_unknown_fields=True):
        secret: str
        how: Literal["raise", "exit", "return", "wait", "bad result"] = "return"

    @app.actor("k", retry=0, max_attempts=2, crash_budget=2, max_batch=4, batch_timeout_s=0.5)
    def k(batch: actorq.Batch[Args]):
        for job in batch:
            match job.args.how:
                case "raise":
                    raise ValueError("of its own making")
                case "exit":
                    __import__("os")._exit(3)
                case "wait":
                    __import__("time").sleep(1000)
                case "bad result":
                    job.done([job.args.secret, {(job.args.secret,): 1}])
                case _:
                    job.done(len(job.args.secret))
"""
JOBS = [f'{{"secret": "{CANARY}", "how": "{how}"}}' for how in ("raise", "exit", "wait")]
JOBS += [f'{{"secret": "{CANARY}", "how": "bad result"}}', f'{{"secret": "{CANARY}"}}']
MISFITS = [
    f'"{CANARY}"',
    f'{{"secret": "a", "how": "{CANARY}"}}',
    f'{{"secret": ["{CANARY}"]}}',
    f'["{CANARY}", "\\ud800"]',
]


def test_no_log_line_event_or_listing_shows_a_password_or_args(tmp_path: Path, dsn: str) -> None:
    password = "pa55w0rd"
    supervisors = Supervisors(tmp_path, conninfo.make_conninfo(dsn, password=password))
    try:
        supervisors.write(HANDLERS)
        for args in JOBS + MISFITS:
            supervisors.rows(
                "INSERT INTO actorq.job (kind, args) VALUES ('k', %s) RETURNING id", args
            )
        process = supervisors.start("--log-level", "debug")
        wait_until(lambda: actors_of(process))
        seen = {word for p in psutil.process_iter() for word in _words(p)}
        supervisors.wait_for(completed=1, failed=len(JOBS + MISFITS) - 1)
        supervisors.stop(process)
        told = supervisors.logs()
        for words in (["status"], ["jobs"], ["jobs", "1"], ["jobs", "6", "--json"], ["doctor"]):
            ran = spawn(*words, ACTORQ_DSN=supervisors.dsn)
            told += ran.out + ran.err
        kept = supervisors.rows("SELECT type, message, traceback FROM actorq.failure")
    finally:
        supervisors.close()
    assert "event AttemptFailed" in told
    assert not [line for line in told.splitlines() if CANARY in line]
    assert not [line for line in told.splitlines() if password in line]
    assert not [row for row in kept if any(CANARY in text for text in row)]
    assert not [word for word in seen if password in word]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


@pytest.mark.parametrize(
    ("host", "sslmode", "warns"),
    [
        ("db.example", "prefer", True),
        ("db.example", "require", True),
        ("db.example", "verify-ca", True),
        ("10.0.0.1", "disable", True),
        ("db.example", "verify-full", False),
        ("localhost", "prefer", False),
        ("127.0.0.1", "disable", False),
        ("/run/postgresql", "prefer", False),
        ("", "prefer", False),
    ],
)
def test_a_server_elsewhere_whose_name_is_not_verified_is_warned_of(
    caplog: pytest.LogCaptureFixture, host: str, sslmode: str, warns: bool
) -> None:
    connection.warn_of_transport.cache_clear()
    for _ in range(3):
        connection.warn_of_transport(host, sslmode)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == int(warns)
    assert all(host in text and f"sslmode={sslmode}" in text for text in said)


def test_every_connection_asks_whether_it_is_safe(dsn: str, monkeypatch: Any) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "actorq.store.session.connection.warn_of_transport", lambda *given: asked.append(given)
    )
    for pooler in (False, True):
        with App(dsn, pooler=pooler) as app:
            app.kind("k").enqueue(1)
    host = str(conninfo.conninfo_to_dict(dsn)["host"])
    assert asked == [(host, "prefer")] * 2
