"""How numpy values travel in args: an array as base64 of its bytes with dtype and shape.

A list of numbers costs a decimal conversion per element on both ways; an array annotated
`numpy.ndarray` costs one copy. numpy is imported only where a kind's type names it.
"""

from __future__ import annotations

import binascii
import math
import re
from typing import Any

DTYPE = re.compile(r"[<>|](?:b1|[iu][1248]|f[248]|c(?:8|16))")
"""The dtypes that are plain numbers; `object` and structured ones never leave a process."""


def is_numpy(kind: type) -> bool:
    """Return whether this is a class of numpy, without importing numpy."""
    return kind.__module__ == "numpy"


def is_array_type(annotation: object) -> bool:
    """Return whether a type annotation means numpy.ndarray (or NDArray[…])."""
    origin = getattr(annotation, "__origin__", annotation)
    return isinstance(origin, type) and is_numpy(origin) and origin.__name__ == "ndarray"


def pack(array: Any) -> dict[str, Any]:
    """Return the JSON form of an array; its bytes are copied once."""
    dtype = array.dtype.str
    if not DTYPE.fullmatch(dtype):
        raise TypeError(f"an array of dtype {dtype} is not made of plain numbers")
    text = binascii.b2a_base64(array.tobytes(), newline=False).decode("ascii")
    return {"dtype": dtype, "shape": list(array.shape), "data": text}


def unpack(value: object) -> Any:
    """Return the array of a JSON form; raises ValueError unless all its parts agree."""
    import numpy

    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data"}:
        raise ValueError("expected an array as an object of dtype, shape and data")
    dtype, shape, text = value["dtype"], value["shape"], value["data"]
    if not isinstance(dtype, str) or not DTYPE.fullmatch(dtype):
        raise ValueError("the dtype of an array must be one of plain numbers")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("the shape of an array must be a list of sizes")
    raw = bytearray(binascii.a2b_base64(text))  # writable, as handlers expect of an array
    kind = numpy.dtype(dtype)
    if len(raw) != math.prod(shape) * kind.itemsize:
        raise ValueError("the data of an array does not have the length its shape says")
    return numpy.frombuffer(raw, dtype=kind).reshape(shape)


def dec_hook(kind: Any, value: Any) -> Any:
    """Return the value of a type that msgspec does not know."""
    if is_array_type(kind):
        return unpack(value)
    raise NotImplementedError(kind)


def schema_hook(kind: Any) -> dict[str, Any]:
    """Return what stands for such a type in a JSON schema."""
    return {"type": f"{kind.__module__}.{kind.__qualname__}"}
