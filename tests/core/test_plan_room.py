"""Several small batches at once: how many, and when not."""

from __future__ import annotations

import pytest

from actorq.core.job.policy import KindPolicy
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.room import BUNDLE_BATCHES, BUNDLE_JOBS, QUICK_S, bundle
from actorq.core.plan.state import PIPE_DEPTH
from tests.core.desk import ERROR, Desk


def quick(took_s: float, **policy: object) -> Desk:
    """Return a desk whose kind has run a batch in so many seconds, and has asked for more."""
    desk = Desk(KindPolicy(**{"name": "k", "max_batch": 100, **policy}))  # type: ignore[arg-type]
    desk.start()
    (lease,) = [lease for lease, (claim, _) in desk.view.claims.items() if not claim.after]
    size = desk.view.claims[lease][0].limit
    desk.answer(lease, list(range(1, size + 1)))
    desk.feed(i.Outcomes(1, lease, [], [], last=True), after=took_s)
    return desk


def asked(desk: Desk) -> list[int]:
    """Return how many batches each claim asks for, of those sent since the first."""
    return [claim.n_batches for claim in desk.of(e.Claim)]


def test_what_is_not_measured_is_claimed_batch_by_batch() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=100))
    desk.start()
    assert {claim.n_batches for claim, _ in desk.view.claims.values()} == {1}


def test_quick_batches_are_claimed_several_at_once() -> None:
    assert asked(quick(QUICK_S / 4.5))[:1] == [4]
    assert asked(quick(QUICK_S / 1000))[:1] == [BUNDLE_JOBS // 100]


def test_slow_batches_are_not() -> None:
    assert asked(quick(QUICK_S * 1.01))[:1] == [1]


def test_a_bundle_is_no_larger_than_one_batch_may_be() -> None:
    assert asked(quick(0.0, max_batch=251))[:1] == [1]
    assert asked(quick(0.0, max_batch=1))[:1] == [BUNDLE_BATCHES]
    # Args of 3 bytes a job: 150 of them may be together.
    assert asked(quick(0.0, max_batch_bytes=450))[:1] == [1]


@pytest.mark.parametrize("policy", [{"min_batch": 2, "linger_s": 1.0}])
def test_who_waits_for_full_batches_gets_one(policy: dict[str, object]) -> None:
    assert set(asked(quick(0.0, **policy))) <= {1}


def test_pipes_spare_and_claims_hold_no_more_bundles_than_pipes_hold_batches() -> None:
    desk = quick(0.0, actors=1)
    most = PIPE_DEPTH * (BUNDLE_JOBS // 100)
    n_ids = 1000
    for _ in range(50):
        if not desk.view.claims:
            break
        lease, (claim, _) = next(iter(desk.view.claims.items()))
        desk.answer_bundle(lease, n_ids, claim.n_jobs)
        n_ids += claim.n_jobs
        kind = desk.view.kinds["k"]
        in_pipes = sum(len(actor.held) for actor in desk.view.actors.values())
        assert in_pipes + len(kind.spare) + kind.n_claiming <= most
    assert not desk.view.claims, "nobody answers: claims end"
    assert len(desk.view.actors[1].held) == PIPE_DEPTH


def test_the_leases_of_a_lost_claim_go_back_together() -> None:
    desk = quick(0.0)
    claim = desk.of(e.Claim)[0]
    assert claim.n_batches > 1
    assert desk.view.claiming(claim.lease + claim.n_batches - 1)
    assert not desk.view.claiming(claim.lease + 2 * BUNDLE_BATCHES)
    desk.feed(i.ClaimLost(claim.lane, claim.lease))
    assert desk.of(e.GiveBack) == [e.GiveBack(claim.lease, claim.n_batches)]


def test_a_cancel_finds_its_batch_among_those_of_a_claim_in_flight() -> None:
    desk = quick(0.0)
    claim = desk.of(e.Claim)[0]
    second = claim.lease + 1
    desk.feed(i.CancelAsked(second, 1100))
    desk.answer_bundle(claim.lease, 1000, claim.n_jobs)
    (cancel,) = [effect for effect in desk.effects if isinstance(effect, e.CancelJob)]
    assert (cancel.lease, cancel.position) == (second, 0)
    assert not desk.view.early


def test_a_batch_that_wants_a_fresh_process_does_not_wait_behind_a_bundle() -> None:
    desk = quick(0.0)
    claim = desk.of(e.Claim)[0]
    desk.answer_bundle(claim.lease, 1000, claim.n_jobs)
    kind, first = desk.view.kinds["k"], claim.lease
    assert len(kind.spare) > PIPE_DEPTH
    desk.feed(i.HandedBack(1, first, ERROR, [], None))
    returned = [made.settlement for made in desk.of(e.Settle)]
    assert {row.state for settlement in returned for row in settlement.rows} == {"pending"}
    assert {row.charge for settlement in returned for row in settlement.rows} == {"none"}
    assert sum(settlement.n for settlement in returned) >= claim.n_jobs - PIPE_DEPTH * claim.limit
    assert not kind.spare
    assert bundle(kind, 100) == 1
