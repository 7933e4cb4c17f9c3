"""Where handlers are in modules, and which kind belongs to what is found there."""

from __future__ import annotations

import sys
from typing import Any

from actorq.actor.bound import BoundKind, Declared


def object_at(module: str, qualname: str) -> object:
    """Return the object at a place in a loaded module, None if there is none."""
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def kind_behind(found: object) -> Any:
    """Return the kind of a decorated object, None if it has none.

    A class carries its kind. So does a kind itself, and by functools.update_wrapper whatever
    decorates it. A kind is never inherited: a subclass is a handler of its own or none.
    """
    return getattr(found, "__dict__", {}).get("__actorq_kind__")


def kind_at(module: str, qualname: str, name: str) -> Declared | None:
    """Return the kind of this name that is at a place with its handler, None if none does."""
    kind: Declared | None = kind_behind(object_at(module, qualname))
    return kind if kind is not None and is_served(kind, name) else None


def is_served(kind: Declared, name: str) -> bool:
    """Return whether a kind has this name and a handler."""
    bound = kind.bound()
    return bound.name == name and bound.handler is not None


def outermost(kind: BoundKind) -> Any:
    """Return a kind's handler within any decorators that are above `@app.actor`.

    A direct call passes through those decorators, so a job does, too.
    """
    handler = kind.handler
    if kind.shape not in ("batch", "job"):
        return handler
    found = object_at(str(handler.__module__), str(handler.__qualname__))
    kind_itself = kind.declared
    is_above = found is not kind_itself and kind_behind(found) is kind_itself and callable(found)
    return found if is_above else handler
