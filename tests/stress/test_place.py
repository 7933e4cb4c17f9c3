"""Where a test runs: what killed ones have left is found, what runs is not."""

from __future__ import annotations

import os
from pathlib import Path

from actorq.stress.measure.place import abandoned


def test_what_killed_tests_have_left_is_found(tmp_path: Path) -> None:
    dead = 2**22 + 1  # above the highest process id that Linux gives
    names = (f"actorq-stress-{dead}", f"actorq-stress-{os.getppid()}", "actorq", "actorq-stress-x")
    for name in names:
        (tmp_path / name).mkdir()
    assert abandoned(tmp_path / f"actorq-stress-{os.getpid()}") == [tmp_path / names[0]]
