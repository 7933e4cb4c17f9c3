"""Every setting out of its range is refused by its name, with the range that is legal."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from actorq.core.job.policy import KindPolicy
from actorq.core.job.retry import Exponential, Table
from actorq.errors import ConfigError

BAD_NAMES = [
    "",
    "x" * 129,
    "'; DROP TABLE job;--",
    '"quoted"."x"',
    "%s %(a)s {} $1",
    "../../etc/passwd",
    "\u202eevil",
    "a\u200bb",
    "e\u0301",
    "é",
    "embed\n",
    " embed",
    "embed ",
    "a\x00b",
    None,
    7,
    b"embed",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_names_are_plain_ascii(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"kind .* is not a legal name: use 1 to 128"):
        KindPolicy(name=name)
    with pytest.raises(ConfigError, match=r"queue .* is not a legal name"):
        KindPolicy(name="k", queue=name)


@pytest.mark.parametrize("name", ["a", "x" * 128, "os.system", "__main__.x", "a:b-c_d.e", "0"])
def test_a_name_is_only_a_name(name: str) -> None:
    assert KindPolicy(name=name, queue=name).name == name


@pytest.mark.parametrize(
    ("setting", "values", "legal"),
    [
        ("max_batch", [0, -1, 10**9, 1.5, "10", True, None], "from 1 to 10,000"),
        ("max_batch_bytes", [0, -1, 2**40], "from 1 to 16,777,216"),
        ("min_batch", [0, -1, 10**9], "from 1 to 10,000"),
        ("actors", [0, -1, 10**6], "from 1 to 1,024"),
        ("max_attempts", [0, -1, 32_768, 2**31, 2.0], "from 1 to 32,767"),
        ("crash_budget", [0, -1, 32_768], "from 1 to 32,767"),
        ("linger_s", [-1, math.nan, math.inf, 1e300, "1x"], "from 0 to 600"),
        ("weight", [0, -1.0, math.nan, math.inf], "from 0.001 to 1000"),
        ("batch_timeout_s", [0, -1, math.inf, math.nan], "from 0.001 to 604,800 seconds"),
    ],
)
def test_numbers_out_of_range_are_named(setting: str, values: list[Any], legal: str) -> None:
    for value in values:
        with pytest.raises(ConfigError) as caught:
            KindPolicy(name="k", **{setting: value})
        assert setting in str(caught.value)
        assert repr(value) in str(caught.value)
        assert legal in str(caught.value)


@pytest.mark.parametrize(
    "env", [[], {"A": 1}, {1: "a"}, {"": "a"}, {"A=B": "c"}, {"A": "\0"}, {"A\0": "b"}]
)
def test_env_must_fit_a_process(env: Any) -> None:
    with pytest.raises(ConfigError, match="env"):
        KindPolicy(name="k", env=env)


def test_min_batch_needs_somewhere_to_wait() -> None:
    with pytest.raises(ConfigError, match=re.escape("min_batch=5 needs linger_ms")):
        KindPolicy(name="k", min_batch=5)
    with pytest.raises(ConfigError, match="min_batch=5 is more than max_batch=4"):
        KindPolicy(name="k", min_batch=5, max_batch=4, linger_s=1)


def test_store_results_is_yes_or_no() -> None:
    with pytest.raises(ConfigError, match="store_results=1 must be True or False"):
        KindPolicy(name="k", store_results=1)  # type: ignore[arg-type]


def test_a_retry_setting_becomes_a_policy() -> None:
    assert KindPolicy(name="k").retry == Exponential()
    assert KindPolicy(name="k", retry=[1, 2]).retry == Table((1.0, 2.0))
    with pytest.raises(ConfigError, match="retry"):
        KindPolicy(name="k", retry="soon")


def test_a_megabyte_of_name_makes_a_short_message() -> None:
    with pytest.raises(ConfigError) as caught:
        KindPolicy(name="x" * 10**6)
    assert len(str(caught.value)) < 300
