"""Write what pages of the documentation say of the code: from docstrings, tables and statements.

A page keeps what is made between two lines, `<!-- made by scripts/docs: NAME -->` and
`<!-- end -->`. A test fails where it is not what the code says now; `scripts/docs` writes it anew.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import actorq
from actorq import pytest_plugin, testing
from actorq.core import event
from actorq.core.job import settle
from actorq.core.job.model import Counts, ErrorInfo, Row, Verdict
from actorq.core.job.outcome import Said
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import batches
from actorq.events import log_lines

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "actorq" / "docs"
MIGRATIONS = ROOT / "actorq" / "store" / "schema" / "migrations"
MADE = re.compile(r"(<!-- made by scripts/docs: (\w+) -->\n).*?(<!-- end -->\n)", re.S)


def main() -> int:
    """Write every page that is not what the code says; returns the exit code."""
    for path, text in stale():
        path.write_text(text, "utf-8")
        print(f"written: {path.relative_to(ROOT)}")
    return 0


def stale() -> Iterator[tuple[Path, str]]:
    """Yield each page whose made parts are out of date, with what it should be."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text("utf-8")
        made = MADE.sub(lambda m: f"{m[1]}{PARTS[m[2]]().strip()}\n{m[3]}", text)
        if made != text:
            yield path, made


# ---- the public names ---------------------------------------------------------------------------


def reference() -> str:
    """Return every public name with its signature and docstring."""
    groups: dict[str, list[Any]] = {"apps and kinds": [], "in a handler": [], "outcomes": [],
                                    "clients and handles": [], "errors": []}  # fmt: skip
    for name in actorq.__all__:
        thing = getattr(actorq, name)
        if not _is_alias(name, thing):
            groups[_group(thing)].append(thing)
    parts = [f"## {_title(group)}\n\n{_listed(things)}" for group, things in groups.items()]
    return "\n\n".join([*parts, _module(testing), _module(pytest_plugin)])


def _title(group: str) -> str:
    return group[0].upper() + group[1:]


def _is_alias(name: str, thing: Any) -> bool:
    return isinstance(thing, type) and thing.__name__ != name


def _group(thing: Any) -> str:
    if isinstance(thing, type) and issubclass(thing, actorq.ActorqError):
        return "errors"
    if isinstance(thing, type) and issubclass(thing, BaseException):
        return "in a handler" if thing is actorq.TimedOut else "outcomes"
    module = thing.__module__
    if module.startswith("actorq.actor"):
        return "in a handler"
    return "clients and handles" if module.startswith("actorq.client") else "apps and kinds"


def _module(module: Any) -> str:
    functions = [
        thing
        for name, thing in vars(module).items()
        if not name.startswith("_") and _is_own(thing, module)
    ]
    about = inspect.getdoc(module) or ""
    name = module.__name__.rpartition(".")[2]
    return f"## `actorq.{name}`\n\n{about}\n\n{_listed(functions)}"


def _is_own(thing: Any, module: Any) -> bool:
    thing = getattr(thing, "_get_wrapped_function", lambda: thing)()  # a fixture of pytest
    return callable(thing) and getattr(thing, "__module__", "") == module.__name__


def _listed(things: list[Any]) -> str:
    return "\n\n".join(_entry(thing) for thing in things)


def _entry(thing: Any) -> str:
    if isinstance(thing, type):
        members = [f"- `{signature}`: {_indented(about)}" for signature, about in _members(thing)]
        made_with = _parameters(thing, drop=0) if _is_made_by_users(thing) else ""
        head = f"### `{thing.__name__}{made_with}`\n\n{_doc(thing)}"
        return "\n".join([head, *([""] if members else []), *members])
    thing = getattr(thing, "_get_wrapped_function", lambda: thing)()
    return f"### `{_called(thing, thing.__name__)}`\n\n{_doc(thing)}"


def _is_made_by_users(cls: type) -> bool:
    return cls is actorq.App or issubclass(cls, Said)


def _members(cls: type) -> Iterator[tuple[str, str]]:
    """Yield what a class adds to its parents: methods and properties with a docstring."""
    yield from _attributes(cls)
    for name, member in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield name, _doc(member.fget)
        elif isinstance(member, staticmethod | classmethod):
            yield _called(member.__func__, name), _doc(member.__func__)
        elif inspect.isfunction(member) and member.__doc__:
            yield _called(member, name), _doc(member)
        elif hasattr(member, "func") and getattr(member.func, "__doc__", None):
            yield name, _doc(member.func)


def _attributes(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a class that a text stands below."""
    body = ast.parse(inspect.getsource(cls)).body[0].body  # type: ignore[attr-defined]
    for attribute, text in itertools.pairwise(body):
        if isinstance(attribute, ast.AnnAssign) and isinstance(text, ast.Expr):
            yield ast.unparse(attribute.target), str(ast.literal_eval(text.value))


def _called(function: Any, name: str) -> str:
    prefix = "await " if inspect.iscoroutinefunction(function) else ""
    first = next(iter(inspect.signature(function).parameters), "")
    return f"{prefix}{name}{_parameters(function, drop=int(first in ('self', 'cls')))}"


def _parameters(function: Any, drop: int) -> str:
    """Return the parameters as they are written, without types: these are for a type checker."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    parameters = list(signature.parameters.values())[drop:]
    if any(p.name == "fields" for p in parameters):  # the outcomes' common parent
        return ""
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    shown = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    return re.sub(r"\s+", " ", str(shown))


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ").replace("\n  \n", "\n\n")


# ---- events -------------------------------------------------------------------------------------


def event_table() -> str:
    """Return a table of all events: name, level, fields, meaning."""
    rows = ["| event | level | fields | says |", "| --- | --- | --- | --- |"]
    for cls, (level, _) in log_lines.LINES.items():
        fields = ", ".join(f"`{name}`" for name in cls.__struct_fields__)
        about = " ".join(_doc(cls).split()).replace("|", "\\|")
        rows.append(f"| `{_name(cls)}` | {LEVELS[level]} | {fields} | {about} |")
    return "\n".join(rows)


LEVELS = {log_lines.DEBUG: "debug", log_lines.INFO: "info", log_lines.WARNING: "warning",
          log_lines.ERROR: "error"}  # fmt: skip


def _name(cls: type[event.Event]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


# ---- tables of the database ---------------------------------------------------------------------

TABLE = re.compile(
    r"((?:^--[^\n]*\n)*)^CREATE (?:UNLOGGED )?TABLE \{schema\}\.(\w+) \((.*?)^\)", re.M | re.S
)
COLUMN = re.compile(r"^ {4}([a-z_]+) +[a-z{\"]", re.M)


def table_list() -> str:
    """Return each table with its columns and what the migration says of it."""
    text = "".join(path.read_text("utf-8") for path in sorted(MIGRATIONS.glob("*/*.sql")))
    parts = []
    for comment, name, body in TABLE.findall(text):
        about = " ".join(line.removeprefix("--").strip() for line in comment.splitlines())
        columns = ", ".join(f"`{column}`" for column in COLUMN.findall(body))
        parts.append(f"**`{name}`** ({columns}){': ' if about else '.'}{about}".strip())
    return "\n\n".join(parts)


# ---- states -------------------------------------------------------------------------------------

LAST = "the last attempt"


def job_picture() -> str:
    """Return what becomes of a job under a lease, by asking the rules for every outcome."""
    moves: dict[str, list[str]] = {}
    for what, row in _rows():
        moves.setdefault(_where(row), []).append(f"{what}{_charge(row)}")
    lines = ["pending, under a lease"]
    for i, (where, whys) in enumerate(moves.items()):
        last = i == len(moves) - 1
        lines += _branch(where, whys, last)
    return "```text\n" + "\n".join(lines) + "\n```"


What = Literal["result", "error", "retry", "snooze", "fail", "cancel"]


def _rows() -> Iterator[tuple[str, Row]]:
    policy, error = KindPolicy(name="x", max_attempts=2, crash_budget=2), ErrorInfo("E", "")
    fresh, spent = Counts(), Counts(attempt=1, n_failed=1, n_crashed=1)
    yield "done", settle.completed(1, fresh, None)
    yield "a result", settle.row_of(Verdict(0, "result", result=b"1"), 1, fresh, policy, 0.5)
    trials: tuple[What, ...] = ("error", "retry")
    for what in trials:
        verdict = Verdict(0, what, after_s=1.0, error=error)
        yield what, settle.row_of(verdict, 1, fresh, policy, 0.5)
        yield f"{what}, {LAST}", settle.row_of(verdict, 1, spent, policy, 0.5)
    yield "crash", settle.crashed_attempt(1, fresh, error, policy, 0.5, 7)
    yield "crash, the last of its budget", settle.crashed_attempt(1, spent, error, policy, 0.5, 7)
    marks: tuple[What, ...] = ("snooze", "fail", "cancel")
    for what in marks:
        verdict = Verdict(0, what, after_s=1.0, error=error)
        yield what, settle.row_of(verdict, 1, fresh, policy, 0.5)
    yield "given back: a stop, a rest, a fresh process", settle.returned(1, fresh)
    yield "its batch failed as a whole, and it may be why", settle.returned(1, fresh, 7)


def _where(row: Row) -> str:
    if row.state != "pending":
        return row.state
    if row.suspect:
        return "pending: suspect" + ("" if row.retry_in_s is None else ", due later")
    if row.retry_in_s is None:
        return "pending: ready, at its old place"
    return "pending: retrying, due later" if row.charge != "none" else "pending: due later"


def _charge(row: Row) -> str:
    return "" if row.charge == "none" else f" (n_{row.charge} + 1)"


def _branch(where: str, whys: list[str], last: bool) -> list[str]:
    head, rest = ("└─▶", "   ") if last else ("├─▶", "│  ")
    return [f"{head} {where}", *(f"{rest}     when: {why}" for why in whys)]


def batch_picture() -> str:
    """Return the way of a batch as a picture, from the table that heads its module."""
    table = (batches.__doc__ or "").split("\n\n")[1].splitlines()
    at = [table[0].index(name) for name in ("where it is", "what moves", "where to")]
    lines: list[str] = []
    moves = [_cells(row, at) for row in table[1:]]
    for i, (where, why, to) in enumerate(moves):
        if where:
            lines += ["", where] if lines else [where]
        last = i + 1 == len(moves) or bool(moves[i + 1][0])
        lines.append(f"{'└' if last else '├'}─ {why} ─▶ {to}")
    return "```text\n" + "\n".join(lines) + "\n```"


def _cells(row: str, at: list[int]) -> tuple[str, str, str]:
    return row[: at[1]].strip(), row[at[1] : at[2]].strip(), row[at[2] :].strip()


PARTS: dict[str, Callable[[], str]] = {
    "reference": reference,
    "events": event_table,
    "tables": table_list,
    "job": job_picture,
    "batch": batch_picture,
}

if __name__ == "__main__":
    sys.exit(main())
