"""What a settler keeps, and what it tells once all of a batch is written."""

from __future__ import annotations

from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.plan import inputs as i
from actorq.core.store_values import SettleReply
from actorq.core.writing.ways import AROUND, WHOLE, Way
from actorq.core.writing.writer import KEPT_WAIT_S, LOCKED, LOCKED_S, ONE_TOO_SLOW, Notice, Writer


def batch(lease: int, *jobs: int, closes: bool = True) -> Settlement:
    return Settlement(lease, 0, {0: list(jobs)}, [], closes, None if closes else b"\x00")


def sending(*settlements: Settlement) -> Writer:
    """Return a writer that has sent these in one statement."""
    writer = Writer()
    for settlement in settlements:
        writer.add(settlement)
    assert writer.begin()
    return writer


def settled(said: list[Notice]) -> i.Settled:
    (one,) = [s for s in said if isinstance(s, i.Settled)]
    return one


def part_kept(writer: Writer) -> None:
    """Write a batch but for job 2, and begin the statement with the rest of it."""
    assert not writer.failed("locked", "locked")
    assert writer.way == AROUND
    assert not writer.written(SettleReply({1}, kept=[2], seqs={1: 1}, refused=[1]), 0.0)
    assert writer.at_hand(KEPT_WAIT_S / 2) is None
    rest = writer.at_hand(KEPT_WAIT_S)
    assert rest is not None
    assert (rest.ids, rest.seq) == ([2], 1)
    writer.add(rest)
    writer.begin()


def test_a_batch_is_told_as_a_whole_with_all_that_was_refused() -> None:
    sent = batch(1, 1, 2)
    writer = sending(sent)
    part_kept(writer)
    told = settled(writer.written(SettleReply({1}), 1.0))
    assert told.settlements == [sent]
    assert told.refused == {1}
    assert writer.is_empty


def test_a_lease_that_is_written_in_parts_goes_on_with_its_last_number() -> None:
    """The plan counts one for each settlement of its own, the database one for each statement."""
    writer = sending(batch(1, 1, 2, closes=False))
    part_kept(writer)
    assert writer.is_written(writer.no)
    assert settled(writer.found([], 1.0)).seqs == {1: 2}


def test_what_is_too_slow_is_halved_by_batches_then_by_jobs() -> None:
    writer = sending(batch(1, 1, 2, 3, 4, 5), batch(2, 6), batch(3, 7))
    assert not writer.failed("slow", "slow")
    assert [s.lease for s in writer.sent] == [1]
    assert not writer.failed("slow", "slow")
    assert writer.way == Way("first", 2)
    assert not writer.failed("slow", "slow")
    assert writer.way == Way("first", 1)
    assert writer.failed("slow", "slow") == ONE_TOO_SLOW
    assert writer.way == WHOLE
    assert [writer.at_hand(0.0), writer.at_hand(0.0)] == [batch(2, 6), batch(3, 7)]


def test_one_reason_is_told_once_until_all_is_written() -> None:
    writer = sending(batch(1, 1, 2))
    part_kept(writer)
    said = writer.written(SettleReply({1}, kept=[2], seqs={1: 2}), LOCKED_S)
    assert said == [event.SettleDelayed(1, LOCKED)]
    assert writer.held_up == LOCKED
    assert writer.delayed(LOCKED) == []
    rest = writer.at_hand(2.0)
    assert rest is not None
    writer.add(rest)
    writer.begin()
    assert settled(writer.written(SettleReply({1}), 3.0)).settlements[0].n == 2
    assert writer.held_up == ""
    assert writer.delayed(LOCKED)


def test_two_leases_of_one_job_never_stand_in_one_statement() -> None:
    writer = Writer()
    assert writer.add(batch(1, 1, 2))
    assert not writer.add(batch(2, 2))
    assert writer.begin()
    assert [s.lease for s in writer.sent] == [1]
    assert writer.has_at_hand(0.0)


def sent_anew() -> Writer:
    """Return a writer that has sent two batches again, for the first answer was lost."""
    writer = sending(batch(1, 1), batch(2, 2))
    assert not writer.is_written(writer.no - 1)
    return writer


def test_what_is_sent_anew_waits_once_for_the_statement_before_it() -> None:
    """That one carries both halves: a half under the same number would be lost."""
    writer = sent_anew()
    for _ in range(2):
        assert not writer.failed("slow", "it takes too long")
        sizes = [s.lease for s in writer.sent]
    assert sizes == [1], "halved at the second time"


def test_what_was_sent_anew_may_have_left_jobs_open_in_any_way_of_before() -> None:
    assert sending(batch(1, 1)).doubtful() == []
    writer = sent_anew()
    assert writer.doubtful() == [1, 2]
    assert settled(writer.found([], 1.0)).applied == {1, 2}
