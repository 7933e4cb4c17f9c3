"""A handler's module that loads a numeric library before anything of ours can run."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

np.ones((200, 200)) @ np.ones((200, 200))  # its threads start now, or never
N_THREADS = len(os.listdir("/proc/self/task"))


def n_blas_threads(batch: Any) -> list[int]:
    """Return how many threads there were: the main one, our watch, and the library's."""
    return [N_THREADS - 1] * len(batch)
