"""What the parts of failed batches have in common, beyond the one job that fails alone."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.blame import halves
from actorq.core.model import ErrorInfo
from actorq.core.quarantine import ALIKE, GROW_AFTER, LONGEST_REST_S, Quarantine

DOWN = ErrorInfo("ConnectionError", "the service is down")
CRASH = ErrorInfo("ActorDied", "the actor was ended by SIGKILL", cause="oom")


class Bisection:
    """Bisect batches of one kind by the quarantine's own choice of what runs next."""

    def __init__(self, fails: Callable[[list[int]], ErrorInfo | None], max_batch: int = 1000):
        self.fails = fails
        self.quarantine = Quarantine(max_batch)
        self.waiting: dict[int, list[int]] = {}
        self.charged: list[int] = []
        self.runs = self.rests = 0
        self._groups = 0

    def run(self, jobs: list[int]) -> None:
        """Run a fresh batch, then its suspects until none is left."""
        self._run(0, jobs)
        while self.waiting:
            group = self.quarantine.next_of(list(self.waiting))
            self._run(group, self.waiting.pop(group))

    def _run(self, group: int, jobs: list[int]) -> None:
        self.runs += 1
        error = self.fails(jobs)
        if error is None:
            self.quarantine.passed(group, len(jobs))
        elif self.quarantine.is_fault(group, error):
            self.quarantine.rest(error, 0.0)
            self.rests += 1
            self.charged += jobs
        elif len(jobs) == 1:
            self.quarantine.alone(group, error)
            self.charged += jobs
        else:
            self._split(group, jobs, error)

    def _split(self, group: int, jobs: list[int], error: ErrorInfo) -> None:
        parts = {}
        for positions in halves(range(len(jobs))):
            self._groups += 1
            parts[self._groups] = [jobs[p] for p in positions]
        self.quarantine.split(group, error, len(jobs), {g: len(p) for g, p in parts.items()})
        self.waiting |= parts


def test_what_fails_for_everybody_is_found_after_a_few_runs_and_charged_once() -> None:
    bisection = Bisection(lambda jobs: DOWN)
    bisection.run(list(range(256)))
    assert sorted(bisection.charged) == list(range(256))
    assert bisection.runs < 60
    assert bisection.rests > 0
    runs = bisection.runs
    bisection.run(list(range(256, 512)))
    assert bisection.runs == runs + 1, "the next batch is not even bisected"
    assert sorted(bisection.charged) == list(range(512))


def test_rests_get_longer_and_end_with_the_first_batch_that_passes() -> None:
    quarantine = Quarantine(10)
    rests = [quarantine.rest(DOWN, 0.0) for _ in range(10)]
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST_REST_S
    assert quarantine.is_fault(0, DOWN)
    quarantine.passed(0, 10)
    assert not quarantine.is_fault(0, DOWN)
    assert quarantine.rest(DOWN, 0.0) == rests[0]


@given(st.sets(st.integers(0, 199), min_size=1, max_size=2))
def test_one_or_two_bad_jobs_are_never_the_fault_of_the_batch(bad: set[int]) -> None:
    bisection = Bisection(lambda jobs: DOWN if bad & set(jobs) else None)
    bisection.run(list(range(200)))
    assert sorted(bisection.charged) == sorted(bad)
    assert bisection.rests == 0


def test_a_few_bad_jobs_side_by_side_are_charged_alone() -> None:
    bad = set(range(6))
    bisection = Bisection(lambda jobs: DOWN if bad & set(jobs) else None)
    bisection.run(list(range(256)))
    assert sorted(bisection.charged) == sorted(bad)


def test_jobs_that_fail_in_different_ways_are_not_the_fault_of_the_batch() -> None:
    errors = [ErrorInfo(f"Error{n}", "") for n in range(ALIKE)]
    bisection = Bisection(lambda jobs: errors[jobs[0] % ALIKE])
    bisection.run(list(range(64)))
    assert bisection.rests == 0


def test_memory_that_adds_up_blames_nobody_and_shrinks_the_batches() -> None:
    bisection = Bisection(lambda jobs: CRASH if len(jobs) > 60 else None, max_batch=200)
    bisection.run(list(range(200)))
    assert bisection.charged == []
    assert bisection.quarantine.limit == 50


def test_smaller_batches_grow_again_slowly_up_to_the_users_maximum() -> None:
    bisection = Bisection(lambda jobs: CRASH if len(jobs) > 60 else None, max_batch=200)
    bisection.run(list(range(200)))
    quarantine = bisection.quarantine
    assert [quarantine.passed(0, 50) for _ in range(GROW_AFTER)].count(True) == 1
    assert quarantine.limit == 55
    for _ in range(GROW_AFTER * 100):
        quarantine.passed(0, quarantine.limit)
    assert quarantine.limit == 200


def test_batches_that_raise_and_whose_halves_pass_are_not_made_smaller() -> None:
    bisection = Bisection(lambda jobs: DOWN if len(jobs) > 60 else None, max_batch=200)
    bisection.run(list(range(200)))
    assert bisection.quarantine.limit == 200
