"""Where an app's jobs live is known wherever its handlers run."""

from __future__ import annotations

from psycopg import conninfo

from actorq.dsn import Place
from actorq.pipe.wire import Boot
from actorq.store.schema.migrate import migrate
from tests.cli.programs import Code, pending, put, results

FOLLOWING = """
    import os, actorq
    app = actorq.App()
    other = actorq.App()
    last = app.kind("last", args=int)
    elsewhere = other.kind("elsewhere", args=int)

    @app.actor("first")
    def first() -> str:
        last.enqueue(1)
        elsewhere.enqueue(1)
        return app.schema
"""


def test_a_dsn_on_the_command_line_holds_for_what_handlers_enqueue(
    dsn: str, empty_dsn: str, code: Code
) -> None:
    migrate(empty_dsn, "actorq")
    code.write(handlers=FOLLOWING)
    id_ = put(dsn, "first")
    ran = code.run("handlers:app", empty_dsn, "--dsn", dsn)
    assert (ran.code, results(dsn)) == (0, {id_: "actorq"}), ran.err
    assert (sorted(pending(dsn)), pending(empty_dsn)) == (["elsewhere", "last"], [])


def test_a_declared_dsn_yields_to_the_command_line(dsn: str, empty_dsn: str, code: Code) -> None:
    migrate(empty_dsn, "actorq")
    code.write(handlers=FOLLOWING.replace("App()", f"App({empty_dsn!r})", 1))
    put(dsn, "first")
    ran = code.run("handlers:app", dsn, "--dsn", dsn)
    assert (ran.code, sorted(pending(dsn))) == (0, ["elsewhere", "last"]), ran.err
    assert pending(empty_dsn) == []


def test_a_schema_on_the_command_line_holds_for_what_handlers_enqueue(dsn: str, code: Code) -> None:
    migrate(dsn, "second")
    code.write(handlers=FOLLOWING)
    id_ = put(dsn, "first", schema="second")
    ran = code.run("handlers:app", dsn, "--schema", "second")
    assert (ran.code, results(dsn, "second")) == (0, {id_: "second"}), ran.err
    assert pending(dsn, "second") == ["last"]
    assert pending(dsn) == ["elsewhere"]  # another app, with a schema of its own


def test_where_jobs_live_is_told_to_actors_out_of_sight(dsn: str, code: Code) -> None:
    hidden = conninfo.make_conninfo(dsn, password="pa55w0rd")
    code.write(
        handlers=f"""
            import actorq
            app = actorq.App({hidden!r})
            @app.actor("looks")
            def looks() -> list[str]:
                looks.enqueue(delay_s=1000)
                files = [open(f"/proc/self/{{name}}").read() for name in ("environ", "cmdline")]
                return [text.replace("\\0", " ") for text in files]
        """,
        script="""
            import logging
            from handlers import app
            if __name__ == "__main__":
                logging.basicConfig(level="DEBUG")
                raise SystemExit(app.drain())
        """,
    )
    id_ = put(dsn, "looks")
    ran = code.script("script", dsn)
    assert ran.returncode == 0, ran.stderr
    assert "ACTORQ_SLOT" in results(dsn)[id_][0]
    assert "pa55w0rd" not in str(results(dsn)) + ran.stderr
    assert pending(dsn) == ["looks"]
    assert "pa55w0rd" not in repr(Boot(1, "k", 0, place=Place(hidden, "actorq")))
