"""An actor that does not come up, or goes down in the middle of a word, holds up nobody."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

import pytest

from actorq.core.plan.inputs import Outcomes, Ready
from tests.actor.support import kind_of
from tests.process import handlers
from tests.process.support import work

MODULE = """
import os, sys, time
from actorq.args.codec import ArgsCodec
from actorq.core.job.policy import KindPolicy
from actorq.kind import Kind
{trouble}
kind = Kind(None, KindPolicy(name="k"), ArgsCodec())

@kind.actor()
def handler(n: int) -> None: ...
"""
IN_AN_ACTOR = "if 'ACTORQ_SLOT' in os.environ: {}"


def declared(tmp_path, monkeypatch, name: str, trouble: str) -> Any:
    """Return the kind of a module that makes trouble while an actor imports it."""
    source = MODULE.format(trouble=IN_AN_ACTOR.format(trouble))
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return __import__(name).handler.bound()


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_module_that_ends_the_process_is_a_death_without_a_word(
    actors, tmp_path, monkeypatch, code
):
    kind = declared(tmp_path, monkeypatch, f"leaves_with_{code}", f"os._exit({code})")
    died = actors.died(actors.spawn(kind, 0))
    assert (died.code, died.taken, died.begun) == (code, 0, [])
    assert not any(isinstance(event, Ready) for event in actors.seen)


def test_a_module_that_reads_its_input_finds_nothing_and_goes_on(actors, tmp_path, monkeypatch):
    kind = declared(tmp_path, monkeypatch, "reads_its_input", "assert sys.stdin.read() == ''")
    actors.start(kind)


def test_an_actor_that_hangs_at_its_import_keeps_no_other_from_starting(
    actors, tmp_path, monkeypatch
):
    kind = declared(tmp_path, monkeypatch, "hangs", "time.sleep(1000)")
    hanging = actors.spawn(kind, 0)
    hanging.send(*work(["x" * 1_000_000] * 20, actor=hanging.number))  # more than a pipe takes
    other = actors.start(kind_of(handlers.at_once))
    assert actors.run(other, [1])[-1].last
    hanging.kill()
    assert actors.died(hanging).signal == "SIGKILL"


def test_actors_start_beside_threads_that_hold_locks_all_the_time(actors):
    """A forked child would inherit a lock of logging that nobody in it ever releases."""
    log, stop = logging.getLogger("busy"), threading.Event()
    log.propagate = False
    log.addHandler(logging.StreamHandler(_Nowhere()))

    def chatter() -> None:
        while not stop.wait(0.001):
            for _ in range(20):
                log.error("still here")

    threads = [threading.Thread(target=chatter) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        started = [actors.spawn(kind_of(handlers.at_once), n) for n in range(4)]
        waiting = {actor.number for actor in started}
        while waiting:
            event = actors.until(lambda e: isinstance(e, Ready))
            waiting.remove(event.actor)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class _Nowhere:
    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...


@pytest.mark.parametrize("n", [1, 4, 15, 16, 17, 40])
def test_a_death_in_the_middle_of_a_frame_keeps_what_was_said_before(actors, n):
    actor = actors.start(kind_of(handlers.by_job))
    actor.send(*work(["a", "b", ["half a frame", actor.number, 1, n], "d"], actor=actor.number))
    died = actors.died(actor)
    assert (died.signal, died.begun) == (signal.Signals.SIGKILL.name, [2])
    said = [e for e in actors.seen if isinstance(e, Outcomes)]
    assert {verdict.pos for message in said for verdict in message.verdicts} <= {0, 1}
    assert not any(message.last for message in said)


def test_an_actor_that_talks_without_end_keeps_no_other_from_being_heard(actors):
    talking = actors.start(kind_of(handlers.at_once))
    other = actors.start(kind_of(handlers.at_once), 1)
    talking.send(*work([["talk", talking.number, 1]], actor=talking.number))
    actors.said(Outcomes, talking)
    for no in range(1, 4):
        assert actors.run(other, [1], no)[-1].last
    talking.kill()
    actors.died(talking)
