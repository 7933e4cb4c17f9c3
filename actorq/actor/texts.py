"""Describe whatever was raised, even if the exception itself misbehaves.

A message can be 50 MB long, not a text, or raise SystemExit when asked for. What is returned here
is always short, storable text: no NUL, no lone surrogate, limited in UTF-8 bytes.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType

from actorq.core.job.model import Cause, ErrorInfo
from actorq.english import a

MAX_TYPE = 200
MAX_MESSAGE = 8 * 1024
MAX_TRACEBACK = 32 * 1024

_CUT = "\n… (cut) …\n"


def describe(error: BaseException, cause: Cause = "error") -> ErrorInfo:
    """Return the type, text and traceback of an exception, whatever it is."""
    trace = _safely(lambda: _traceback(error), "(the traceback cannot be read)")
    return ErrorInfo(_type_of(error), _message_of(error), ends(trace), cause)


def summary(error: BaseException, max_bytes: int = 500) -> str:
    """Return the type and text of an exception as one short text."""
    return head(f"{_type_of(error)}: {_message_of(error)}", max_bytes)


def shown(value: object, max_bytes: int = 80) -> str:
    """Return the repr of any value as a short text."""
    return head(_safely(lambda: repr(value), a(value)), max_bytes)


def head(text: str, max_bytes: int = MAX_MESSAGE) -> str:
    """Return storable text of at most so many bytes, cut off at its end."""
    text = storable(text[:max_bytes])
    data = text.encode()
    if len(data) <= max_bytes:
        return text
    return data[: max_bytes - 3].decode(errors="ignore") + "…"


def ends(text: str, max_bytes: int = MAX_TRACEBACK) -> str:
    """Return storable text of at most so many bytes, cut in its middle."""
    if len(text) > 2 * max_bytes:
        text = text[:max_bytes] + text[-max_bytes:]
    data = storable(text).encode()
    if len(data) <= max_bytes:
        return data.decode()
    half = (max_bytes - len(_CUT.encode())) // 2
    first, last = data[:half], data[-half:]
    return first.decode(errors="ignore") + _CUT + last.decode(errors="ignore")


def storable(text: str) -> str:
    """Return text that UTF-8 and PostgreSQL can hold."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _safely(make: Callable[[], object], otherwise: str) -> str:
    """Return the text that `make` makes; it may raise anything, even SystemExit."""
    try:
        text = make()
        # Use the parent class's method: a subclass of str may return anything.
        return str.__str__(text) if isinstance(text, str) else otherwise
    except BaseException:  # describing an error must not fail because of that error
        return otherwise


def _type_of(error: BaseException) -> str:
    return head(_safely(lambda: _type_name(type(error)), "unknown type"), MAX_TYPE)


def _message_of(error: BaseException) -> str:
    return head(_safely(lambda: str(error), "(the text of this exception cannot be read)"))


def _type_name(kind: type) -> str:
    name, module = str(kind.__qualname__), str(kind.__module__)
    return name if module in ("builtins", "__main__", "__mp_main__") else f"{module}.{name}"


def _traceback(error: BaseException) -> str:
    lines = traceback.format_exception(type(error), error, _handlers_own(error.__traceback__))
    return "".join(lines)


def _handlers_own(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback without the frames of this package that called the handler."""
    first = trace
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return trace or first


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__", "")).startswith("actorq.actor.")
