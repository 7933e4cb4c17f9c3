"""How numpy arrays travel: as base64 of their bytes, with dtype and shape.

A list of numbers needs a decimal conversion per element in both directions, and three times the
bytes. The packed form is used for args annotated `numpy.ndarray`, and for results unless the kind
says otherwise. Both have the same form, so that one job's result can be another's args. numpy is
imported only if a kind's type names it, or to read an array.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from typing import TYPE_CHECKING, Any

from actorq.args import foreign

if TYPE_CHECKING:
    from actorq.args import foreign_protocols as theirs

DTYPE = re.compile(
    r"[<>|](?:b1|[iu][1248]|f[248]|c(?:8|16)|[Mm]8\[[0-9]{0,4}(?:[YMWDhms]|ms|us|ns)\])"
)
"""The dtypes of plain numbers, instants and spans; no other is packed, least of all `object`."""

MARK = '"dtype"'
"""A text that occurs in the JSON of every packed array."""

_SIZE = re.compile(r"[0-9]+")
_PARTS = {"dtype", "shape", "data"}
_FORMATS = {"b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I"}
_FORMATS |= {"i8": "q", "u8": "Q", "f2": "e", "f4": "f", "f8": "d"}


def is_array_type(annotation: object) -> bool:
    """Return whether a type annotation means numpy.ndarray (or NDArray[…])."""
    origin = getattr(annotation, "__origin__", annotation)
    return isinstance(origin, type) and foreign.is_named(origin, "numpy", "ndarray")


def is_masked(kind: type) -> bool:
    """Return whether a class is that of numpy's masked arrays."""
    return foreign.is_named(kind, "numpy", "MaskedArray")


def pack(array: theirs.NumpyValue) -> dict[str, object]:
    """Return the JSON form of an array; its bytes are copied once. Raises TypeError."""
    dtype = array.dtype.str
    if not DTYPE.fullmatch(dtype):
        raise TypeError(
            f"an array of dtype {dtype} is not made of plain numbers: annotate a list and "
            "give array.tolist()"
        )
    if is_masked(type(array)):
        raise TypeError("a masked array would lose its mask: give array.filled(…)")
    text = binascii.b2a_base64(array.tobytes(), newline=False).decode("ascii")
    return {"dtype": dtype, "shape": list(array.shape), "data": text}


def packed(value: Any) -> object:
    """Return what to write for a value that msgspec does not know; numeric arrays are packed."""
    kind = type(value)
    if not is_array_type(kind) or not value.shape or is_masked(kind):
        return foreign.plain(value)
    return pack(value) if DTYPE.fullmatch(value.dtype.str) else foreign.plain(value)


def unpack(value: object) -> object:
    """Return the array of a JSON form; raises ValueError unless all its parts agree."""
    dtype, shape, raw = _parts_of(value)
    import numpy

    return numpy.frombuffer(raw, dtype=numpy.dtype(dtype)).reshape(shape)


def restored(value: object) -> object:
    """Return plain values, with their packed arrays as arrays, or as lists if numpy is missing.

    What only looks like a packed array, because its parts do not agree, is left as it is.
    """
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == _PARTS:
        try:
            return _array_or_list(value)
        except ValueError:
            return value
    return {key: restored(item) for key, item in value.items()}


def _array_or_list(value: object) -> object:
    try:
        return unpack(value)
    except ImportError:
        dtype, shape, raw = _parts_of(value)
    if dtype[1:] not in _FORMATS:
        return value
    order = dtype[0].replace("|", "<")
    return _nested(
        list(struct.unpack(f"{order}{math.prod(shape)}{_FORMATS[dtype[1:]]}", raw)), shape
    )


def _nested(flat: list[object], shape: list[int]) -> object:
    if len(shape) < 2:
        return flat if shape else flat[0]
    size = math.prod(shape[1:])
    return [_nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def _parts_of(value: object) -> tuple[str, list[int], bytearray]:
    if not isinstance(value, dict) or value.keys() != _PARTS:
        raise ValueError("expected an array as an object of dtype, shape and data")
    dtype, shape, text = value["dtype"], value["shape"], value["data"]
    if not isinstance(dtype, str) or not DTYPE.fullmatch(dtype):
        raise ValueError("the dtype of an array must be one of plain numbers")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("the shape of an array must be a list of sizes")
    if not isinstance(text, str):
        raise ValueError("the data of an array must be base64")
    raw = bytearray(binascii.a2b_base64(text))  # writable, as handlers expect an array to be
    if len(raw) != math.prod(shape) * int(_SIZE.findall(dtype)[0]):
        raise ValueError("the data of an array does not have the length its shape says")
    return dtype, shape, raw
