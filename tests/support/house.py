"""What the house measures: sizes, names, circles, by reading its own code."""

from __future__ import annotations

import argparse
import ast
import json
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "actorq"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A file of the package, read."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@cache
def modules() -> dict[str, Module]:
    """Return the modules of the package by their dotted names."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        text = path.read_text("utf-8")
        found[name] = Module(name, path, text, ast.parse(text))
    return found


# ---- sizes --------------------------------------------------------------------------------------


def functions() -> Iterator[tuple[str, Function]]:
    """Yield every function with the module that it stands in."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield module.name, node


def length(function: Function) -> int:
    """Return the lines of a function from its name to its end."""
    return (function.end_lineno or 0) - function.lineno + 1


def folders() -> dict[str, int]:
    """Return how many files stand in each folder of the package, those below it left out."""
    found: dict[str, int] = defaultdict(int)
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            found[str(path.parent.relative_to(ROOT))] += 1
    return found


# ---- names --------------------------------------------------------------------------------------


AGREED = {"JobFailed": ["actorq.core.event", "actorq.errors"]}
"""Names that may stand for two things: the event of a failed attempt, and the error of a wait."""


def double_names() -> dict[str, list[str]]:
    """Return the names of classes and type aliases that stand for more than one thing."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module.name)
        for name in aliases(module.tree):
            places[name].append(module.name)
    doubled = {name: where for name, where in sorted(places.items()) if len(where) > 1}
    return {name: where for name, where in doubled.items() if AGREED.get(name) != where}


def aliases(tree: ast.Module) -> Iterator[str]:
    """Yield the names of a module that look like a class and are assigned: aliases of types."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        for target in targets:
            if isinstance(target, ast.Name) and is_class_like(target.id) and _is_type(node):
                yield target.id


def is_class_like(name: str) -> bool:
    return name[0].isupper() and not name.isupper()


def _is_type(node: ast.stmt) -> bool:
    """Tell an alias of a type from the variable of a type: that one is the same everywhere."""
    value = getattr(node, "value", None)
    return not (isinstance(value, ast.Call) and ast.unparse(value.func) in ("TypeVar", "ParamSpec"))


# ---- who knows whom -----------------------------------------------------------------------------


def imports(module: Module) -> set[str]:
    """Return the modules of the package that one names, for annotations alone included."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules() else node.module)
    return {name for name in found if name in modules()} - {module.name}


def circles() -> list[list[str]]:
    """Return the groups of modules each of which can be reached from each other one."""
    known = {name: imports(module) for name, module in modules().items()}
    reach = {name: _reached(name, known) for name in known}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other]) | {name}
        for name in known
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def _reached(start: str, known: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = list(known[start])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += known[name]
    return found


# ---- types and words ----------------------------------------------------------------------------


def uses_of_any() -> list[str]:
    """Return the places where the type Any is written."""
    return [
        f"{module.path.relative_to(ROOT)}:{node.lineno}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]


def undocumented() -> tuple[int, list[str]]:
    """Return how many public functions and classes there are, and which say nothing."""
    n, silent = 0, []
    for module in modules().values():
        for node in _public(module.tree):
            n += 1
            if ast.get_docstring(node) is None:
                silent.append(f"{module.name}.{node.name}")
    return n, silent


def _public(node: ast.AST) -> Iterator[Function | ast.ClassDef]:
    """Yield public functions, classes and methods; what stands inside a function is nobody's."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If):
            yield from _public(child)
        elif isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from _public(child)


def figures() -> dict[str, float]:
    """Return all figures."""
    sizes = [length(function) for _, function in functions()]
    n_lines = {module.name: len(module.lines) for module in modules().values()}
    n_public, silent = undocumented()
    return {
        "files": len(n_lines),
        "lines": sum(n_lines.values()),
        "functions": len(sizes),
        "function_median": statistics.median(sizes),
        "function_max": max(sizes),
        "file_max": max(n_lines.values()),
        "double_names": len(double_names()),
        "circles": len(circles()),
        "any_per_1000": round(1000 * len(uses_of_any()) / sum(n_lines.values()), 1),
        "documented": round(1 - len(silent) / n_public, 4),
        "folder_max": max(folders().values()),
    }


def listed(what: str) -> list[str]:
    """Return what a figure counts, a line each."""
    match what:
        case "double_names":
            return [f"{name}: {', '.join(where)}" for name, where in double_names().items()]
        case "circles":
            return [" ".join(group) for group in circles()]
        case "any":
            return uses_of_any()
        case "undocumented":
            return undocumented()[1]
        case "folders":
            return [f"{n:3} {name}" for name, n in sorted(folders().items(), key=lambda f: -f[1])]
        case _:
            sizes = sorted(((length(f), m, f.name) for m, f in functions()), reverse=True)
            return [f"{n:3} {module}.{name}" for n, module, name in sizes[:20]]


def main() -> int:
    parser = argparse.ArgumentParser(description="measure the house", allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    names = ("double_names", "circles", "any", "undocumented", "folders", "long")
    parser.add_argument("--list", choices=names, help="tell what a figure counts")
    options = parser.parse_args()
    if options.list:
        print(*listed(options.list), sep="\n")
    elif options.json:
        print(json.dumps(figures()))
    else:
        for name, value in figures().items():
            print(f"{name:16} {value:>10,}")
    return 0
