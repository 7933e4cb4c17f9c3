"""Words for messages: *an int*, *1 job*, *3 batches*."""

from __future__ import annotations


def a(value: object) -> str:
    """Return the name of a value's type with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def count(n: int, what: str, many: str = "") -> str:
    """Return a number with its noun in singular or plural; `many` if the plural is not + s."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {many or what + 's'}"
