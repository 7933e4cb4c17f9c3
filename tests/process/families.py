"""Handlers that start processes of every sort; all of them are known by the directory they are in.

A directory is the one thing that a new session, a second fork and an empty environment leave.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from tests.process.handlers import touch, wait_for

N_MEMBERS = 12
"""How many processes `settle_down` makes, the actor included."""

SLEEP = ("sleep", "1000")

DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.argv[1], ["sleep", "1000"], {})
    os._exit(0)
os.wait()
"""

_kept: list[Any] = []


def settle_down(home: str) -> None:
    """Start a family in a directory, and say so there by a file."""
    os.chdir(home)
    _kept.append(subprocess.Popen(SLEEP))
    _kept.append(subprocess.Popen(SLEEP, start_new_session=True, env={}))
    _kept.append(subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"]))
    _kept.append(subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; setsid sleep 1000; :"]))
    subprocess.run(["sh", "-c", "setsid sleep 1000 &"], check=True)
    sleep = subprocess.run(["which", "sleep"], capture_output=True, text=True).stdout.strip()
    subprocess.run([sys.executable, "-c", DAEMON, sleep], check=True)
    pool = ProcessPoolExecutor(2, multiprocessing.get_context("fork"))
    list(pool.map(abs, range(10)))
    for _ in range(2):
        pool.submit(time.sleep, 1000)
    _kept.append(pool)
    while len(members(home)) < N_MEMBERS:
        time.sleep(0.002)
    touch(f"{home}/settled")


def and_work(batch: Any) -> None:
    settle_down(batch.args[0])
    time.sleep(1000)


def and_go(batch: Any) -> None:
    """Start a family, and leave when told so, in the way that the args say."""
    home, how = batch.args[0]
    settle_down(home)
    wait_for(f"{home}/go")
    if how == "exit":
        os._exit(0)
    os.kill(os.getpid(), int(how))


def members(home: str | Path) -> list[psutil.Process]:
    """Return the processes of a family that live."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def main() -> None:
    """Be a supervisor to be killed: one actor for each directory, and each has a family."""
    from tests.actor.support import kind_of
    from tests.process.support import troupe, work

    with troupe() as actors:
        for index, home in enumerate(sys.argv[1:]):
            actor = actors.start(kind_of(and_work), index)
            actor.send(*work([home], actor=actor.number))
        time.sleep(1000)


if __name__ == "__main__":
    main()
