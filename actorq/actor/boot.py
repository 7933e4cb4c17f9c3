"""How a handler gets from the supervisor's process into an actor's, on both sides.

A handler with a place, a name in a module, is imported from there. One without, like a lambda,
travels as bytes made by dill, once, at the start; after that nothing executable ever does.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Any

from actorq.actor.adapters import Kind
from actorq.actor.texts import summary
from actorq.errors import ConfigError
from actorq.loading import loading
from actorq.wire import Boot

MAIN = "__main__"


def boot_of(kind: Kind, slot: int) -> Boot:
    """Return what an actor must be told to serve a kind; raises ConfigError if it cannot be."""
    handler = kind.handler
    if handler is None:
        raise ConfigError(f"kind {kind.name!r} has no handler here: import the module that has it")
    module, qualname = str(handler.__module__), str(handler.__qualname__)
    pickled = b"" if _place(module, qualname, kind.name) is kind else _pickled(kind)
    needs_main = module == MAIN or MAIN.encode() in pickled
    main_name, main_path = _main(kind.name) if needs_main else ("", "")
    level = logging.getLogger("actorq.actor").getEffectiveLevel()
    return Boot(kind.name, slot, module, qualname, pickled, main_name, main_path, level)


def load(boot: Boot) -> Kind:
    """Return the kind with its handler, importing whatever that takes."""
    with loading():
        return _loaded(boot)


def _loaded(boot: Boot) -> Kind:
    if boot.main_name or boot.main_path:
        _load_main(boot)
    if boot.pickled:
        import dill

        reader = dill.Unpickler(io.BytesIO(boot.pickled))
        reader._main = sys.modules[MAIN]  # dill's own is the one that was there at its import
        kind: Kind = reader.load()
        return kind
    __import__(boot.module)
    found = _place(boot.module, boot.qualname, boot.kind)
    if found is None:
        raise ConfigError(
            f"{boot.module}.{boot.qualname} is not the handler of kind {boot.kind!r} once its "
            "module is imported: declare the handler where it is defined, not by a later call"
        )
    return found


def _place(module: str, qualname: str, name: str) -> Kind | None:
    """Return the kind that stands at a place, or whose handler does."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    kind = getattr(found, "__actorq_kind__", found)
    is_kind = all(hasattr(kind, field) for field in ("codec", "policy", "handler", "shape"))
    return kind if is_kind and kind.name == name and kind.handler is not None else None


def _pickled(kind: Kind) -> bytes:
    import dill  # takes as long to import as all of actorq, and few need it

    try:
        data: bytes = dill.dumps(kind)
    except Exception as error:
        raise ConfigError(
            f"the handler of kind {kind.name!r} can neither be imported by name nor sent to an "
            f"actor process: define it at the top level of a module ({summary(error)})"
        ) from error
    return data


def _main(kind: str) -> tuple[str, str]:
    """Return the name or else the path by which the main module can be loaded elsewhere."""
    from multiprocess import process

    main = sys.modules[MAIN]
    name = getattr(getattr(main, "__spec__", None), "name", None) or ""
    if name and name != MAIN and not name.endswith(f".{MAIN}"):
        return name, ""
    path = str(getattr(main, "__file__", None) or "")
    path = os.path.join(process.ORIGINAL_DIR or "", path) if path else ""
    if not name and os.path.isfile(path):
        return "", os.path.normpath(path)
    what = f"module {name}" if name else "no file (a notebook, python -c or standard input)"
    raise ConfigError(
        f"the handler of kind {kind!r} is defined in __main__, and behind that is {what}, which an "
        "actor process cannot import: put the handler into a module of its own, such as "
        "handlers.py, and import it here"
    )


def _load_main(boot: Boot) -> None:
    """Run the user's main module as `__mp_main__`, as a spawned process does."""
    from multiprocess import process, spawn

    process.current_process()._inheriting = True  # so that multiprocess refuses a start, too
    try:
        if boot.main_name:
            spawn.prepare({"init_main_from_name": boot.main_name})
        else:
            spawn.prepare({"init_main_from_path": boot.main_path})
    finally:
        del process.current_process()._inheriting
