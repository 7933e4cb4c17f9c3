"""What a kind knows of its suspects and of itself, and what it runs next because of that."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.core.blame.cost import Cost
from actorq.core.blame.quarantine import (
    GROUPS,
    GROW_AFTER,
    LONGEST_REST_S,
    REST_S,
    REST_SHARE,
    Quarantine,
    Take,
    Waiting,
    group_number,
)
from actorq.core.job.model import ErrorInfo

DOWN = ErrorInfo("ConnectionError", "the service is down")
CRASH = ErrorInfo("ActorDied", "the actor was ended by SIGKILL", cause="oom")


def waiting(error: ErrorInfo, at: float, *, convicted: bool = False) -> Waiting:
    return Waiting(1, 0, error, False, 1, at, convicted)


# ---- the kind -----------------------------------------------------------------------------------


def test_a_failure_raises_doubt_and_a_pass_clears_it() -> None:
    quarantine = Quarantine(10)
    assert not quarantine.in_doubt
    quarantine.doubt(1.0)
    assert quarantine.in_doubt
    quarantine.passed(0, 10, 2.0)
    assert not quarantine.in_doubt


def test_only_what_failed_alike_since_something_passed_counts_together() -> None:
    quarantine = Quarantine(10)
    other = ErrorInfo("ValueError", "")
    quarantine.waiting = [waiting(DOWN, 1.0), waiting(DOWN, 3.0), waiting(other, 3.0)]
    quarantine.waiting.append(waiting(DOWN, 3.0, convicted=True))
    quarantine.passed_at = 2.0
    assert quarantine.alike(DOWN) == 1


@given(st.lists(st.floats(0.0, 600.0), min_size=1, max_size=20))
def test_a_rest_is_a_share_of_how_long_nothing_passes(pauses: list[float]) -> None:
    quarantine, now = Quarantine(10), 0.0
    quarantine.doubt(0.0)
    for pause in pauses:
        now += pause
        rest_s = quarantine.rest(DOWN, now)
        assert rest_s == min(LONGEST_REST_S, max(REST_S, REST_SHARE * now))
        assert quarantine.rest_until == now + rest_s


def test_a_rest_begins_anew_after_something_has_passed() -> None:
    quarantine = Quarantine(10)
    quarantine.rest(DOWN, 0.0)
    quarantine.state = "tried"
    assert quarantine.rest(DOWN, 40.0) == 10.0
    quarantine.state = "tried"
    quarantine.passed(0, 1, 50.0)
    assert (quarantine.state, quarantine.asked) == ("", set())
    assert quarantine.rest(DOWN, 60.0) == REST_S


def test_what_began_before_a_rest_does_not_end_it() -> None:
    quarantine = Quarantine(10)
    quarantine.rest(DOWN, 0.0)
    quarantine.passed(0, 10, 0.5)
    assert quarantine.state == "resting"


def test_a_rest_sets_all_groups_free() -> None:
    quarantine = Quarantine(10)
    quarantine.doubt(0.0)
    quarantine.put(1, 10, DOWN)
    assert quarantine.to_free([1]) is None
    quarantine.rest(DOWN, 1.0)
    assert quarantine.to_free([1, 2]) == Take(1, 10, free=True)


# ---- its groups ---------------------------------------------------------------------------------


def test_in_doubt_single_jobs_are_asked_of_each_group_in_turn() -> None:
    quarantine = Quarantine(100)
    quarantine.doubt(0.0)
    quarantine.put(1, 100, DOWN)
    quarantine.put(2, 50, DOWN)
    takes = [quarantine.next_of([1, 2]) for _ in range(3)]
    assert [take.limit for take in takes] == [1, 1, 1]
    assert [take.group for take in takes] == [1, 2, 1]


def test_a_bad_group_is_halved_and_what_is_left_of_it_set_free_when_its_half_fails() -> None:
    quarantine = Quarantine(100)
    quarantine.put(1, 100, CRASH)
    assert quarantine.next_of([1]) == Take(1, 50)
    assert quarantine.failed(1, 50), "that was to be expected"
    quarantine.put(2, 50, CRASH)
    assert quarantine.to_free([1, 2]) == Take(1, 100, free=True)
    assert quarantine.next_of([2]) == Take(2, 25)
    quarantine.passed(2, 25, 0.0)
    assert quarantine.next_of([2]) == Take(2, 13), "the other half is bad: it is halved at once"


def test_a_group_that_somebody_else_has_made_is_taken_for_bad() -> None:
    quarantine, number = Quarantine(100), group_number(7, 50)
    assert quarantine.next_of([number]) == Take(number, 32), "half of at most 64"
    assert quarantine.failed(number, 32)


@pytest.mark.parametrize("number", [group_number(7, 1), -8])
def test_a_job_that_was_charged_before_runs_alone(number: int) -> None:
    quarantine = Quarantine(100)
    assert quarantine.next_of([number]) == Take(number, 100)
    assert not quarantine.failed(number, 1)


@given(st.integers(1, GROUPS - 1), st.integers(1, 10_000))
def test_a_groups_number_fits_and_tells_how_large_it_is(k: int, n: int) -> None:
    number = group_number(k, n)
    assert 0 < number < 2**31
    quarantine = Quarantine(10_000)
    take = quarantine.next_of([number])
    assert n == 1 or n <= 2 * take.limit < 4 * n


def test_a_group_that_others_have_taken_is_forgotten() -> None:
    quarantine = Quarantine(100)
    quarantine.put(1, 100, CRASH)
    quarantine.came_short(1, 30)
    quarantine.passed(1, 30, 0.0)
    assert quarantine.groups == {}
    quarantine.put(2, 100, CRASH)
    quarantine.came_short(2, 0)
    assert quarantine.groups == {}


def run_all_of(quarantine: Quarantine, number: int) -> bool:
    changed = False
    while number in quarantine.groups:
        take = quarantine.next_of([number])
        changed = quarantine.passed(number, take.limit, 0.0)
    return changed


def test_memory_that_adds_up_shrinks_the_batches_which_slowly_grow_again() -> None:
    quarantine = Quarantine(200)
    quarantine.put(1, 100, CRASH)
    assert run_all_of(quarantine, 1)
    assert quarantine.limit == 50
    assert [quarantine.passed(0, 50, 0.0) for _ in range(GROW_AFTER)].count(True) == 1
    assert quarantine.limit == 55
    for _ in range(GROW_AFTER * 100):
        quarantine.passed(0, quarantine.limit, 0.0)
    assert quarantine.limit == 200


def test_batches_that_raise_and_whose_parts_pass_are_not_made_smaller() -> None:
    quarantine = Quarantine(200)
    quarantine.put(1, 200, DOWN)
    assert not run_all_of(quarantine, 1)
    assert quarantine.limit == 200


@given(st.integers(1, 2_000), st.data())
def test_halving_finds_one_culprit_in_the_logarithm_of_its_batch(
    n: int, data: st.DataObject
) -> None:
    killer = data.draw(st.integers(0, n - 1))
    quarantine, jobs, number, deaths = Quarantine(n), list(range(n)), 1, 1
    quarantine.put(number, n, CRASH)
    while True:
        take = quarantine.next_of([number])
        part, jobs = jobs[: take.limit], jobs[take.limit :]
        if killer not in part:
            quarantine.passed(number, len(part), 0.0)
            continue
        deaths += 1
        if len(part) == 1:
            break
        quarantine.failed(number, len(part))
        number, jobs = number + 1, part
        quarantine.put(number, len(part), CRASH)
    assert deaths <= 2 + math.ceil(math.log2(n))


# ---- what the search costs ----------------------------------------------------------------------


def cost_of(setup_s: float, one_s: float, each_s: float) -> Cost:
    cost = Cost()
    cost.was_set_up(setup_s)
    cost.ran(1, one_s, one_by_one=False)
    cost.ran(100, 100 * each_s, one_by_one=False)
    return cost


@pytest.mark.parametrize(
    ("setup_s", "one_s", "each_s", "crashed", "wanted"),
    [
        (10.0, 0.01, 0.01, True, True),  # 2.5 s of calls against 40 s of set-ups
        (0.2, 0.001, 0.001, True, True),
        (0.2, 0.1, 0.0001, True, False),  # 26 s of calls against 1.6 s
        (10.0, 0.1, 0.0001, False, False),  # it only raises: there is nothing to set up
    ],
)
def test_the_cheaper_way_to_a_culprit_is_taken(
    setup_s: float, one_s: float, each_s: float, crashed: bool, wanted: bool
) -> None:
    assert cost_of(setup_s, one_s, each_s).search_one_by_one(256, crashed=crashed) == wanted


def test_what_is_not_measured_yet_is_halved() -> None:
    assert not Cost().search_one_by_one(256, crashed=True)


def test_fresh_jobs_run_one_by_one_while_culprits_are_frequent() -> None:
    cost = cost_of(0.2, 0.002, 0.001)
    assert not cost.run_one_by_one(256)
    cost.found(crashed=True)
    assert cost.run_one_by_one(256)
    for _ in range(1_000):
        cost.ran(100, 0.1, one_by_one=False)
    assert not cost.run_one_by_one(256), "it is long ago"


def test_a_handler_that_marks_its_jobs_is_given_whole_batches() -> None:
    cost = cost_of(0.2, 0.001, 0.001)
    cost.found(crashed=True)
    cost.marks = True
    assert not cost.run_one_by_one(256)
