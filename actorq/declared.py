"""What a handler's declaration says: how the handler is called, and with what.

A mistake is reported here, on the line that makes it, rather than by the first batch.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from actorq.actor.bound import Shape
from actorq.actor.context import Batch, Job
from actorq.actor.places import kind_behind
from actorq.args.codec import ArgsCodec
from actorq.args.types import hints_of, signature_of
from actorq.errors import ConfigError

BATCH = "batch"
"""The usual name of a parameter for a batch."""


_METHODS = {"class": "handle", "job_class": "handle_one"}


class Origin(NamedTuple):
    """A piece of source code as it was read, to tell it from others."""

    module: Any  # the module's spec, which a reload replaces
    namespace: Any
    file: str
    line: int


def shape_of(handler: object) -> Shape:
    """Return how a handler is called; raises ConfigError if it cannot be called at all."""
    if inspect.isclass(handler):
        return _shape_of_class(handler)
    if kind_behind(handler) is not None:
        raise ConfigError(
            f"{handler!r} is a kind already, and its name can enqueue one kind only: decorate a "
            "function of its own for the other"
        )
    if not inspect.isfunction(handler):
        raise ConfigError(f"{handler!r} cannot be a handler: give a function or a class")
    _check_no_generator(handler)
    hints = hints_of(handler)
    batches = [name for name, hint in hints.items() if _is(hint, Batch)]
    if batches:
        _check_batch_alone(handler, batches[0], hints)
        return "batch"
    _check_not_meant_for_batches(handler, hints)
    return "job"


def codec_of(handler: object, shape: Shape, max_bytes: int) -> ArgsCodec:
    """Return the codec that a handler's own annotations imply."""
    if shape in ("job", "job_class"):
        return ArgsCodec.of_function(
            called(handler, shape), max_bytes=max_bytes, without=not_args(handler, shape)
        )
    return ArgsCodec(handled_type(handler, shape), max_bytes=max_bytes)


def called(handler: object, shape: Shape) -> Any:
    """Return the function of a handler that is called with batches or jobs."""
    return getattr(handler, _METHODS[shape]) if shape in _METHODS else handler


def handled_type(handler: object, shape: Shape) -> object:
    """Return the T of a handler's Batch[T] annotation, Any if there is none."""
    hints = hints_of(called(handler, shape)).values()
    batch = next((hint for hint in hints if _is(hint, Batch)), None)
    return next(iter(get_args(batch)), Any)


def job_parameter(handler: object, shape: Shape) -> str | None:
    """Return the parameter annotated Job, which takes the job itself; None if there is none."""
    if shape not in ("job", "job_class"):
        return None
    hints = hints_of(called(handler, shape))
    named = [name for name, hint in hints.items() if _is(hint, Job)]
    if len(named) > 1:
        raise ConfigError(f"{_name(handler)}: {' and '.join(named)} are both annotated Job")
    return next(iter(named), None)


def not_args(handler: object, shape: Shape) -> tuple[str, ...]:
    """Return the parameters of a per-job handler that are not args of the job."""
    own = _own_parameter(handler, "handle_one") if shape == "job_class" else None
    return tuple(name for name in (own, job_parameter(handler, shape)) if name is not None)


def check_one_parameter(handler: object, shape: Shape, kind: str) -> None:
    """Refuse a per-job handler that cannot take a declared kind's args as its only argument."""
    function = called(handler, shape)
    signature = _without(function, not_args(handler, shape))
    try:
        signature.bind(None)
    except TypeError:
        raise ConfigError(
            f"{function.__name__}() must take one argument, the args of kind {kind!r}, "
            "or a batch of them (annotated Batch[…])"
        ) from None


def origin_of(handler: object, shape: Shape) -> Origin | None:
    """Return where a handler's source is, None if that is unknown."""
    function = inspect.unwrap(called(handler, shape))
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    spec = getattr(sys.modules.get(handler.__module__), "__spec__", None)
    return Origin(spec, function.__globals__, code.co_filename, code.co_firstlineno)


def is_beside(one: Origin | None, other: Origin | None) -> bool:
    """Return whether two pieces of source are side by side, rather than the same one read again.

    A reload has another spec; a notebook cell that is run again has another file or the same line.
    """
    if one is None or other is None:
        return False
    same = one.module is other.module and one.namespace is other.namespace
    return same and one.file == other.file and one.line != other.line


def where(handler: Any, origin: Origin | None) -> str:
    """Return a handler's name, and where its source is if that is known."""
    place = "" if origin is None else f" at {origin.file}:{origin.line}"
    return f"{handler.__qualname__}{place}"


def is_importing(module: str) -> bool:
    """Return whether this runs during the import of a module, so that its import repeats it."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if frame.f_code.co_name == "<module>" and name == module:
            return True
        frame = frame.f_back
    return False


def _shape_of_class(handler: type) -> Shape:
    name = handler.__name__
    is_batch, is_job = (callable(getattr(handler, m, None)) for m in ("handle", "handle_one"))
    if is_batch and is_job:
        raise ConfigError(f"class {name} has both handle and handle_one: which is to be called?")
    if not is_batch and not is_job:
        raise ConfigError(
            f"class {name} has no method handle(self, batch) or handle_one(self, …) for one job"
        )
    _check_no_generator(getattr(handler, "handle" if is_batch else "handle_one"))
    _check_made(handler)
    if is_batch:
        _check_handle(handler)
    return "class" if is_batch else "job_class"


def _check_made(handler: Any) -> None:
    """Refuse a class that an actor cannot make or set up."""
    name = handler.__name__
    with contextlib.suppress(ValueError):  # of a class in C, which does not say what it takes
        if not _binds(inspect.signature(handler), 0):
            raise ConfigError(
                f"class {name}: an actor makes it by {name}(), without arguments; what it needs "
                "goes into setup(self) or setup(self, slot)"
            )
    if hasattr(handler, "setup"):
        signature = _of_method(handler, "setup")
        if not _binds(signature, 0) and not _binds(signature, 1):
            raise ConfigError(f"{name}.setup takes the number of its slot, or nothing else")


def _check_handle(handler: Any) -> None:
    """Refuse a method `handle` that cannot be given a batch, or expects something else."""
    name, signature = f"{handler.__name__}.handle", _of_method(handler, "handle")
    if not _binds(signature, 1):
        raise ConfigError(f"{name} is called with a batch and nothing else: handle(self, batch)")
    first = next(iter(signature.parameters))
    hint = hints_of(handler.handle).get(first, Any)
    if hint not in (Any, object) and not _is(hint, Batch):
        raise ConfigError(
            f"{name} is given whole batches, but its {first} is annotated {_shown(hint)}: "
            f"annotate it Batch[…], or call the method handle_one, which is given one job's own "
            "parameters at a time"
        )


def _check_batch_alone(function: Any, batch: str, hints: Mapping[str, object]) -> None:
    signature = signature_of(function)
    if not _binds(signature, 1) or next(iter(signature.parameters)) != batch:
        raise ConfigError(f"{_name(function)} is called with a batch and nothing else")
    if any(_is(hint, Job) for hint in hints.values()):
        raise ConfigError(f"{_name(function)}: its jobs are in the batch, it has no one Job")


def _check_not_meant_for_batches(function: Any, hints: Mapping[str, object]) -> None:
    """Refuse a per-job function whose parameter says that batches are expected."""
    if BATCH not in signature_of(function).parameters:
        return
    hint = hints.get(BATCH, Any)
    if hint is not Any and not _holds_many(hint):
        return
    wanted = next(iter(get_args(hint)), "…")
    raise ConfigError(
        f"{_name(function)} would be called once per job, but has a parameter batch"
        f"{'' if hint is Any else f' annotated {_shown(hint)}'}: annotate it "
        f"Batch[{_shown(wanted)}] to be given whole batches, or call it otherwise if each job "
        "has such a value of its own"
    )


def _holds_many(hint: object) -> bool:
    kind = get_origin(hint) or hint
    if not inspect.isclass(kind) or issubclass(kind, str | bytes | Mapping):
        return False
    return issubclass(kind, Iterable)


def _check_no_generator(function: object) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{function.__name__}() is a generator: a handler returns, or marks jobs")


def _own_parameter(handler: object, method: str) -> str | None:
    """Return what a method calls its object, None if it does not get one."""
    function = getattr(handler, method)
    if isinstance(inspect.getattr_static(handler, method), staticmethod | classmethod):
        return None
    return next(iter(signature_of(function).parameters), None)


def _of_method(handler: object, method: str) -> inspect.Signature:
    own = _own_parameter(handler, method)
    return _without(getattr(handler, method), (own,) if own else ())


def _without(function: Callable[..., object], names: Iterable[str]) -> inspect.Signature:
    signature = signature_of(function)
    left = [p for p in signature.parameters.values() if p.name not in names]
    return signature.replace(parameters=left)


def _binds(signature: inspect.Signature, n: int) -> bool:
    try:
        signature.bind(*[None] * n)
    except TypeError:
        return False
    return True


def _is(hint: object, wanted: type) -> bool:
    """Return whether a hint is a type, with its parameters or without, or that type or None."""
    if get_origin(hint) in (Union, UnionType):
        return any(_is(arg, wanted) for arg in get_args(hint))
    return (get_origin(hint) or hint) is wanted


def _shown(hint: object) -> str:
    return hint.__name__ if inspect.isclass(hint) and not get_args(hint) else str(hint)


def _name(function: object) -> str:
    return f"{getattr(function, '__qualname__', function)}()"
