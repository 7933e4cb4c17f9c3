from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.blame.blame import blame

positions = st.sets(st.integers(0, 300), max_size=60).map(sorted)


@given(positions, st.lists(st.integers(-5, 305)), st.booleans())
def test_every_open_job_has_one_fate(open_: list[int], begun: list[int], certain: bool) -> None:
    verdict = blame(open_, begun, certain=certain)
    fates = [*verdict.charged, *verdict.innocent, *verdict.suspects]
    assert sorted(fates) == open_


@given(positions, st.lists(st.integers(-5, 305)), st.booleans())
def test_at_most_one_is_charged_and_only_if_nobody_else_can_have_been_it(
    open_: list[int], begun: list[int], certain: bool
) -> None:
    verdict = blame(open_, begun, certain=certain)
    assert len(verdict.charged) <= 1
    if verdict.charged:
        assert certain
        assert open_ == list(verdict.charged) or set(begun) & set(open_) == set(verdict.charged)


@given(positions, st.lists(st.integers(0, 300)))
def test_a_job_that_had_not_begun_is_innocent_if_others_had(
    open_: list[int], begun: list[int]
) -> None:
    if set(begun) & set(open_):
        assert set(blame(open_, begun).innocent) == set(open_) - set(begun)


def test_the_one_that_was_running_is_charged() -> None:
    verdict = blame([0, 1, 2, 3], [1])
    assert (verdict.charged, verdict.suspects, verdict.innocent) == ((1,), (), (0, 2, 3))


def test_of_a_vectorised_batch_nobody_is_charged() -> None:
    assert blame([0, 1, 2], []).suspects == (0, 1, 2)


def test_the_one_that_ran_out_of_time_runs_alone_before_it_is_charged() -> None:
    verdict = blame([2, 3], [2], certain=False)
    assert (verdict.charged, verdict.suspects, verdict.innocent) == ((), (2,), (3,))
