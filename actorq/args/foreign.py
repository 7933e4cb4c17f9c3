"""The plain form of values that JSON has no form for: numpy's, pandas', paths, models.

Only libraries that the caller has imported are used: what a value is follows from the names of its
class and that class's parents. Whatever means "missing" becomes NaN, so that one rule, the kind's
`nan`, decides what it is written as.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import IOBase
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from actorq.args import moments, tables

if TYPE_CHECKING:
    from actorq.args import foreign_protocols as theirs

Form = Callable[[Any], object]
"""What writes a value of one type, by which it is found: so it takes no other."""

_ADVICE: tuple[tuple[type, str], ...] = (
    (complex, "write [z.real, z.imag]"),
    (IOBase, "write its path, or what it holds"),
    (Iterator, "make a list of it"),
    (Coroutine, "await it first"),
    (BaseException, "raise it, or write str(error)"),
    (memoryview, "make bytes of it"),
    (type, "write its name"),
    (tuple, "as a key, join it to a text"),
    (type(None), "as a key, write a text"),
)
_OTHERWISE = "write what it holds as a dict, dataclass or msgspec Struct"


def plain(value: Any) -> object:
    """Return what to write for a value that msgspec does not know.

    Raises TypeError, with what to do about it, for a value that has no such form.
    """
    form = _form(value)
    if form is not None:
        return form(value)
    if _is_tensor(value):
        return value.tolist()
    if hasattr(type(value), "__array__"):
        return plain(as_array(value))
    advice = next((text for kind, text in _ADVICE if isinstance(value, kind)), _OTHERWISE)
    raise TypeError(f"objects of type {type(value).__qualname__} are not supported: {advice}")


def rows_of(value: Any) -> list[object] | None:
    """Return a list with an entry for each row of a table or array; None for anything else."""
    if is_named(type(value), "numpy", "ndarray"):
        return _rows(value)
    if rows_of_table := _TABLES.get(_form(value)):
        return rows_of_table(value)
    if _is_tensor(value):
        rows = value.tolist()
        return rows if isinstance(rows, list) else None
    return rows_of(as_array(value)) if hasattr(type(value), "__array__") else None


def _is_tensor(value: object) -> bool:
    """Return whether this is an array of a library that follows numpy's interface."""
    return not isinstance(value, type) and hasattr(value, "dtype") and hasattr(value, "tolist")


def as_array(value: object) -> object:
    """Return the numpy array of a value with `__array__`."""
    import numpy  # `__array__` returns a numpy array, so numpy is loaded already

    return numpy.asarray(value)


def is_named(kind: type, package: str, name: str) -> bool:
    """Return whether a class, or a parent of it, has this name in this package."""
    return any(_is(parent, package, name) for parent in kind.__mro__)


def is_model(kind: object) -> bool:
    """Return whether a class is a model of pydantic 2."""
    is_pydantic = isinstance(kind, type) and is_named(kind, "pydantic", "BaseModel")
    return is_pydantic and hasattr(kind, "model_validate_json")


def model(value: theirs.Model) -> Mapping[str, object]:
    """Return a pydantic model in the form from which `read_model` restores it."""
    return value.model_dump(mode="json", by_alias=True, round_trip=True)


def read_model(kind: theirs.ModelType, data: bytes) -> object:
    """Return a pydantic model from JSON; raises ValueError without the offending values."""
    try:
        return kind.model_validate_json(data)
    except ValueError as error:
        raise ValueError(_told(error)) from None


def _told(error: object) -> str:
    if not hasattr(error, "errors"):
        return type(error).__name__
    found = error.errors(include_input=False, include_url=False, include_context=False)
    texts = [f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in found]
    return "; ".join(texts[:5])


def _form(value: object) -> Form | None:
    return _form_of(type(value))  # type: ignore[arg-type]  # takes type[Any] for unhashable


@functools.lru_cache(maxsize=1024)
def _form_of(kind: type) -> Form | None:
    for parent in kind.__mro__:
        for package, name, form in _NAMED:
            if _is(parent, package, name):
                return form
        if parent in _FORMS:
            return _FORMS[parent]
    return _mapping if issubclass(kind, Mapping) else None


def _is(kind: type, package: str, name: str) -> bool:
    return kind.__name__ == name and kind.__module__.partition(".")[0] == package


# ---- numpy --------------------------------------------------------------------------------


def _scalar(value: theirs.NumpyValue) -> object:
    kind = value.dtype.kind
    if kind in "Mm":
        return moments.instant(value) if kind == "M" else moments.span(value)
    if kind == "V":
        return {name: value[name] for name in value.dtype.names or ()} or value.tobytes()
    # item() of the long types would only return the value itself.
    return float(value) if kind == "f" else complex(value) if kind == "c" else value.item()


def _array(value: theirs.NumpyArray) -> object:
    return value[()] if value.shape == () else _rows(value)


def _rows(value: theirs.NumpyArray) -> list[object] | None:
    """Return the entries along the first axis; numbers all at once, because that is done in C."""
    if value.shape == ():
        return None
    if value.dtype.kind in "MmV":
        return list(value)
    return value.astype(float).tolist() if value.dtype.char == "g" else value.tolist()


def _masked(value: theirs.MaskedArray) -> object:
    if value.shape == ():
        return None if value.mask else value.data[()]
    return list(value) if value.dtype.kind in "Mm" else value.tolist()


# ---- of the standard library, and subclasses of what msgspec knows ------------------------------
# These call the parent class's own methods, because a subclass may return anything.


def _datetime(value: datetime) -> datetime:
    return datetime.combine(datetime.date(value), datetime.timetz(value))


def _date(value: date) -> date:
    return date.fromordinal(date.toordinal(value))


def _timedelta(value: timedelta) -> timedelta:
    return timedelta(value.days, value.seconds, value.microseconds)


def _bytes(value: bytes | bytearray) -> bytes:
    return memoryview(value).tobytes()


def _mapping(value: Mapping[object, object]) -> dict[object, object]:
    return dict(value)


def _nan(_: object) -> float:
    return math.nan


_FORMS: dict[type, Form] = {
    str: str.__str__,
    float: float.__float__,
    int: int.__int__,
    bytes: _bytes,
    bytearray: _bytes,
    datetime: _datetime,
    date: _date,
    timedelta: _timedelta,
    Decimal: Decimal.__str__,
    UUID: UUID.__str__,
    PurePath: PurePath.__str__,
    deque: list,
    range: list,
}

_NAMED: tuple[tuple[str, str, Form], ...] = (
    ("numpy", "MaskedArray", _masked),
    ("numpy", "ndarray", _array),
    ("numpy", "generic", _scalar),
    ("pandas", "NaTType", _nan),
    ("pandas", "NAType", _nan),
    ("pandas", "Timestamp", moments.timestamp),
    ("pandas", "Timedelta", moments.timedelta),
    ("pandas", "Period", str),
    ("pandas", "Interval", str),
    ("pandas", "DataFrame", tables.pandas),
    ("pandas", "Series", tables.series),
    ("pandas", "Index", tables.listed),
    ("pandas", "ExtensionArray", tables.listed),
    ("polars", "DataFrame", tables.polars),
    ("polars", "Series", tables.polars_series),
    ("pyarrow", "Table", tables.arrow),
    ("pyarrow", "RecordBatch", tables.arrow),
    ("pyarrow", "Array", tables.arrow),
    ("pyarrow", "ChunkedArray", tables.arrow),
    ("pyarrow", "Scalar", tables.arrow_scalar),
    ("pydantic", "BaseModel", tables.model),
    ("ipaddress", "_IPAddressBase", str),
)

_TABLES: dict[Form | None, Callable[[Any], list[Any]]] = {
    tables.pandas: tables.pandas,
    tables.series: tables.listed,
    tables.listed: tables.listed,
    tables.polars: tables.polars,
    tables.polars_series: tables.polars_series,
    tables.arrow: tables.arrow,
}
