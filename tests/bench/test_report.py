"""Which benchmarks a report runs, and with what."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench
from bench._set import RUNS, chosen

HERE = Path(bench.__file__).parent


def test_all_tiny_benchmarks_are_run_once_each() -> None:
    there = {path.stem for path in HERE.glob("[a-z]*.py")} - {"report"}
    ran = chosen([], [], tiny=True)
    assert sorted(RUNS[name][0] for name in ran) == sorted(there)
    assert chosen([], [], tiny=False) == list(RUNS)


def test_some_are_named_and_some_are_left_out() -> None:
    assert chosen(["peers", "drain_100", "idle"], ["idle"], tiny=False) == ["peers", "drain_100"]
    assert chosen(["drain_100", "latency"], [], tiny=True) == ["latency", "drain_100"]


@pytest.mark.parametrize("name", [name for name, (_, *sizes) in RUNS.items() if sizes])
def test_a_variant_sets_sizes_that_its_benchmark_has(name: str) -> None:
    file, *sizes = RUNS[name]
    text = (HERE / f"{file}.py").read_text("utf-8")
    for option, value in zip(sizes[::2], sizes[1::2], strict=True):
        size = option.removeprefix("--").replace("-", "_")
        assert f"        {size}=(" in text
        assert int(value) > 0
