"""The vectorised signature and search agree, bit for bit, with a plain computation."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actorq.demo import signature
from actorq.demo.corpus import texts
from actorq.demo.neighbours import Pair, near_duplicates
from actorq.demo.signature import Weights

WEIGHTS = Weights()
TEXTS = [text.text for text in texts(limit=300)]


def plain_counts(text: str) -> Counter[int]:
    """Count the hashed n-grams of one text, one by one."""
    encoded = " ".join(text.lower().split()).encode()
    encoded += b" " * (5 - len(encoded))
    found: Counter[int] = Counter()
    for at in range(len(encoded) - 4):
        total = sum(encoded[at + k] * 0x100000001B3**k for k in range(5))
        found[(total * 0x9E3779B97F4A7C15 % 2**64) >> 53] += 1
    return found


def plain_signature(text: str) -> str:
    """Add up the rows of the weights that a text's n-grams name, one by one."""
    sums = [0] * 128
    for bucket, n in plain_counts(text).items():
        for bit, weight in enumerate(WEIGHTS.matrix[bucket].tolist()):
            sums[bit] += min(n, 4) * int(weight)
    return f"{int(''.join(str(int(total > 0)) for total in sums), 2):032x}"


def test_a_batch_gives_what_the_plain_computation_gives() -> None:
    assert WEIGHTS.signatures(TEXTS) == [plain_signature(text) for text in TEXTS]


def test_a_text_has_one_signature_whatever_batch_it_is_in() -> None:
    alone = [WEIGHTS.signatures([text])[0] for text in TEXTS]
    assert WEIGHTS.signatures(TEXTS) == alone
    assert Weights().signatures(TEXTS[:70]) == alone[:70]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_texts_do_even_empty_ones(some: list[str]) -> None:
    some = [text.encode(errors="replace").decode() for text in some]
    assert WEIGHTS.signatures(some) == [plain_signature(text) for text in some]


def test_counts_are_those_of_each_text_alone() -> None:
    rows = signature.counts(TEXTS[:20])
    for text, row in zip(TEXTS, rows, strict=False):
        expected = {bucket: min(n, 4) for bucket, n in plain_counts(text).items()}
        assert {int(b): int(row[b]) for b in np.nonzero(row)[0]} == expected


def plain_pairs(signatures: list[str], max_distance: int) -> list[Pair]:
    numbers = [int(s, 16) for s in signatures]
    pairs = [
        Pair(a, b, (numbers[a] ^ numbers[b]).bit_count())
        for b in range(len(numbers))
        for a in range(b)
    ]
    near = [pair for pair in pairs if pair.distance <= max_distance]
    return sorted(near, key=lambda pair: (pair.distance, pair.a, pair.b))


def test_near_duplicates_are_all_pairs_within_the_distance() -> None:
    signatures = WEIGHTS.signatures([text.text for text in texts(limit=1200)])
    assert near_duplicates(signatures, 30) == plain_pairs(signatures, 30)
    assert len(near_duplicates(signatures, 30)) > 10


def test_no_texts_have_no_neighbours() -> None:
    assert WEIGHTS.signatures([]) == []
    assert near_duplicates([]) == []
    assert near_duplicates(["00" * 16]) == []


def test_texts_that_differ_in_a_word_are_near_and_others_are_not() -> None:
    text = "Return the number of jobs that are due, the oldest of them first, or none."
    near, far = text.replace("oldest", "newest"), "Close the connection to the database at once."
    pairs = near_duplicates(WEIGHTS.signatures([text, far, near]), 40)
    assert [(pair.a, pair.b) for pair in pairs] == [(0, 2)]
