"""Failures of a kind, and of one job among many, at sizes that real queues have."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from actorq.core import event
from actorq.core.job.policy import KindPolicy
from tests.sim.properties import check_places
from tests.sim.scenario import JobPlan, KindPlan, Scenario
from tests.sim.world import World

FEW = settings(max_examples=40, deadline=None, phases=[Phase.reuse, Phase.generate])


def world_of(
    n: int,
    max_batch: int,
    *,
    bad: dict[int, str] | None = None,
    mode: str = "vector",
    job_s: float = 0.0005,
    policy: dict[str, object] | None = None,
    **options: object,
) -> World:
    """Return a world with one kind and n jobs; `bad` says what some of them do, by number."""
    made = KindPolicy(name="k", max_batch=max_batch, retry=1.0, **policy or {})  # type: ignore[arg-type]
    kind = KindPlan(made, [1], mode, False, job_s)  # type: ignore[arg-type]
    does = bad or {}
    jobs = [JobPlan(k, 1, 0.0, 0.0, 5, does.get(k, "ok")) for k in range(1, n + 1)]
    return World(Scenario(1, [kind], jobs, notify=False, **options))  # type: ignore[arg-type]


def heard(world: World, kind: type[event.Event]) -> list[event.Event]:
    return [what for _, what in world.told if isinstance(what, kind)]


def to_the_end(world: World, *, until: float = 600.0) -> None:
    world.begin()
    assert world.run(until, lambda: not world.table.n_pending and not world.n_to_come)
    check_places(world)


def to_the_first_rest(world: World) -> None:
    world.begin()
    assert world.run(600.0, lambda: bool(heard(world, event.KindResting)))


def charged(world: World) -> set[int]:
    return {job.id for job in world.table.jobs.values() if job.n_failed or job.n_crashed}


def most_failures(max_batch: int) -> int:
    return 3 * math.ceil(math.log2(max_batch)) + 5


# ---- a service that is down ---------------------------------------------------------------------


@FEW
@given(
    st.integers(10, 6000), st.integers(1, 600), st.sampled_from(("vector", "each")),
    st.integers(1, 3),
)  # fmt: skip
def test_a_kind_that_fails_alike_rests_after_a_few_batches_and_charges_nobody(
    n: int, max_batch: int, mode: str, actors: int
) -> None:
    world = world_of(n, max_batch, mode=mode, downs=[(0.0, 60.0)], policy={"actors": actors})
    to_the_first_rest(world)
    # What is in the pipes of other actors by then fails as well.
    failures = heard(world, event.BatchFailed)
    assert len(failures) <= most_failures(max_batch) + 2 * (actors - 1)
    assert charged(world) == set()


@pytest.mark.parametrize("n", [200, 4_000, 10_000, 100_000])
@pytest.mark.parametrize("max_batch", [1, 20, 500])
def test_the_size_of_the_backlog_makes_no_difference(n: int, max_batch: int) -> None:
    world = world_of(n, max_batch, downs=[(0.0, 60.0)])
    to_the_first_rest(world)
    assert len(heard(world, event.BatchFailed)) <= most_failures(max_batch)
    assert charged(world) == set()


@pytest.mark.parametrize("mode", ["vector", "each"])
def test_after_an_outage_batches_are_as_large_as_before_and_little_time_is_lost(mode: str) -> None:
    calm = world_of(20_000, 20, mode=mode)
    to_the_end(calm)
    world = world_of(20_000, 20, mode=mode, downs=[(1.0, 6.0)])
    to_the_end(world)
    assert world.now < calm.now + 5.0 + 3.0
    assert charged(world) == set()
    [*_, (rested_at, _)] = [x for x in world.told if isinstance(x[1], event.KindResting)]
    after = [x for t, x in world.told if t > rested_at and isinstance(x, event.BatchClaimed)]
    sizes = [claimed.n_jobs for claimed in after if claimed.n_jobs]
    while sizes and sizes[0] != 20:
        sizes.pop(0)
    assert len(after) - len(sizes) <= 12
    assert sum(sizes[:100]) / 100 >= 0.9 * 20


def test_while_a_kind_rests_one_job_at_a_time_is_tried_ever_less_often() -> None:
    world = world_of(1_000, 20, downs=[(0.0, 100.0)])
    to_the_end(world)
    rests = [x.rest_s for _, x in world.told if isinstance(x, event.KindResting)]
    assert rests == sorted(rests)
    assert rests[0] == 1.0
    assert rests[-1] > 10.0
    tried = [x for t, x in world.told if isinstance(x, event.BatchFailed)][most_failures(20) :]
    assert {x.n_jobs for x in tried} == {1}
    assert charged(world) == set()


def test_fresh_jobs_are_spared_while_several_batches_have_failed_alike() -> None:
    world = world_of(10_000, 100, downs=[(0.0, 60.0)])
    to_the_first_rest(world)
    fresh = [x for x in heard(world, event.BatchFailed) if x.n_jobs == 100]  # type: ignore[attr-defined]
    assert len(fresh) <= 3


@pytest.mark.parametrize("does", ["alike", "kill"])
def test_a_short_queue_in_which_every_job_is_bad_comes_to_its_end(does: str) -> None:
    bad = dict.fromkeys(range(1, 8), does)
    world = world_of(7, 4, bad=bad, policy={"max_attempts": 2, "crash_budget": 2})
    to_the_end(world)
    assert {job.state for job in world.table.jobs.values()} == {"failed"}
    assert charged(world) == set(bad)


def test_bad_jobs_side_by_side_hold_up_nobody_for_long() -> None:
    bad = dict.fromkeys(range(101, 141), "alike")
    world = world_of(2_000, 20, bad=bad, policy={"max_attempts": 1})
    to_the_end(world)
    assert charged(world) == set(bad)


# ---- a process that is broken -------------------------------------------------------------------


@pytest.mark.parametrize("actors", [1, 3])
def test_a_rest_ends_in_fresh_actors_before_anybody_pays(actors: int) -> None:
    world = world_of(3_000, 20, breaks=[0.5], policy={"actors": actors})
    to_the_end(world)
    assert charged(world) == set()
    assert len(heard(world, event.KindResting)) == 1
    assert world.now < 20.0


@pytest.mark.parametrize("actors", [2, 4])
@pytest.mark.parametrize("mode", ["vector", "each"])
def test_an_actor_in_which_all_fails_alike_is_replaced_and_nobody_pays(
    actors: int, mode: str
) -> None:
    world = world_of(3_000, 20, mode=mode, breaks=[0.2], break_one=True, policy={"actors": actors})
    to_the_end(world)
    assert charged(world) == set()
    assert heard(world, event.KindResting) == []
    exits = heard(world, event.ActorExited)
    assert [x.planned for x in exits] == [True]  # type: ignore[attr-defined]


# ---- one job among many -------------------------------------------------------------------------


@FEW
@given(
    st.integers(1, 2_000), st.integers(1, 1_000), st.data(), st.sampled_from((0.0, 0.1, 1.0, 10.0)),
    st.sampled_from((0.0, 0.001, 0.1)),
)  # fmt: skip
def test_a_killer_costs_its_own_death_and_the_search(
    n: int, max_batch: int, data: st.DataObject, boot_s: float, job_s: float
) -> None:
    killer = data.draw(st.integers(1, n))
    world = world_of(
        n, max_batch, bad={killer: "crash"}, job_s=job_s, boot_s=boot_s, policy={"crash_budget": 1}
    )
    to_the_end(world, until=10_000.0)
    assert charged(world) == {killer}
    most = 2 + math.ceil(math.log2(min(n, max_batch)))
    assert world.n_deaths[killer] <= most


@FEW
@given(
    st.sets(st.integers(1, 1_000), min_size=2, max_size=30), st.sampled_from((0.0, 1.0, 10.0)),
    st.sampled_from(("crash", "kill", "raise", "alike")),
)  # fmt: skip
def test_several_culprits_pay_alone(bad: set[int], boot_s: float, does: str) -> None:
    one_try: dict[str, object] = {"crash_budget": 1, "max_attempts": 1}
    world = world_of(1_000, 100, bad=dict.fromkeys(bad, does), boot_s=boot_s, policy=one_try)
    to_the_end(world, until=10_000.0)
    assert charged(world) == bad


@pytest.mark.parametrize(("mode", "most"), [("each", 1.2), ("vector", 3.0)])
def test_where_set_up_is_dear_culprits_are_found_by_marks(mode: str, most: float) -> None:
    bad = dict.fromkeys(range(50, 5_000, 100), "kill")
    world = world_of(
        5_000, 256, bad=bad, mode=mode, boot_s=1.0, job_s=0.002, policy={"crash_budget": 1}
    )
    to_the_end(world, until=10_000.0)
    assert charged(world) == set(bad)
    assert sum(world.n_deaths.values()) / len(bad) <= most


def test_rests_do_not_disturb_the_order_of_the_others() -> None:
    world = world_of(500, 10, downs=[(0.1, 2.0)])
    to_the_end(world)
    claimed = [t for t, x in world.told if isinstance(x, event.BatchClaimed)]
    assert all(a <= b for a, b in pairwise(claimed))
