"""A node is dead only if this supervisor has seen so for itself."""

from __future__ import annotations

from actorq.core.liveness import Watch
from actorq.core.store_values import NodeInfo, NodeSeen

ME = NodeInfo(id="me", host="h", pid=1, boot_id="b", pid_ns="n", pid_start="10")


def node(
    id_: str = "other",
    beat: int = 1,
    pid: int = 2,
    boot: str = "b",
    start: str | None = "20",
    guardian: tuple[int, str] | None = None,
) -> NodeSeen:
    return NodeSeen(
        id=id_,
        host="h",
        pid=pid,
        ttl_s=3.0,
        boot_id=boot,
        pid_ns="n",
        pid_start=start,
        beat_at=beat,
        guardian_pid=guardian[0] if guardian else None,
        guardian_start=guardian[1] if guardian else None,
    )


def alive(pid: int) -> str | None:
    return {1: "10", 2: "20"}.get(pid)


def test_a_node_is_dead_after_a_whole_ttl_without_a_beat() -> None:
    watch = Watch(ME)
    assert watch.dead([node()], 0.0, alive) == []
    assert watch.dead([node()], 2.9, alive) == []
    assert watch.dead([node()], 3.0, alive) == [node()]


def test_a_beat_starts_the_ttl_anew() -> None:
    watch = Watch(ME)
    watch.dead([node(beat=1)], 0.0, alive)
    watch.dead([node(beat=2)], 2.0, alive)
    assert watch.dead([node(beat=2)], 4.9, alive) == []
    assert watch.dead([node(beat=2)], 5.0, alive) == [node(beat=2)]


def test_after_an_outage_nobody_is_dead_until_a_ttl_was_seen_again() -> None:
    watch = Watch(ME)
    watch.dead([node()], 0.0, alive)
    watch.reconnected()
    assert watch.dead([node()], 100.0, alive) == []
    assert watch.dead([node()], 103.0, alive) == [node()]


def test_a_process_that_is_gone_on_this_host_is_dead_at_once() -> None:
    assert Watch(ME).dead([node(pid=3)], 0.0, alive) == [node(pid=3)]


def test_a_process_that_is_gone_is_not_dead_while_its_guardian_ends_its_actors() -> None:
    watch = Watch(ME)
    guarded = node(pid=3, guardian=(2, "20"))
    assert watch.dead([guarded], 0.0, alive) == []
    assert watch.dead([guarded], 3.0, alive) == [guarded]  # for ever would be too long
    gone = [node("gone", pid=3, guardian=(4, "40")), node("again", pid=3, guardian=(2, "19"))]
    assert watch.dead(gone, 3.0, alive) == gone


def test_a_process_that_lives_without_its_guardian_is_alive() -> None:
    assert Watch(ME).dead([node(guardian=(4, "40"))], 0.0, alive) == []


def test_a_process_id_that_was_given_away_again_is_dead() -> None:
    assert Watch(ME).dead([node(start="19")], 0.0, alive) == [node(start="19")]


def test_a_process_of_another_boot_or_unknown_start_is_left_to_the_ttl() -> None:
    others = [node("a", pid=3, boot="x"), node("b", pid=3, start=None)]
    assert Watch(ME).dead(others, 0.0, alive) == []


def test_oneself_is_never_dead() -> None:
    watch = Watch(ME)
    watch.dead([node("me", pid=1, start="10")], 0.0, alive)
    assert watch.dead([node("me", pid=1, start="10")], 99.0, alive) == []
