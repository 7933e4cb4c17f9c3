"""A network that loses answers or goes silent delays jobs; it neither loses nor doubles any."""

from __future__ import annotations

from functools import partial

import psycopg

from actorq.core import event
from actorq.errors import StoreUnavailable
from actorq.kind import Kind
from tests.supervisor.support import Running
from tests.support.network import Network
from tests.support.wait import wait_until

NOTE_ENDS = """
    CREATE TABLE public.ended (job bigint);
    CREATE FUNCTION public.note_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.ended VALUES (NEW.id); RETURN NULL; END $$;
    CREATE TRIGGER note_end AFTER UPDATE OF state ON actorq.job FOR EACH ROW
    WHEN (NEW.state <> 'pending') EXECUTE FUNCTION public.note_end();
"""


def lost(running: Running, duty: str) -> int:
    return sum(isinstance(e, event.ConnectionLost) and e.duty == duty for e in running.told)


def test_answers_that_got_lost_cost_neither_a_job_nor_the_ttl(
    dsn: str, network: Network, direct: psycopg.Connection
) -> None:
    """Each connection is cut when the server has done what it was asked, and before it says so."""
    direct.execute(NOTE_ENDS)
    running = Running(dsn, ttl_s=600, through=network.dsn)
    kind = running.app.kinds["nothing"]
    try:
        running.wait_until_told(event.ActorReady)
        for _ in range(10):
            kind.enqueue(unique_key="warm")  # a connection is cut only when it is set up
        for n in range(8):
            for who in ("claimer", "settler", "client"):
                network.order(do="cut_after", who=who)
            wait_until(partial(enqueued, kind, f"{n}"), what="the enqueue to be answered")
        text = "SELECT count(*) FROM actorq.job WHERE state = 'pending'"
        wait_until(lambda: direct.execute(text).fetchall() == [(0,)], 30)
        (n_jobs, n_ended, n_lost) = direct.execute(
            "SELECT (SELECT count(*) FROM actorq.job WHERE attempt = 1),"
            " (SELECT count(*) FROM public.ended), (SELECT sum(n_lost) FROM actorq.job)"
        ).fetchall()[0]
        keys = direct.execute("SELECT count(*) FROM actorq.unique_key").fetchall()[0][0]
        assert n_jobs == n_ended >= keys == 9
        assert n_lost == 0
        assert lost(running, "claimer")
        assert lost(running, "settler")
        assert network.door.n_cut["cut_after"] >= 6
    finally:
        running.stop()


def enqueued(kind: Kind, key: str) -> bool:
    """Enqueue a job under a unique key, again and again until it is known to be there."""
    try:
        kind.enqueue(unique_key=key)
    except StoreUnavailable:
        return False
    return True


def test_a_heart_whose_connection_fell_silent_makes_itself_another_in_time(
    dsn: str, network: Network, direct: psycopg.Connection
) -> None:
    running = Running(dsn, ttl_s=2.0, through=network.dsn)
    beat = "SELECT id, beat_at FROM actorq.node"
    try:
        # Not "beat_at > started_at": both are clock readings of the row's own insertion.
        ((_, registered),) = direct.execute(beat).fetchall()
        wait_until(lambda: direct.execute(beat).fetchall()[0][1] > registered)
        network.silence("heart")
        wait_until(lambda: lost(running, "heart"))
        ((node, before),) = direct.execute(beat).fetchall()
        wait_until(lambda: direct.execute(beat).fetchall()[0][1] > before)
        assert direct.execute(beat).fetchall()[0][0] == node
        assert not any(isinstance(e, event.SupervisorDisowned) for e in running.told)
    finally:
        running.stop()
