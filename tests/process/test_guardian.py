"""The guardian: leaves with its supervisor and no sooner, and is replaced when it dies."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from actorq.supervisor.local.guardian_client import Guard
from tests.actor.support import kind_of
from tests.process import families, handlers
from tests.process.families import members
from tests.process.support import troupe, work
from tests.support.wait import wait_until

pytestmark = pytest.mark.skipif(not Guard.is_possible(), reason="this system has no guardians")


@pytest.fixture
def guardian(actors):
    return psutil.Process(actors.pool.guardian)


def test_it_leaves_in_order_with_its_supervisor():
    with troupe() as actors:
        guardian = psutil.Process(actors.pool.guardian)
        actors.start(kind_of(handlers.at_once))
    assert not guardian.is_running()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_no_signal_to_all_ends_it(actors, guardian, number):
    actor = actors.start(kind_of(handlers.at_once))
    os.killpg(guardian.pid, number)
    assert actors.run(actor, [1])[-1].last
    assert guardian.is_running()


def test_it_costs_little(guardian):
    assert guardian.memory_full_info().uss < 8 << 20


def test_what_it_leaves_when_it_is_killed_is_ended_and_no_job_pays(actors, guardian, tmp_path):
    actor = actors.start(kind_of(families.and_work))
    actor.send(*work([str(tmp_path)], actor=actor.number))
    wait_until((tmp_path / "settled").exists, 20)
    guardian.kill()
    died = actors.died(actor)
    assert (died.taken, died.begun) == (0, [])
    assert "guardian" in died.text
    # Two of its family escape: in a new session, with an empty environment, and nobody's child.
    assert len(members(tmp_path)) <= 2
    again = actors.start(kind_of(handlers.at_once), 1)
    assert actors.run(again, [1])[-1].last
    assert actors.pool.guardian != guardian.pid
    for process in members(tmp_path):
        process.kill()


def test_orphans_of_a_living_actor_are_waited_for(actors, guardian):
    actor = actors.start(kind_of(handlers.at_once))
    actors.run(actor, [["shell", "(true &) ; (true &)"]])
    wait_until(lambda: [p.pid for p in guardian.children()] == [actor.pid])


def test_a_program_that_cannot_be_run_is_an_error(actors, guardian):
    guard = actors.pool._guard
    with open(os.devnull) as file, pytest.raises(FileNotFoundError):
        guard.spawn(["/no/such/program"], {}, file.fileno(), [])
