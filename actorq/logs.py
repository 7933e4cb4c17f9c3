"""Loggers that remain audible whatever a user's program does to logging."""

from __future__ import annotations

import logging


def logger(name: str) -> logging.Logger:
    """Return a logger that is not disabled.

    Unless told otherwise, `logging.config.dictConfig` and `fileConfig` disable every existing
    logger that their configuration does not name. Ours would fall silent when a module of
    handlers is imported. Levels and filters still suppress what nobody wants to see.
    """
    found = logging.getLogger(name)
    found.disabled = False
    return found
