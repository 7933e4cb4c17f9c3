"""The command enqueue: with and without an app, one job or a file of them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from actorq.store.session.connection import Session
from tests.support.shell import Ran, Shell, spawn

APP = """
import actorq
app = actorq.App()

@app.actor("resize", queue="images")
def resize(path: str, width: int = 200) -> None: ...
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "resizing.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "resizing", raising=False)
    return tmp_path


def stored(conn: Session) -> list[tuple[object, ...]]:
    rows = conn.execute("SELECT queue, kind, priority, args::text FROM actorq.job ORDER BY id")
    return rows.fetchall()


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_one_job_of_any_kind(actorq: Shell, conn: Session) -> None:
    ran = actorq("enqueue", "embed", '{"a": [1, 2.5]}', "--priority", 2, "--queue", "slow")
    assert ran.code == 0
    assert ran.out.startswith("job ")
    assert stored(conn) == [("slow", "embed", 2, '{"a":[1,2.5]}')]


@pytest.mark.parametrize("rest", ["-", "5", "resize", "@jobs.jsonl"])
def test_an_app_without_a_kind_is_no_kind(
    actorq: Shell, conn: Session, code: Path, rest: str
) -> None:
    ran = actorq("enqueue", "resizing:app", rest)
    assert ran.code == 2
    assert "'resizing:app' is an app: the kind comes after it, then the args" in ran.err
    assert stored(conn) == []


def test_an_app_checks_the_args_and_names_the_queue(
    actorq: Shell, conn: Session, code: Path
) -> None:
    assert actorq("enqueue", "resizing:app", "resize", '{"path": "a"}').code == 0
    ran = actorq("enqueue", "resizing:app", "resize", '{"path": 1}')
    assert ran.code == 2
    assert "path" in ran.err
    ran = actorq("enqueue", "resizing:app", "resise", "{}")
    assert ran.code == 2, "as for `actorq run`"
    assert "its kinds are: resize" in ran.err
    assert [row[0] for row in stored(conn)] == ["images"]


def test_lines_of_a_file_or_the_standard_input(
    actorq: Shell, conn: Session, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code / "jobs.jsonl").write_text('{"path": "a"}\n\n{"path": "b", "width": 1}\n')
    ran = actorq("enqueue", "resizing:app", "resize", "@jobs.jsonl")
    assert (ran.code, ran.out) == (0, "2 jobs enqueued\n")
    feed(monkeypatch, b'"x"\n' * 2500)
    assert actorq("enqueue", "any", "-", "--json").objects == [{"enqueued": 2500}]
    assert len(stored(conn)) == 2502


@pytest.mark.parametrize("bad", [b"nonsense", b"NaN", b'"\xff"', b'{"a": 1', b"[" * 5000])
def test_one_bad_line_enqueues_nothing_and_is_named(
    actorq: Shell, conn: Session, monkeypatch: pytest.MonkeyPatch, bad: bytes
) -> None:
    feed(monkeypatch, b'"good"\n' * 1200 + bad + b"\n")
    ran = actorq("enqueue", "any", "-")
    assert ran.code == 2
    assert "line 1201" in ran.err
    assert stored(conn) == []


def test_args_that_do_not_fit_are_named_by_their_line(
    actorq: Shell, conn: Session, code: Path
) -> None:
    (code / "jobs.jsonl").write_text('{"path": "a"}\n\n\n{"path": "b"}\n{"path": 7}\n')
    ran = actorq("enqueue", "resizing:app", "resize", "@jobs.jsonl")
    assert ran.code == 2
    assert "line 5: " in ran.err
    assert "item" not in ran.err
    assert "none of the jobs is enqueued" in ran.err
    assert stored(conn) == []


def test_a_byte_order_mark_is_no_part_of_the_first_line(
    actorq: Shell, conn: Session, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code / "jobs.jsonl").write_bytes(b'\xef\xbb\xbf{"path": "a"}\r\n{"path": "b"}\r\n')
    ran = actorq("enqueue", "resizing:app", "resize", "@jobs.jsonl")
    assert (ran.code, ran.out) == (0, "2 jobs enqueued\n"), ran.err
    feed(monkeypatch, b'\xef\xbb\xbf"x"\n')
    assert actorq("enqueue", "any", "-").out == "1 job enqueued\n"


def test_another_encoding_is_called_by_its_name(actorq: Shell, conn: Session, code: Path) -> None:
    (code / "jobs.jsonl").write_bytes('"a"\n'.encode("utf-16"))
    ran = actorq("enqueue", "any", "@jobs.jsonl")
    assert ran.code == 2
    assert "UTF-16" in ran.err
    assert "iconv" in ran.err


@pytest.mark.parametrize(
    ("delay", "seconds"), [("7d", 604_800), ("1h30m", 5400), ("90", 90), ("250ms", 0.25)]
)
def test_a_delay_is_given_as_people_say_it(
    actorq: Shell, conn: Session, delay: str, seconds: float
) -> None:
    assert actorq("enqueue", "any", "1", "--delay", delay).code == 0
    rows = conn.execute("SELECT extract(epoch FROM run_at - created_at) FROM actorq.job")
    assert abs(float(rows.fetchall()[0][0]) - seconds) < 0.1


@pytest.mark.parametrize("delay", ["7 days", "-1", "1h30", "nan", "", "1e3"])
def test_a_delay_that_is_none_is_refused_by_a_sentence(
    actorq: Shell, conn: Session, delay: str
) -> None:
    ran = actorq("enqueue", "any", "1", f"--delay={delay}")
    assert ran.code == 2
    assert f"{delay!r} is " in ran.err


@pytest.mark.parametrize(
    ("args", "place"),
    [("1e999", "$"), ('{"a": [1, -1e999]}', "$.a[1]"), ('[{"b": 1e999}, 2]', "$[0].b")],
)
def test_a_number_beyond_every_float_is_told_its_place(
    actorq: Shell, conn: Session, args: str, place: str
) -> None:
    ran = actorq("enqueue", "any", "--", args)
    assert ran.code == 2
    assert ran.err == (
        f"actorq: the args: a number is larger than any float - at `{place}`: give it as text\n"
    )


@pytest.mark.parametrize("args", ["", "{", "nan", '"\\u0000"', str(10**400), "[" * 70 + "]" * 70])
def test_args_that_cannot_be_stored_are_refused(actorq: Shell, conn: Session, args: str) -> None:
    ran = actorq("enqueue", "any", args)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert stored(conn) == []


def test_a_unique_key_is_kept(actorq: Shell, conn: Session) -> None:
    first = actorq("enqueue", "any", "1", "--unique-key", "k", "--json").objects[0]
    second = actorq("enqueue", "any", "2", "--unique-key", "k", "--json").objects[0]
    assert (first["new"], second["new"], first["id"]) == (True, False, second["id"])
    assert len(stored(conn)) == 1


def refused(ran: Ran) -> bool:
    return ran.code == 2 and "Traceback" not in ran.err


def test_wrong_usage_is_refused(actorq: Shell, conn: Session) -> None:
    assert refused(actorq("enqueue", "any"))
    assert refused(actorq("enqueue", "a", "b", "c", "d"))
    assert refused(actorq("enqueue", "any", "@no-such-file"))
    assert refused(actorq("enqueue", "any", "-", "--unique-key", "k"))
    assert refused(actorq("enqueue", "any", "1", "--priority", 10))
    assert refused(actorq("enqueue", "any", "1", "--delay-s", "-1"))
    assert refused(actorq("enqueue", "any", "1", "--max-attempts", 0))
    assert refused(actorq("enqueue", "'; DROP TABLE job;--", "1"))
    assert stored(conn) == []


def test_the_module_is_found_in_the_current_directory(dsn: str, code: Path) -> None:
    ran = spawn("enqueue", "resizing:app", "resize", '"a"', cwd=code, ACTORQ_DSN=dsn)
    assert (ran.code, ran.err) == (0, "")
