"""Args: from the caller's value to JSON bytes at enqueue, and back in the actor.

Whatever `encode` accepts, the actor can decode and PostgreSQL can store. Two checks ensure that
cheaply. First, the bytes are decoded once with the same decoder that the actor will use, which
checks the whole type in C. Second, what JSON loses silently (NaN becomes null, integers may exceed
64 bits) is looked for in bytes: an encoding as msgpack distinguishes floats from None and refuses
larger integers. A value is walked in Python only if it looks suspicious or if its type leaves its
shape open.

If a type leaves open what a text means, bytes are written as an object that says so. Args that
contain such an object take a slower path back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from actorq.args import arrays, foreign
from actorq.args.json_value import BYTE_TYPES, BYTES, MAX_DEPTH, Fitting, Unfit, with_bytes
from actorq.args.types import (
    dec_hook,
    dec_hook_of_bytes,
    parameters_struct,
    schema_hook,
    short,
    traits_of,
    without_prose,
)
from actorq.args.where import place_of
from actorq.core.job.model import ErrorInfo
from actorq.core.job.policy import Nan
from actorq.errors import ArgsInvalid, ArgsTooLarge

DEFAULT_MAX_BYTES = 1_000_000

_NUL = b"\\u0000"
_BYTES = f'"{BYTES}":'.encode()
_RARE = BYTES[:1].encode()  # the search for a single byte runs at the speed of memory
_BIN = (0xC4, 0xC5, 0xC6)
"""How msgpack begins bytes, and UTF-8 some letters; numbers are found in a tenth of the time."""

_FLOAT = 0xCB
_GOT_BYTES = "got `bytes`"
_DECODE = ": make a text of them, by value.decode() or os.fsdecode(path), or annotate it bytes"
_NON_FINITE = (b"\xcb\x7f", b"\xcb\xff")  # how msgpack writes floats with the largest exponents


class ArgsCodec:
    """The encoder and decoder of the args of one kind.

    `type` is the declared type, or None for any JSON value. A codec made by `of_function` holds
    the function's own parameters, and `call` passes them one by one again. `nan` says what becomes
    of NaN and infinity.
    """

    def __init__(
        self, type: object = None, *, max_bytes: int = DEFAULT_MAX_BYTES, nan: Nan = "error"
    ) -> None:
        self.type: Any = Any if type is None else type
        self.max_bytes = max_bytes
        self.nan: Nan = nan
        self.function: Callable[..., object] | None = None
        self.without: tuple[str, ...] = ()
        self.parameters: tuple[str, ...] = ()
        traits = traits_of(self.type)
        self._open, self._twin_needed = traits.open, traits.twin
        self._texts, self._bytes_keys = traits.texts, traits.bytes_keys
        hook = hook_of(traits.arrays, traits.models)
        self._hook = hook
        self._encode = msgspec.json.Encoder(enc_hook=hook).encode
        self._twin = msgspec.msgpack.Encoder(enc_hook=hook).encode
        self._decode = msgspec.json.Decoder(self.type, dec_hook=dec_hook).decode
        many: object = list[self.type]  # type: ignore[name-defined]
        self._decode_list = msgspec.json.Decoder(many, dec_hook=dec_hook).decode
        self._value = self._open_value if self._open else self._decode

    @classmethod
    def of_function(
        cls,
        function: Callable[..., object],
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        without: tuple[str, ...] = (),
    ) -> ArgsCodec:
        """Return the codec of a function's own parameters, except those that are not args."""
        codec = cls(parameters_struct(function, without), max_bytes=max_bytes)
        codec.function, codec.without = function, without
        codec.parameters = codec.type.__struct_fields__
        return codec

    def __reduce__(self) -> tuple[Any, ...]:
        is_spread = self.function is not None
        limits = self.max_bytes, self.without, self.nan
        return _restored, (is_spread, self.function or self.type, *limits)

    def __repr__(self) -> str:
        return f"ArgsCodec({self.name})"

    @property
    def name(self) -> str:
        """Return the name of the type for messages."""
        return getattr(self.type, "__name__", None) or repr(self.type)

    def arrange(self, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Return the one value that the arguments of an enqueue call stand for.

        A function's kind takes the arguments of the function. Any other kind takes one value, or
        the fields of its type as keywords. Raises ArgsInvalid.
        """
        if self.function is not None:
            return self._bound(args, kwargs)
        if len(args) == 1 and not kwargs:
            return args[0]
        if not args:
            return dict(kwargs)
        raise ArgsInvalid(f"give one value of type {self.name}, or its fields as keywords")

    def arrange_item(self, item: object) -> object:
        """Return the value that one item of a bulk enqueue stands for.

        For a function's kind, a mapping holds its arguments by name, a tuple by position, and
        anything else is its first argument.
        """
        if self.function is None:
            return item
        if isinstance(item, Mapping):
            return self._bound((), item)
        return self._bound(item if isinstance(item, tuple) else (item,), {})

    def encode(self, value: object) -> bytes:
        """Return the JSON of a value; raises ArgsInvalid or ArgsTooLarge."""
        try:
            data = self._encode(value)
            plain = self._open and self._comes_back(data, value)
            if not plain and self._open and self._texts:
                self._check_texts(value)
            if not plain and (self._open or _NUL in data or self._suspicious(value)):
                data = self._encode_closely(value)
            if len(data) > self.max_bytes:
                raise ArgsTooLarge(
                    f"the args have {len(data):,} bytes as JSON, {self.max_bytes:,} are allowed "
                    "(App(max_args_bytes=…)): keep large data elsewhere and enqueue where it is"
                )
            if not plain:
                self._value(data)
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
            return self._value(data)
        except Exception as error:
            raise ArgsInvalid(f"the args do not fit {self.name}: {short(error)}") from error

    def decode_many(self, args: bytes, lens: Sequence[int]) -> list[Any]:
        """Return the value of each job, or an ErrorInfo if its args do not fit.

        `args` is one JSON array of all values; `lens[i]` is the byte length of the i-th.
        """
        if self._open and _RARE in args and _BYTES in args:
            return self._decode_each(args, lens)
        try:
            values = self._decode_list(args)
        except Exception:
            return self._decode_each(args, lens)
        return values if len(values) == len(lens) else self._decode_each(args, lens)

    def call(self, function: Callable[..., object], value: Any) -> Any:
        """Call a per-job handler with a decoded value: its parts, or the value as one argument."""
        if self.function is None:
            return function(value)
        return function(**msgspec.structs.asdict(value))

    def fingerprint(self) -> str:
        """Return a short text that changes with the type's fields, not with its docstrings."""
        schema = msgspec.json.schema(self.type, schema_hook=schema_hook)
        text = msgspec.json.encode(without_prose(schema), order="sorted")
        return hashlib.sha256(text).hexdigest()[:16]

    def _bound(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
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

    def _comes_back(self, data: bytes, value: object) -> bool:
        """Tell quickly whether JSON preserves a value, so that `Fitting` need not walk it.

        If the JSON equals the value when read back, there is no NaN, no key other than a string
        and nothing without a JSON form. If MessagePack can write it, there is no number beyond
        64 bits. Walking the value in Python costs three times as much.
        """
        if _NUL in data or data.count(b"{") + data.count(b"[") > MAX_DEPTH:
            return False
        try:
            again = self._decode(data)
            return bool(again == value) and bool(self._twin(again))
        except Exception:  # then the value is walked, which finds out why
            return False

    def _suspicious(self, value: object) -> bool:
        if not self._twin_needed and not self._texts and self.nan != "string":
            return False
        twin = self._twin(value)
        if self._texts and (_BIN[0] in twin or _BIN[1] in twin or _BIN[2] in twin):
            self._check_texts(value)
        return _FLOAT in twin and (_NON_FINITE[0] in twin or _NON_FINITE[1] in twin)

    def _check_texts(self, value: Any) -> None:
        """Refuse bytes where the type has a text: JSON makes a text of them, their base64."""
        plain = msgspec.to_builtins(value, builtin_types=BYTE_TYPES, enc_hook=self._hook)
        try:
            msgspec.convert(plain, self.type, dec_hook=dec_hook_of_bytes, str_keys=True)
        except msgspec.ValidationError as error:
            if _GOT_BYTES in str(error):
                raise

    def _encode_closely(self, value: object) -> bytes:
        """Encode a private plain copy and walk that, so that nobody can change it in between."""
        kept = BYTE_TYPES if self._open else ()
        plain = msgspec.to_builtins(value, builtin_types=kept, enc_hook=self._hook)
        return msgspec.json.encode(Fitting(self.nan, bytes_keys=self._bytes_keys).of(plain))

    def _open_value(self, data: bytes) -> object:
        if _RARE not in data or _BYTES not in data:
            return self._decode(data)
        plain = with_bytes(msgspec.json.decode(data))
        return msgspec.convert(plain, self.type, dec_hook=dec_hook_of_bytes, str_keys=True)

    def _explained(self, error: Exception, value: object) -> ArgsInvalid | ArgsTooLarge:
        if isinstance(error, RecursionError):
            return ArgsTooLarge(f"the args are cyclic or nested deeper than {MAX_DEPTH} levels")
        if isinstance(error, msgspec.ValidationError):
            return self._misfit(error, value)
        where = place_of(value, self._encode, self._hook)
        if isinstance(error, UnicodeEncodeError):
            return ArgsInvalid(
                f"a text in the args holds a lone surrogate: it is not Unicode - at `{where}`: "
                "bytes that are no UTF-8 travel as bytes"
            )
        if isinstance(error, OverflowError):
            return ArgsInvalid("a number in the args is beyond 64 bits: give it as text")
        return ArgsInvalid(f"the args cannot be written as JSON: {short(error)} - at `{where}`")

    def _misfit(self, error: Exception, value: object) -> ArgsInvalid | ArgsTooLarge:
        """Explain a type error; a NaN arrives here as the null into which JSON turned it."""
        try:
            self._encode_closely(value)
        except ArgsTooLarge as reason:
            return reason
        except Unfit as unfit:
            return ArgsInvalid(unfit.text())
        except Exception:  # the type error at hand says more
            pass
        made = self._made_of_nan(value)
        text = short(error)
        advice = _DECODE if _GOT_BYTES in text else ""
        return ArgsInvalid(f"the args do not fit {self.name}: {text}{advice or made}")

    def _made_of_nan(self, value: object) -> str:
        """Return what to add to a message if NaN became something that the type does not accept."""
        try:
            Fitting("error").of(msgspec.to_builtins(value, enc_hook=self._hook))
        except Unfit as unfit:
            wanted = "None" if self.nan == "null" else "str"
            return f"; {unfit.reason}, and nan={self.nan!r} needs a type that takes {wanted} too"
        except Exception:  # the type error says more
            pass
        return ""

    def _decode_each(self, args: bytes, lens: Sequence[int]) -> list[object]:
        values: list[object] = []
        start = 1
        for length in lens:
            values.append(self._decode_or_error(args[start : start + length]))
            start += length + 1
        return values

    def _decode_or_error(self, data: bytes) -> object:
        try:
            return self.decode(data)
        except ArgsInvalid as error:
            return ErrorInfo("ArgsInvalid", str(error), cause="args")


def _restored(
    spread: bool, subject: Any, max_bytes: int, without: tuple[str, ...], nan: Nan
) -> ArgsCodec:
    if spread:
        codec = ArgsCodec.of_function(subject, max_bytes=max_bytes, without=without)
    else:
        codec = ArgsCodec(subject, max_bytes=max_bytes)
    codec.nan = nan
    return codec


def hook_of(has_arrays: bool, has_models: bool) -> Callable[[Any], object]:
    """Return the function that writes values which msgspec does not know, for a given type."""

    def hook(value: Any) -> object:
        if has_arrays and arrays.is_array_type(type(value)):
            return arrays.pack(value)
        if has_models and foreign.is_model(type(value)):
            return foreign.model(value)
        return foreign.plain(value)

    return hook if has_arrays or has_models else foreign.plain
