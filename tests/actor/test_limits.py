"""An exception ends what takes too long, and nothing else."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress

import pytest

from actorq.actor.time_limits import BatchTimedOut, Limits, TimedOut, cause_of

FOREVER_S = 60.0


def wait_for_a_signal() -> None:
    """Wait in vain: only an exception out of a signal handler ends this soon."""
    threading.Event().wait(FOREVER_S)


def test_a_body_that_takes_too_long_is_interrupted() -> None:
    with pytest.raises(TimedOut, match="too long"), Limits().within(0.02, TimedOut("too long")):
        wait_for_a_signal()


def test_a_body_in_time_is_left_alone_and_the_timer_is_as_before() -> None:
    before = signal.getsignal(signal.SIGALRM)
    ringing = signal.getitimer(signal.ITIMER_REAL)[0]
    with Limits().within(FOREVER_S * 100, TimedOut()):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > FOREVER_S * 10
    assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) == (ringing > 0)
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= ringing
    assert signal.getsignal(signal.SIGALRM) is before


def test_no_limit_touches_no_timer() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with Limits().within(None, TimedOut()):
        assert signal.getsignal(signal.SIGALRM) is before


def test_the_outer_limit_ends_an_inner_body_and_says_whose_time_is_up() -> None:
    limits = Limits()
    outer = limits.within(0.02, BatchTimedOut())
    with pytest.raises(BatchTimedOut), outer, limits.within(FOREVER_S, TimedOut()):
        wait_for_a_signal()


def test_the_outer_limit_still_holds_after_an_inner_one_has_ended_its_body() -> None:
    limits = Limits()

    def body() -> None:
        with suppress(TimedOut), limits.within(0.01, TimedOut()):
            wait_for_a_signal()
        wait_for_a_signal()

    with pytest.raises(BatchTimedOut), limits.within(0.2, BatchTimedOut()):
        body()


def test_in_another_thread_nothing_is_limited() -> None:
    def body() -> None:
        with Limits().within(0.001, TimedOut()):
            seen.append(signal.getsignal(signal.SIGALRM))

    seen: list[object] = []
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGALRM)]


def test_only_our_own_exceptions_are_timeouts() -> None:
    assert cause_of(BatchTimedOut()) == "timeout"
    assert cause_of(TimeoutError()) == "error"
