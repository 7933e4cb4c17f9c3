"""Args types: what an annotation or a signature says when a kind is declared."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any, get_type_hints

import msgspec

from actorq.args import arrays, foreign
from actorq.args.json_value import BYTE_TYPES
from actorq.args.options import OPTIONS
from actorq.errors import ConfigError

_TYPE_CHECKING = "; import it outside `if TYPE_CHECKING`, for args are checked against it"

_VALUE = re.compile(r"(?s)^(Invalid (?:enum )?value) .*?( - at `[^`]*`(?: in `[^`]*`)?)?$")
"""Where msgspec's messages repeat a refused value: messages are logged, args must not be."""


class Traits(msgspec.Struct):
    """The checks that a type needs beyond those that decoding makes."""

    open: bool = False  # the type does not limit the value's shape or keys: walk it
    twin: bool = False  # has integers, or nulls that may have been NaN
    texts: bool = False  # has texts or paths, for which the base64 of bytes would pass
    bytes_keys: bool = False  # has a dict whose keys are bytes
    arrays: bool = False
    models: bool = False


def traits_of(annotation: object) -> Traits:
    """Return which checks a type needs; raises ConfigError for one that cannot be used."""
    try:
        root = msgspec.inspect.type_info(annotation)
        msgspec.json.Decoder(annotation, dec_hook=dec_hook)
    except Exception as error:
        raise ConfigError(f"args type {annotation!r} cannot be used: {short(error)}") from error
    traits = Traits()
    _visit(root, traits, [])
    return traits


def _visit(node: object, traits: Traits, above: list[object]) -> None:
    if any(node is parent for parent in above):
        traits.open = True  # recursive: as deep as the value is
        return
    if isinstance(node, msgspec.inspect.CustomType):
        _visit_custom(node.cls, traits)
    elif isinstance(node, msgspec.inspect.RawType):
        raise ConfigError("args type: msgspec.Raw cannot be checked; use the value's own type")
    elif isinstance(node, msgspec.inspect.AnyType | msgspec.inspect.DictType):
        traits.open = True
    elif isinstance(node, msgspec.inspect.IntType | msgspec.inspect.NoneType):
        traits.twin = True
    elif isinstance(node, msgspec.inspect.StrType):
        traits.texts = True
    if isinstance(node, msgspec.inspect.DictType):
        traits.bytes_keys |= isinstance(node.key_type, msgspec.inspect.BytesType)
    for child in _children(node):
        _visit(child, traits, [*above, node])


def _visit_custom(kind: object, traits: Traits) -> None:
    if arrays.is_array_type(kind):
        traits.arrays = True
    elif foreign.is_model(kind):
        traits.models = traits.open = True
    elif _is_path(kind):
        traits.texts = True
    else:
        raise ConfigError(f"args type: {kind!r} is not supported; {_instead_of(kind)}")


def _instead_of(kind: object) -> str:
    for package, name, advice in _INSTEAD:
        if isinstance(kind, type) and foreign.is_named(kind, package, name):
            return advice
    return (
        "use Structs, dataclasses, TypedDicts, pydantic models, paths, numpy arrays and what "
        "JSON knows"
    )


_ROWS = "use list[dict] for its rows, or write it to a file and use the file's Path"
_INSTEAD = (
    ("numpy", "generic", "use Python's own: float, int, bool, str, datetime or timedelta"),
    ("pandas", "Timestamp", "use datetime"),
    ("pandas", "Timedelta", "use timedelta"),
    ("pandas", "DataFrame", _ROWS),
    ("polars", "DataFrame", _ROWS),
    ("pyarrow", "Table", _ROWS),
    ("pandas", "Series", "use list, or numpy.ndarray and give series.to_numpy()"),
    ("builtins", "complex", "use tuple[float, float], or numpy.ndarray for many"),
)


def _is_path(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, PurePath)


def dec_hook(kind: Any, value: object) -> object:
    """Return the value of a type that msgspec does not know; raises ValueError."""
    if arrays.is_array_type(kind):
        return arrays.unpack(value)
    if _is_path(kind):
        if not isinstance(value, str):
            got = "bytes" if isinstance(value, BYTE_TYPES) else type(value).__name__
            raise ValueError(f"expected a path as text, got `{got}`")
        return kind(value)
    if foreign.is_model(kind):
        return value if isinstance(value, kind) else foreign.read_model(kind, _as_json(value))
    raise NotImplementedError(kind)


def dec_hook_of_bytes(kind: Any, value: object) -> Any:
    """Return the same where the value may hold bytes, which a model would get as their base64."""
    if foreign.is_model(kind) and _holds_bytes(value):
        raise ValueError(f"expected `{kind.__name__}` or its JSON, got `bytes` in it")
    return dec_hook(kind, value)


def _holds_bytes(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_bytes, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_bytes, value))
    return isinstance(value, BYTE_TYPES)


def _as_json(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=arrays.packed)


def schema_hook(kind: Any) -> Any:
    """Return what stands for such a type in a JSON schema."""
    if foreign.is_model(kind):
        return kind.model_json_schema()
    return {"type": f"{kind.__module__}.{kind.__qualname__}"}


def _children(node: Any) -> list[object]:
    found: list[object] = []
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for item in value if isinstance(value, tuple) else (value,):
            item = item.type if isinstance(item, msgspec.inspect.Field) else item
            if isinstance(item, msgspec.inspect.Type):
                found.append(item)
    return found


def parameters_struct(function: Callable[..., object], without: tuple[str, ...] = ()) -> object:
    """Return the Struct whose fields are a function's parameters, without those named."""
    name = getattr(function, "__name__", "function")
    hints = hints_of(function, with_extras=True)
    fields = [
        _field(name, parameter, hints.get(parameter.name, Any))
        for parameter in signature_of(function).parameters.values()
        if parameter.name not in without
    ]
    _check_names_pass(name, function, [field[0] for field in fields])
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


def signature_of(function: Any) -> inspect.Signature:
    """Return the parameters of a function as it is called, within whatever decorates it.

    A decorator that takes `*args` or `**kwargs` has those of what it decorates; one with parameters
    of its own has these, even if `functools.wraps` says that it looks like the other.
    """
    signature = inspect.signature(function, follow_wrapped=False)
    while _passes_on(signature) and (inner := getattr(function, "__wrapped__", None)) is not None:
        function, signature = inner, inspect.signature(inner, follow_wrapped=False)
    return signature


def _passes_on(signature: inspect.Signature) -> bool:
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    return not kinds.isdisjoint((inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD))


def _check_names_pass(name: str, function: Any, names: list[str]) -> None:
    """Refuse a decorator that takes by position only what jobs have by name."""
    outermost = inspect.signature(function, follow_wrapped=False)
    if not _passes_on(outermost):
        return
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in outermost.parameters.values()):
        left = [each for each in names if each not in outermost.parameters]
        if left:
            raise ConfigError(
                f"{name}(): a decorator of it does not take {left[0]!r} by name, as jobs have it: "
                "write *args, **kwargs in the decorator"
            )


def hints_of(function: Any, *, with_extras: bool = False) -> dict[str, object]:
    """Return the annotations of a function's parameters; raises ConfigError for unreadable ones.

    Its return annotation is ignored: nobody checks it, and its type may be known to type checkers
    only.
    """
    stated = {name: hint for name, hint in _stated(function).items() if name != "return"}
    inner = inspect.unwrap(function)
    generic = getattr(inner, "__type_params__", ())
    stand_in = SimpleNamespace(__annotations__=stated, __type_params__=generic)
    try:
        names = getattr(inner, "__globals__", {})
        return get_type_hints(stand_in, names, include_extras=with_extras)
    except Exception as error:
        name = getattr(function, "__qualname__", function)
        advice = _TYPE_CHECKING if isinstance(error, NameError) else ""
        text = f"{name}(): a type hint cannot be read: {short(error)}{advice}"
        raise ConfigError(text) from error


def _stated(function: object) -> dict[str, object]:
    """Return annotations as they are written, whether or not their names can be resolved."""
    if sys.version_info >= (3, 14):
        import annotationlib

        form = annotationlib.Format.FORWARDREF
        return dict(annotationlib.get_annotations(function, format=form))
    return dict(getattr(function, "__annotations__", {}))


def _field(name: str, parameter: inspect.Parameter, hint: object) -> tuple[Any, ...]:
    legal = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if parameter.kind not in legal:
        raise ConfigError(
            f"{name}(): parameter {parameter} has no name of its own; a job's args are named. "
            "A decorator below @app.actor needs functools.wraps to have what it decorates"
        )
    if parameter.name in OPTIONS:
        raise ConfigError(
            f"{name}(): parameter {parameter.name!r} has the name of an option of enqueue; "
            "call it otherwise"
        )
    if parameter.default is inspect.Parameter.empty:
        return parameter.name, hint
    default = parameter.default
    return parameter.name, hint, msgspec.field(default_factory=lambda: default)


def without_prose(schema: object) -> object:
    """Return a JSON schema without the descriptive texts, which change nothing."""
    if isinstance(schema, dict):
        return {
            key: without_prose(value)
            for key, value in schema.items()
            if not (key in ("title", "description") and isinstance(value, str))
        }
    return [without_prose(item) for item in schema] if isinstance(schema, list) else schema


def short(error: Exception) -> str:
    """Return an error as one short text without values of args, even if its __str__ fails."""
    try:
        text = str(error)
    except Exception:  # what __str__ raises does not matter: the error is only being described
        text = ""
    if isinstance(error, msgspec.ValidationError):
        text = _VALUE.sub(r"\1\2", text)
    text = text if len(text) <= 300 else f"{text[:299]}…"
    return text if isinstance(error, msgspec.ValidationError) else f"{type(error).__name__}: {text}"
