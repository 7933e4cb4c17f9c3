"""Numbers with their noun, for whoever reads: *1 job*, *2 jobs*, *3 batches*."""

from __future__ import annotations


def count(n: int, what: str, many: str = "") -> str:
    """Return a number with its noun in the right number; `many` where that is not + s."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {many or what + 's'}"
