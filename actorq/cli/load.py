"""Find the App that MODULE:APP names, in the user's own code."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Any

from actorq.actor.places import kind_behind
from actorq.english import a
from actorq.errors import ActorqError, ConfigError

if TYPE_CHECKING:
    from actorq.app import App

DEFAULT_NAME = "app"


class LoadFailed(ActorqError):
    """An error in the user's own code, whose traceback has been printed."""


def load_app(target: str) -> App:
    """Import MODULE and return its APP; if that is a function, call it without arguments.

    The app remembers the name it was loaded by, so that actors can load it in the same way.
    """
    from actorq.app import App

    module_name, _, name = target.partition(":")
    if module_name.endswith(".py") or "/" in module_name or not module_name:
        raise ConfigError(
            f"{target!r}: write MODULE:APP, as in handlers:app for the name app in handlers.py"
        )
    found = _attribute(_imported(module_name), name or DEFAULT_NAME)
    if not isinstance(found, App) and callable(found):
        _check_factory(found, target)
        found = _called(found, target)
    if isinstance(found, App):
        found.entry = f"{module_name}:{name or DEFAULT_NAME}"
        return found
    raise ConfigError(f"{target}: {a(found)} is not an actorq.App")


def names_a_module(target: str) -> bool:
    """Tell whether a word is MODULE:APP of a module that exists; a kind's name may look alike."""
    module_name, colon, _ = target.partition(":")
    _look_here_first()
    try:
        return bool(colon and importlib.util.find_spec(module_name))
    except (ImportError, ValueError):
        return False


def _look_here_first() -> str:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    return here


def _imported(name: str) -> ModuleType:
    here = _look_here_first()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(f"no module {name!r} in {here} or on Python's path") from None
        raise _failed(error, f"importing {name}") from None
    except (Exception, SystemExit) as error:
        raise _failed(error, f"importing {name}") from None


def _attribute(module: ModuleType, path: str) -> object:
    found: object = module
    for name in path.split("."):
        if not hasattr(found, name):
            raise ConfigError(f"module {module.__name__} has no {path!r}")
        found = getattr(found, name)
    return found


def _check_factory(found: object, target: str) -> None:
    """Refuse what can be called but makes no app."""
    kind = kind_behind(found)
    if kind is not None:
        raise ConfigError(
            f"{target} is the kind {kind.name!r}: name its app instead, and to serve this kind "
            f"alone add --kind {kind.name}"
        )
    if inspect.iscoroutinefunction(found):
        raise ConfigError(f"{target} is an async function: an app is made without a loop")


def _called(factory: Any, target: str) -> object:
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise _failed(error, f"calling {target}") from None


def _failed(error: BaseException, doing: str) -> ActorqError:
    """Print the user's traceback, without our own frames, and return the error to raise."""
    if isinstance(error, ActorqError):
        return ConfigError(f"{doing}: {error}")
    frames = traceback.TracebackException.from_exception(error)
    frames.stack = traceback.StackSummary.from_list(
        [frame for frame in frames.stack if not _is_ours(frame.filename)]
    )
    sys.stderr.write("".join(frames.format(chain=True)))
    return LoadFailed(f"{doing} failed: {type(error).__name__}")


def _is_ours(filename: str) -> bool:
    return filename == __file__ or "importlib" in filename
