"""What is used of the values of numpy, pandas and others, none of which is imported for it."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol


class Column(Protocol):
    """Be a column or an index, which has its values as a list."""

    def tolist(self) -> list[object]:
        """Return its values as a list."""


class DType(Protocol):
    """Be a numpy dtype."""

    kind: builtins.str
    char: builtins.str
    names: tuple[builtins.str, ...] | None

    @property
    def str(self) -> builtins.str:
        """Return its short name, as `<f8`."""


class NumpyValue(Protocol):
    """Be a numpy array, or one of numpy's scalars, which have what arrays have."""

    dtype: DType
    shape: tuple[int, ...]

    def __getitem__(self, key: object, /) -> object: ...
    def __iter__(self) -> Iterator[object]: ...
    def __float__(self) -> float: ...
    def __complex__(self) -> complex: ...
    def __int__(self) -> int: ...
    def astype(self, dtype: str | type[float], /) -> NumpyValue:
        """Return it as another dtype."""

    def item(self) -> object:
        """Return it as Python's own."""

    def tobytes(self) -> bytes:
        """Return a copy of its bytes."""

    def tolist(self) -> object:
        """Return it as Python's own, an array as a list."""


class NumpyArray(NumpyValue, Protocol):
    """Be a numpy array, which is no scalar."""

    def astype(self, dtype: str | type[float], /) -> NumpyArray:
        """Return it as another dtype."""

    def tolist(self) -> list[object]:
        """Return its values as a list."""


class MaskedArray(NumpyValue, Protocol):
    """Be one of numpy's masked arrays."""

    mask: object
    data: NumpyValue


class Timestamp(Protocol):
    """Be a pandas Timestamp."""

    def isoformat(self) -> str:
        """Return it as ISO 8601."""


class Timedelta(Protocol):
    """Be a pandas Timedelta."""

    days: int
    seconds: int
    microseconds: int
    nanoseconds: int


class Index(Column, Protocol):
    """Be the index of a pandas DataFrame or Series."""

    names: Sequence[object]
    inferred_type: str
    is_unique: bool

    def __len__(self) -> int: ...
    def get_level_values(self, level: int, /) -> Column:
        """Return the labels of one level."""


class _ByPosition(Protocol):
    def __getitem__(self, key: tuple[slice, int], /) -> Column: ...


class Frame(Protocol):
    """Be a pandas DataFrame."""

    index: Index
    columns: Iterable[object]
    shape: tuple[int, int]
    iloc: _ByPosition


class Series(Column, Protocol):
    """Be a pandas Series."""

    index: Index
    name: object

    def to_frame(self, name: object, /) -> Frame:
        """Return it as the only column of a frame."""


class PolarsFrame(Protocol):
    """Be a polars DataFrame."""

    def to_dicts(self) -> list[Mapping[str, object]]:
        """Return its rows."""


class PolarsSeries(Protocol):
    """Be a polars Series."""

    def to_list(self) -> list[object]:
        """Return its values."""


class Arrow(Protocol):
    """Be a table or an array of Arrow."""

    def to_pylist(self) -> list[object]:
        """Return its rows or values."""


class ArrowScalar(Protocol):
    """Be a value of Arrow."""

    def as_py(self) -> object:
        """Return it as Python's own."""


class Model(Protocol):
    """Be a pydantic model."""

    def model_dump(
        self, *, mode: str, by_alias: bool = False, round_trip: bool = False
    ) -> Mapping[str, object]:
        """Return its fields as plain values."""


class ModelType(Protocol):
    """Be the class of a pydantic model."""

    def model_validate_json(self, data: bytes, /) -> object:
        """Return the model that JSON means."""

    def model_json_schema(self) -> Mapping[str, object]:
        """Return its JSON schema."""
