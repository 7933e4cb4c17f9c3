"""What kind of thing a value is, for whoever reads a message: *an int*, *a list*."""

from __future__ import annotations


def a(value: object) -> str:
    """Return the name of a value's type with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"
