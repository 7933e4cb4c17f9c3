"""Each field of a lane, batch, actor, slot, kind or quarantine is set in the file of its class.

Elsewhere somebody says what has happened, and a method there says what that changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parent.parent.parent / "actorq" / "core"
FILES = sorted(CORE.rglob("*.py"))

MUTATORS = {
    *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert"),
    *("pop", "popleft", "remove", "setdefault", "update"),
}


def root_of(node: ast.expr) -> str:
    """Return the name at the head of a.b[c].d; empty if that is something else."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def changed(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a statement or a call changes."""
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            for target in targets:
                yield from target.elts if isinstance(target, ast.Tuple) else [target]
        case ast.AugAssign(target=target):
            yield target
        case ast.Call(func=ast.Attribute(value=ast.Attribute() as owner, attr=attr)):
            if attr in MUTATORS:
                yield owner


def fields(tree: ast.AST) -> set[str]:
    """Return the names of all fields of the classes of a file."""
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    declared = (part for found in classes for part in found.body if isinstance(part, ast.AnnAssign))
    return {part.target.id for part in declared if isinstance(part.target, ast.Name)}


def foreign(source: str) -> list[str]:
    """Return the changes to fields of other files' classes, but for those of the view itself."""
    found, tree = [], ast.parse(source)
    own = fields(tree)
    for node in ast.walk(tree):
        for target in changed(node):
            attribute = target
            while isinstance(attribute, ast.Subscript):
                attribute = attribute.value
            if not isinstance(attribute, ast.Attribute) or root_of(attribute) == "self":
                continue
            of_view = isinstance(attribute.value, ast.Name) and attribute.value.id == "view"
            if not of_view and attribute.attr not in own:
                found.append(f"line {attribute.lineno}: {ast.unparse(target)}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_nobody_writes_to_what_is_another_files(path: Path) -> None:
    assert foreign(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "lane.empty = True",
        "a, lane.empty = 1, True",
        "view.kinds[name].n += 1",
        "view.lanes[1].suspects.append(2)",
        "del kind.restarts[1]",
        "failure.kind.quarantine.state = ''",
    ],
)
def test_one_who_does_is_seen(source: str) -> None:
    assert foreign(source) != []


def test_ones_own_and_the_view_are_let_be() -> None:
    assert (
        foreign("self.a.b = 1; view.due_at = 2; view.held[3] = x; view.early.pop(4); n = 5") == []
    )
    assert foreign("class Group:\n    n: int\n\ndef grow(group):\n    group.n += 1\n") == []
