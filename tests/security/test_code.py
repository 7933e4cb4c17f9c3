"""Data is never code: what reads from a database or a pipe can neither import nor unpickle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "actorq"

UNPICKLING = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml"}
LIBRARIES = {
    # What has no place in a module reaches a starting actor as bytes, from its own supervisor.
    "actor/boot.py": {"dill"},
}
RUNNING = {"eval", "exec", "compile", "__import__", "breakpoint", "import_module", "run_path"}
CALLS = {
    # The module that the supervisor itself has imported the handler from.
    "actor/boot.py": {"__import__"},
    # A module named on the command line, by whoever may run any command; and our own commands.
    "cli/load.py": {"import_module"},
    "cli/__init__.py": {"import_module"},
}
# Of multiprocessing, whose connections and queues unpickle whatever arrives.
CHANNELS = {
    "Pipe",
    "Queue",
    "SimpleQueue",
    "JoinableQueue",
    "Manager",
    "Listener",
    "Client",
    "Pool",
}


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the top name of each module imported, and what is taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            top = (node.module or "").split(".")[0]
            yield from ((top, alias.name) for alias in node.names)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """Return the last name of what is called, as `loads` in `json.loads(x)`."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def trees() -> Iterator[tuple[str, ast.AST]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert len(paths) > 50
    for path in paths:
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def test_nothing_unpickles_but_the_start_of_an_actor() -> None:
    for name, tree in trees():
        used = {top for top, _ in imports(tree)} & UNPICKLING
        assert used == LIBRARIES.get(name, set()), name


def test_nothing_runs_or_imports_what_is_named_by_data() -> None:
    for name, tree in trees():
        used = {called(call) for call in calls(tree) if ast.unparse(call.func) != "re.compile"}
        assert used & RUNNING == CALLS.get(name, set()), name


def test_no_channel_that_unpickles_is_made() -> None:
    for name, tree in trees():
        taken = {what for top, what in imports(tree) if top in ("multiprocess", "multiprocessing")}
        assert not taken & (CHANNELS | {"connection", "queues", "managers"}), name
        for call in calls(tree):
            of_context = "context" in ast.unparse(call.func)
            assert not (of_context and called(call) in CHANNELS), f"{name}: {ast.unparse(call)}"


def test_frames_are_of_a_declared_type() -> None:
    for name, tree in trees():
        for call in calls(tree):
            function = ast.unparse(call.func)
            assert not function.endswith("msgpack.decode"), name
            assert "ext_hook" not in {keyword.arg for keyword in call.keywords}, name
            if function.endswith("msgpack.Decoder"):
                assert [ast.unparse(arg) for arg in call.args] in (["ToActor"], ["FromActor"]), name


def test_the_search_finds_what_it_looks_for() -> None:
    tree = ast.parse("import dill.source\nfrom pickle import loads\nx.import_module(y)\neval(z)")
    assert {top for top, _ in imports(tree)} == {"dill", "pickle"}
    assert {called(call) for call in calls(tree)} == {"import_module", "eval"}
