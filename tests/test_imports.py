"""Imports point one way, and enqueueing or acting loads no database driver.

errors ← core ← wire, config, args and their like ← store, actor, embedded ← supervisor ← app, cli
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "actorq"

ROOMS = [
    {"errors", "durations", "plural"},
    {"core"},
    {
        "wire",
        "page",
        "config",
        "args",
        "args_type",
        "arrays",
        "json_value",
        "options",
        "escape",
        "memory",
        "article",
        "loading",
        "logs",
    },
    {"store", "actor", "embedded", "events"},
    {"supervisor"},
    {"shapes", "job", "kind", "client", "async_client", "app", "testing", "pytest_plugin"},
    {"", "cli", "demo", "__main__"},
]
LEVELS = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
ALONE = {"store", "actor", "embedded"}
"""Rooms of one level that do not know each other."""

DATA_MODULES = {
    *("__future__", "abc", "bisect", "collections", "dataclasses", "datetime", "enum"),
    *("functools", "heapq", "itertools", "math", "operator", "random", "re", "typing", "uuid"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield every statement, those for type checkers left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.stmt):
            yield node
        yield from statements(node)


def imported(path: Path) -> Iterator[str]:
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names = [alias.name for alias in node.names]
            module = node.module or ""
            yield from [f"actorq.{name}" for name in names] if module == "actorq" else [module]


def target_room(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "actorq":
        return None
    room = parts[1] if len(parts) > 1 else ""
    return room if room in LEVELS else ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in LEVELS, f"give {room} a place in ROOMS"
    for name in imported(path):
        target = target_room(name)
        if target is None or target == room:
            continue
        assert LEVELS[target] <= LEVELS[room], f"{path.name} imports {name}, which is above it"
        assert not (target in ALONE and room in ALONE), f"{path.name} imports {name}, beside it"


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda p: p.name)
def test_the_core_knows_data_and_nothing_else(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        assert top in DATA_MODULES | {"msgspec", "actorq"}, f"{path.name} imports {name}"


def test_supervisors_and_actors_know_no_driver() -> None:
    allowed = {
        *("store", "embedded", "client", "async_client", "testing", "pytest_plugin"),
        *("cli", "demo"),
    }
    for path in modules():
        if any(name.split(".")[0] == "psycopg" for name in imported(path)):
            assert room_of(path) in allowed, path


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


HEAVY = {"psycopg", "psycopg_binary", "numpy", "multiprocess", "dill", "rich", "pytest"}


def test_importing_actorq_loads_nothing_heavy() -> None:
    assert not loaded_by("import actorq, actorq.testing") & HEAVY
    assert "asyncio" not in loaded_by("import actorq")


def test_declaring_kinds_and_handlers_loads_nothing_heavy() -> None:
    code = """if True:
        import actorq
        app = actorq.App()
        kind = app.kind("a", args=dict[str, int])
        @kind.actor(max_batch=3)
        def handle(batch: actorq.Batch[dict[str, int]]): ...
        kind.codec.encode({"a": 1})
    """
    assert not loaded_by(code) & HEAVY


def test_an_actors_own_code_loads_no_driver() -> None:
    names = sorted(f"actorq.actor.{path.stem}" for path in (PACKAGE / "actor").glob("[a-z]*.py"))
    assert names
    assert not loaded_by(f"import {', '.join(names)}") & {"psycopg", "psycopg_binary", "numpy"}
