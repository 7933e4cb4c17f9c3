"""Tables and columns as plain lists: of rows as objects by column, or of values.

Rows as objects can be read in SQL with json_to_recordset, and keep the columns' names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorq.args import foreign_protocols as theirs


def pandas(frame: theirs.Frame) -> list[dict[str, object]]:
    """Return a DataFrame's rows. Index levels that have a name come first, as columns."""
    index = frame.index
    kept = [i for i, name in enumerate(index.names) if name is not None]
    labels = [index.names[i] for i in kept] + list(frame.columns)
    columns = [index.get_level_values(i).tolist() for i in kept]
    columns += [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    names = column_names(labels)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def column_names(labels: Iterable[object]) -> list[str]:
    """Return a name for each column: levels are joined by `_`, repeated names are numbered.

    The numbers are those that pandas assigns when it reads a file: a, a.1, a.2.
    """
    names: dict[str, None] = {}
    for label in labels:
        parts = label if isinstance(label, tuple) else (label,)
        name = base = "_".join(str(part) for part in parts if part != "")
        n = 0
        while name in names:
            n += 1
            name = f"{base}.{n}"
        names[name] = None
    return list(names)


def series(column: theirs.Series) -> object:
    """Return a Series as an object by its labels if these are texts, like the labels of a row.

    Other labels are kept as a column if they have a name, as groups have; otherwise a list is
    returned.
    """
    index = column.index
    if len(index) and index.inferred_type == "string" and index.is_unique:
        return dict(zip(index.tolist(), column.tolist(), strict=True))
    if any(name is not None for name in index.names):
        return pandas(column.to_frame("value" if column.name is None else column.name))
    return column.tolist()


def listed(values: theirs.Column) -> list[object]:
    """Return an index or a column's values as a list."""
    return values.tolist()


def polars(frame: theirs.PolarsFrame) -> list[Mapping[str, object]]:
    """Return the rows of a polars DataFrame."""
    return frame.to_dicts()


def polars_series(column: theirs.PolarsSeries) -> list[object]:
    """Return the values of a polars Series."""
    return column.to_list()


def arrow(table: theirs.Arrow) -> list[object]:
    """Return the rows of an Arrow table, or the values of an array."""
    return table.to_pylist()


def arrow_scalar(value: theirs.ArrowScalar) -> object:
    """Return the Python value of an Arrow scalar."""
    return value.as_py()


def model(value: theirs.Model) -> Mapping[str, object]:
    """Return a pydantic model as others are to read it: with computed fields, by its own names."""
    return value.model_dump(mode="json")
