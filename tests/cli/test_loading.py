"""What the parent knows, the actor knows: programs are loaded in actors as they were before."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.programs import Code, pending, put, results
from tests.support.shell import ROOT

SETTINGS = "MODEL = 'small'"
HANDLERS = """
    import actorq, settings
    app = actorq.App()
    LOADED_WITH = settings.MODEL
    @app.actor("which")
    def which() -> str:
        return LOADED_WITH
"""


# ---- the order in which a program is loaded ----


def test_what_the_entry_module_does_first_is_done_first_in_actors(dsn: str, code: Code) -> None:
    code.write(
        settings=SETTINGS,
        handlers=HANDLERS,
        worker="import settings; settings.MODEL = 'large'\nfrom handlers import app",
    )
    id_ = put(dsn, "which")
    ran = code.run("worker:app", dsn)
    assert (ran.code, results(dsn)) == (0, {id_: "large"}), ran.err


@pytest.mark.parametrize("target", ["myapp", "myapp:app"])
def test_modules_that_import_each_other_are_loaded_from_the_same_end(
    dsn: str, code: Code, target: str
) -> None:
    code.write(
        myapp="import actorq\napp = actorq.App()\nfrom mytasks import thumb",
        mytasks="from myapp import app\n@app.actor('thumb')\ndef thumb() -> int: return 1",
    )
    id_ = put(dsn, "thumb")
    ran = code.run(target, dsn)
    assert (ran.code, results(dsn)) == (0, {id_: 1}), ran.err


def test_the_apps_own_module_comes_first_where_no_program_says_so(dsn: str, code: Code) -> None:
    code.write(
        myapp="import actorq\napp = actorq.App()\nfrom mytasks import thumb",
        mytasks="from myapp import app\n@app.actor('thumb')\ndef thumb() -> int: return 1",
        script="import myapp, sys\nsys.exit(myapp.app.drain())",  # without a guard
    )
    id_ = put(dsn, "thumb")
    ran = code.script("script", dsn)
    assert (ran.returncode, results(dsn)) == (0, {id_: 1}), ran.stderr


def test_a_guarded_script_is_loaded_before_its_handlers(dsn: str, code: Code) -> None:
    code.write(
        settings=SETTINGS,
        handlers=HANDLERS,
        script="""
            import settings; settings.MODEL = 'large'
            from handlers import app
            if __name__ == "__main__":
                raise SystemExit(app.drain())
        """,
    )
    id_ = put(dsn, "which")
    ran = code.script("script", dsn)
    assert (ran.returncode, results(dsn)) == (0, {id_: "large"}), ran.stderr


def test_a_script_without_a_guard_is_told_what_actors_do_not_see(dsn: str, code: Code) -> None:
    code.write(
        settings=SETTINGS,
        handlers=HANDLERS,
        script="""
            import logging, settings; settings.MODEL = 'large'
            from handlers import app
            logging.basicConfig()
            raise SystemExit(app.drain())
        """,
    )
    id_ = put(dsn, "which")
    ran = code.script("script", dsn)
    assert (ran.returncode, results(dsn)) == (0, {id_: "small"}), ran.stderr
    assert ran.stderr.count("actors do not load") == 1
    assert "script.py, because it has no line  if __name__ == '__main__':" in ran.stderr


def test_a_script_that_its_handlers_import_is_told_that_it_is_there_twice(
    dsn: str, code: Code
) -> None:
    code.write(
        both="""
        import actorq

        app = actorq.App()
        import tasks

        if __name__ == "__main__":
            app.drain()
        """,
        tasks="""
        from both import app

        @app.actor("one")
        def one(n: int) -> int:
            return n
        """,
    )
    ran = code.script("both", dsn)
    assert ran.returncode == 1
    assert "loaded twice, as __main__ and, for handlers that import it, as both" in ran.stderr
    assert "start `actorq run both:app`" in ran.stderr
    assert code.run("both:app", dsn).code == 0


def test_an_installed_command_is_not_loaded_in_actors() -> None:
    from actorq.actor.boot import _is_program

    assert _is_program(str(ROOT / "bench" / "drain.py"))
    assert not _is_program(str(Path(sys.executable).parent / "pytest"))


# ---- handlers made in a factory ----

FACTORY = """
    import actorq

    def make_app() -> actorq.App:
        app = actorq.App()
        last = app.kind("last", args=int)

        @app.actor("first")
        def first(n: int) -> int:
            first.enqueue(n - 1) if n else last.enqueue(7)
            app.enqueue("last", 8)
            return n

        @app.actor("batches")
        class Batches:
            def handle(self, batch: actorq.Batch[int]) -> list[int]:
                return [last.enqueue(n).id for n in batch.args]

        return app
"""


@pytest.mark.parametrize("named", ["factory:make_app", "factory:app"])
def test_handlers_made_in_a_factory_enqueue(dsn: str, code: Code, named: str) -> None:
    code.write(factory=FACTORY + "\n    app = make_app()\n")
    put(dsn, "first", '{"n": 1}')
    put(dsn, "batches", "5")
    ran = code.run(named, dsn)
    assert ran.code == 0, ran.err
    assert len(results(dsn)) == 3
    assert pending(dsn) == ["last"] * 4


def test_an_app_made_in_a_script_drains_after_it_has_enqueued(dsn: str, code: Code) -> None:
    code.write(
        factory=FACTORY,
        script="""
            import factory
            if __name__ == "__main__":
                app = factory.make_app()
                app.enqueue("first", 1)
                assert app.enqueue("batches", 5).state() == "ready"
                raise SystemExit(app.drain())
        """,
    )
    ran = code.script("script", dsn)
    assert ran.returncode == 0, ran.stderr
    assert len(results(dsn)) == 3
    assert pending(dsn) == ["last"] * 4


def test_a_factory_in_the_script_itself_works_as_well(dsn: str, code: Code) -> None:
    main = """
    if __name__ == "__main__":
        app = make_app()
        app.enqueue("first", 1)
        raise SystemExit(app.drain())
    """
    code.write(script=FACTORY + main)
    ran = code.script("script", dsn)
    assert ran.returncode == 0, ran.stderr
    assert len(results(dsn)) == 2
    assert pending(dsn) == ["last"] * 3


def test_a_class_that_a_factory_makes_a_handler_is_found(dsn: str, code: Code) -> None:
    code.write(
        embed="""
            import actorq
            class Embed:
                def handle(self, batch: actorq.Batch[int]) -> list[int]:
                    for n in batch.args:
                        if n:
                            Embed.enqueue(n - 1)
                    return batch.args
        """,
        script="""
            import actorq, embed
            def make_app():
                app = actorq.App()
                app.actor("embed")(embed.Embed)
                return app
            if __name__ == "__main__":
                raise SystemExit(make_app().drain())
        """,
    )
    put(dsn, "embed", "2")
    ran = code.script("script", dsn)
    assert (ran.returncode, sorted(results(dsn).values())) == (0, [0, 1, 2]), ran.stderr


# ---- decorators, and what modules do to logging ----

DECORATED = """
    import functools, actorq
    app = actorq.App()

    def shouting(function):
        @functools.wraps(function)
        def loud(*args, **kwargs):
            return function(*args, **kwargs).upper()
        return loud

    @shouting
    @app.actor("above")
    def above(text: str) -> str:
        if text == "again":
            above.enqueue("last")
        return text

    @app.actor("below")
    @shouting
    def below(text: str) -> str:
        return text

    @functools.lru_cache
    @app.actor("cached")
    def cached(text: str) -> str:
        return text

    @shouting
    @app.actor("batches")
    def batches(batch: actorq.Batch[str]):
        return Loud(batch.args)

    class Loud(list):
        def upper(self):
            return [text.upper() for text in self]

    @shouting
    @app.actor("async")
    async def later(text: str) -> str:
        return text

    def unwrapped(function):
        return lambda *args: function(*args)

    @unwrapped
    @app.actor("hidden")
    def hidden(text: str) -> str:
        return text
"""


def test_decorators_above_and_below_apply_to_jobs_and_harm_nobody(dsn: str, code: Code) -> None:
    code.write(handlers=DECORATED)
    wanted = {put(dsn, "batches", '"a"'): "A", put(dsn, "below", '{"text": "b"}'): "B"}
    wanted |= {put(dsn, "above", '{"text": "again"}'): "AGAIN"}
    wanted |= {put(dsn, "cached", '{"text": "c"}'): "c", put(dsn, "hidden", '{"text": "d"}'): "d"}
    ran = code.run("handlers:app", dsn)
    assert ran.code == 0, ran.err
    assert sorted(results(dsn).values()) == sorted([*wanted.values(), "LAST"])


@pytest.mark.parametrize("where", ["module", "handler"])
def test_a_module_that_configures_logging_does_not_silence_the_supervisor(
    dsn: str, code: Code, where: str
) -> None:
    configure = """
    import logging, logging.config, sys
    logging.config.dictConfig({"version": 1, "root": {"handlers": ["x"], "level": "INFO"},
        "handlers": {"x": {"class": "logging.StreamHandler", "formatter": "f"}},
        "formatters": {"f": {"format": "mine %(name)s %(message)s"}}})
    """
    indented = textwrap.indent(configure, "    ")
    handler = f"""
    import actorq
    app = actorq.App()
    @app.actor("fails", max_attempts=1)
    def fails() -> None:
{indented if where == "handler" else ""}
        logging.getLogger("mine").warning("of the handler")
        raise ValueError("told so")
    """
    code.write(handlers=(configure if where == "module" else "    import logging") + handler)
    put(dsn, "fails")
    ran = code.run("handlers:app", dsn)
    assert ran.code == 0
    for said in ("supervisor started", "of fails failed for good", "told so", "of the handler"):
        assert said in ran.err
    assert ("mine actorq" in ran.err) == (where == "module")
