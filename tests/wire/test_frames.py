"""Frames survive any split of the stream; anything else ends in ProtocolError."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorq.core.job.model import Counts, ErrorInfo, Verdict
from actorq.core.plan import inputs as i
from actorq.errors import ProtocolError
from actorq.pipe import wire
from actorq.pipe.wire import HEADER, MARK, FrameReader, FrameWriter

counts = st.builds(
    Counts, *[st.integers(0, 2**31)] * 4, max_attempts=st.none() | st.integers(1, 2**15)
)
errors = st.builds(ErrorInfo, st.text(), st.text(), st.text(), st.sampled_from(["error", "args"]))
positions = st.integers(0, 10_000)
verdicts = st.builds(
    Verdict,
    positions,
    st.sampled_from(["result", "error", "retry", "snooze", "fail", "cancel"]),
    after_s=st.none() | st.floats(0, 1e9),
    result=st.none() | st.binary(),
    error=st.none() | errors,
)
ids = st.integers(-(2**63), 2**63 - 1)
from_actor = st.one_of(
    st.builds(i.Ready, ids),
    st.just(wire.Bye()),
    st.builds(i.BootFailed, ids, errors),
    st.builds(i.Returned, ids, ids),
    st.builds(i.HandlerFailed, ids, ids, errors, st.lists(positions)),
    st.builds(i.Outcomes, ids, ids, st.lists(positions), st.lists(verdicts), st.booleans()),
)
works = st.builds(
    wire.Work,
    ids,
    ids,
    st.lists(ids),
    st.lists(st.integers(0, 2**31)),
    st.dictionaries(positions, counts),
    st.sampled_from(["full", "bytes", "idle", "linger", "flush"]),
)
pieces = st.lists(st.binary(min_size=1), max_size=4)


def frames(*messages: Any) -> bytes:
    writer = FrameWriter()
    return b"".join(part for message in messages for part in writer.frame(message))


def framed(works: list[tuple[Any, list[bytes]]]) -> tuple[bytes, list[Any]]:
    """Return the frames of batches, each with the pieces of its args, and what is to arrive."""
    writer, stream = FrameWriter(), b""
    expected: list[Any] = []
    for work, args in works:
        stream += b"".join(writer.frame(work, args))
        whole = b"[" + b",".join(args) + b"]" if args else b""
        expected.append(msgspec.structs.replace(work, args=whole) if args else work)
    return stream, expected


def raw_frame(
    body: bytes, sequence: int = 0, mark: bytes = MARK, length: int | None = None, args: int = 0
) -> bytes:
    size = len(body) if length is None else length
    return HEADER.pack(mark, size, args, sequence, zlib.crc32(body)) + body


def read(reader: FrameReader, data: bytes | bytearray) -> list[Any]:
    reader.feed(data)
    return list(reader.messages())


@given(st.lists(from_actor, max_size=5), st.data())
def test_any_split_gives_the_same_messages(messages: list[Any], data: st.DataObject) -> None:
    stream = frames(*messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader.of_supervisor()
    got: list[Any] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += read(reader, stream[start:end])
    assert got == messages


@given(works, pieces)
def test_work_arrives_with_its_args_as_one_list(work: wire.Work, args: list[bytes]) -> None:
    stream, expected = framed([(work, args)])
    assert read(FrameReader.of_actor(), stream) == expected


stops = st.tuples(st.just(wire.Stop()), st.builds(list[bytes]))


@given(st.lists(st.tuples(works, pieces) | stops, min_size=1, max_size=4), st.data())
def test_work_arrives_however_it_is_cut_and_read(messages: list[Any], data: st.DataObject) -> None:
    whole, expected = framed(messages)
    stream, reader, at = memoryview(whole), FrameReader.of_actor(), 0
    got: list[Any] = []
    while at < len(stream):
        room = reader.room()
        n = data.draw(st.integers(1, 60))
        if room is not None and data.draw(st.booleans()):
            n = min(n, len(room))
            room[:n] = stream[at : at + n]
            reader.filled(n)
        else:
            n = min(n, len(stream) - at)
            reader.feed(stream[at : at + n])
        at += n
        got += reader.messages()
    assert got == expected
    assert reader.room() is None


@pytest.mark.parametrize(
    ("reader", "body", "args", "said"),
    [
        (FrameReader.of_supervisor, i.Ready(1), 1, "a message that has none"),
        (FrameReader.of_actor, wire.Stop(), 9, "a message that has none"),
        (FrameReader.of_actor, wire.Stop(), wire.MAX_TO_ACTOR, "allowed"),
    ],
)
def test_args_are_taken_only_where_they_belong(
    reader: Callable[[], FrameReader], body: Any, args: int, said: str
) -> None:
    with pytest.raises(ProtocolError, match=said):
        read(reader(), raw_frame(msgspec.msgpack.encode(body), args=args))


def test_a_dribble_of_single_bytes_is_read() -> None:
    stream = frames(i.Ready(1), i.Outcomes(1, 1, [], [], True))
    reader = FrameReader.of_supervisor()
    got: list[Any] = []
    for at in range(len(stream)):
        got += read(reader, stream[at : at + 1])
    assert [type(message).__name__ for message in got] == ["Ready", "Outcomes"]


@given(st.binary(max_size=200))
def test_garbage_gives_protocol_error_and_nothing_else(data: bytes) -> None:
    reader = FrameReader.of_supervisor()
    try:
        read(reader, data)
    except ProtocolError:
        with pytest.raises(ProtocolError):  # and keeps giving it
            read(reader, frames(i.Ready(1)))


@given(st.binary(max_size=200))
def test_a_sound_frame_around_garbage_gives_protocol_error(body: Any) -> None:
    with contextlib.suppress(ProtocolError):
        read(FrameReader.of_supervisor(), raw_frame(body))


@settings(max_examples=300)
@given(st.lists(from_actor, min_size=1, max_size=3), st.data())
def test_a_flipped_bit_is_never_taken_for_a_message(
    messages: list[Any], data: st.DataObject
) -> None:
    stream = bytearray(frames(*messages))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= 1 << data.draw(st.integers(0, 7))
    reader = FrameReader.of_supervisor()
    got: list[Any] = []
    reader.feed(stream)
    with contextlib.suppress(ProtocolError):
        for message in reader.messages():
            got.append(message)
    assert got == messages[: len(got)]
    assert len(got) < len(messages)


@pytest.mark.parametrize("length", [0, -5 & 0xFFFFFFFF, 2**31, wire.MAX_FROM_ACTOR + 1])
def test_a_length_out_of_range_is_refused_before_its_bytes_come(length: int) -> None:
    with pytest.raises(ProtocolError, match="bytes"):
        read(FrameReader.of_supervisor(), raw_frame(b"", length=length))


@pytest.mark.parametrize(
    "body",
    [
        b"\xdd\xff\xff\xff\xff",  # an array that claims 2**32-1 items
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc7\x01\x05\x00",  # an extension type
        b"\xa2\xff\xfe",  # a text that is not UTF-8
        b"\x91" * 100_000,  # nested too deep
        msgspec.msgpack.encode(["work", 1, 1, [], []]),  # the wrong direction
        msgspec.msgpack.encode(["outcomes", 1, [-1]]),  # a negative position
        msgspec.msgpack.encode(["outcomes", 2**80 % 2**64, [], [], "yes"]),
        msgspec.msgpack.encode(["ready", 1]),  # a field too many
        msgspec.msgpack.encode(["no such"]),
        msgspec.msgpack.encode(["ready"]) + b"\x00",  # trailing bytes
    ],
)
def test_bodies_that_hold_no_message_are_protocol_errors(body: Any) -> None:
    with pytest.raises(ProtocolError):
        read(FrameReader.of_supervisor(), raw_frame(body))


def test_a_frame_out_of_sequence_is_refused() -> None:
    ready = msgspec.msgpack.encode(i.Ready(1))
    with pytest.raises(ProtocolError, match="frame number 1"):
        read(FrameReader.of_supervisor(), raw_frame(ready, sequence=1))
    with pytest.raises(ProtocolError, match="frame number 0"):
        read(FrameReader.of_supervisor(), raw_frame(ready) + raw_frame(ready))


def test_messages_before_the_damage_are_delivered() -> None:
    reader = FrameReader.of_supervisor()
    reader.feed(frames(i.Ready(1), i.Returned(1, 7)) + b"garbage, sixteen bytes or more")
    got: list[Any] = []
    with contextlib.suppress(ProtocolError):
        for message in reader.messages():
            got.append(message)
    assert got == [i.Ready(1), i.Returned(1, 7)]


def test_a_frame_cut_at_any_byte_waits_in_silence() -> None:
    stream = frames(i.BootFailed(1, ErrorInfo("E", "text")))
    for end in range(len(stream)):
        assert read(FrameReader.of_supervisor(), stream[:end]) == []


def test_sequence_numbers_wrap_around() -> None:
    writer, reader = FrameWriter(), FrameReader.of_supervisor()
    writer._sequence = reader._sequence = 0xFFFFFFFF
    stream = b"".join(writer.frame(i.Ready(1)) + writer.frame(wire.Bye()))
    assert read(reader, stream) == [i.Ready(1), wire.Bye()]
