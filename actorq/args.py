"""Args: from the caller's value to JSON bytes at enqueue, and back in the actor.

Whatever `encode` lets through, the actor can decode and PostgreSQL can store. Two things keep
that cheap. The bytes are decoded once with the very decoder the actor will use, which checks
the whole type in C. And what JSON loses without a word (NaN becomes null, integers grow beyond
64 bits) is looked for in bytes: a second encoding as msgpack keeps floats apart from None and
refuses larger integers. Only a value that looks suspicious, or whose type leaves its shape
open, is walked in Python.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from actorq import arrays
from actorq.core.model import ErrorInfo
from actorq.errors import ArgsInvalid, ArgsTooLarge, ConfigError

MAX_DEPTH = 64
DEFAULT_MAX_BYTES = 1_000_000

OPTIONS = frozenset(
    ("conn", "queue", "priority", "delay_s", "run_at", "max_attempts", "key", "tags", "unique_key")
)
"""The keyword options of enqueue; a function's parameter cannot have one of these names."""

_NUL = b"\\u0000"
_NON_FINITE = (b"\xcb\x7f", b"\xcb\xff")  # how msgpack writes floats of the largest exponents
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


class ArgsCodec:
    """Encode and decode the args of one kind.

    `type` is the declared type, or None for any JSON value. A codec made by `of_function`
    holds the function's own parameters, and `call` spreads them again.
    """

    def __init__(self, type: Any = None, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.type: Any = Any if type is None else type
        self.max_bytes = max_bytes
        self.function: Callable[..., Any] | None = None
        self.parameters: tuple[str, ...] = ()
        traits = _traits(self.type)
        self._open, self._twin_needed = traits.open, traits.twin
        hook = _hook_arrays if traits.arrays else _hook
        self._hook = hook
        self._encode = msgspec.json.Encoder(enc_hook=hook).encode
        self._twin = msgspec.msgpack.Encoder(enc_hook=hook).encode
        self._decode = msgspec.json.Decoder(self.type, dec_hook=_dec_hook).decode
        many: Any = list[self.type]  # type: ignore[name-defined]
        self._decode_list = msgspec.json.Decoder(many, dec_hook=_dec_hook).decode

    @classmethod
    def of_function(
        cls, function: Callable[..., Any], *, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> ArgsCodec:
        """Return the codec of a function's own parameters."""
        codec = cls(_parameters_struct(function), max_bytes=max_bytes)
        codec.function = function
        codec.parameters = codec.type.__struct_fields__
        return codec

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.function is not None, self.function or self.type, self.max_bytes)

    def __repr__(self) -> str:
        return f"ArgsCodec({self.name})"

    @property
    def name(self) -> str:
        """Return how messages call the type."""
        return getattr(self.type, "__name__", None) or repr(self.type)

    def arrange(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the one value that the arguments of an enqueue call mean.

        A function's kind takes them like the function; any other kind takes one value, or
        the fields of its type as keywords. Raises ArgsInvalid.
        """
        if self.function is not None:
            return self._bound(args, kwargs)
        if len(args) == 1 and not kwargs:
            return args[0]
        if not args:
            return dict(kwargs)
        raise ArgsInvalid(f"give one value of type {self.name}, or its fields as keywords")

    def arrange_item(self, item: Any) -> Any:
        """Return the value that one item of a bulk enqueue means.

        For a function's kind a mapping holds its arguments by name, a tuple by position, and
        anything else is its first argument.
        """
        if self.function is None:
            return item
        if isinstance(item, Mapping):
            return self._bound((), item)
        return self._bound(item if isinstance(item, tuple) else (item,), {})

    def encode(self, value: Any) -> bytes:
        """Return the JSON of a value; raises ArgsInvalid or ArgsTooLarge."""
        try:
            data = self._encode(value)
            if self._open or _NUL in data or (self._twin_needed and self._suspicious(value)):
                data = self._encode_closely(value)
            if len(data) > self.max_bytes:
                raise ArgsTooLarge(
                    f"the args have {len(data):,} bytes as JSON, {self.max_bytes:,} are allowed "
                    "(App(max_args_bytes=…)): keep large data elsewhere and enqueue where it is"
                )
            self._decode(data)
        except (ArgsTooLarge, MemoryError):
            raise
        except _Unfit as unfit:
            raise ArgsInvalid(unfit.text()) from None
        except Exception as error:
            raise self._explained(error, value) from error
        return data

    def decode(self, data: bytes) -> Any:
        """Return the value of one job's JSON; raises ArgsInvalid."""
        try:
            return self._decode(data)
        except Exception as error:
            raise ArgsInvalid(f"the args do not fit {self.name}: {_short(error)}") from error

    def decode_many(self, args: bytes, lens: Sequence[int]) -> list[Any]:
        """Return per job its value, or an ErrorInfo where its args do not fit.

        `args` is one JSON array of all values; `lens[i]` is the byte length of the i-th.
        """
        try:
            values = self._decode_list(args)
        except Exception:
            return self._decode_each(args, lens)
        return values if len(values) == len(lens) else self._decode_each(args, lens)

    def call(self, function: Callable[..., Any], value: Any) -> Any:
        """Call a per-job handler with a decoded value: spread, or as its one argument."""
        if self.function is None:
            return function(value)
        return function(**msgspec.structs.asdict(value))

    def fingerprint(self) -> str:
        """Return a short text that changes with the type's fields, not with its docstrings."""
        schema = msgspec.json.schema(self.type, schema_hook=_schema_hook)
        text = msgspec.json.encode(_without_prose(schema), order="sorted")
        return hashlib.sha256(text).hexdigest()[:16]

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) > len(self.parameters):
            raise ArgsInvalid(
                f"{self.name}() takes {len(self.parameters)} arguments, {len(args)} were given"
            )
        bound = dict(zip(self.parameters, args, strict=False))
        for name, value in kwargs.items():
            if name not in self.parameters:
                raise ArgsInvalid(f"{self.name}() has no parameter {name!r}{self._hint()}")
            if name in bound:
                raise ArgsInvalid(f"{self.name}() got two values for {name!r}")
            bound[name] = value
        return bound

    def _hint(self) -> str:
        return f": it has {', '.join(self.parameters)}" if self.parameters else ""

    def _suspicious(self, value: Any) -> bool:
        twin = self._twin(value)
        return _NON_FINITE[0] in twin or _NON_FINITE[1] in twin

    def _encode_closely(self, value: Any) -> bytes:
        """Encode a private plain copy after walking it, so that nobody can change it between."""
        plain = msgspec.to_builtins(value, enc_hook=self._hook)
        _check(plain, 0)
        return msgspec.json.encode(plain)

    def _explained(self, error: Exception, value: Any) -> ArgsInvalid | ArgsTooLarge:
        if isinstance(error, RecursionError):
            return ArgsTooLarge(f"the args are cyclic or nested deeper than {MAX_DEPTH} levels")
        if isinstance(error, UnicodeEncodeError):
            return ArgsInvalid("a text in the args holds a lone surrogate: it is not Unicode")
        if isinstance(error, OverflowError):
            return ArgsInvalid("a number in the args is beyond 64 bits")
        if isinstance(error, msgspec.ValidationError):
            return self._misfit(error, value)
        return ArgsInvalid(f"the args cannot be written as JSON: {_short(error)}")

    def _misfit(self, error: Exception, value: Any) -> ArgsInvalid | ArgsTooLarge:
        """Explain a type error; a NaN arrives here as the null that JSON made of it."""
        try:
            self._encode_closely(value)
        except ArgsTooLarge as reason:
            return reason
        except _Unfit as unfit:
            return ArgsInvalid(unfit.text())
        except Exception:  # the type error, already at hand, says more
            pass
        return ArgsInvalid(f"the args do not fit {self.name}: {_short(error)}")

    def _decode_each(self, args: bytes, lens: Sequence[int]) -> list[Any]:
        values: list[Any] = []
        start = 1
        for length in lens:
            values.append(self._decode_or_error(args[start : start + length]))
            start += length + 1
        return values

    def _decode_or_error(self, data: bytes) -> Any:
        try:
            return self.decode(data)
        except ArgsInvalid as error:
            return ErrorInfo("ArgsInvalid", str(error), cause="args")


def _restored(spread: bool, subject: Any, max_bytes: int) -> ArgsCodec:
    if spread:
        return ArgsCodec.of_function(subject, max_bytes=max_bytes)
    return ArgsCodec(subject, max_bytes=max_bytes)


# ---- values -------------------------------------------------------------------------------


class _Unfit(Exception):
    """Collect the path to a value while it travels up."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason, self.path = reason, ""

    def text(self) -> str:
        return f"{self.reason} - at `${self.path}`"


def _check(value: Any, depth: int) -> None:
    """Raise unless a plain value is one that JSON, PostgreSQL and the actor all keep."""
    kind = type(value)
    if kind is str:
        if "\0" in value:
            raise _Unfit("a text holds the NUL character, which PostgreSQL cannot store")
    elif kind is float:
        if not math.isfinite(value):
            raise _Unfit("NaN and infinity are not JSON numbers")
    elif kind is int:
        if not _INT_MIN <= value <= _INT_MAX:
            raise _Unfit("a number is beyond 64 bits")
    elif kind is dict or kind is list:
        if depth == MAX_DEPTH:
            raise ArgsTooLarge(f"the args are nested deeper than {MAX_DEPTH} levels")
        if kind is dict:
            _check_dict(value, depth + 1)
        else:
            _check_list(value, depth + 1)


def _check_dict(value: dict[Any, Any], depth: int) -> None:
    if not all(type(key) is str for key in value):
        _check_keys(value)
    for key, item in value.items():
        try:
            _check(key, depth)
            _check(item, depth)
        except _Unfit as unfit:
            unfit.path = f".{str(key)[:40]}{unfit.path}"
            raise


def _check_list(value: list[Any], depth: int) -> None:
    if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
        return
    for index, item in enumerate(value):
        try:
            _check(item, depth)
        except _Unfit as unfit:
            unfit.path = f"[{index}]{unfit.path}"
            raise


def _check_keys(value: dict[Any, Any]) -> None:
    """Refuse keys that become one and the same text, like 1 and "1"."""
    texts = msgspec.json.decode(msgspec.json.encode(dict.fromkeys(value)), type=dict[str, None])
    if len(texts) != len(value):
        raise _Unfit("two keys of an object are the same text in JSON")


def _short(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:  # whose error it is does not matter: it is only being described
        text = ""
    text = text if len(text) <= 300 else f"{text[:299]}…"
    return text if isinstance(error, msgspec.ValidationError) else f"{type(error).__name__}: {text}"


def _hook(value: Any) -> Any:
    """Return what to write for a value that msgspec does not know."""
    if isinstance(value, str):
        return str.__str__(value)  # of the parent class: a subclass may answer anything
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if arrays.is_numpy(type(value)):
        return value.tolist()
    raise TypeError(f"objects of type {type(value).__qualname__} are not supported in args")


def _hook_arrays(value: Any) -> Any:
    if arrays.is_array_type(type(value)):
        return arrays.pack(value)
    return _hook(value)


def _dec_hook(kind: Any, value: Any) -> Any:
    if arrays.is_array_type(kind):
        return arrays.unpack(value)
    raise NotImplementedError(kind)


# ---- types --------------------------------------------------------------------------------


class _Traits(msgspec.Struct):
    """Say which checks a type needs beyond those that decoding makes."""

    open: bool = False  # the type does not bound the value's shape or keys: walk it
    twin: bool = False  # has integers, or nulls that a NaN could hide behind
    arrays: bool = False


def _traits(annotation: Any) -> _Traits:
    try:
        root = msgspec.inspect.type_info(annotation)
        msgspec.json.Decoder(annotation, dec_hook=_dec_hook)
    except Exception as error:
        raise ConfigError(f"args type {annotation!r} cannot be used: {_short(error)}") from error
    traits = _Traits()
    _visit(root, traits, [])
    return traits


def _visit(node: Any, traits: _Traits, above: list[Any]) -> None:
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


def _visit_custom(kind: Any, traits: _Traits) -> None:
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


def _parameters_struct(function: Callable[..., Any]) -> Any:
    """Return the Struct whose fields are a function's parameters."""
    name = getattr(function, "__name__", "function")
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:
        raise ConfigError(f"{name}(): a type hint cannot be read: {_short(error)}") from error
    fields = [
        _field(name, parameter, hints.get(parameter.name, Any))
        for parameter in inspect.signature(function).parameters.values()
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


def _schema_hook(kind: Any) -> dict[str, Any]:
    return {"type": f"{kind.__module__}.{kind.__qualname__}"}


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _without_prose(value)
            for key, value in schema.items()
            if not (key in ("title", "description") and isinstance(value, str))
        }
    return [_without_prose(item) for item in schema] if isinstance(schema, list) else schema
