"""Imports point one way, and enqueueing or acting loads no database driver.

errors ← core ← args ← pipe ← store, actor, embedded ← supervisor ← client, kind, app ← stress, cli
"""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import house

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "actorq"

ROOMS = [
    {"errors", "durations", "english", "logs", "early_interrupt"},
    {"core.event", "core.exit_codes", "core.report", "core.restart", "core.job"},
    {"core.store_values", "core.blame", "core.counters", "core.following"},
    {"core.lanes", "core.liveness", "core.fleet"},
    {"core.plan"},
    {"core.claiming", "core.writing", "core.reporting"},
    {"dsn", "escape", "loading", "args"},
    {"pipe"},
    {"store.session", "actor", "embedded", "events"},
    {"store.changes"},
    {"store.enqueue", "store.schema"},
    {"store.admin"},
    {"store.counters"},
    {"store.admin.status"},
    {"store.queue"},
    {"admin"},
    {
        "supervisor.asked",
        "supervisor.ends",
        "supervisor.executor",
        "supervisor.identity",
        "supervisor.options",
        "supervisor.retries",
        "supervisor.surroundings",
        "supervisor.usage",
    },
    {"supervisor.duties"},
    {"supervisor.local", "supervisor.threads"},
    {"declared", "kind", "client", "app", "supervisor", "testing", "pytest_plugin"},
    {"metrics", "cli.output", "stress.core"},
    {"top", "stress.process"},
    {"stress.measure", "stress.report"},
    {"stress"},
    {"", "cli", "demo", "__main__"},
]
"""From below to above. A folder that is not named belongs to the one that it stands in."""

LEVELS = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
ALONE = {"store", "actor", "embedded"}
"""Folders that do not know each other."""

DATA_MODULES = {
    *("__future__", "abc", "bisect", "collections", "dataclasses", "datetime", "enum"),
    *("functools", "heapq", "itertools", "math", "operator", "random", "re", "typing", "uuid"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(parts: tuple[str, ...]) -> str | None:
    """Return the innermost room that a module stands in, None if it has none."""
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in LEVELS:
            return ".".join(parts[:n])
    return None


def parts_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def statements(tree: ast.AST, but_types: bool = False) -> Iterator[ast.stmt]:
    """Yield every statement, on request without those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if but_types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.stmt):
            yield node
        yield from statements(node, but_types)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(path: Path, but_types: bool = False) -> Iterator[str]:
    for node in statements(ast.parse(path.read_text()), but_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else node.module or ""


def targets(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what of the package a module imports, with the room that this stands in."""
    for name in imported(path):
        parts = tuple(name.split("."))
        if parts[0] == "actorq":
            yield name, room_of(parts[1:]) or ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    parts = parts_of(path)
    room = room_of(parts) if parts else ""
    if room is None:
        assert ast.parse(path.read_text()).body[1:] == [], f"give {path} a place in ROOMS"
        return
    for name, target in targets(path):
        if target == room:
            continue
        assert LEVELS[target] <= LEVELS[room], f"{path.name} imports {name}, which is above it"
        pair = target.split(".")[0], room.split(".")[0]
        assert len(set(pair)) == 1 or not set(pair) <= ALONE, f"{path} imports {name}, beside it"


def test_nothing_goes_in_circles() -> None:
    """Not for annotations either: what knows each other can only be read, and changed, as one."""
    assert house.circles() == []


def test_a_circle_of_annotations_is_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    known = house.modules()
    below, above = known["actorq.errors"], known["actorq.app"]
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from actorq.app import App\n"
    changed = dataclasses.replace(below, text=text, tree=ast.parse(text))
    monkeypatch.setattr(house, "modules", lambda: {**known, below.name: changed})
    [circle] = house.circles()
    assert {below.name, above.name} <= set(circle)


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda p: p.name)
def test_the_core_knows_data_and_nothing_else(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        assert top in DATA_MODULES | {"msgspec", "actorq"}, f"{path.name} imports {name}"


def test_supervisors_and_actors_know_no_driver() -> None:
    allowed = {
        *("store", "embedded", "client", "testing", "pytest_plugin"),
        *("cli", "demo", "stress"),
    }
    for path in modules():
        if any(name.split(".")[0] == "psycopg" for name in imported(path, but_types=True)):
            assert parts_of(path)[0] in allowed, path


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


HEAVY = {
    *("psycopg", "psycopg_binary", "numpy", "multiprocess", "dill", "rich", "pytest"),
    "prometheus_client",
}


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
