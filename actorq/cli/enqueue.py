"""The command that adds jobs: enqueue."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO

import msgspec

from actorq.app import App
from actorq.args.codec import ArgsCodec
from actorq.args.json_value import Fitting, Unfit
from actorq.args.options import Options
from actorq.cli.database import located, location
from actorq.cli.load import load_app, names_a_module
from actorq.cli.output import print_json
from actorq.client import sending
from actorq.client.client import Client
from actorq.core.exit_codes import OK
from actorq.core.job.policy import KindPolicy
from actorq.english import count
from actorq.errors import ArgsInvalid, ArgsTooLarge, ConfigError, EnqueueError, UnknownKind
from actorq.kind import Kind

NONE = "none of the jobs is enqueued"


def enqueue(args: Namespace) -> int:
    """Enqueue one job, or one for each line of a file or of the standard input."""
    app, name, source = _words(args.words)
    kind = _kind(app, name)
    options = Options(
        queue=args.queue,
        priority=args.priority,
        delay_s=args.delay_s,
        max_attempts=args.max_attempts,
        unique_key=args.unique_key,
    )
    with location(args, app) as (dsn, schema):
        client = located(dsn, schema).client
        try:
            return _sent(client, kind, source, options, args.json)
        finally:
            client.close()


def _words(words: list[str]) -> tuple[App | None, str, str]:
    if len(words) == 2:
        if names_a_module(words[0]):
            raise ConfigError(
                f"{words[0][:128]!r} is an app: the kind comes after it, then the args"
            )
        return None, words[0], words[1]
    if len(words) == 3:
        return load_app(words[0]), words[1], words[2]
    raise ConfigError("enqueue: give [MODULE:APP], a kind, and its args as JSON, - or @FILE")


def _kind(app: App | None, name: str) -> Kind:
    """Return the app's kind; without an app, a kind that takes any JSON."""
    if app is None:
        return Kind(None, KindPolicy(name=name), ArgsCodec())
    if name not in app.kinds:
        known = ", ".join(sorted(app.kinds)) or "none"
        raise UnknownKind(f"no kind {name[:128]!r} in this app; its kinds are: {known}")
    return app.kinds[name]


def _sent(client: Client, kind: Kind, source: str, options: Options, as_json: bool) -> int:
    if source == "-" or source.startswith("@"):
        if options.unique_key is not None:
            raise ConfigError("--unique-key is for one job, not for a file of them")
        with _opened(source) as file:
            _print_number(_many(client, kind, Lines(file), options), as_json)
        return OK
    value = kind.codec.arrange_item(_value(source.encode(), "the args"))
    _print_job(*client.send(sending.one(kind.policy, kind.codec, value, options)), as_json)
    return OK


def _many(client: Client, kind: Kind, lines: Lines, options: Options) -> object:
    """Enqueue a job per line; an error names the line that it is about."""
    try:
        return client.send(sending.many(kind.policy, kind.codec, lines, options, ids=False))
    except EnqueueError as error:
        if error.item is None:
            raise
        raise type(error)(f"line {lines.n}: {error.reason}; {NONE}") from None


def _print_number(n: Any, as_json: bool) -> None:
    if as_json:
        print_json({"enqueued": n})
    else:
        print(f"{count(n, 'job')} enqueued")


def _print_job(id_: int, is_new: bool, as_json: bool) -> None:
    if as_json:
        print_json({"id": id_, "new": is_new})
    elif is_new:
        print(f"job {id_} enqueued")
    else:
        print(f"job {id_} has this unique key and is pending: nothing enqueued")


def _opened(source: str) -> AbstractContextManager[BinaryIO]:
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return open(source[1:], "rb")
    except OSError as error:
        raise ConfigError(f"cannot read {source[1:]}: {error.strerror}") from None


class Lines:
    """The values of a file of JSON lines, without empty ones; `n` is the present line."""

    def __init__(self, file: BinaryIO) -> None:
        self.n = 0
        self._file = file

    def __iter__(self) -> Iterator[object]:
        for line in self._file:
            self.n += 1
            text = _unmarked(line) if self.n == 1 else line
            if text.strip():
                yield _value(text, f"line {self.n}", f"; {NONE}")


def _unmarked(line: bytes) -> bytes:
    """Return the first line without the byte order mark that some editors write."""
    if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise ArgsInvalid(
            f"line 1: this is UTF-16, JSON is UTF-8: convert it, for instance with iconv; {NONE}"
        )
    return line.removeprefix(BOM_UTF8)


def _value(text: bytes, where: str, then: str = "") -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:  # without a type there is one reason only
        raise ArgsInvalid(
            f"{where}: a number is larger than any float{_place(text)}: give it as text{then}"
        ) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ArgsInvalid(f"{where}: not JSON: {error}{then}") from None


def _place(text: bytes) -> str:
    """Return where in JSON the first number is that is too large."""
    try:
        Fitting("error", big=True).of(json.loads(text))  # which reads such a one as infinity
    except Unfit as unfit:
        return f" - at `${unfit.path}`"
    except (ValueError, ArgsTooLarge):
        pass
    return ""
