"""An actor may speak only of batches it was sent, and once of each job."""

from __future__ import annotations

from functools import partial

import pytest

from actorq.core.job.model import ErrorInfo, Verdict
from actorq.core.plan import inputs as i
from actorq.errors import ProtocolError
from actorq.pipe.ledger import Ledger
from actorq.pipe.wire import Bye

ERROR = ErrorInfo("E", "")
ACTOR = 7

Ready, BootFailed = partial(i.Ready, ACTOR), partial(i.BootFailed, ACTOR)
Outcomes, Returned = partial(i.Outcomes, ACTOR), partial(i.Returned, ACTOR)
HandlerFailed = partial(i.HandlerFailed, ACTOR)


def ledger() -> Ledger:
    it = Ledger(ACTOR)
    it.check(Ready())
    it.sent(1, 3)
    it.sent(2, 2)
    return it


LAWFUL = [
    [Outcomes(1, last=True), Outcomes(2, last=True)],
    [Outcomes(1, [0]), Outcomes(1, [1], [Verdict(2, "cancel")], True)],
    [Outcomes(1, [0, 1, 2], [], True), Returned(2), Bye()],
    [HandlerFailed(1, ERROR, [2]), HandlerFailed(2, ERROR)],
    [Outcomes(1, [1]), HandlerFailed(1, ERROR, [0])],
]
UNLAWFUL = {
    "not sent": [Outcomes(3, last=True)],
    "ended": [Outcomes(1, last=True), Outcomes(1, last=True)],
    "failed twice": [HandlerFailed(1, ERROR), HandlerFailed(1, ERROR)],
    "outcome after failing": [HandlerFailed(1, ERROR), Outcomes(1, [0])],
    "returned after outcomes": [Outcomes(1, [0]), Returned(1)],
    "returned twice": [Returned(2), Returned(2)],
    "position too large": [Outcomes(1, [3])],
    "verdict too large": [Outcomes(2, [], [Verdict(2, "fail")])],
    "begun too large": [HandlerFailed(2, ERROR, [2])],
    "negative": [Outcomes(1, [], [Verdict(-1, "fail")])],
    "twice in one frame": [Outcomes(1, [0], [Verdict(0, "fail")])],
    "twice in two frames": [Outcomes(1, [0]), Outcomes(1, [0])],
    "ready twice": [Ready()],
    "boot failed after ready": [BootFailed(ERROR)],
    "after bye": [Bye(), Outcomes(1, last=True)],
    "for another": [i.Returned(ACTOR + 1, 2)],
}


@pytest.mark.parametrize("messages", LAWFUL)
def test_what_an_actor_may_say(messages):
    it = ledger()
    for message in messages:
        it.check(message)


@pytest.mark.parametrize("messages", UNLAWFUL.values(), ids=UNLAWFUL)
def test_what_an_actor_may_not_say(messages):
    it = ledger()
    for message in messages[:-1]:
        it.check(message)
    with pytest.raises(ProtocolError):
        it.check(messages[-1])


def test_nothing_may_follow_a_failed_boot():
    it = Ledger(ACTOR)
    it.check(BootFailed(ERROR))
    with pytest.raises(ProtocolError):
        it.check(Bye())


def test_open_batches_are_counted():
    it = ledger()
    assert it.n_open == 2
    it.check(Outcomes(1, [0]))
    assert it.n_open == 2
    it.check(Outcomes(1, last=True))
    assert it.n_open == 1
