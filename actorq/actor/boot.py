"""How a handler gets from the supervisor's process into an actor's, on both sides.

The program is loaded as it was in the supervisor, beginning with its first module. A handler that
has a name in a module is imported from there. One without, like a lambda, is sent as bytes made by
dill, once, at the start; after that nothing executable is ever sent.
"""

from __future__ import annotations

import functools
import io
import logging
import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

from actorq.actor.bound import BoundKind, Declared, Program
from actorq.actor.places import is_served, kind_at
from actorq.actor.texts import summary
from actorq.dsn import Place
from actorq.errors import ConfigError
from actorq.loading import loading
from actorq.logs import logger
from actorq.pipe.wire import Boot

MAIN, MAIN_OF_CHILD = "__main__", "__mp_main__"

try:
    HOME = os.getcwd()
except OSError:  # somebody has removed it
    HOME = "/"
"""The working directory at the start of the program, to which its relative paths refer."""

_GUARD = re.compile(rb"(?m)^if\b.*\b__name__\b")


def boot_of(actor: int, kind: BoundKind, slot: int, place: Place | None = None) -> Boot:
    """Return what an actor needs to serve a kind; raises ConfigError if it cannot serve it."""
    handler = kind.handler
    if handler is None:
        raise ConfigError(f"kind {kind.name!r} has no handler here: import the module that has it")
    module, qualname = str(handler.__module__), str(handler.__qualname__)
    entry = kind.program.entry if kind.program is not None else ""
    has_place = kind.at_import and kind_at(module, qualname, kind.name) is kind.declared
    pickled = b"" if entry or has_place else _pickled(kind)
    needs_main = not entry and (module == MAIN or MAIN.encode() in pickled)
    main_name, main_path = ("", "") if entry else _main(kind.name, needs_main)
    home = "" if entry or pickled else _home(kind.program)
    level = logging.getLogger("actorq.actor").getEffectiveLevel()
    source = (module, qualname, pickled, main_name, main_path)
    return Boot(actor, kind.name, slot, *source, level, entry, home, place)


def load(boot: Boot) -> BoundKind:
    """Return the kind with its handler, importing whatever is needed for that."""
    with loading():
        kind = _loaded(boot)
    if boot.place is not None:
        kind.relocate(boot.place.dsn, boot.place.schema)
    return kind.bound()


def _loaded(boot: Boot) -> Declared:
    if boot.main_name or boot.main_path:
        _load_main(boot)
    if boot.pickled:
        return _unpickled(boot.pickled)
    kind = _app_at(boot.entry).kinds.get(boot.kind) if boot.entry else None
    if kind is not None and is_served(kind, boot.kind):
        return kind
    if boot.home:
        __import__(boot.home)
    __import__(boot.module)
    kind = kind_at(boot.module, boot.qualname, boot.kind)
    if kind is None:
        raise ConfigError(
            f"{boot.module}.{boot.qualname} is not the handler of kind {boot.kind!r} once its "
            "module is imported: declare the handler where it is defined, not by a later call"
        )
    return kind


def _app_at(entry: str) -> Program:
    """Return the app that MODULE:APP names; if that is a function, call it as before."""
    module, _, path = entry.partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for name in path.split("."):
        found = getattr(found, name)
    app: Program = found if hasattr(found, "kinds") else found()
    return app


def _home(app: Program | None) -> str:
    """Return the module that made an app and holds it; empty if no import would make it.

    It is imported first, as it was here, because it may itself import handlers that import the app
    from it.
    """
    name = app.home if app is not None else ""
    module = None if name in (MAIN, MAIN_OF_CHILD) else sys.modules.get(name)
    return name if any(value is app for value in getattr(module, "__dict__", {}).values()) else ""


def _pickled(kind: BoundKind) -> bytes:
    import dill  # takes as long to import as all of actorq, and is rarely needed

    try:
        data: bytes = dill.dumps((kind.declared, kind.program))
    except Exception as error:
        raise ConfigError(
            f"the handler of kind {kind.name!r} can neither be imported by name nor sent to an "
            f"actor process: define it at the top level of a module ({summary(error)})"
        ) from error
    return data


def _unpickled(data: bytes) -> Declared:
    import dill

    reader = dill.Unpickler(io.BytesIO(data))
    reader._main = sys.modules[MAIN]  # dill's own is the one that existed when dill was imported
    kind: Declared
    app: Program | None
    kind, app = reader.load()
    for sent in (kind, *(app.kinds.values() if app is not None else ())):
        sent.mark_handler()
    return kind


def _main(kind: str, needed: bool) -> tuple[str, str]:
    """Return the name, or else the path, by which the main module can be loaded elsewhere.

    If the handler is not in it, only a program with the usual guard is loaded: without the guard,
    everything that the program does would be done again in each actor.
    """
    main = sys.modules[MAIN]
    name = getattr(getattr(main, "__spec__", None), "name", None) or ""
    path = str(getattr(main, "__file__", None) or "")
    path = os.path.normpath(os.path.join(HOME, path)) if path else ""
    by_name = bool(name) and name != MAIN and not name.endswith(f".{MAIN}")
    if by_name or (not name and os.path.isfile(path)):
        found = (name, "") if by_name else ("", path)
        return found if needed or (path and _is_program(path)) else ("", "")
    if not needed:
        return "", ""
    what = f"module {name}" if name else "no file (a notebook, python -c or standard input)"
    raise ConfigError(
        f"the handler of kind {kind!r} is defined in __main__, and behind that is {what}, which an "
        "actor process cannot import: put the handler into a module of its own, such as "
        "handlers.py, and import it here"
    )


@functools.cache
def _is_program(path: str) -> bool:
    """Return whether the main module is the user's own, and guards what it does when run."""
    installed = (sysconfig.get_path(name) for name in ("scripts", "purelib", "platlib", "stdlib"))
    if any(Path(path).is_relative_to(directory) for directory in installed):
        return False  # an installed command, like pytest, has no handlers
    if _GUARD.search(Path(path).read_bytes()):
        return True
    logger("actorq").warning(
        "actors do not load %s, because it has no line  if __name__ == '__main__':  above what it "
        "does. What it sets before it imports handlers is missing in them",
        path,
    )
    return False


def _load_main(boot: Boot) -> None:
    """Run the user's main module as `__mp_main__`, as a spawned process does."""
    from multiprocess import process, spawn

    process.current_process()._inheriting = True  # so that multiprocess refuses starts, too
    try:
        if boot.main_name:
            spawn.prepare({"init_main_from_name": boot.main_name})
        else:
            spawn.prepare({"init_main_from_path": boot.main_path})
    finally:
        del process.current_process()._inheriting
