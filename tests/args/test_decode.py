"""In the actor one job's misfit args are that job's own failure."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest

from actorq.args.codec import ArgsCodec
from actorq.core.job.model import ErrorInfo
from actorq.errors import ArgsInvalid


class Doc(msgspec.Struct):
    path: str
    n: int = 0


def joined(texts: list[bytes]) -> tuple[bytes, list[int]]:
    return b"[" + b",".join(texts) + b"]", [len(text) for text in texts]


def test_a_batch_is_decoded_into_its_type() -> None:
    assert ArgsCodec(Doc).decode_many(*joined([b'{"path":"a"}', b' {"path": "b", "n": 2} '])) == [
        Doc("a"),
        Doc("b", 2),
    ]


@pytest.mark.parametrize(
    "bad",
    [b"{}", b"[]", b"7", b"null", b'"x"', b'{"path":7}', b'{"path":"a","n":1e999}', b"[" * 9999],
)
def test_a_misfit_among_others(bad: bytes) -> None:
    values = ArgsCodec(Doc).decode_many(*joined([b'{"path":"a"}', bad, b'{"path":"c"}']))
    assert [values[0], values[2]] == [Doc("a"), Doc("c")]
    assert isinstance(values[1], ErrorInfo)
    assert values[1].type == "ArgsInvalid"
    assert values[1].cause == "args"
    assert "the args do not fit Doc" in values[1].message


def test_duplicate_keys_of_a_foreign_writer_mean_the_last() -> None:
    assert ArgsCodec(Doc).decode(b'{"path":"a","path":"b"}') == Doc("b")


def test_one_value_is_refused_with_the_place() -> None:
    with pytest.raises(ArgsInvalid, match=r"Expected `int`, got `str` - at `\$.n`"):
        ArgsCodec(Doc).decode(b'{"path":"a","n":"2"}')


class DocToo(msgspec.Struct):
    """Say the same in other words."""

    path: str
    n: int = 0


class Other(msgspec.Struct):
    path: str
    n: float = 0


def test_the_fingerprint_follows_the_fields_alone() -> None:
    def one(type_: Any) -> str:
        return ArgsCodec(type_).fingerprint()

    assert one(Doc) == one(Doc)
    assert one(Doc) != one(Other)
    assert one(None) != one(Doc)
    assert len(one(Doc)) == 16


def test_a_codec_survives_pickling() -> None:
    codec = pickle.loads(pickle.dumps(ArgsCodec(Doc, max_bytes=77)))
    assert codec.max_bytes == 77
    assert codec.decode(b'{"path":"a"}') == Doc("a")
