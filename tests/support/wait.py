"""Wait for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STEP_S = 0.005
LONGEST_STEP_S = 0.05


def wait_until(condition: Callable[[], T], deadline_s: float = 40, what: str = "") -> T:
    """Return the first true value of `condition`; fail with the last one after `deadline_s`.

    An AssertionError in the condition means *not yet*; any other exception goes through.
    """
    start = time.monotonic()
    step_s = STEP_S
    while True:
        last: object
        try:
            value = condition()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() - start > deadline_s:
            raise AssertionError(
                f"waited {deadline_s:g} s in vain for {what or _source(condition)};"
                f" last seen: {last!r}"
            )
        time.sleep(step_s)
        step_s = min(LONGEST_STEP_S, step_s * 1.5)


def _source(condition: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
