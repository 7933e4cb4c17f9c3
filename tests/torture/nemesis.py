"""The nemesis: does harm to a running queue, in an order that follows from the seed."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg

from actorq.errors import StoreError
from actorq.store.changes.followers import TTL_S as FOLLOWER_TTL_S
from actorq.store.counters.fold import fold
from actorq.store.session.calls import Calls
from actorq.store.session.connection import connect
from tests.torture.cluster import Cluster, Proxy, disk
from tests.torture.fleet import Fleet, Member, is_actor
from tests.torture.follow import FOLLOWERS
from tests.torture.followers import Followers
from tests.torture.history import Writer
from tests.torture.tiers import TTL_S, Tier

LONG_S = 1000.0
"""A run that lasts longer has time to hold up a follower for longer than it is waited for."""

OURS = "application_name LIKE 'actorq%%'"


class Nemesis:
    """Carry out the tier's faults, evenly over its span; what lasts is undone in time."""

    def __init__(
        self,
        tier: Tier,
        seed: int,
        cluster: Cluster,
        fleet: Fleet,
        followers: Followers,
        proxy: Proxy,
        directory: Path,
    ) -> None:
        self.random = random.Random(f"nemesis {seed}")
        self.cluster, self.fleet, self.proxy = cluster, fleet, proxy
        self.followers = followers
        self.done: Counter[str] = Counter()
        self._log = Writer(directory, "nemesis")
        self._span_s = tier.span_s
        self._undo: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._threads: list[threading.Thread] = []
        self._plan = [name for name, n in tier.faults.items() for _ in range(n)]
        self.random.shuffle(self._plan)

    def run(self) -> None:
        """Do everything, then undo everything."""
        begun = time.monotonic()
        for k, name in enumerate(self._plan):
            self._wait(begun + (k + 1) * self._span_s / (len(self._plan) + 1))
            self._do(name)
        self._wait(begun + self._span_s)
        while self._undo:
            heapq.heappop(self._undo)[2]()
        for thread in self._threads:
            thread.join(60)
        self.proxy.order(do="heal")
        self.fleet.mend()
        self.write("healed")

    def write(self, what: str, **facts: Any) -> None:
        """Write down what was done."""
        self._log.write(what, facts)

    def _wait(self, until: float) -> None:
        """Wait, mend what is broken and undo what has lasted long enough."""
        while True:
            now = time.monotonic()
            while self._undo and self._undo[0][0] <= now:
                heapq.heappop(self._undo)[2]()
            self.fleet.mend()
            self.followers.mend()
            if now >= until:
                return
            time.sleep(min(0.05, max(0.0, until - now)))

    def _later(self, s: float, undo: Callable[[], None]) -> None:
        heapq.heappush(self._undo, (time.monotonic() + s, next(self._count), undo))

    def _do(self, name: str, tries: int = 20) -> None:
        """Do harm; where nobody is there to be harmed, try again before long."""
        try:
            if getattr(self, f"_{name}")() is not False:
                self.done[name] += 1
                return
        except (psycopg.Error, psutil.Error, ProcessLookupError):
            self.write("missed", fault=name)
        if tries > 1:
            self._later(0.2, lambda: self._do(name, tries - 1))

    # ---- processes ------------------------------------------------------------------------

    def _victim(self) -> Member | None:
        some = [m for m in self.fleet.members if m.alive and not (m.stopped or m.asked_to_end)]
        return self.random.choice(some) if some else None

    def _kill_supervisor(self) -> bool:
        if (victim := self._victim()) is None:
            return False
        victim.asked_to_end = True
        self.write("kill_supervisor", pid=victim.pid)
        os.kill(victim.pid, signal.SIGKILL)
        return True

    def _kill_group(self) -> bool:
        """Kill a supervisor and all of its actors in one go, but not its guardian."""
        if (victim := self._victim()) is None:
            return False
        victim.asked_to_end = True
        children = psutil.Process(victim.pid).children(recursive=True)
        actors = [child.pid for child in children if is_actor(child)]
        self.write("kill_group", pid=victim.pid)
        for pid in [victim.pid, *actors]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True

    def _stop_supervisor(self) -> bool:
        """Stop a supervisor for so long that the others declare it dead; then let it go on."""
        victim = self._victim()
        if victim is None or not self.fleet.serves(victim):
            return False
        s = TTL_S * self.random.uniform(2.0, 3.5)
        victim.stopped = True
        self.write("stop_supervisor", pid=victim.pid, s=s)
        os.kill(victim.pid, signal.SIGSTOP)

        def go_on() -> None:
            self.write("continue_supervisor", pid=victim.pid)
            victim.stopped = False
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGCONT)

        self._later(s, go_on)
        return True

    def _end_supervisor(self) -> bool:
        """Ask a supervisor to stop, as a deploy does."""
        if (victim := self._victim()) is None:
            return False
        victim.asked_to_end = True
        self.write("end_supervisor", pid=victim.pid)
        os.kill(victim.pid, signal.SIGTERM)
        return True

    def _hang_up(self) -> bool:
        """Close the terminal of a supervisor."""
        if (victim := self._victim()) is None:
            return False
        victim.asked_to_end = True
        self.write("hang_up", pid=victim.pid)
        os.kill(victim.pid, signal.SIGHUP)
        return True

    def _an_actor(self) -> psutil.Process | None:
        actors = self.fleet.actors()
        return self.random.choice(actors) if actors else None

    def _kill_actor(self) -> bool:
        if (victim := self._an_actor()) is None:
            return False
        self.write("kill_actor", pid=victim.pid)
        victim.kill()
        return True

    def _stop_actor(self) -> bool:
        if (victim := self._an_actor()) is None:
            return False
        self.write("stop_actor", pid=victim.pid)
        victim.suspend()

        def go_on() -> None:
            with contextlib.suppress(psutil.Error):
                victim.resume()

        self._later(self.random.uniform(0.2, 1.5), go_on)
        return True

    # ---- followers ------------------------------------------------------------------------

    def _a_follower(self) -> str | None:
        some = self.followers.running()
        return self.random.choice(some) if some else None

    def _kill_follower(self) -> bool:
        if (name := self._a_follower()) is None:
            return False
        self.write("kill_follower", name=name)
        self.followers.kill(name)
        return True

    def _stop_follower(self) -> bool:
        """Hold a follower up; in a long run sometimes for so long that nobody waits for it."""
        if (name := self._a_follower()) is None:
            return False
        is_long = self._span_s > LONG_S and self.random.random() < 0.2
        s = FOLLOWER_TTL_S * 1.2 if is_long else self.random.uniform(0.3, 3.0)
        self.write("stop_follower", name=name, s=s)
        self.followers.stop(name)
        self._later(s, lambda: self.followers.go_on(name))
        return True

    def _outrun_follower(self) -> bool:
        """Hold a follower up, and drop what it has not read, as too old."""
        if (name := self._a_follower()) is None:
            return False
        self.write("outrun_follower", name=name)
        self.followers.stop(name)

        def go_on() -> None:
            with contextlib.suppress(StoreError):
                self._drop()
            self.followers.go_on(name)

        self._later(self.random.uniform(1.0, 2.0), go_on)
        return True

    def _drop(self) -> None:
        with closing(
            connect(
                self.cluster.dsn, name="torture fold", schema="actorq",
                statement_timeout_s=10, deadline_s=15,
            )
        ) as session:  # fmt: skip
            fold(Calls(session, "actorq"), keep_s=0.0)

    def _forget_followers(self) -> None:
        """Forget who follows, as if nothing had been heard of them for a minute."""
        self.write("forget_followers")
        self._execute("DELETE FROM actorq.follower")

    # ---- the server -----------------------------------------------------------------------

    def _signal_backends(self, function: str, n: int, where: str = "true") -> bool:
        text = (
            f"SELECT {function}(pid) FROM (SELECT pid FROM pg_stat_activity"
            f" WHERE {OURS.replace('%%', '%')} AND {where} ORDER BY md5(pid::text || '{n}')"
            f" LIMIT 1) s"
        )
        with self.cluster.connect() as conn:
            return conn.execute(text.encode()).rowcount > 0

    def _terminate(self) -> bool:
        self.write("terminate")
        return self._signal_backends("pg_terminate_backend", self.random.randrange(10**6))

    def _cancel_statement(self) -> bool:
        """End a running statement, as a statement_timeout would."""
        self.write("cancel_statement")
        n = self.random.randrange(10**6)
        return self._signal_backends("pg_cancel_backend", n, "state = 'active'")

    def _kill_backend(self) -> bool:
        """Kill one backend: the server ends all others and recovers."""
        query = f"SELECT pid FROM pg_stat_activity WHERE {OURS.replace('%%', '%')}"
        with self.cluster.connect() as conn:
            pids = [row[0] for row in conn.execute(query.encode())]
        if not pids:
            return False
        self.write("kill_backend")
        os.kill(self.random.choice(pids), signal.SIGKILL)
        return True

    def _crash(self, name: str, sign: signal.Signals) -> None:
        self.write(name)
        self.cluster.crash(sign)
        self.write("server_is_back")

    def _crash_server(self) -> None:
        self._crash("crash_server", signal.SIGQUIT)

    def _kill_server(self) -> None:
        self._crash("kill_server", signal.SIGKILL)

    # ---- the network ----------------------------------------------------------------------

    def _at_a_door(self, do: str, **more: Any) -> None:
        self._order(self.random.randrange(len(self.proxy.ports)), do, **more)

    def _order(self, door: int, do: str, **more: Any) -> None:
        self.write(do, door=door, **more)
        self.proxy.order(door=door, do=do, **more)

    def _delay(self) -> None:
        self._at_a_door("delay", s=self.random.uniform(0.005, 0.3), **{"for": 1.5})

    def _swallow(self) -> None:
        s = self.random.uniform(0.3, 2.0)
        self._at_a_door("swallow", **{"for": s})

    def _slice(self) -> None:
        self._at_a_door("slice", **{"for": 1.0})

    def _reset(self) -> None:
        self._at_a_door("reset", n=self.random.randrange(1, 5))

    def _cut_before(self) -> None:
        self._cut("cut_before")

    def _cut_after(self) -> None:
        self._cut("cut_after")

    def _cut(self, do: str) -> None:
        """Choose whose request gets lost: most often a settle, for it has most to lose."""
        some = ["settler", "claimer", "heart", "client", "follower"]
        [who] = self.random.choices(some, [10, 6, 2, 4, 1])
        n, n_doors = len(self.fleet.members), len(self.proxy.ports)
        last = n_doors - len(FOLLOWERS)  # behind the supervisors' doors are the enqueuers'
        doors = {"client": range(n, last), "follower": range(last, n_doors)}.get(who, range(n))
        self._order(self.random.choice(doors), do, who=who)

    # ---- other people's transactions ------------------------------------------------------

    def _hold(self, name: str, s: float, *statements: str) -> None:
        """Hold something in a transaction of somebody else for a while."""
        self.write(name, s=s)

        def hold() -> None:
            with contextlib.suppress(psycopg.Error), self.cluster.connect() as conn:
                conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                conn.execute("SET LOCAL lock_timeout = '2s'")
                for statement in statements:
                    conn.execute(statement.encode())
                time.sleep(s)
                conn.execute("ROLLBACK")

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _lock_rows(self) -> None:
        where = "id IN (SELECT unnest(jobs[3:5]) FROM actorq.lease UNION SELECT id FROM some)"
        text = (
            "WITH some AS (SELECT id FROM actorq.job WHERE state = 'pending' ORDER BY random()"
            f" LIMIT 20) SELECT FROM actorq.job WHERE {where} FOR UPDATE SKIP LOCKED"
        )
        self._hold("lock_rows", self.random.uniform(0.3, 2.0), text)

    def _lock_table(self) -> None:
        s = self.random.uniform(0.5, 1.5)
        self._hold("lock_table", s, "LOCK TABLE actorq.job IN ACCESS EXCLUSIVE MODE")

    def _snapshot(self) -> None:
        self._hold("snapshot", self._span_s / 4, "SELECT count(*) FROM actorq.job")

    def _read_only(self) -> None:
        """Make the server refuse to write, as one that has just become a replica does."""
        name = "default_transaction_read_only"
        self.write("read_only")
        self._alter(f"ALTER SYSTEM SET {name} = on")
        self._later(1.0, lambda: self._alter(f"ALTER SYSTEM RESET {name}"))

    def _alter(self, text: str) -> None:
        self._execute(text, "SELECT pg_reload_conf()")

    def _disk_full(self) -> None:
        """Refuse to write new versions of rows, with the code that a full disk has."""
        self.write("disk_full")
        self._execute(disk(full=True))
        self._later(1.0, lambda: self._execute(disk(full=False)))

    def _execute(self, *statements: str) -> None:
        def execute(conn: psycopg.Connection[Any]) -> None:
            for statement in statements:
                conn.execute(statement.encode())

        self.cluster.patiently(execute)
