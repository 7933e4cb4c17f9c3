"""An exception ends what takes too long, and nothing else."""

from __future__ import annotations

import signal
import threading

import pytest

from actorq.actor.limits import BatchTimedOut, Limits, TimedOut, cause_of

FOREVER_S = 60.0


def wait_for_a_signal() -> None:
    """Wait in vain: only an exception out of a signal handler ends this soon."""
    threading.Event().wait(FOREVER_S)


def test_a_body_that_takes_too_long_is_interrupted() -> None:
    with pytest.raises(TimedOut, match="too long"), Limits().within(0.02, TimedOut("too long")):
        wait_for_a_signal()


def test_a_body_in_time_is_left_alone_and_the_timer_disarmed() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with Limits().within(FOREVER_S, TimedOut()):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_no_limit_arms_no_timer() -> None:
    with Limits().within(None, TimedOut()):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_outer_limit_ends_an_inner_body_and_says_whose_time_is_up() -> None:
    limits = Limits()
    with pytest.raises(BatchTimedOut), limits.within(0.02, BatchTimedOut()):
        with limits.within(FOREVER_S, TimedOut()):
            wait_for_a_signal()


def test_the_outer_limit_still_holds_after_an_inner_one_has_ended_its_body() -> None:
    limits = Limits()
    with pytest.raises(BatchTimedOut), limits.within(0.1, BatchTimedOut()):
        with pytest.raises(TimedOut), limits.within(0.01, TimedOut()):
            wait_for_a_signal()
        wait_for_a_signal()


def test_in_another_thread_nothing_is_limited() -> None:
    def body() -> None:
        with Limits().within(0.001, TimedOut()):
            armed.append(signal.getitimer(signal.ITIMER_REAL)[0])

    armed: list[float] = []
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert armed == [0.0]


def test_only_our_own_exceptions_are_timeouts() -> None:
    assert cause_of(BatchTimedOut()) == "timeout"
    assert cause_of(TimeoutError()) == "error"
