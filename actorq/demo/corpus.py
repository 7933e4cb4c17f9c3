"""Real texts that every machine has: what the standard library says about itself.

These are the docstrings and comment blocks of every module beside `os.py`, except for its test
packages, which Debian leaves out. They are read from the source; nothing is imported. The same
Python gives the same texts in the same order. Texts that occur twice are kept: finding them is the
demo's work.
"""

from __future__ import annotations

import ast
import os
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import msgspec

MIN_LENGTH = 40
MAX_LENGTH = 4000
LEFT_OUT = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

LineOfText = tuple[int, str]  # line, text


class Text(msgspec.Struct, frozen=True):
    """One text and where it comes from."""

    place: str  # file:line below the root
    text: str


def texts(limit: int | None = None, root: Path | None = None) -> list[Text]:
    """Return the texts of every module below `root`, by default the standard library's."""
    return list(islice(_all(root or Path(sysconfig.get_path("stdlib"))), limit))


def _all(root: Path) -> Iterator[Text]:
    for path in _modules(root):
        name = path.relative_to(root).as_posix()
        for line, text in _worth_it(path):
            yield Text(f"{name}:{line}", text)


def _modules(root: Path) -> Iterator[Path]:
    """Yield each source file, in an order that does not depend on the file system."""
    for directory, subdirectories, files in os.walk(root):
        subdirectories[:] = sorted(set(subdirectories) - LEFT_OUT)
        yield from (Path(directory, file) for file in sorted(files) if file.endswith(".py"))


def _worth_it(path: Path) -> list[LineOfText]:
    """Return a file's texts by line if they are long enough; none if it is not valid Python."""
    try:
        with tokenize.open(path) as file:
            found = texts_of(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    return [(line, text[:MAX_LENGTH]) for line, text in found if _is_worth_it(text)]


def _is_worth_it(text: str) -> bool:
    if len(text) < MIN_LENGTH or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, used as an example
        return False
    return True


def texts_of(source: str) -> list[LineOfText]:
    """Return the docstrings and comment blocks in one module's source, by line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd escapes in old modules
        tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    return sorted([*_docstrings(nodes), *_comments(source.split("\n"), _inside_strings(nodes))])


def _docstrings(nodes: list[ast.AST]) -> Iterator[LineOfText]:
    for node in nodes:
        if isinstance(node, DOCUMENTED):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text.strip()


def _inside_strings(nodes: list[ast.AST]) -> set[int]:
    """Return the lines that begin inside a string, where `#` begins no comment."""
    inside: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Constant | ast.JoinedStr):
            inside.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    return inside


def _comments(lines: list[str], inside_strings: set[int]) -> Iterator[LineOfText]:
    """Yield each run of comment lines at one indentation as one text."""
    marked = [
        (number, len(line) - len(line.lstrip()), line.strip().strip("#").strip())
        for number, line in enumerate(lines, 1)
        if line.lstrip().startswith("#") and number not in inside_strings
    ]
    # Within a run, line number and position rise together, so their difference stays the same.
    runs = groupby(enumerate(marked), key=lambda entry: (entry[1][0] - entry[0], entry[1][1]))
    for _, run in runs:
        block = [mark for _, mark in run]
        yield block[0][0], "\n".join(text for _, _, text in block).strip()
