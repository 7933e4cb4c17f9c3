"""How far a count by polling has come: the place below which every job is counted."""

from __future__ import annotations

from typing import NamedTuple


class Polled(NamedTuple):
    """The answer of one poll: final jobs from `low` on, and what tells how far that is complete.

    `oldest` is the oldest transaction that still runs, `next` the first that has not begun.
    """

    n_final: int
    first_pending: int | None
    last: int | None
    oldest: int
    next: int


class Counting(NamedTuple):
    """Where to count from, and how many final jobs lie below.

    `ahead` is the place to move on to when all transactions before `ahead_next` have ended: until
    then one of them may commit a job with a lower id.
    """

    low: int = 0
    n_below: int = 0
    ahead: int | None = None
    ahead_next: int = 0


def counted(state: Counting, poll: Polled) -> int:
    """Return how many jobs are final by a poll from `state.low` on."""
    return state.n_below + poll.n_final


def move_to(state: Counting, poll: Polled) -> int | None:
    """Return the place up to which all is now final and complete, None if there is none yet."""
    if state.ahead is None or poll.oldest < state.ahead_next:
        return None
    complete = state.ahead if poll.first_pending is None else min(state.ahead, poll.first_pending)
    return complete if complete > state.low else None


def moved(state: Counting, poll: Polled, to: int | None, n_between: int) -> Counting:
    """Return the state after a poll; `n_between` final jobs lie between `state.low` and `to`."""
    if to is not None:
        state = Counting(to, state.n_below + n_between)
    if state.ahead is not None and poll.oldest < state.ahead_next:
        return state
    ahead = None if poll.last is None else poll.last + 1
    return state._replace(ahead=ahead, ahead_next=poll.next)
