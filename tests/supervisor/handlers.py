"""Handlers that actor processes import by name."""

from __future__ import annotations


def nothing() -> None:
    """Complete a job."""


def failing() -> None:
    """Fail a job."""
    raise ValueError("no")


def number(n: int) -> None:
    """Stand for a kind whose jobs are numbers."""
