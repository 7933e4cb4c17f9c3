"""Args types: what is read out of an annotation or a signature when a kind is declared."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec

from actorq import arrays
from actorq.errors import ConfigError

OPTIONS = frozenset(
    ("conn", "queue", "priority", "delay_s", "run_at", "max_attempts", "key", "tags", "unique_key")
)
"""The keyword options of enqueue; a function's parameter cannot have one of these names."""


_VALUE = re.compile(r"(?s)^(Invalid (?:enum )?value) .*?( - at `[^`]*`(?: in `[^`]*`)?)?$")
"""Where msgspec's messages repeat what they complain of: messages are logged, args are not."""


class Traits(msgspec.Struct):
    """Say which checks a type needs beyond those that decoding makes."""

    open: bool = False  # the type does not bound the value's shape or keys: walk it
    twin: bool = False  # has integers, or nulls that a NaN could hide behind
    arrays: bool = False


def traits_of(annotation: Any) -> Traits:
    """Return which checks a type needs; raises ConfigError for one that cannot be used."""
    try:
        root = msgspec.inspect.type_info(annotation)
        msgspec.json.Decoder(annotation, dec_hook=arrays.dec_hook)
    except Exception as error:
        raise ConfigError(f"args type {annotation!r} cannot be used: {short(error)}") from error
    traits = Traits()
    _visit(root, traits, [])
    return traits


def _visit(node: Any, traits: Traits, above: list[Any]) -> None:
    if any(node is parent for parent in above):
        traits.open = True  # recursive: as deep as the value likes
        return
    if isinstance(node, msgspec.inspect.CustomType):
        _visit_custom(node.cls, traits)
    elif isinstance(node, msgspec.inspect.RawType):
        raise ConfigError("args type: msgspec.Raw cannot be checked; use the value's own type")
    elif isinstance(node, msgspec.inspect.AnyType | msgspec.inspect.DictType):
        traits.open = True
    elif isinstance(node, msgspec.inspect.IntType | msgspec.inspect.NoneType):
        traits.twin = True
    for child in _children(node):
        _visit(child, traits, [*above, node])


def _visit_custom(kind: Any, traits: Traits) -> None:
    if not arrays.is_array_type(kind):
        raise ConfigError(
            f"args type: {kind!r} is not supported; use Structs, dataclasses, TypedDicts, "
            "numpy arrays and what JSON knows"
        )
    traits.arrays = True


def _children(node: Any) -> list[Any]:
    found: list[Any] = []
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for item in value if isinstance(value, tuple) else (value,):
            item = item.type if isinstance(item, msgspec.inspect.Field) else item
            if isinstance(item, msgspec.inspect.Type):
                found.append(item)
    return found


def parameters_struct(function: Callable[..., Any], without: tuple[str, ...] = ()) -> Any:
    """Return the Struct whose fields are a function's parameters, without those named."""
    name = getattr(function, "__name__", "function")
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:
        raise ConfigError(f"{name}(): a type hint cannot be read: {short(error)}") from error
    fields = [
        _field(name, parameter, hints.get(parameter.name, Any))
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in without
    ]
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


def _field(name: str, parameter: inspect.Parameter, hint: Any) -> tuple[Any, ...]:
    legal = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if parameter.kind not in legal:
        raise ConfigError(
            f"{name}(): parameter {parameter} has no name of its own; a job's args are named"
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


def without_prose(schema: Any) -> Any:
    """Return a JSON schema without the texts that change nothing."""
    if isinstance(schema, dict):
        return {
            key: without_prose(value)
            for key, value in schema.items()
            if not (key in ("title", "description") and isinstance(value, str))
        }
    return [without_prose(item) for item in schema] if isinstance(schema, list) else schema


def short(error: Exception) -> str:
    """Return an error as one short text, whatever its own __str__ does, without values of args."""
    try:
        text = str(error)
    except Exception:  # whose error it is does not matter: it is only being described
        text = ""
    if isinstance(error, msgspec.ValidationError):
        text = _VALUE.sub(r"\1\2", text)
    text = text if len(text) <= 300 else f"{text[:299]}…"
    return text if isinstance(error, msgspec.ValidationError) else f"{type(error).__name__}: {text}"
