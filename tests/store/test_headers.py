"""Each statement's header says what it takes, which rows it locks and which index it goes by."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actorq.errors import InternalError
from actorq.store.session.statements import SQL, in_order, parameters_of, statement

FILES = sorted(SQL.glob("*/*.sql"))
EVERY_FILE = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
TABLE = re.compile(r"(?<=^-- Parameters:\n)(?:--   .*\n)+", re.MULTILINE)
ROW = re.compile(r"^--   (\w+) +([\w\[\]]+)  +\S.*$", re.MULTILINE)
USE = re.compile(r"(?<!:):([a-z]\w*)(?:::(\w+(?:\[\])?))?")


def parts(file: Path) -> tuple[str, str]:
    """Return the header of a statement and the statement."""
    text = file.read_text("utf-8")
    header = re.match(r"(--.*\n)+", text)
    assert header, "it has no header"
    return header[0], text[header.end() :]


def listed(header: str) -> dict[str, str]:
    """Return the parameters in a header's table, each with its type."""
    table = TABLE.search(header)
    return dict(ROW.findall(table[0])) if table else {}


@EVERY_FILE
def test_a_header_names_locks_and_indexes(file: Path) -> None:
    header, _ = parts(file)
    assert "Locks: " in header
    assert "Index: " in header


@EVERY_FILE
def test_a_header_lists_every_parameter_and_its_type(file: Path) -> None:
    header, body = parts(file)
    table, used = listed(header), USE.findall(body)
    assert set(table) == {name for name, _ in used}
    assert [use for use in used if use[1] not in ("", table[use[0]])] == []


@EVERY_FILE
def test_parameters_have_names_and_are_numbered_as_they_are_listed(file: Path) -> None:
    header, body = parts(file)
    assert not re.search(r"\$\d", header + body)
    names = parameters_of(file.stem)
    assert list(names) == list(listed(header))
    text = statement(file.stem, "actorq")
    assert not USE.search(text)
    assert {int(n) for n in re.findall(r"\$(\d+)", text)} == set(range(1, len(names) + 1))


def test_the_type_of_a_cast_is_no_parameter() -> None:
    assert "l.id = $1::int4" in statement("claim", "actorq")
    assert "(SELECT id FROM here LIMIT $3::int8)" in statement("claim", "actorq")


@pytest.mark.parametrize("given", [{}, {"lane": 1, "node": 2}, {"node": 1, "lanes": 2, "x": 3}])
def test_values_are_refused_that_are_not_those_a_statement_takes(given: dict[str, int]) -> None:
    with pytest.raises(InternalError, match=r"hunger_on\.sql takes node, lanes; given: "):
        in_order("hunger_on", given)


def test_values_go_where_their_parameter_is_listed() -> None:
    assert in_order("hunger_on", {"lanes": 2, "node": 1}) == [1, 2]
