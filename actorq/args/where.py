"""Find the part of a value that cannot be written, for the message that refuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

MAX_STEPS = 64
MAX_PATH = 200
_MAX_CHARS = 40

Hook = Callable[[object], object]
"""What makes plain a value that msgspec does not know; raises for what it cannot."""


def place_of(value: object, fits: Hook, hook: Hook) -> str:
    """Return the path, like `$.pages[3]`, to the innermost part for which `fits` raises.

    `hook` makes plain what is neither a container nor has fields.
    """
    path = "$"
    for _ in range(MAX_STEPS):
        found = _unfit(value, fits, hook)
        if found is None:
            break
        step, value = found
        path += step
    return path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]}…"


def _unfit(value: object, fits: Hook, hook: Hook) -> tuple[str, object] | None:
    try:
        for step, part in _parts(value, hook):
            if not _fits(part, fits):
                return step, part
    except BaseException:  # it is about to be refused, for a reason already known
        pass
    return None


def _fits(part: object, fits: Hook) -> bool:
    try:
        fits(part)
    except BaseException:  # raised by an object's own hooks
        return False
    return True


def _parts(value: object, hook: Hook) -> Iterator[tuple[str, object]]:
    """Yield the parts of a value with the step that leads to each."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f".{shown(key)}", item
            if item is not None or len(value) > 1:
                yield f" in the key {shown(key)}", {key: None}
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{i}]", item) for i, item in enumerate(value))
    elif fields := _fields(value):
        yield from ((f".{name}", getattr(value, name, None)) for name in fields)
    elif not isinstance(value, str | bytes | int | float):
        yield "", hook(value)


def _fields(value: object) -> list[str]:
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        return list(value.__struct_fields__)
    attrs = [field.name for field in getattr(kind, "__attrs_attrs__", ())]
    return attrs or list(getattr(kind, "__dataclass_fields__", ()))


def shown(key: object) -> str:
    """Return a key as short text that can be stored; only the type of a key that is not plain."""
    if not isinstance(key, str | int | float | None):
        return f"(a {type(key).__name__})"
    text = str.__str__(key) if isinstance(key, str) else repr(key)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return text if len(text) <= _MAX_CHARS else f"{text[: _MAX_CHARS - 1]}…"
