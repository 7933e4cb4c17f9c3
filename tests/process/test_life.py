"""An actor is a process of its own: set up once, told apart by its slot, gone when told."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from actorq.core.job.policy import KindPolicy
from actorq.core.plan.inputs import BootFailed, Ready
from actorq.supervisor.local.pool import environment
from actorq.supervisor.surroundings import STOPPING
from tests.actor.support import kind_of
from tests.process import handlers, threads
from tests.process.support import work


def facts_of(actors, kind, index=0):
    actor = actors.start(kind, index)
    [message] = actors.run(actor, ["facts"])
    return actor, msgspec.json.decode(message.verdicts[0].result)


@pytest.fixture
def at_once():
    return kind_of(handlers.at_once)


def test_setup_runs_once_before_ready_and_teardown_after_stop(actors, tmp_path):
    path = tmp_path / "notes"
    kind = kind_of(handlers.Recording, "class", env={"EXTRA": str(path)})
    actor = actors.start(kind, 3)
    assert path.read_text() == f"setup 3 in {actor.pid}\n"
    actors.run(actor, [1, 2], 1)
    actors.run(actor, [1], 2)
    actor.stop()
    died = actors.died(actor)
    assert path.read_text().splitlines()[1:] == ["handle 2", "handle 1", "teardown"]
    assert died.code == 0


def test_the_environment_is_the_slots_own(actors, monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = dict(os.environ)
    kind = kind_of(handlers.at_once, env={"EXTRA": "e", "NUMEXPR_NUM_THREADS": "9"})
    _, facts = facts_of(actors, kind, 5)
    env = facts["env"]
    assert (env["ACTORQ_SLOT"], env["EXTRA"]) == ("5", "e")
    assert env["OMP_NUM_THREADS"] == env["OPENBLAS_NUM_THREADS"] == "1"  # the default
    assert env["MKL_NUM_THREADS"] == "7"  # what the supervisor was given wins over that
    assert env["NUMEXPR_NUM_THREADS"] == "9"  # what the kind says wins over all
    assert env["ACTORQ_THREADS"] == "1"  # for what handlers themselves tell a library
    assert dict(os.environ) == before


def test_numeric_libraries_see_their_thread_count_when_they_are_loaded(actors):
    actor = actors.start(kind_of(threads.n_blas_threads))
    [message] = actors.run(actor, [None])
    assert msgspec.json.decode(message.verdicts[0].result) == 1


def test_what_was_set_up_is_searched_for_cycles_once(actors):
    actor = actors.start(kind_of(handlers.Cyclic, "class"))
    [message] = actors.run(actor, [None])
    found = msgspec.json.decode(message.verdicts[0].result)
    assert found["frozen"] > 1000
    assert not found["alive"]


def test_an_actor_leads_a_group_of_its_own_and_is_no_daemon(actors, at_once):
    actor, facts = facts_of(actors, at_once)
    assert facts["pid"] == facts["group"] == actor.pid
    assert os.getpgid(0) != actor.pid
    assert facts["blocked"] == []


def test_no_database_driver_is_imported(actors, at_once):
    _, facts = facts_of(actors, at_once)
    assert [name for name in facts["modules"] if name.startswith("psycopg")] == []


def test_an_actor_has_no_descriptor_but_its_own(actors, at_once, tmp_path):
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), False)
        others = [actors.start(at_once, i) for i in range(2)]
        _, facts = facts_of(actors, at_once, 2)
    found = {int(fd): what for fd, what in facts["descriptors"].items()}
    assert found[0] == "/dev/null"
    assert found[1] == found[2]
    assert found[1].startswith("pipe:")
    rest = [what for fd, what in found.items() if fd > 2 and "/proc/" not in what]
    assert len([what for what in rest if what.startswith("socket:")]) == 1
    assert len([what for what in rest if what.startswith("pipe:")]) <= 1
    files = {what for what in rest if not what.startswith(("socket:", "pipe:", "/dev/null"))}
    assert len(files) == 1, files  # the shared page
    assert all(other.pid for other in others)


def test_standard_input_is_empty(actors, at_once):
    assert facts_of(actors, at_once)[1]["stdin"] == ""


def test_programs_started_by_a_handler_inherit_nothing_of_ours(actors, at_once, tmp_path):
    actor = actors.start(at_once)
    path = tmp_path / "list"  # of a shell, which closes nothing by itself
    actors.run(actor, [["shell", f"ls -l /proc/self/fd > {path}"]])
    found = {line.split(" -> ")[1] for line in path.read_text().splitlines() if " -> " in line}
    assert {what for what in found if what.startswith(("socket:", "/dev/shm"))} == set()
    assert len({what for what in found if what.startswith("pipe:")}) == 1  # its output


@pytest.mark.parametrize("number", STOPPING)
def test_signals_to_the_group_do_not_disturb_a_batch(actors, at_once, tmp_path, number):
    actor = actors.start(at_once)
    path = tmp_path / "go"
    actor.send(*work([["touch", str(tmp_path / "on")], ["wait", str(path)]], actor=actor.number))
    handlers.wait_for(str(tmp_path / "on"))
    os.killpg(actor.pid, number)
    path.touch()
    [message] = actors.answer(actor, 1)
    assert message.last


@pytest.mark.parametrize("number", STOPPING)
def test_signals_at_the_very_start_do_not_end_an_actor(actors, at_once, number):
    actor = actors.spawn(at_once, 0)
    os.kill(actor.pid, number)
    actors.said(Ready, actor)


def test_an_actor_killed_while_it_starts_is_reported(actors, at_once):
    actor = actors.spawn(at_once, 0)
    actor.kill()
    died = actors.died(actor)
    assert (died.signal, died.taken, died.begun) == ("SIGKILL", 0, [])


def test_handlers_may_start_processes_and_end_them(actors, at_once):
    actor = actors.start(at_once)
    [message] = actors.run(actor, ["own child", "forked"])
    results = [msgspec.json.decode(verdict.result) for verdict in message.verdicts]
    assert results == [0, signal.SIGTERM]


def test_programs_started_by_a_handler_heed_sigterm(actors, tmp_path):
    actor = actors.start(kind_of(handlers.at_once))
    path = tmp_path / "pid"
    actors.run(actor, [["grandchild", str(path)]])
    status = Path(f"/proc/{path.read_text()}/status").read_text()
    ignored = int(next(x for x in status.splitlines() if x.startswith("SigIgn")).split()[1], 16)
    blocked = int(next(x for x in status.splitlines() if x.startswith("SigBlk")).split()[1], 16)
    bits = sum(1 << (number - 1) for number in STOPPING)
    assert ignored & bits == 0
    assert blocked & bits == 0


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (["raise", "ValueError"], "ValueError"),
        (["sys.exit", 0], "SystemExit"),
        (["raise", "KeyboardInterrupt"], "KeyboardInterrupt"),
        (["raise", "GeneratorExit"], "GeneratorExit"),
    ],
)
def test_a_setup_that_fails_says_so_before_it_goes(actors, how, text):
    env = {"EXTRA": msgspec.json.encode(how).decode()}
    actor = actors.spawn(kind_of(handlers.BadSetup, "class", env=env), 0)
    failed = actors.said(BootFailed, actor)
    assert failed.error.type == text
    assert "in setup" in failed.error.traceback
    assert actors.died(actor).code == 1
    assert not any(isinstance(e, Ready) for e in actors.seen)


def test_a_setup_that_ends_the_process_is_a_death_without_ready(actors):
    kind = kind_of(handlers.BadSetup, "class", env={"EXTRA": '["exit", 7]'})
    actor = actors.spawn(kind, 0)
    assert actors.died(actor).code == 7


def test_a_stop_waits_for_the_batches_before_it(actors, at_once):
    actor = actors.start(at_once)
    for no in (1, 2, 3):
        actor.send(*work([1], no, actor=actor.number))
    actor.stop()
    answers = [actors.answer(actor, no)[-1] for no in (1, 2, 3)]
    assert all(answer.last for answer in answers)
    assert actors.died(actor).code == 0


@pytest.mark.parametrize(
    ("threads", "around", "wanted"),
    [
        (None, {}, ("1", "1")),
        (None, {"OMP_NUM_THREADS": "7"}, ("7", "1")),
        (3, {"OMP_NUM_THREADS": "7", "ACTORQ_THREADS": "8"}, ("3", "3")),
    ],
)
def test_a_kind_says_how_many_threads_its_libraries_use(threads, around, wanted):
    policy = KindPolicy(name="k", threads=threads, env={"RAYON_NUM_THREADS": "5"})
    env = environment({"PATH": "/bin", **around}, policy, 4)
    assert (env["OMP_NUM_THREADS"], env["ACTORQ_THREADS"]) == wanted
    assert env["POLARS_MAX_THREADS"] == env["OPENCV_FOR_THREADS_NUM"] == str(threads or 1)
    assert (env["PATH"], env["RAYON_NUM_THREADS"], env["ACTORQ_SLOT"]) == ("/bin", "5", "4")
