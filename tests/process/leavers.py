"""Handlers that leave something to be done when their process ends."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.shared_memory import SharedMemory
from typing import Any


class Hooked:
    """Have an exit hook, a temporary directory and a pool of threads."""

    def setup(self) -> None:
        atexit.register(self.note, "hook")
        self.directory = tempfile.TemporaryDirectory()
        self.pool = ThreadPoolExecutor(1)
        if "THREAD" in os.environ:
            threading.Thread(target=time.sleep, args=(1000,), name="lingering").start()
        if "CHILD" in os.environ:
            multiprocessing.Process(target=time.sleep, args=(1000,), name="slow child").start()
        if "WORKER" in os.environ:
            self.pool.submit(time.sleep, 1000)
        if "FAIL" in os.environ:
            self.keep_busy()
            raise RuntimeError("told so")

    def keep_busy(self) -> None:
        self.pool.submit(time.sleep, 0.05).add_done_callback(lambda _: self.note("pool is shut"))

    def note(self, text: str) -> None:
        with open(os.environ["EXTRA"], "a") as file:
            file.write(text + "\n")

    def handle(self, batch: Any) -> None: ...

    def teardown(self) -> None:
        self.note("teardown")
        self.keep_busy()


_kept: list[SharedMemory] = []


def sharing(batch: Any) -> None:
    """Make shared memory, and forget about it; its name goes into a file."""
    for path in batch.args:
        _kept.append(SharedMemory(create=True, size=1000))
        with open(f"{path}~", "w") as file:
            file.write(_kept[-1].name)
        os.rename(f"{path}~", path)
