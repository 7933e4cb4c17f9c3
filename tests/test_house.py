"""The house keeps its sizes: short functions and files, one name for one thing, no circles."""

from __future__ import annotations

import pytest

from tests.support import house

AT_MOST = {
    "function_median": 7, "function_max": 40, "file_max": 400, "double_names": 0, "circles": 0,
    "folder_max": 16, "any_per_1000": 10,
}  # fmt: skip


@pytest.mark.parametrize(("figure", "bar"), AT_MOST.items(), ids=AT_MOST)
def test_a_figure_stays_below_its_bar(figure: str, bar: float) -> None:
    assert house.figures()[figure] <= bar, f"see scripts/house --list for {figure}"


def test_what_is_public_says_what_it_does() -> None:
    assert house.figures()["documented"] >= 0.98
