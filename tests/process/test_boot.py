"""Handlers get into an actor from wherever they are defined, or a clear error says why not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from importlib import import_module
from unittest.mock import Mock

import msgspec
import pytest

from actorq.actor.boot import boot_of
from actorq.args.codec import ArgsCodec
from actorq.core.job.policy import KindPolicy
from actorq.core.plan.inputs import BootFailed
from actorq.errors import ConfigError
from actorq.kind import Kind
from actorq.supervisor.local.guardian_client import Guard
from actorq.supervisor.local.pool import Pool
from tests.actor.support import kind_of
from tests.process import handlers

ROOT = os.getcwd()

SCRIPT = """
    import sys
    from actorq.args.codec import ArgsCodec
    from actorq.core.job.policy import KindPolicy
    from actorq.kind import Kind
    from tests.process.support import troupe

    def declare(handler, shape="batch"):
        kind = Kind(None, KindPolicy(name="k"), ArgsCodec())
        kind.handler, kind.shape = handler, shape
        return kind

    def run(kind):
        with troupe() as actors:
            actor = actors.start(kind)
            [message] = actors.run(actor, [1, 2])
            print([verdict.result.decode() for verdict in message.verdicts])
"""


def script(body: str) -> str:
    return textwrap.dedent(SCRIPT) + textwrap.dedent(body)


def python(*args: str, **options):
    env = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, timeout=50, env=env, **options
    )


IN_MAIN = """
    WORD = "main"

    class Named:
        def handle(self, batch):
            return [f"{WORD}{args}" for args in batch.args]

    def function(batch):
        return [f"{WORD}{args}" for args in batch.args]

    def closure(prefix):
        return lambda batch: [f"{prefix}{args}" for args in batch.args]

    kinds = {
        "class": declare(Named, "class"),
        "function": declare(function),
        "lambda": declare(lambda batch: [f"{WORD}{args}" for args in batch.args]),
        "closure": declare(closure("main")),
    }
    Named.__actorq_kind__ = kinds["class"]
    if __name__ == "__main__":
        run(kinds[sys.argv[1]])
"""


@pytest.mark.parametrize("which", ["class", "function", "lambda", "closure"])
def test_a_handler_in_a_script_is_found(tmp_path, which):
    path = tmp_path / "my script.py"
    path.write_text(script(IN_MAIN))
    ran = python(str(path), which, cwd=tmp_path)
    assert ran.stdout.strip() == """['"main1"', '"main2"']""", ran.stderr


def test_a_handler_in_a_module_run_by_name_is_found(tmp_path):
    (tmp_path / "mymodule.py").write_text(script(IN_MAIN))
    ran = python("-m", "mymodule", "class", cwd=tmp_path)
    assert ran.stdout.strip() == """['"main1"', '"main2"']""", ran.stderr


NO_FILE = """
    def function(batch):
        return [0 for args in batch.args]
    run(declare(function))
"""


def assert_says_what_to_do(ran):
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert "ConfigError" in last
    assert "put the handler into a module of its own" in last


def test_a_handler_on_standard_input_is_refused_with_advice():
    ran = python("-", input=script(NO_FILE), cwd=ROOT)
    assert_says_what_to_do(ran)
    assert "no file" in ran.stderr


def test_a_handler_in_a_command_line_is_refused_with_advice():
    assert_says_what_to_do(python("-c", script(NO_FILE), cwd=ROOT))


def test_a_handler_in_the_main_module_of_a_package_is_refused_with_advice(tmp_path):
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "__main__.py").write_text(script(NO_FILE))
    assert_says_what_to_do(python("-m", "mypackage", cwd=tmp_path))


@pytest.mark.parametrize("how", ["-", "-c"])
def test_without_a_file_a_handler_elsewhere_still_runs(how):
    body = script(
        """
        from tests.process.handlers import at_once
        run(declare(at_once))
        """
    )
    ran = python("-", input=body, cwd=ROOT) if how == "-" else python("-c", body, cwd=ROOT)
    assert ran.stdout.strip() == "['1', '2']", ran.stderr


def test_the_supervisors_standard_input_is_not_the_actors(tmp_path):
    path = tmp_path / "reads.py"
    path.write_text(
        script(
            """
            import os
            def handler(batch):
                return [os.read(0, 10).decode() for _ in batch.args]
            if __name__ == "__main__":
                run(declare(handler))
            """
        )
    )
    ran = python(str(path), cwd=tmp_path, input="for the supervisor only")
    assert ran.stdout.strip() == "['\"\"', '\"\"']", ran.stderr


def test_a_script_without_a_guard_is_told_so(tmp_path):
    path = tmp_path / "unguarded.py"
    path.write_text(script(NO_FILE))
    ran = python(str(path), cwd=tmp_path)
    assert ran.returncode == 1
    assert "a supervisor was started while an actor loads" in ran.stderr
    assert "put the call under  if __name__ == '__main__':" in ran.stderr


def test_the_main_module_is_not_run_where_the_handler_is_elsewhere(tmp_path):
    path = tmp_path / "elsewhere.py"
    path.write_text(
        script(
            """
            from tests.process.handlers import at_once
            print("main ran")
            run(declare(at_once))  # no guard needed
            """
        )
    )
    ran = python(str(path), cwd=tmp_path)
    assert ran.stdout.split("\n", 1) == ["main ran", "['1', '2']\n"], ran.stderr


# ---- handlers with a place, and without ----

decorated = Kind(None, KindPolicy(name="decorated"), ArgsCodec(int))


@decorated.actor(max_batch=7)
def doubled(n: int) -> int:
    return 2 * n


by_class = Kind(None, KindPolicy(name="by_class"), ArgsCodec(int))


@by_class.actor()
class Tripled:
    def handle(self, batch):
        return [3 * n for n in batch.args]


@pytest.mark.parametrize(("kind", "factor"), [(decorated, 2), (by_class, 3)])
def test_a_decorated_handler_is_imported_and_not_pickled(actors, kind, factor):
    boot = boot_of(1, kind.bound(), 0)
    assert (boot.pickled, boot.main_name, boot.main_path) == (b"", "", "")
    actor = actors.start(kind)
    [message] = actors.run(actor, [1, 2])
    results = [msgspec.json.decode(verdict.result) for verdict in message.verdicts]
    assert results == [factor, 2 * factor]


def test_a_handler_defined_in_a_function_travels_as_bytes(actors):
    offset = 40

    class Local:
        def handle(self, batch):
            return [offset + n for n in batch.args]

    actor = actors.start(kind_of(Local, "class"))
    [message] = actors.run(actor, [2])
    assert message.verdicts[0].result == b"42"


def test_a_large_handler_does_not_block_its_start(actors):
    table = os.urandom(3_000_000)
    actor = actors.start(kind_of(lambda batch: [len(table)] * len(batch)))
    [message] = actors.run(actor, [0])
    assert message.verdicts[0].result == b"3000000"


def test_a_handler_that_cannot_be_sent_is_refused():
    lines = (line for line in ["a generator cannot be pickled"])
    with pytest.raises(ConfigError, match="at the top level of a module"):
        boot_of(1, kind_of(lambda batch: next(lines)), 0)


def test_a_kind_without_a_handler_is_refused():
    with pytest.raises(ConfigError, match="no handler"):
        boot_of(1, kind_of(None), 0)


def test_a_module_that_fails_at_import_says_so(actors, tmp_path, monkeypatch):
    (tmp_path / "fragile_handlers.py").write_text(
        "import os\n"
        "from actorq.args.codec import ArgsCodec\n"
        "from actorq.core.job.policy import KindPolicy\n"
        "from actorq.kind import Kind\n"
        "if 'ACTORQ_SLOT' in os.environ: raise OSError('no such model')\n"
        "kind = Kind(None, KindPolicy(name='fragile'), ArgsCodec())\n"
        "@kind.actor()\n"
        "def handler(n: int) -> None: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    fragile_handlers = import_module("fragile_handlers")

    actor = actors.spawn(fragile_handlers.handler, 0)
    failed = actors.said(BootFailed, actor)
    assert (failed.error.type, failed.error.message) == ("OSError", "no such model")
    assert "fragile_handlers.py" in failed.error.traceback
    assert actors.died(actor).code == 1


def test_a_class_bound_by_a_later_call_is_found(actors, tmp_path, monkeypatch):
    (tmp_path / "unbound_handlers.py").write_text(
        "class H:\n    def handle(self, b): return [7 for _ in b]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    unbound_handlers = import_module("unbound_handlers")

    kind = Kind(None, KindPolicy(name="late"), ArgsCodec())
    kind.bind(unbound_handlers.H)
    [message] = actors.run(actors.start(kind), [0])
    assert message.verdicts[0].result == b"7"


def test_a_process_with_patched_threads_is_refused(monkeypatch):
    monkeypatch.setattr("_thread.start_new_thread", lambda *args: 1)  # as eventlet does
    with pytest.raises(ConfigError, match="enqueue from patched processes"):
        Pool(Mock())


def test_a_process_the_system_refuses_is_reported_as_a_death(actors, monkeypatch):
    from actorq.supervisor.local import process

    def refuse(*args, **kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(process, "_executed", refuse)
    monkeypatch.setattr(Guard, "spawn", refuse)
    actor = actors.spawn(kind_of(handlers.at_once), 0)
    died = actors.died(actor)
    assert (actor.pid, died.taken, died.begun) == (0, 0, [])
    assert "could not be started: [Errno 11]" in died.text


@pytest.mark.parametrize(
    ("place", "name", "error"),
    [
        ("pool.socket", "socketpair", errno.EMFILE),
        ("pool.os", "pipe", errno.EMFILE),
        ("pool.Page", "shared", errno.ENOSPC),
    ],
)
def test_a_process_for_which_the_system_has_no_room_is_reported_as_a_death(
    actors, monkeypatch, no_leaks, place, name, error
):
    with monkeypatch.context() as patched:
        refuse = Mock(side_effect=OSError(error, os.strerror(error)))
        patched.setattr(f"actorq.supervisor.local.{place}.{name}", refuse)
        actor = actors.spawn(kind_of(handlers.at_once), 0)
    actor.stop()  # the supervisor does not know it yet
    actor.kill()
    died = actors.died(actor)
    assert (actor.pid, died.taken, died.begun) == (0, 0, [])
    assert f"could not be started: [Errno {error}]" in died.text
