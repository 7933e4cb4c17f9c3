"""Events reach their subscribers, and become safe, bounded log lines."""

from __future__ import annotations

import logging

import pytest

from actorq import events
from actorq.events import (
    ActorExited,
    AttemptFailed,
    BatchClaimed,
    Event,
    Events,
    RunEnded,
    log_lines,
)  # fmt: skip

CLAIMED = BatchClaimed(queue="default", kind="embed", lease=7, n_jobs=256, cut="full")


def failed(error: str = "ValueError: no", retry_in_s: float | None = 15.0) -> AttemptFailed:
    return AttemptFailed("embed", 1, 1, "error", error, retry_in_s)


def test_every_event_has_a_line_whose_fields_exist() -> None:
    for kind_of_event in Event.__subclasses__():
        level, text = log_lines.LINES[kind_of_event]
        text.format(**dict.fromkeys(kind_of_event.__struct_fields__, log_lines.Number(2)))
        assert level in {logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR}


def test_name_and_fields_are_flat() -> None:
    assert CLAIMED.name == "batch_claimed"
    assert CLAIMED.fields() == {
        "queue": "default",
        "kind": "embed",
        "lease": 7,
        "n_jobs": 256,
        "cut": "full",
    }


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_a_failing_subscriber_harms_neither_the_emitter_nor_the_others(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise error

    bus = Events(broken)
    bus.subscribe(seen.append)
    bus.emit(CLAIMED)
    assert seen == [CLAIMED]
    assert "a subscriber failed on batch_claimed" in caplog.text


def test_only_what_can_be_called_subscribes() -> None:
    with pytest.raises(
        TypeError, match=r"subscribe\('attempt_failed'\): give a function of one event"
    ):
        Events().subscribe("attempt_failed")  # type: ignore[arg-type]


def test_lines_never_contain_control_characters() -> None:
    _, text = events.line(failed("\x1b[31mred\r\nfaked line\x9b\u202e"))
    assert text.endswith("\\x1b[31mred\n    faked line\\x9b\\u202e")
    assert all(each.isprintable() for each in text.split("\n"))


def test_a_last_failure_is_an_error_and_one_with_a_retry_a_warning() -> None:
    assert events.line(failed())[0] == logging.WARNING
    assert events.line(failed(retry_in_s=None))[0] == logging.ERROR


def test_a_planned_exit_is_no_warning() -> None:
    gone = ActorExited("embed", 0, "exit", "code 0", True)
    assert events.line(gone) == (logging.INFO, "actor embed/0 exited (exit): code 0")


def test_unwritten_outcomes_are_loud() -> None:
    level, text = events.line(events.SupervisorStopped("n1", 3))
    assert level == logging.ERROR
    assert "3 OUTCOMES WERE NOT WRITTEN" in text


def test_what_a_stop_waits_for_is_said() -> None:
    level, text = events.line(events.SupervisorHeldUp(18.2, "no\nroute"))
    assert level == logging.WARNING
    assert "waiting up to 18.2 s for the database to take outcomes" in text
    assert text.endswith("skips the waiting: no\\nroute")


def test_an_error_of_several_lines_has_them_indented() -> None:
    _, text = events.line(events.AttemptFailed("k", 7, 1, "error", "E: first\nsecond\r\n", None))
    first, second = text.split("\n")
    assert first.endswith("(error): E: first")
    assert second == "    second"
    assert len(events.line(events.SupervisorFailed("x" * 5000))[1]) < 600


def test_an_exit_code_of_1_is_explained_by_the_last_line() -> None:
    stopped = events.SupervisorStopped("n1", 0, short="due jobs are left")
    said = "supervisor stopped: node n1; not all is done, so the exit code is 1: due jobs are left"
    assert events.line(stopped) == (logging.WARNING, said)
    assert "OUTCOMES" in events.line(events.SupervisorStopped("n1", 2, short="x"))[1]


def test_a_flood_of_one_type_and_kind_is_counted_instead_of_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    lines = log_lines.LogLines(max_per_s=2, clock=lambda: now[0])
    for _ in range(100):
        lines(failed())
    now[0] = 1.0
    lines(failed())
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 4
    assert texts[2] == "attempt_failed embed: 98 more lines left out"


def test_the_event_itself_travels_with_its_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "actorq")
    Events().emit(CLAIMED)
    assert caplog.records[0].__dict__["actorq_event"] is CLAIMED


def test_long_tuples_are_cut() -> None:
    _, text = events.line(events.SettleMissed(tuple(range(5000))))
    assert text.endswith("8, 9, and 4990 more")


def test_a_traceback_keeps_its_lines_and_cannot_fake_one_of_ours() -> None:
    boot = events.ActorBootFailed("embed", 0, "ValueError: no", "a\n\x1b[2Jb\n")
    assert events.line(boot)[1].splitlines()[1:] == ["    a", r"    \x1b[2Jb"]


@pytest.mark.parametrize(
    ("n", "text"), [(1, "1 job given back"), (2, "2 jobs given back"), (1234, "1,234 jobs given")]
)
def test_numbers_have_their_nouns(n: int, text: str) -> None:
    assert text in events.line(events.NodeReaped("n1", n))[1]


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (RunEnded(49_500, 500, 0, (("nomodel", 12, "could not start"),), 3, short=True),
         "49,500 completed, 500 failed, 12 left: kind nomodel could not start, 3 scheduled"),
        (RunEnded(6, 0, 0), "6 completed"),
        (RunEnded(6, 1, 0, n_died=1), "6 completed, 1 failed, 1 actor died"),
        (RunEnded(6, 0, 0, n_died=3), "6 completed, 3 actors died"),
        (RunEnded(6, 0, 2, (), 0, 4), "6 completed, 2 cancelled, 4 held by other supervisors"),
        (RunEnded(0, 0, 0, (("a", 1, "rests"), ("b", 2, "it was stopped")), exact=False),
         "0 completed, at least 1 left: kind a rests, at least 2 left: it was stopped"),
    ],
)  # fmt: skip
def test_the_last_line_says_what_was_run_and_what_is_left(ended: RunEnded, text: str) -> None:
    level, said = events.line(ended)
    assert said == text
    assert level == (logging.WARNING if ended.short else logging.INFO)


def test_once_a_minute_it_is_said_what_was_run() -> None:
    told = events.JobsRun(60.0, 12_340, 3, 0, 5, 200)
    assert events.line(told)[1] == (
        "in the last 60 s: 12,340 completed, 3 failed, 5 to run again, 200 under way"
    )
