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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from actorq import arrays
from actorq.args_type import parameters_struct, short, traits_of, without_prose
from actorq.core.model import ErrorInfo
from actorq.errors import ArgsInvalid, ArgsTooLarge
from actorq.json_value import MAX_DEPTH, Unfit, check

DEFAULT_MAX_BYTES = 1_000_000

_NUL = b"\\u0000"
_NON_FINITE = (b"\xcb\x7f", b"\xcb\xff")  # how msgpack writes floats of the largest exponents


class ArgsCodec:
    """Encode and decode the args of one kind.

    `type` is the declared type, or None for any JSON value. A codec made by `of_function`
    holds the function's own parameters, and `call` spreads them again.
    """

    def __init__(self, type: Any = None, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.type: Any = Any if type is None else type
        self.max_bytes = max_bytes
        self.function: Callable[..., Any] | None = None
        self.without: tuple[str, ...] = ()
        self.parameters: tuple[str, ...] = ()
        traits = traits_of(self.type)
        self._open, self._twin_needed = traits.open, traits.twin
        hook = _hook_arrays if traits.arrays else _hook
        self._hook = hook
        self._encode = msgspec.json.Encoder(enc_hook=hook).encode
        self._twin = msgspec.msgpack.Encoder(enc_hook=hook).encode
        self._decode = msgspec.json.Decoder(self.type, dec_hook=arrays.dec_hook).decode
        many: Any = list[self.type]  # type: ignore[name-defined]
        self._decode_list = msgspec.json.Decoder(many, dec_hook=arrays.dec_hook).decode

    @classmethod
    def of_function(
        cls,
        function: Callable[..., Any],
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        without: tuple[str, ...] = (),
    ) -> ArgsCodec:
        """Return the codec of a function's own parameters, without those that are no args."""
        codec = cls(parameters_struct(function, without), max_bytes=max_bytes)
        codec.function, codec.without = function, without
        codec.parameters = codec.type.__struct_fields__
        return codec

    def __reduce__(self) -> tuple[Any, ...]:
        is_spread = self.function is not None
        return _restored, (is_spread, self.function or self.type, self.max_bytes, self.without)

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
            plain = self._open and self._comes_back(data, value)
            if not plain and (self._open or _NUL in data or self._suspicious(value)):
                data = self._encode_closely(value)
            if len(data) > self.max_bytes:
                raise ArgsTooLarge(
                    f"the args have {len(data):,} bytes as JSON, {self.max_bytes:,} are allowed "
                    "(App(max_args_bytes=…)): keep large data elsewhere and enqueue where it is"
                )
            if not plain:
                self._decode(data)
        except (ArgsTooLarge, MemoryError):
            raise
        except Unfit as unfit:
            raise ArgsInvalid(unfit.text()) from None
        except Exception as error:
            raise self._explained(error, value) from error
        return data

    def decode(self, data: bytes) -> Any:
        """Return the value of one job's JSON; raises ArgsInvalid."""
        try:
            return self._decode(data)
        except Exception as error:
            raise ArgsInvalid(f"the args do not fit {self.name}: {short(error)}") from error

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
        schema = msgspec.json.schema(self.type, schema_hook=arrays.schema_hook)
        text = msgspec.json.encode(without_prose(schema), order="sorted")
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

    def _comes_back(self, data: bytes, value: Any) -> bool:
        """Tell whether JSON is what `check` would find nothing wrong with, for most of it.

        Read back it is equal to its value: so there is no NaN, no key but strings, nothing that
        JSON has no form for. MessagePack can write it: so there is no number beyond 64 bits.
        Walking through the value in Python costs three times as much.
        """
        if _NUL in data or data.count(b"{") + data.count(b"[") > MAX_DEPTH:
            return False
        try:
            again = self._decode(data)
            return bool(again == value) and bool(self._twin(again))
        except Exception:  # then it is walked through, which tells why
            return False

    def _suspicious(self, value: Any) -> bool:
        if not self._twin_needed:
            return False
        twin = self._twin(value)
        return _NON_FINITE[0] in twin or _NON_FINITE[1] in twin

    def _encode_closely(self, value: Any) -> bytes:
        """Encode a private plain copy after walking it, so that nobody can change it between."""
        plain = msgspec.to_builtins(value, enc_hook=self._hook)
        check(plain, 0)
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
        return ArgsInvalid(f"the args cannot be written as JSON: {short(error)}")

    def _misfit(self, error: Exception, value: Any) -> ArgsInvalid | ArgsTooLarge:
        """Explain a type error; a NaN arrives here as the null that JSON made of it."""
        try:
            self._encode_closely(value)
        except ArgsTooLarge as reason:
            return reason
        except Unfit as unfit:
            return ArgsInvalid(unfit.text())
        except Exception:  # the type error, already at hand, says more
            pass
        return ArgsInvalid(f"the args do not fit {self.name}: {short(error)}")

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


def _restored(spread: bool, subject: Any, max_bytes: int, without: tuple[str, ...]) -> ArgsCodec:
    if spread:
        return ArgsCodec.of_function(subject, max_bytes=max_bytes, without=without)
    return ArgsCodec(subject, max_bytes=max_bytes)


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
