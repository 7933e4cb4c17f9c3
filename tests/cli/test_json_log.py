"""The log as JSON: each line of it, whoever it comes from and whatever goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.programs import Code, put
from tests.support.shell import Ran, spawn

SERVED = """
    import ctypes, logging, os, sys
    import actorq

    app = actorq.App()
    log = logging.getLogger("shop.pages")

    @app.actor("page", max_attempts=1)
    def page(url: str) -> None:
        log.info("reading %s", url, extra={"size": 3})
        print("printed")
        os.system("echo from a child")
        if url == "bad":
            raise ValueError("two\\nlines")

    @app.actor("crashes", max_attempts=1)
    def crashes() -> None:
        os.abort()

    @app.actor("nomodel")
    class NoModel:
        def setup(self):
            log.info("loading")
            raise OSError("no model")
        def handle(self, batch: actorq.Batch[int]):
            pass
"""

CONFIGURED = """
    import logging, logging.config, sys
    logging.config.dictConfig({
        "version": 1,
        "formatters": {"mine": {"format": "MINE %(message)s"}},
        "handlers": {
            "err": {"class": "logging.StreamHandler", "formatter": "mine"},
            "file": {"class": "logging.FileHandler", "filename": "mine.log", "formatter": "mine"},
        },
        "root": {"level": "INFO", "handlers": ["err", "file"]},
    })
"""


def lines(ran: Ran) -> list[dict[str, Any]]:
    """Return what was logged; every line of it is an object."""
    return [json.loads(line) for line in ran.err.splitlines()]


def of(ran: Ran, **fields: Any) -> list[dict[str, Any]]:
    return [line for line in lines(ran) if fields.items() <= line.items()]


def test_each_line_is_json_whoever_has_said_it(dsn: str, code: Code) -> None:
    code.write(served=SERVED)
    good, bad = (put(dsn, "page", f'{{"url": "{url}"}}') for url in ("good", "bad"))
    ran = code.run("served:app", dsn, "--kind", "page", "--log-format", "json")
    assert ran.code == 0, ran.err
    for line in lines(ran):
        assert list(line)[:4] == ["ts", "level", "logger", "message"]
    [reading] = of(ran, message="reading good")
    assert reading.pop("ts") < lines(ran)[-1]["ts"]
    assert isinstance(reading.pop("batch"), int)
    assert isinstance(reading.pop("slot"), int)
    assert reading == {
        "level": "INFO", "logger": "shop.pages", "message": "reading good",
        "kind": "page", "job": good, "attempt": 1, "size": 3,
    }  # fmt: skip
    assert {line["kind"] for line in of(ran, message="printed")} == {"page"}
    assert len(of(ran, message="from a child", kind="page")) == 2
    [failed] = of(ran, event="attempt_failed")
    assert (failed["job"], failed["kind"], failed["attempt"]) == (bad, "page", 1)
    assert failed["error"] == "ValueError: two\nlines"
    assert of(ran, event="run_ended", n_completed=1, n_failed=1)


def test_tracebacks_of_a_start_are_a_field(dsn: str, code: Code) -> None:
    code.write(served=SERVED)
    put(dsn, "nomodel", "1")
    ran = code.run("served:app", dsn, "--kind", "nomodel", "--log-format", "json")
    failed, *_ = of(ran, event="actor_boot_failed")
    assert failed["exc"].rstrip().endswith("OSError: no model")
    assert "\n" not in failed["message"]
    assert "traceback" not in failed
    loading, *_ = of(ran, message="loading")
    assert (loading["kind"], loading["logger"]) == ("nomodel", "shop.pages")
    assert "job" not in loading


def test_a_crash_is_json_too(dsn: str, code: Code) -> None:
    code.write(served=SERVED)
    put(dsn, "crashes")
    ran = code.run("served:app", dsn, "--kind", "crashes", "--log-format", "json")
    assert of(ran, event="actor_exited", cause="signal")
    assert of(ran, message="Fatal Python error: Aborted", kind="crashes")


def test_logging_that_the_program_has_set_up_keeps_its_files(dsn: str, code: Code) -> None:
    code.write(served=SERVED, configured=CONFIGURED)
    served = (code.path / "served.py").read_text()
    (code.path / "served.py").write_text(f"import configured\n{served}")
    put(dsn, "page", '{"url": "good"}')
    ran = code.run("served:app", dsn, "--kind", "page", "--log-format", "json")
    assert of(ran, event="supervisor_started")
    [theirs] = of(ran, message="MINE reading good")  # the actor's own handler has printed that
    assert theirs["kind"] == "page"
    assert "MINE supervisor started" in (code.path / "mine.log").read_text()


@pytest.mark.parametrize(
    ("given", "is_json"), [("json", True), ("text", False), ("", False), ("xml", None)]
)
def test_the_format_can_stand_in_the_environment(
    dsn: str, code: Code, given: str, is_json: bool | None
) -> None:
    code.write(served=SERVED)
    words = ("run", "served:app", "--drain", "--kind", "page")
    ran = spawn(*words, cwd=code.path, ACTORQ_DSN=dsn, ACTORQ_LOG_FORMAT=given)
    if is_json is None:
        assert ran.code == 2
        assert "ACTORQ_LOG_FORMAT='xml': the log is written as text or json" in ran.err
        return
    assert ran.code == 0
    assert ran.err.startswith("{") == is_json
    other = spawn(*words, "--log-format", "text", cwd=code.path, ACTORQ_DSN=dsn,
                  ACTORQ_LOG_FORMAT="json")  # fmt: skip
    assert not other.err.startswith("{")


def test_what_prevents_a_start_is_json_with_its_exit_code(code: Code) -> None:
    code.write(served=SERVED)
    words = ("served:app", "--log-format", "json")
    nowhere = "postgresql://me:secret@127.0.0.1:1/none"
    ran = spawn("run", *words, cwd=code.path, ACTORQ_DSN=nowhere)
    assert ran.code == 3
    assert lines(ran)[-1]["level"] == "ERROR"
    assert "secret" not in ran.err
    assert spawn("run", "nothing:app", *words[1:], cwd=code.path, ACTORQ_DSN=nowhere).code == 2


def test_text_shows_the_job(dsn: str, code: Code) -> None:
    code.write(served=SERVED)
    job = put(dsn, "page", '{"url": "good"}')
    ran = code.run("served:app", dsn, "--kind", "page")
    assert f"] job {job}: shop.pages: reading good" in ran.err
