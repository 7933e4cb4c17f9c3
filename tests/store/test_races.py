"""Every pair of statements at once, in both orders: whatever the first one does in the end, the
second one waits or passes by, and each job stands in one place and ends once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from actorq.core.job.model import Row
from actorq.core.lanes.claim_turns import MANY, Turns
from actorq.core.plan.effects import Claim
from actorq.store.queue.cancel import cancel
from actorq.store.queue.queue import QueueStore
from tests.store.kit import ERROR, Kit, as_node, beside, done, part
from tests.support.reuse import Databases

Op = Callable[["Scene", QueueStore], object]


class Stage:
    """Hold a database and three connections on which scenes follow each other.

    Planning a statement for the first time on a connection takes longer than all of a scene.
    """

    def __init__(self, databases: Databases) -> None:
        self.is_clear = True
        with contextlib.ExitStack() as stack:
            self.kit = Kit(stack.enter_context(databases.one()))
            stack.callback(self.kit.close)
            self.stores = self.kit.open(), self.kit.open(lock_timeout_s=10)
            self.kit.conn.execute(
                """
                CREATE TABLE public.ended (job bigint, state actorq.job_state);
                CREATE FUNCTION public.note_end() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO public.ended VALUES (NEW.id, NEW.state); RETURN NULL; END $$;
                CREATE TRIGGER note_end AFTER UPDATE OF state ON actorq.job FOR EACH ROW
                WHEN (NEW.state <> 'pending') EXECUTE FUNCTION public.note_end();
                """
            )
            self.close = stack.pop_all().close


class Scene:
    """Hold six jobs: four of them leased by a node, two still ready; and two of its stores."""

    def __init__(self, stage: Stage) -> None:
        self.kit = kit = stage.kit
        kit.renew()
        self.a, self.b = (fresh(store, kit.node) for store in stage.stores)
        self.ids = kit.enqueue(6)
        self.batch = kit.batch(1, 4)
        self.other = kit.register()

    def ended(self) -> list[int]:
        """Return the jobs that have ended, each as often as it did."""
        rows = self.kit.rows("DELETE FROM public.ended RETURNING job")
        return sorted(job for (job,) in rows)

    def rest(self) -> list[Row]:
        """Return outcomes of the first two jobs: one ended, one to be run again."""
        first, second = self.ids[:2]
        return [
            Row(first, 0, "failed", "failed", error=ERROR),
            Row(second, 0, "pending", "failed", retry_in_s=0.0, error=ERROR),
        ]


@pytest.fixture(scope="module")
def stages(databases: Databases) -> Iterator[list[Stage]]:
    """Return the stages that are free."""
    free: list[Stage] = []
    yield free
    for stage in free:
        stage.close()


@pytest.fixture
def stage(stages: list[Stage], databases: Databases) -> Iterator[Stage]:
    """Return a stage on which every scene before has come to its end."""
    stage = stages.pop() if stages else Stage(databases)
    stage.is_clear = False
    yield stage
    if stage.is_clear:
        stages.append(stage)
    else:
        stage.close()


def fresh(store: QueueStore, node: str) -> QueueStore:
    """Return a store on the same connection that has met nobody yet."""
    made = as_node(store, node)
    made._turns = Turns()
    made._calls._names.clear()  # the driver forgets what it has prepared after a ROLLBACK
    return made


def claims(scene: Scene, store: QueueStore) -> object:
    return as_node(store, scene.other).claim(Claim(scene.kit.lane, 1, 10))


def claims_alone(scene: Scene, store: QueueStore) -> object:
    store._turns.brought(scene.kit.lane, MANY)
    return claims(scene, store)


def claims_in_turn(scene: Scene, store: QueueStore) -> object:
    store._turns.met(scene.kit.lane, time.monotonic())
    return claims_alone(scene, store)


def settles(scene: Scene, store: QueueStore) -> object:
    return store.settle(1, [done(scene.batch)])


def settles_part(scene: Scene, store: QueueStore) -> object:
    return store.settle(1, [part(scene.batch, scene.rest())])


def settles_around_locks(scene: Scene, store: QueueStore) -> object:
    return store.settle_around_locks(1, [done(scene.batch)])


def reaps(scene: Scene, store: QueueStore) -> object:
    store.leave()
    return store.reap(10, 2, 2)


def beats(scene: Scene, store: QueueStore) -> object:
    return store.beat()


def cancels(scene: Scene, store: QueueStore) -> object:
    return cancel(store._session, [scene.ids[1], scene.ids[4]])


def gives_back(scene: Scene, store: QueueStore) -> object:
    return store.give_back(1, seq=0)


OPS: list[Op] = [
    claims, claims_alone, claims_in_turn, settles, settles_part, settles_around_locks, reaps,
    beats, cancels, gives_back,
]  # fmt: skip


def finish(scene: Scene) -> None:
    """Let everybody die, run what is left to its end, and leave."""
    kit = scene.kit
    kit.store.leave()
    as_node(kit.store, scene.other).leave()
    kit.store.reap(10, 9, 9)
    kit.renew()
    for n in range(1, 4):
        for batch in kit.claim(n).batches:
            assert kit.store.settle(n, [done(batch)]).missing == []
    kit.store.leave()


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("second", OPS, ids=lambda op: op.__name__)
@pytest.mark.parametrize("first", OPS, ids=lambda op: op.__name__)
def test_two_at_once_leave_each_job_in_one_place(
    stage: Stage, first: Op, second: Op, ending: str
) -> None:
    scene = Scene(stage)
    kit, a, b = scene.kit, scene.a, scene.b
    a._session.execute("BEGIN")
    first(scene, a)
    with beside(kit, a, b, lambda: second(scene, b)) as thread:
        a._session.execute(ending.encode())
    thread.result()
    kit.check_places()
    finish(scene)
    kit.check_places()
    assert scene.ended() == scene.ids, "each job ends exactly once"
    stage.is_clear = True
