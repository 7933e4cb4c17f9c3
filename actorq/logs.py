"""Loggers that are heard whatever a user's program does to logging."""

from __future__ import annotations

import logging


def logger(name: str) -> logging.Logger:
    """Return a logger that is not disabled.

    `logging.config.dictConfig` and `fileConfig` disable, unless told otherwise, each logger that
    exists and is not named in what they are given. Ours would fall silent when a module of
    handlers is imported. A level, or a filter, still keeps back what nobody wants to see.
    """
    found = logging.getLogger(name)
    found.disabled = False
    return found
