"""Scripted actors: what each does with a batch follows from what its jobs are to do."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from actorq.core.job.model import ClaimedBatch, ErrorInfo, Verdict
from actorq.core.plan import inputs as i

if TYPE_CHECKING:
    from tests.sim.scenario import KindPlan
    from tests.sim.supervisor import Supervisor
    from tests.sim.world import World

ERROR = ErrorInfo("ValueError", "as the script says")


def failing(job: int) -> ErrorInfo:
    """Return the error of one job: no two alike, or all would be taken for the kind's own."""
    return ErrorInfo(f"Error{job}", "as the script says")


DOWN = ErrorInfo("ConnectionError", "the service is down")


def deadly(job: int) -> ErrorInfo:
    """Return how the process died, again in a way of this job's own."""
    return ErrorInfo("ActorDied", f"signal 9 by {job}", cause="signal")


TAKES = {"slow": 0.6, "late": 0.4}
FATAL = ("raise", "alike", "crash", "kill", "dup", "restart", "rest")
REST_S = 0.2
KILL_S = 0.003


class Actor:
    def __init__(
        self, world: World, owner: Supervisor, id_: int, kind: KindPlan, index: int
    ) -> None:
        self.world, self.owner, self.id, self.kind, self.index = world, owner, id_, kind, index
        self.born_at = world.now
        self.pipe: deque[tuple[int, ClaimedBatch, bool]] = deque()
        self.numbers: dict[int, int] = {}  # lease → number in this pipe
        self.last_no = self.taken = self.taken_lease = self.recall = 0
        self.begun: list[int] = []
        self.cancels: dict[int, set[int]] = {}
        self.ready = self.busy = self.dead = self.stopping = False
        self.death = deadly(0)
        self.one_by_one = False  # of the batch taken

    # ---- life ----

    def boot(self) -> None:
        if self.kind.broken or self.kind.n_bad_boots > 0:
            self.kind.n_bad_boots -= 1
            self.owner.post(i.BootFailed(self.id, ERROR))
            self.die()
        else:
            self.ready = True
            self.owner.post(i.Ready(self.id))

    def die(self) -> None:
        """Be gone at once; the supervisor learns of it a little later."""
        if not self.dead:
            self.dead = True
            self.world.after(KILL_S, self._buried)

    def _buried(self) -> None:
        self.owner.actors.pop(self.id, None)
        self.owner.post(i.ActorDied(self.id, self.death, self.taken_lease, list(self.begun)))

    def after(self, delay: float, act: object, *args: object) -> None:
        self.world.after(delay, self._alive, act, args)

    def _alive(self, act, args) -> None:  # type: ignore[no-untyped-def]
        if not self.dead:
            act(*args)

    # ---- what the supervisor does to it ----

    def send(self, batch: ClaimedBatch, one_by_one: bool) -> None:
        self.last_no += 1
        self.numbers[batch.lease] = self.last_no
        self.pipe.append((self.last_no, batch, one_by_one))
        if not self.busy:
            self.after(0.0001, self.next)

    def recall_batch(self, lease: int) -> None:
        self.recall = max(self.recall, self.numbers[lease])
        if not self.busy:
            self.after(0.0001, self.next)

    def cancel(self, lease: int, position: int) -> None:
        self.cancels.setdefault(lease, set()).add(position)

    def stop(self) -> None:
        self.stopping = True
        if not self.busy and not self.pipe:
            self.after(0.001, self.die)

    # ---- work ----

    def next(self) -> None:
        """Take the next batch, or answer for a recalled one."""
        if self.busy or not self.pipe:
            return
        no, batch, one_by_one = self.pipe.popleft()
        self.busy = True
        if no <= self.recall:
            delay = 0.05 if self.owner.world.scenario.late_recalls else 0.0001
            self.after(delay, self._return, batch)
            return
        self.taken, self.taken_lease, self.begun = no, batch.lease, []
        self.one_by_one = one_by_one
        self._run(batch, one_by_one)

    def _return(self, batch: ClaimedBatch) -> None:
        self.owner.post(i.Returned(self.id, batch.lease))
        self._free()

    def _free(self) -> None:
        self.busy = False
        if self.stopping and not self.pipe:
            self.die()
        else:
            self.next()

    @property
    def _useless(self) -> bool:
        """Tell whether all that this process runs now fails alike."""
        s, now = self.world.scenario, self.world.now
        broken = any(self.born_at <= at < now for at in s.breaks)
        mine = broken and (self.index == 0 or not s.break_one)
        return mine or any(begin <= now < end for begin, end in s.downs)

    def _run(self, batch: ClaimedBatch, one_by_one: bool) -> None:
        if self.world.now < self.kind.down_until:
            self.after(0.001, self._is_down, batch)
            return
        if self._useless:
            begun = [0] if self.kind.mode == "each" or one_by_one else []
            self.after(self.kind.job_s, self._fail_alike, batch, begun)
            return
        does = [self.world.play(id_) for id_ in batch.ids]
        if self.kind.mode == "each" or one_by_one:
            self._each(batch, does, 0, [], [])
            return
        if self.kind.mode == "async":
            self.begun = list(range(batch.n))
        took = max([self.kind.job_s * batch.n, *(TAKES.get(what, 0.0) for what in does)])
        if "hang" not in does:
            self.after(took, self._whole, batch, does)

    def _is_down(self, batch: ClaimedBatch) -> None:
        self.owner.post(i.HandlerFailed(self.id, batch.lease, ERROR, []))
        self._free()

    def _whole(self, batch: ClaimedBatch, does: list[str]) -> None:
        """End a batch that is run as one."""
        skipped = self.cancels.get(batch.lease, set())
        verdicts = [Verdict(p, "cancel") for p in skipped]
        running = [p for p in range(batch.n) if p not in skipped]
        if self.kind.stream:
            early = [p for p in running[: batch.n // 2] if does[p] == "ok"]
            self._outcomes(batch, early, verdicts, False)
            running, verdicts = [p for p in running if p not in early], []
        for p in running:
            if does[p] in FATAL:
                self._fail(batch, p, does[p], self.begun)
                return
        verdicts += [v for p in running if (v := _verdict(p, does[p]))]
        self._outcomes(batch, [], verdicts, True)

    def _each(
        self, batch: ClaimedBatch, does: list[str], p: int, done: list[int], said: list[Verdict]
    ) -> None:
        """Run one job of a batch after the other."""
        if self.kind.stream and (len(done) + len(said) >= 2):
            self._outcomes(batch, done, said, False)
            done, said = [], []
        if p == batch.n:
            self._outcomes(batch, done, said, True)
            return
        what = "cancel" if p in self.cancels.get(batch.lease, ()) else does[p]
        self.begun = [p]
        if what != "hang":
            took = TAKES.get(what, self.kind.job_s)
            self.after(took, self._one, batch, does, p, done, said, what)

    def _one(self, batch, does, p, done, said, what) -> None:  # type: ignore[no-untyped-def]
        alone = what in ("raise", "alike") and self.kind.mode != "each"
        if alone or what in ("crash", "kill", "dup", "restart", "rest"):
            if done or said:
                self._outcomes(batch, done, said, False)
            self._fail(batch, p, what, [p])
            return
        verdict = _verdict(p, "error" if what == "raise" else what)
        if verdict is None:
            done.append(p)
        else:
            said.append(verdict)
        self._each(batch, does, p + 1, done, said)

    def _fail_alike(self, batch: ClaimedBatch, begun: list[int]) -> None:
        self.owner.post(i.HandlerFailed(self.id, batch.lease, DOWN, begun))
        self._free()

    def _fail(self, batch: ClaimedBatch, p: int, what: str, begun: list[int]) -> None:
        if what in ("raise", "alike"):
            error = failing(batch.ids[p]) if what == "raise" else DOWN
            self.owner.post(i.HandlerFailed(self.id, batch.lease, error, list(begun)))
            self._free()
            return
        job = batch.ids[p]
        if what in ("restart", "rest"):
            rest_s = REST_S if what == "rest" else None
            self.world.n_asked[job] = self.world.n_asked.get(job, 0) + (what == "restart")
            self.owner.post(i.HandedBack(self.id, batch.lease, failing(job), list(begun), rest_s))
            self._free()
            return
        self.world.n_deaths[job] = self.world.n_deaths.get(job, 0) + 1
        if what in ("crash", "kill"):
            self.death = deadly(job if what == "crash" else 0)
            self.die()
        else:
            self.owner.post(i.Outcomes(self.id, batch.lease, [p, p], [], False))

    def _outcomes(
        self, batch: ClaimedBatch, done: list[int], verdicts: list[Verdict], last: bool
    ) -> None:
        if last or done or verdicts:
            self.owner.post(i.Outcomes(self.id, batch.lease, done, verdicts, last))
        if last:
            self._free()


def _verdict(p: int, what: str) -> Verdict | None:
    match what:
        case "ok" | "slow" | "late":
            return None
        case "result":
            return Verdict(p, "result", result=b"1")
        case "error" | "fail":
            return Verdict(p, what, error=ERROR)
        case "retry":
            return Verdict(p, what, after_s=0.02)
        case "snooze":
            return Verdict(p, what, after_s=0.03)
        case _:
            return Verdict(p, "cancel")
