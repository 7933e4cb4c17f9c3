"""Finding the few that spoil the many."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.blame.halve import culprits


class Judge:
    """Refuse every set with a bad id in it, and count the questions."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.n_asked = 0

    def __call__(self, ids: Sequence[int]) -> bool:
        assert ids, "nothing is never asked about"
        self.n_asked += 1
        return not self.bad.isdisjoint(ids)


@given(st.sets(st.integers(0, 200)), st.data())
def test_exactly_the_culprits_are_found(ids: set[int], data: st.DataObject) -> None:
    bad = set(data.draw(st.lists(st.sampled_from(sorted(ids))))) if ids else set()
    assert culprits(sorted(ids), Judge(bad)) == sorted(bad)


@given(st.integers(1, 5000), st.data())
def test_one_culprit_costs_two_questions_per_halving(n: int, data: st.DataObject) -> None:
    judge = Judge({data.draw(st.integers(0, n - 1))})
    assert len(culprits(range(n), judge)) == 1
    assert judge.n_asked <= 2 * ceil(log2(n)) + 1


def test_a_set_that_is_refused_only_together_has_no_culprit() -> None:
    assert culprits(range(8), lambda ids: len(ids) > 1) == []
