"""The demo runs through the queue and its results are those of the plain computation."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorq import embedded
from actorq.demo import run, show
from actorq.demo.corpus import texts
from actorq.demo.database import KindFigures
from tests.demo.test_signature import plain_signature

LIMIT = 300


@pytest.mark.parametrize("way", run.WAYS, ids=lambda way: way.kind.name)
def test_the_queue_gives_what_the_plain_computation_gives(dsn: str, way: run.WayToRun) -> None:
    found = texts(LIMIT)
    measured = run._measure(io.StringIO(), dsn, way, found)
    assert measured.results == [plain_signature(text.text) for text in found]
    assert measured.outcome.n_completed == LIMIT
    assert measured.outcome.n_failed == 0
    assert 0 < measured.outcome.p50_s <= measured.outcome.p99_s
    assert 1 <= measured.batch <= way.kind.policy.max_batch


@pytest.fixture
def data_home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="actorq demo "))
    path.chmod(0o711)
    yield path
    assert embedded.remove(path / "actorq")
    shutil.rmtree(path)


def test_the_command_prints_its_figures_as_the_last_line(data_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "actorq", "demo", "--json", "--jobs", str(LIMIT)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_DATA_HOME": str(data_home)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert list(figures) == [
        "jobs", "batch_jobs_per_s", "single_jobs_per_s", "ratio", "failed", "duplicates_found",
    ]  # fmt: skip
    assert figures["jobs"] == 3 * LIMIT
    assert figures["failed"] == 0
    assert "whole batches: 300 of 300" in done.stderr


def test_a_failed_job_or_another_result_makes_the_demo_fail() -> None:
    def measured(n_failed: int, *results: str) -> run.Measured:
        outcome = KindFigures(len(results), n_failed, 0, 1.0, 0.1, 0.2)
        return run.Measured(run.WAYS[0], outcome, 1.0, list(results))

    good = measured(0, "a", "b")
    assert run._is_right([good, measured(0, "a")])
    assert not run._is_right([good, measured(0, "b")])
    assert not run._is_right([good, measured(1, "a")])


def test_a_table_lines_its_columns_up() -> None:
    assert show.table(("way", "n"), [("a", "1,000"), ("long one", "5")]).splitlines() == [
        "way           n",
        "────────  ─────",
        "a         1,000",
        "long one      5",
    ]


def test_a_long_text_is_shortened_to_one_line() -> None:
    assert show.shortened("one\n  two three", 9) == "one two …"
    assert show.shortened("one\n  two", 9) == "one two"


def test_on_a_terminal_progress_is_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with show.progress(out, "jobs", 10) as advance:
        advance(10)
    assert "10/10" in out.getvalue()
