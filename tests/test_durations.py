"""Spans of time: every form that people use, one meaning, and a sentence for what is none."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actorq
from actorq import testing
from actorq.args.options import Options
from actorq.cli.parser import parse
from actorq.core.job.policy import KindPolicy
from actorq.core.job.retry import delay_s
from actorq.durations import CENTURY_S, UNITS_S, check_duration, seconds_of
from actorq.errors import ConfigError

SAME = ["90", "90s", "1m30s", "1m 30s", " 1.5m ", "90000ms", timedelta(seconds=90), 90, 90.0]


@pytest.mark.parametrize("value", SAME, ids=repr)
def test_these_all_mean_the_same(value: Any) -> None:
    assert seconds_of(value) == 90


@pytest.mark.parametrize(
    "value",
    ["", " ", "x", "1h30", "-1", "-1s", "1e3", "nan", "inf", "7 days", "1s;", "1" * 101, "١s",
     math.nan, None, True, [1]],
    ids=repr,
)  # fmt: skip
def test_these_mean_nothing(value: Any) -> None:
    assert seconds_of(value) is None


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(sorted(UNITS_S))), min_size=1))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{n}{unit}" for n, unit in parts)
    wanted = sum(n * UNITS_S[unit] for n, unit in parts)
    found = seconds_of(text)
    assert found is None if len(text) > 100 else found == pytest.approx(wanted)


def test_what_is_none_is_refused_by_a_sentence() -> None:
    with pytest.raises(ConfigError) as caught:
        check_duration("grace_s", "7 days", 0.0, 10.0)
    assert str(caught.value) == (
        "grace_s='7 days' is no span of time: it must be from 0 to 10 seconds; give a number of "
        "seconds, a timedelta, or text of numbers with a unit each, of ms, s, m, h, d and w, like "
        "'90s', '1h30m' or '2w'"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("99999d", "is more than 100 years: it must be from 0 to 3,155,760,000 seconds"),
        ("-5s", "is negative: it must be from 0 to"),
        (-5, "is less than 0 s: it must be from 0 to 3,155,760,000 seconds"),
        (timedelta(seconds=-1), "is less than 0 s"),
        (math.inf, "is more than 100 years"),
        ("--5s", "is no span of time"),
        ("2 weeks", "and w, like '90s', '1h30m' or '2w'"),
        (True, "is no span of time"),
    ],
)
def test_what_is_wrong_with_a_span_is_said(value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_duration("delay_s", value, 0.0, CENTURY_S)
    assert str(caught.value).startswith(f"delay_s={value!r} ")
    assert said in str(caught.value)


def test_limits_are_said_in_units_of_their_size() -> None:
    for limit, shown in ((30 * 86_400, "30d"), (7200, "2h"), (3600, "3,600 s"), (0.5, "0.5 s")):
        with pytest.raises(ConfigError, match=f"is more than {shown}: it must be"):
            check_duration("x", limit + 1, 0.0, limit)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--older-than", "99999d"], "'99999d' is more than 100 years"),
        (["--older-than", "-5s"], "'-5s' is negative: it must be from 0 to"),
        (["--older-than-s", "-5"], "'-5' is negative"),
        (["--older-than=soon"], "'soon' is no span of time"),
    ],
)
def test_the_command_line_says_the_same(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(["prune", *words])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_the_command_line_takes_weeks_and_bare_seconds() -> None:
    assert parse(["prune", "--older-than", "2w"]).older_than_s == 14 * 86_400
    assert parse(["prune", "--older-than-s", "7"]).older_than_s == 7


def test_a_negative_number_is_no_option() -> None:
    assert parse(["enqueue", "--json", "any", "-5"]).words == ["any", "-5"]


def handler(x: int) -> None:
    """Do nothing."""


def test_a_kinds_settings_take_them() -> None:
    app = actorq.App("host=nowhere")
    settings: Any = {"batch_timeout_s": "1h30m", "job_timeout_s": timedelta(seconds=5)}
    kind = app.actor("k", setup_timeout_s="10m", min_batch=2, linger_ms="2s", **settings)(handler)
    policy = kind.policy
    assert (policy.batch_timeout_s, policy.job_timeout_s) == (5400, 5)
    assert (policy.setup_timeout_s, policy.linger_s) == (600, 2)
    assert app.actor("l", min_batch=2, linger_ms=timedelta(seconds=1))(handler).policy.linger_s == 1


@pytest.mark.parametrize(
    ("retry", "delays"),
    [
        ("1m", [60, 60]),
        (timedelta(minutes=1), [60, 60]),
        ([1, "10s", timedelta(minutes=1)], [1, 10, 60]),
        (lambda n: timedelta(seconds=n), [1, 2]),
        (lambda n: f"{n}m", [60, 120]),
        (actorq.exponential("10s", cap_s="15s", jitter=0.0), [10, 15]),
    ],
    ids=["text", "timedelta", "table", "function", "function of text", "exponential"],
)
def test_retries_take_them(retry: Any, delays: list[float]) -> None:
    policy = KindPolicy(name="k", retry=retry)
    assert [delay_s(policy.retry, n, 0.5) for n in range(1, len(delays) + 1)] == delays


def test_an_enqueue_takes_them() -> None:
    assert Options(delay_s="7d").delay_s == 604_800
    assert Options(delay_s=timedelta(hours=1)).delay_s == 3600


def test_a_supervisor_takes_them() -> None:
    app = actorq.App("host=nowhere")
    app.actor("k")(handler)
    options = app.run_options(ttl_s="1m", grace_s=timedelta(minutes=5), until_final=True,
                            limit_s="2h")  # fmt: skip
    assert (options.ttl_s, options.grace_s, options.limit_s, options.drain) == (60, 300, 7200, True)
    with pytest.raises(ConfigError, match="until_final"):
        app.run_options(drain=True, limit_s="2h")


@pytest.mark.parametrize("after", ["1h30m", timedelta(minutes=90), 5400])
def test_outcomes_take_them(after: Any) -> None:
    app = actorq.App("host=nowhere")

    @app.actor("later")
    def later(batch: actorq.Batch[int]) -> Any:
        return [actorq.snooze(after), actorq.retry(after)]

    assert testing.run(later, [1, 2]) == [actorq.snooze(5400), actorq.retry(5400)]
