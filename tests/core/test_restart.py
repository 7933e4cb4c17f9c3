from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.restart import CAP_S, FREE_RESTARTS, restart_delay_s


def test_a_few_deaths_in_a_row_cost_no_time() -> None:
    assert [restart_delay_s(n, True) for n in range(1, FREE_RESTARTS + 1)] == [0.0] * FREE_RESTARTS
    assert restart_delay_s(FREE_RESTARTS + 1, True) > 0


def test_an_actor_that_cannot_start_waits_from_its_first_failure_on() -> None:
    assert [restart_delay_s(n, False) for n in (1, 2, 3)] == [1.0, 2.0, 4.0]


@given(st.integers(1, 10**9), st.booleans())
def test_the_wait_only_grows_and_has_an_end(n: int, booted: bool) -> None:
    assert 0.0 <= restart_delay_s(n, booted) <= restart_delay_s(n + 1, booted) <= CAP_S
