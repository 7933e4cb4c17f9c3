"""What a handler's function looks like, for whoever declares it and whoever runs it."""

from __future__ import annotations

import inspect
from typing import Any


def is_async(function: Any) -> bool:
    """Tell whether a handler's function has to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
