"""A death is named as what it was."""

from __future__ import annotations

import signal

import pytest

from actorq.supervisor.local.exits import ExitInfo, OomCounter, exit_info


@pytest.mark.parametrize(
    ("status", "oom", "problem", "cause", "text"),
    [
        (0, False, "", "exit", "exit code 0"),
        (3, True, "", "exit", "exit code 3"),
        (-signal.SIGSEGV, True, "", "signal", "SIGSEGV"),
        (-signal.SIGKILL, False, "", "signal", "SIGKILL"),
        (-signal.SIGKILL, True, "", "oom", "lack of memory"),
        (-signal.SIGKILL, False, "it broke", "signal", "ended: it broke"),
        (-40, False, "", "signal", "signal 40"),
        (None, False, "", "exit", "is not known"),
    ],
)
def test_a_death_has_a_cause_and_a_text(status, oom, problem, cause, text):
    info = exit_info(status, oom, problem)
    assert (info.cause, info.error().cause) == (cause, cause)
    assert text in info.text


def test_an_out_of_memory_kill_is_seen_once(tmp_path):
    path = tmp_path / "memory.events"
    path.write_text("low 0\noom 3\noom_kill 3\n")
    counter = OomCounter(path)
    assert not counter.has_risen()
    path.write_text("low 0\noom 4\noom_kill 4\n")
    assert counter.has_risen()
    assert not counter.has_risen()


def test_a_system_that_does_not_count_is_no_error(tmp_path):
    assert not OomCounter(tmp_path / "none").has_risen()
    (tmp_path / "odd").write_text("a b c\n")
    assert not OomCounter(tmp_path / "odd").has_risen()


def test_an_exit_is_plain_data():
    assert exit_info(1, False, "") == ExitInfo(code=1)
