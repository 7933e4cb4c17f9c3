"""Whatever a handler does to its process, the supervisor is told the truth about each job."""

from __future__ import annotations

import os
import select
import signal
import time
from unittest.mock import Mock

import msgspec
import psutil
import pytest

from actorq.core.plan.inputs import Answer, HandlerFailed, Outcomes, Returned
from actorq.supervisor.ends import Fatal
from actorq.supervisor.local import pipes
from tests.actor.support import FIRST_ID, kind_of
from tests.process import handlers
from tests.process.support import work
from tests.support.wait import wait_until


@pytest.fixture
def by_job(actors):
    return actors.start(kind_of(handlers.by_job))


@pytest.fixture
def at_once(actors):
    return actors.start(kind_of(handlers.at_once))


def told(messages) -> dict[int, str]:
    found: dict[int, str] = {}
    for message in messages:
        if isinstance(message, Outcomes):
            found |= dict.fromkeys(message.done, "done")
            found |= {verdict.pos: verdict.what for verdict in message.verdicts}
    return found


def said_by(actors, actor):
    return [e for e in actors.seen if isinstance(e, Answer) and e.actor == actor.number]


def is_dead(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


# ---- raising is not dying ----


@pytest.mark.parametrize(
    "name",
    [
        "ValueError",
        "KeyboardInterrupt",
        "GeneratorExit",
        "StopIteration",
        "CancelledError",
        "MemoryError",
    ],
)
def test_whatever_is_raised_fails_the_batch_and_not_the_process(actors, by_job, name):
    messages = actors.run(by_job, ["a", ["raise", name], "c"], 1)
    assert told(messages) == {0: "result"}
    assert messages[-1].error.type.endswith(name)
    assert messages[-1].begun == [1]
    assert actors.run(by_job, [1], 2)[-1].last


@pytest.mark.parametrize("code", [0, 1, "text"])
def test_sys_exit_is_an_exception_like_any_other(actors, by_job, code):
    [failed] = actors.run(by_job, [["sys.exit", code]], 1)
    assert isinstance(failed, HandlerFailed)
    assert failed.error.type == "SystemExit"
    assert actors.run(by_job, [1], 2)[-1].last


def test_a_vectorised_handler_that_raises_blames_nobody(actors, at_once):
    [failed] = actors.run(at_once, ["a", ["raise", "ValueError"], "c"])
    assert failed.begun == []


# ---- dying ----


@pytest.mark.parametrize(
    ("command", "text", "cause"),
    [
        (["exit", 0], "exit code 0", "exit"),
        (["exit", 3], "exit code 3", "exit"),
        (["kill", int(signal.SIGKILL)], "SIGKILL", "signal"),
        (["kill", int(signal.SIGABRT)], "SIGABRT", "signal"),
        ("crash", "SIGSEGV", "signal"),
    ],
)
def test_a_death_names_its_cause_and_the_job_that_ran(actors, by_job, command, text, cause):
    by_job.send(*work(["a", command, "c"], actor=by_job.number))
    by_job.send(*work(["d"], 2, actor=by_job.number))
    died = actors.died(by_job)
    assert (died.taken, died.begun) == (1, [1])
    assert text in died.text
    assert died.error.cause == cause
    assert not any(
        isinstance(message, Outcomes) and message.last for message in said_by(actors, by_job)
    )


def test_a_death_of_a_vectorised_handler_has_nobody_running(actors, at_once):
    at_once.send(*work(["a", ["exit", 1]], actor=at_once.number))
    died = actors.died(at_once)
    assert (died.taken, died.begun) == (1, [])


def test_marked_outcomes_survive_a_later_death(actors, by_job, tmp_path):
    go = tmp_path / "go"
    by_job.send(*work(["a", "b", ["wait", str(go)], "d"], actor=by_job.number))
    # They are told while the batch runs, without anybody asking:
    first = actors.said(Outcomes, by_job)
    while len(told(said_by(actors, by_job))) < 2:
        actors.said(Outcomes, by_job)
    assert not first.last
    by_job.kill()
    died = actors.died(by_job)
    assert told(said_by(actors, by_job)) == {0: "result", 1: "result"}
    assert died.begun == [2]


def test_marked_outcomes_are_gathered(actors, by_job):
    messages = actors.run(by_job, [["sleep done", 0.001]] * 200)
    assert len(messages) < 100  # and not a frame per job
    assert len(told(messages)) == 200


def test_all_frames_that_arrived_come_before_the_death(actors, monkeypatch):
    monkeypatch.setattr(pipes, "READ_SIZE", 1000)  # so that there is always more to read
    actor = actors.start(kind_of(handlers.by_job))
    post = actors.pipes._post

    def wait_for_its_end(event):
        """Hold up the reader until the actor is dead and has left unread frames behind."""
        if isinstance(getattr(event, "message", None), Outcomes):
            wait_until(lambda: is_dead(actor.pid))
        post(event)

    actors.pipes._post = wait_for_its_end
    wait = ["sleep done", 0.03]  # longer than outcomes are gathered
    actor.send(
        *work([wait, wait, ["many", 50_000], wait, wait, wait, ["exit", 9]], actor=actor.number)
    )
    actors.died(actor)
    assert set(told(said_by(actors, actor))) >= {0, 1, 2, 3}


@pytest.mark.parametrize("how", ["grandchild", "orphan"])
@pytest.mark.parametrize("end", ["exit", "killed", "stopped"])
def test_what_a_handler_started_dies_before_its_death_is_reported(
    actors, at_once, tmp_path, how, end
):
    path = tmp_path / "pid"
    if end == "exit":
        at_once.send(*work([[how, str(path)], ["exit", 1]], actor=at_once.number))
    else:
        actors.run(at_once, [[how, str(path)]])
        at_once.kill() if end == "killed" else at_once.stop()
    actors.died(at_once)
    assert is_dead(int(path.read_text()))


def test_a_stuck_actor_that_ignores_everything_is_killed(actors, at_once, tmp_path):
    at_once.send(*work([["touch", str(tmp_path / "on")], ["sleep", 1000]], actor=at_once.number))
    handlers.wait_for(str(tmp_path / "on"))
    at_once.kill()
    assert actors.died(at_once).signal == "SIGKILL"


def test_a_thread_of_a_handler_does_not_hold_up_its_end(actors, at_once):
    actors.run(at_once, ["thread"])
    at_once.stop()
    assert actors.died(at_once).code == 0


def test_a_stopped_process_can_be_killed_and_holds_up_nobody(actors, at_once):
    other = actors.start(kind_of(handlers.at_once), 1)
    os.kill(at_once.pid, signal.SIGSTOP)
    at_once.send(*work([1], actor=at_once.number))
    assert actors.run(other, [1])[-1].last
    at_once.kill()
    assert actors.died(at_once).signal == "SIGKILL"


# ---- the pipe ----


def test_closing_descriptors_does_not_break_the_protocol(actors, at_once):
    [message] = actors.run(at_once, ["close"], 1)
    assert message.verdicts[0].result == b'"closed"'
    assert actors.run(at_once, [["print", "into nothing"]], 2)[-1].lease == 2


def test_frames_never_land_in_a_file_of_the_handlers(actors, at_once, tmp_path):
    path = tmp_path / "file"
    at_once.send(*work([["take over", str(path)]], actor=at_once.number))
    died = actors.died(at_once)
    assert path.read_bytes() == b""
    assert died.taken == 1


def test_words_out_of_turn_end_the_actor_and_say_why(actors, at_once):
    at_once.send(*work([["speak", "garbage that is longer than a header"]], actor=at_once.number))
    died = actors.died(at_once)
    assert "broke the protocol" in died.text
    assert died.taken == 1


def test_outcomes_of_a_batch_it_does_not_have_end_the_actor(actors, at_once):
    at_once.send(*work([["lie", at_once.number, 99]], actor=at_once.number))
    assert "batch 99, which is not open" in actors.died(at_once).text
    assert not any(isinstance(message, Outcomes) for message in said_by(actors, at_once))


def test_a_bug_in_the_reader_is_fatal_and_leaves_no_actor(actors, at_once, monkeypatch):
    bug = RuntimeError("a bug")
    monkeypatch.setattr(at_once.ledger, "check", Mock(side_effect=bug))
    at_once.send(*work([1], actor=at_once.number))
    assert actors.until(lambda event: isinstance(event, Fatal)).error is bug
    select.select([at_once.child], [], [], 20)
    at_once.child.reap()
    assert is_dead(at_once.pid)
    actors.pipes.join(20)
    actors.pipes._release(at_once)


def test_half_a_header_and_silence_hold_up_nobody(actors, at_once):
    at_once.send(*work([["speak", "aq"]], actor=at_once.number))
    other = actors.start(kind_of(handlers.at_once), 1)
    assert actors.run(other, [1])[-1].last
    at_once.kill()
    assert actors.died(at_once).signal == "SIGKILL"


def test_large_batches_both_ways_do_not_block(actors, at_once):
    args = [["many", 900_000]] * 4 + ["y" * 900_000] * 60
    before = time.monotonic()
    at_once.send(*work(args, 1, actor=at_once.number))
    at_once.send(*work(args, 2, actor=at_once.number))
    assert time.monotonic() - before < 10  # it did not wait for the actor to read
    for no in (1, 2):
        messages = actors.answer(at_once, no)
        assert len(told(messages)) == len(args)


def test_a_batch_in_more_pieces_than_the_system_takes_at_once_arrives(actors, at_once):
    assert len(told(actors.run(at_once, [["many", 1]] * 3_000))) == 3_000


def test_a_sender_never_waits_for_an_actor_that_does_not_read(actors, at_once, tmp_path):
    go = tmp_path / "go"
    at_once.send(*work([["wait", str(go)]], 1, actor=at_once.number))
    at_once.send(*work(["z" * 900_000] * 10, 2, actor=at_once.number))  # far more than a pipe takes
    go.touch()
    assert actors.answer(at_once, 1)[-1].last
    assert len(told(actors.answer(at_once, 2))) == 10


# ---- recall and cancel ----


def test_a_recalled_batch_is_returned_unless_begun(actors, at_once, tmp_path):
    go = tmp_path / "go"
    at_once.send(
        *work([["touch", str(tmp_path / "on")], ["wait", str(go)]], 1, actor=at_once.number)
    )
    at_once.send(*work([1, 2], 2, actor=at_once.number))
    handlers.wait_for(str(tmp_path / "on"))
    for lease in (1, 2):
        at_once.recall(lease)  # and 1 is begun
    go.touch()
    assert actors.answer(at_once, 1)[-1].last
    assert actors.said(Returned, at_once).lease == 2
    assert at_once.page.taken == 1
    assert actors.run(at_once, [1], 3)[-1].last


def test_a_cancelled_job_is_skipped_unless_begun(actors, at_once, tmp_path):
    go = tmp_path / "go"
    at_once.send(*work([["wait", str(go)]], 1, actor=at_once.number))
    at_once.send(*work([1, 2, 3], 2, actor=at_once.number))
    at_once.cancel(2, 1)
    go.touch()
    actors.answer(at_once, 1)
    assert told(actors.answer(at_once, 2)) == {0: "result", 1: "cancel", 2: "result"}


def test_taken_is_visible_while_a_batch_runs(actors, at_once, tmp_path):
    at_once.send(*work([["wait", str(tmp_path / "go")]], 1, actor=at_once.number))
    wait_until(lambda: at_once.page.taken == 1)
    (tmp_path / "go").touch()
    actors.answer(at_once, 1)


# ---- what it prints ----


def test_output_and_logging_reach_the_log_with_kind_and_slot(actors, caplog):
    caplog.set_level("INFO", logger="actorq.actor")
    actor = actors.start(kind_of(handlers.at_once), 4)
    actors.run(actor, [["print", "héllo \x1b[31m"], ["log", 40, "two\nlines"]])
    actor.stop()
    actors.died(actor)
    records = [r for r in caplog.records if r.name == "actorq.actor.k"]
    said = {(r.levelname, r.getMessage(), r.kind, r.slot) for r in records}
    assert ("INFO", "k[4] héllo \\x1b[31m", "k", 4) in said
    assert ("ERROR", "k[4] mine: two\n    lines", "k", 4) in said


def test_a_flood_of_binary_output_breaks_nothing(actors, at_once, caplog):
    messages = actors.run(
        at_once, [["write", 1, "\x00\xff\n", 20_000], ["write", 2, "\x00" * 100_000, 10]]
    )
    assert told(messages) == {0: "result", 1: "result"}
    at_once.stop()
    actors.died(at_once)
    lines = [r.getMessage() for r in caplog.records]
    assert max(map(len, lines), default=0) < 50_000
    assert len(lines) < 5_000


def test_a_handler_without_stdout_works_on(actors, at_once):
    actors.run(at_once, ["no stdout"], 1)
    actors.run(at_once, [["print", "x"]], 2)
    at_once.stop()
    assert actors.died(at_once).code == 0


def test_results_carry_the_ids_of_their_positions_only(actors, at_once):
    [message] = actors.run(at_once, ["a", "b"])
    assert [verdict.pos for verdict in message.verdicts] == [0, 1]
    assert FIRST_ID not in [verdict.pos for verdict in message.verdicts]
    assert msgspec.json.decode(message.verdicts[1].result) == "b"
