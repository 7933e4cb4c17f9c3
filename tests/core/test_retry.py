"""A retry delay is a number of seconds from 0 to 30 days, whatever the policy says."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.core.job import outcome
from actorq.core.job.retry import (
    DEFAULT,
    MAX_DELAY_S,
    Exponential,
    RetryPolicy,
    Table,
    delay_s,
    exponential,
    policy_of,
)
from actorq.errors import ConfigError

numbers = st.floats(min_value=0, max_value=MAX_DELAY_S)
shares = st.floats(min_value=0, max_value=1)
policies = st.one_of(
    st.builds(
        Exponential,
        base_s=numbers,
        factor=st.floats(min_value=1, max_value=100),
        cap_s=numbers,
        jitter=shares,
    ),
    st.builds(Table, st.lists(numbers, min_size=1).map(tuple), shares),
    st.floats().map(lambda answer: lambda n: answer),
    st.sampled_from([None, "5", object(), True]).map(lambda answer: lambda n: answer),
)


@given(policies, st.integers(min_value=-1, max_value=10**9), st.floats(0, 1, exclude_max=True))
def test_every_delay_is_a_legal_number(policy: RetryPolicy, n: int, u: float) -> None:
    delay = delay_s(policy, n, u)
    assert not math.isnan(delay)
    assert 0 <= delay <= MAX_DELAY_S


def test_the_default_doubles_from_a_quarter_minute_to_an_hour() -> None:
    middle = [delay_s(DEFAULT, n, 0.5) for n in range(1, 12)]
    assert middle[:4] == [15, 30, 60, 120]
    assert middle[-1] == 3600


def test_jitter_spreads_by_its_share() -> None:
    assert delay_s(DEFAULT, 1, 0.0) == pytest.approx(12)
    assert delay_s(DEFAULT, 1, 0.999999) == pytest.approx(18, abs=0.001)


def test_a_table_repeats_its_last_delay() -> None:
    assert [delay_s(Table((1, 2, 7)), n, 0.9) for n in (1, 2, 3, 4, 99)] == [1, 2, 7, 7, 7]


def test_a_function_is_given_the_number_of_failures() -> None:
    assert delay_s(lambda n: n * 10, 3, 0.0) == 30


def test_a_function_that_breaks_later_falls_back_to_the_default() -> None:
    def broken(n: int) -> float:
        raise LookupError

    assert delay_s(broken, 2, 0.5) == 30


@pytest.mark.parametrize(
    ("value", "policy"),
    [
        (5, Table((5.0,))),
        (0, Table((0.0,))),
        ([1, 2.5], Table((1.0, 2.5))),
        ((1,), Table((1.0,))),
        (exponential(1, cap_s=10), Exponential(base_s=1, cap_s=10)),
    ],
)
def test_what_a_user_writes_is_understood(value: object, policy: RetryPolicy) -> None:
    assert policy_of(value) == policy


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        b"5",
        None,
        True,
        -1,
        math.nan,
        math.inf,
        1e300,
        [],
        [1, "two"],
        [1, -2],
        [math.nan],
        object(),
        lambda: 5,
        lambda n: "five",
        lambda n: -5,
        lambda n: 1 / 0,
    ],
)
def test_what_cannot_be_a_delay_is_refused_at_declaration(value: Any) -> None:
    with pytest.raises(ConfigError, match="retry"):
        policy_of(value)


@pytest.mark.parametrize(
    "settings", [{"base_s": -1}, {"factor": 0.5}, {"cap_s": math.inf}, {"jitter": 1.1}]
)
def test_exponential_names_the_wrong_number(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Exponential(**settings)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, outcome.Fail, ValueError])
def test_whatever_a_function_raises_its_job_only_waits_the_default(error: type) -> None:
    calls = []

    def function(n: int) -> float:
        calls.append(n)
        if len(calls) > 1:  # not yet when it is tried at its declaration
            raise error
        return 1.0

    assert delay_s(policy_of(function), 1, 0.5) == delay_s(DEFAULT, 1, 0.5)
