"""What is sent between a supervisor and its actors: messages, frames, and their reader.

A frame is a header (mark, lengths, sequence number, CRC) and one message as msgpack. A batch's args
follow it unchanged, as the database returned them: they are most of what is sent, and each copy or
checksum of them costs both sides. Nothing here does I/O, and nothing that a peer sends can raise
anything but ProtocolError. After the first message to an actor, which says what it is to serve, no
frame contains anything executable.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from actorq.core.job.model import Buffer, Counts, Cut
from actorq.core.plan import inputs as i
from actorq.dsn import Place
from actorq.errors import ProtocolError

MARK = b"aq\x02\n"
HEADER = struct.Struct("<4sIIII")
"""Mark, length of the body, length of the args behind it, sequence number, CRC-32 of the body.

The args have no checksum: only a supervisor sends any, and nobody else writes in that direction,
whereas a handler may write to any descriptor of its process.
"""

MAX_FROM_ACTOR = 20 * 1024 * 1024
"""The largest frame a supervisor accepts: one result of 16 MB, the database's own limit, fits."""

MAX_TO_ACTOR = 1 << 30
"""The largest frame an actor accepts; it trusts its supervisor, but not a damaged length."""

CHUNK = 1024 * 1024
"""How many bytes of results an actor puts into one frame before it starts another."""


class Boot(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="boot"):
    """The first message to a new actor: its number, and what it is to serve.

    The program is loaded first, as it was in the supervisor: its main module by name or path, or
    the `entry` MODULE:APP of `actorq run`, or the module that is the `home` of the app. The handler
    is that of the entry; otherwise it is `qualname` in `module`; otherwise, if it has no such
    place, it is in `pickled`. `place` is where the app's jobs are.
    """

    actor: int
    kind: str
    slot: int
    module: str = ""
    qualname: str = ""
    pickled: bytes = b""
    main_name: str = ""
    main_path: str = ""
    log_level: int = 20
    entry: str = ""
    home: str = ""
    place: Place | None = None


class Work(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="work"):
    """A batch to run; both sides know it by its lease.

    `args`, which the reader adds, is one JSON array of all the jobs' args; `lens` holds the byte
    length of each in it. With `one_by_one` the handler is called for each job alone.
    """

    actor: int
    lease: int
    ids: list[int]
    lens: list[int]
    notes: dict[int, Counts] = {}
    cut: Cut = "idle"
    one_by_one: bool = False
    args: bytes = b""


class Stop(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="stop"):
    """The request to tear down and leave once everything that was sent is answered."""


class Bye(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="bye"):
    """The last message: the handler is torn down and nothing more will come."""


ToActor: TypeAlias = Boot | Work | Stop
FromActor: TypeAlias = (
    i.Ready
    | i.BootFailed
    | i.Outcomes
    | i.HandlerFailed
    | i.HandedBack
    | i.Returned
    | i.Grown
    | Bye
)
"""What an actor says are inputs of the plan, unchanged, except for its last word."""

Message: TypeAlias = ToActor | FromActor

_encoder = msgspec.msgpack.Encoder()
_TO_ACTOR = msgspec.msgpack.Decoder(ToActor)
_FROM_ACTOR = msgspec.msgpack.Decoder(FromActor)

# What decoding hostile bytes can raise: msgspec lets some errors of the C level through.
_HOSTILE = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, MemoryError)


class FrameWriter:
    """The frames of one direction of one pipe, made in order."""

    def __init__(self) -> None:
        self._sequence = 0

    def frame(
        self, message: Message, args: Sequence[Buffer] = ()
    ) -> list[bytes | bytearray | memoryview]:
        """Return the next frame, in the parts to be sent one after another.

        `args` are those of Work, as a ClaimedBatch has them.
        """
        frame = bytearray(HEADER.size)
        _encoder.encode_into(message, frame, HEADER.size)
        with memoryview(frame) as view:
            crc = zlib.crc32(view[HEADER.size :])
        size = len(frame) - HEADER.size
        n_args = sum(map(len, args)) + len(args) - 1 if args else 0
        HEADER.pack_into(frame, 0, MARK, size, n_args, self._sequence, crc)
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        parts = [part for piece in args for part in (b",", piece)]
        return [frame, *parts[1:]]


class FrameReader:
    """The bytes of one direction of one pipe, turned into messages, however they are split.

    The first damage ends it: ProtocolError is raised then, and at every later call, because
    nothing behind that point can be trusted.
    """

    def __init__(self, decoder: msgspec.msgpack.Decoder[Message], max_bytes: int) -> None:
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._at = 0  # where in the buffer the next frame starts
        self._work: Work | None = None  # what has arrived, without its args
        self._args = bytearray()
        self._n_args = 0  # where the next bytes of args belong
        self._sequence = 0
        self._damage = ""

    @classmethod
    def of_actor(cls, max_bytes: int = MAX_TO_ACTOR) -> FrameReader:
        """Return the reader that an actor uses."""
        return cls(_TO_ACTOR, max_bytes)

    @classmethod
    def of_supervisor(cls, max_bytes: int = MAX_FROM_ACTOR) -> FrameReader:
        """Return the reader that a supervisor uses."""
        return cls(_FROM_ACTOR, max_bytes)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes that arrived."""
        if self._work is None:
            self._buffer += data
            return
        with memoryview(data) as view:
            n = min(len(view), self._end - self._n_args)
            self._args[self._n_args : self._n_args + n] = view[:n]
            self._n_args += n
            self._buffer += view[n:]

    @property
    def _end(self) -> int:
        """Return the position of the closing bracket."""
        return len(self._args) - 1

    def room(self) -> memoryview | None:
        """Return where the next bytes belong, if they are args; read into it and call `filled`."""
        missing = self._work is not None and self._n_args < self._end
        return memoryview(self._args)[self._n_args : self._end] if missing else None

    def filled(self, n: int) -> None:
        """Record that n bytes were read into `room`."""
        self._n_args += n

    def messages(self) -> Iterator[Message]:
        """Yield every message that is complete; raises ProtocolError at the first damage."""
        while (message := self._next()) is not None:
            yield message
        del self._buffer[: self._at]
        self._at = 0

    def _next(self) -> Message | None:
        """Return the next message, or None while it is incomplete."""
        if self._damage:
            raise ProtocolError(self._damage)
        if self._work is not None:
            return self._with_args(self._work)
        body_at = self._at + HEADER.size
        if len(self._buffer) < body_at:
            return None
        mark, length, n_args, sequence, crc = HEADER.unpack_from(self._buffer, self._at)
        self._check_header(mark, length, n_args, sequence)
        if len(self._buffer) < body_at + length:
            return None
        with memoryview(self._buffer) as view, view[body_at : body_at + length] as body:
            message = self._decoded(body, crc)
        self._at = body_at + length
        self._sequence = (sequence + 1) & 0xFFFFFFFF
        return self._expect_args(message, n_args) if n_args else message

    def _expect_args(self, message: Message, n: int) -> Work | None:
        """Make room for the args of a batch, and take those that have arrived."""
        if not isinstance(message, Work):
            raise self._broken(f"{n:,} bytes of args behind a message that has none")
        rest = self._buffer[self._at :]
        self._buffer.clear()
        self._at = 0
        # The list's brackets are added here; the supervisor would have to copy all args for that.
        self._work, self._args, self._n_args = message, bytearray(n + 2), 1
        self._args[0], self._args[-1] = b"[]"
        self.feed(rest)
        return self._with_args(message)

    def _with_args(self, work: Work) -> Work | None:
        """Return a batch when all its args have arrived."""
        if self._n_args < self._end:
            return None
        msgspec.structs.force_setattr(work, "args", self._args)
        self._work, self._args = None, bytearray()
        return work

    def _check_header(self, mark: bytes, length: int, n_args: int, sequence: int) -> None:
        if mark != MARK:
            raise self._broken(f"a frame begins with {mark.hex()} instead of {MARK.hex()}")
        size = length + n_args
        if not length or size > self._max_bytes:
            raise self._broken(f"a frame of {size:,} bytes: 1 to {self._max_bytes:,} are allowed")
        if sequence != self._sequence:
            raise self._broken(f"frame number {sequence} came where {self._sequence} was due")

    def _decoded(self, body: memoryview, crc: int) -> Message:
        if zlib.crc32(body) != crc:
            raise self._broken("the body of a frame does not match its checksum")
        try:
            return self._decoder.decode(body)
        except _HOSTILE as error:
            raise self._broken(
                f"a frame holds no message: {type(error).__name__}: {error}"
            ) from None

    def _broken(self, reason: str) -> ProtocolError:
        """Return the error to raise, now and from now on."""
        self._damage = reason
        return ProtocolError(reason)
