"""Bugs to plant: how outcomes are written, and what is told of them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actorq.core.fleet.batch import BatchState
from actorq.core.job.tally import Tally
from actorq.core.plan import (
    batches,
    leases,
)
from actorq.core.plan import inputs as i
from actorq.core.plan.state import View
from actorq.core.store_values import SettleReply
from actorq.core.writing import writer
from actorq.core.writing.writer import Writer
from tests.sim.teeth import handle, plant, plant_where


@plant
def an_outcome_is_written_twice(m: pytest.MonkeyPatch) -> None:
    made = batches._settlement

    def settlement(held: BatchState) -> Any:
        made_ = made(held)
        held.writing = False
        return made_

    m.setattr(batches, "_settlement", settlement)


@plant
def an_attempt_that_runs_again_counts_as_completed(m: pytest.MonkeyPatch) -> None:
    def add(self: Tally, settlement: Any, refused: frozenset[int]) -> int:
        self.completed += settlement.n
        return int(settlement.n)

    m.setattr(Tally, "add", add)


@plant
def an_outcome_on_its_way_counts_as_a_lost_lease(m: pytest.MonkeyPatch) -> None:
    beaten = leases.beaten

    def hasty(view: View, input_: i.Beaten, now: float) -> None:
        for held in view.held.values():
            held.writing = False
        beaten(view, input_, now)

    handle(m, i.Beaten, hasty)


@plant
def the_open_bits_are_those_of_the_told(m: pytest.MonkeyPatch) -> None:
    bits = batches.open_bits
    m.setattr(batches, "open_bits", lambda n, told: bits(n, {p for p in range(n) if p not in told}))


@plant
def the_fence_number_is_not_counted(m: pytest.MonkeyPatch) -> None:
    settled = batches.settled

    def forgetful(view: View, input_: i.Settled, now: float) -> None:
        seqs = {s.lease: s.seq for s in input_.settlements}
        settled(view, i.Settled(input_.settlements, input_.applied, seqs), now)

    handle(m, i.Settled, forgetful)


@plant
def an_answer_given_twice_is_believed(m: pytest.MonkeyPatch) -> None:
    m.setattr(batches, "_acceptable", lambda held, positions: True)


@plant
def unwritten_outcomes_of_a_lost_lease_are_counted_for_ever(m: pytest.MonkeyPatch) -> None:
    release = batches._release

    def leaky(view: View, held: BatchState, now: float) -> None:
        n = held.unwritten
        release(view, held, now)
        view.kinds[held.kind].n_unwritten += n

    m.setattr(batches, "_release", leaky)


@plant_where(kept=0.5)
def what_is_kept_is_taken_for_written(m: pytest.MonkeyPatch) -> None:
    m.setattr(Writer, "_keep", lambda self, sent, kept, reply, now: False)


@plant_where(kept=0.5)
def the_rest_of_a_batch_is_taken_for_the_whole(m: pytest.MonkeyPatch) -> None:
    keep = Writer._keep

    def forgetful(self: Writer, *args: Any) -> bool:
        is_kept = keep(self, *args)
        self._whole.clear()
        return is_kept

    m.setattr(Writer, "_keep", forgetful)


@plant_where(kept=0.5)
def the_rest_of_a_batch_has_the_number_of_its_first_part(m: pytest.MonkeyPatch) -> None:
    keep = Writer._keep

    def stale(self: Writer, sent: Any, *args: Any) -> bool:
        is_kept = keep(self, sent, *args)
        if is_kept:
            self._kept[-1][1].seq = sent.seq
        return is_kept

    m.setattr(Writer, "_keep", stale)


@plant_where(kept=0.5, lost_settles=0.5)
def what_was_locked_is_forgotten_with_the_answer(m: pytest.MonkeyPatch) -> None:
    m.setattr(Writer, "doubtful", lambda self: [])


@plant_where(kept=0.5, lost_settles=0.5)
def a_lost_answer_brings_no_numbers(m: pytest.MonkeyPatch) -> None:
    def found(self: Writer, open_: list[int], now: float) -> Any:
        return self.written(SettleReply({s.lease for s in self.sent}, kept=list(open_)), now)

    m.setattr(Writer, "found", found)


@plant_where(lost_settles=0.5)
def a_lost_answer_means_written(m: pytest.MonkeyPatch) -> None:
    m.setattr(Writer, "is_written", lambda self, written: written is not None)


@plant_where(slow_rows=2)
def the_second_half_of_a_slow_statement_is_dropped(m: pytest.MonkeyPatch) -> None:
    failed = Writer.failed

    def careless(self: Writer, *args: Any) -> str:
        later = list(self._later)
        reason = failed(self, *args)
        self._later = later
        return reason

    m.setattr(Writer, "failed", careless)


@plant_where(slow_rows=2)
def what_a_slow_batch_leaves_is_kept_for_ever(m: pytest.MonkeyPatch) -> None:
    m.setattr(writer, "KEPT_WAIT_S", math.inf)


@plant_where(settle_rows=2)
def what_does_not_fit_any_more_is_dropped(m: pytest.MonkeyPatch) -> None:
    add = Writer.add

    def careless(self: Writer, more: Any) -> bool:
        goes_on = add(self, more)
        self._later.clear()
        return goes_on

    m.setattr(Writer, "add", careless)


@plant_where(kept=0.5, refused={1, 2, 3, 4, 5}, stops=[])
def who_was_refused_is_forgotten_while_others_are_kept(m: pytest.MonkeyPatch) -> None:
    written = Writer.written

    def forgetful(self: Writer, *args: Any) -> Any:
        said = written(self, *args)
        self._refused.clear()
        return said

    m.setattr(Writer, "written", forgetful)
