"""A private server is shared, kept and stopped as promised, whoever is killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import conninfo

from actorq import embedded
from actorq.embedded import system
from actorq.errors import EmbeddedError
from tests.support.holder import Holder
from tests.support.wait import wait_until


def write(dsn: str) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute("CREATE TABLE kept (n int)")
        conn.execute("INSERT INTO kept VALUES (1)")


def rows(dsn: str) -> list[tuple[int]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute("SELECT n FROM kept").fetchall()


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, signal.SIGKILL)


def test_data_is_kept_from_one_start_to_the_next(home: Path, no_leaks: None) -> None:
    with embedded.start(home) as server:
        write(server.dsn)
    assert server.pid is None
    with embedded.start(home) as server:
        assert rows(server.dsn) == [(1,)]


def test_it_is_durable_and_reachable_only_through_its_private_socket(home: Path) -> None:
    with embedded.start(home) as server, psycopg.connect(server.dsn) as conn:
        query = "SELECT current_setting(name) FROM unnest(%s::text[]) AS name"
        names = ["fsync", "synchronous_commit", "full_page_writes", "jit", "listen_addresses"]
        found = [value for (value,) in conn.execute(query, (names,))]
        assert found == ["on", "on", "on", "off", ""]
        assert server.socket_dir.stat().st_mode & 0o077 == 0
        assert "durable" in server.describe()
        assert str(home) in server.describe()


def test_the_last_of_several_processes_stops_it(home: Path) -> None:
    with embedded.start(home) as server:
        pid = server.pid
        other = Holder(home)
        assert other.wait_for_server() == pid
    assert server.pid == pid
    other.leave()
    assert server.pid is None


def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    holders = [Holder(home) for _ in range(4)]
    assert len({holder.wait_for_server() for holder in holders}) == 1
    for holder in holders:
        holder.leave()
    assert embedded.Server(home, True, {}, None).pid is None


def test_a_killed_holder_leaves_a_server_that_the_next_one_joins_and_stops(home: Path) -> None:
    holder = Holder(home)
    pid = holder.wait_for_server()
    holder.kill()
    with embedded.start(home) as server:
        assert server.pid == pid
    assert server.pid is None


def test_a_forked_child_does_not_stop_its_parents_server(home: Path) -> None:
    holder = Holder(home, "fork")
    pid = holder.wait_for_server()
    assert system.alive(pid)
    holder.leave()
    assert not system.alive(pid)


def test_ctrl_c_in_the_holders_terminal_does_not_reach_the_server(home: Path) -> None:
    holder = Holder(home)
    pid = holder.wait_for_server()
    assert os.getsid(pid) != os.getsid(holder.pid)
    os.killpg(holder.pid, signal.SIGINT)
    with embedded.start(home) as server:
        assert server.pid == pid
    holder.leave()


def test_a_killed_server_comes_back_with_what_was_committed(home: Path) -> None:
    with embedded.start(home) as server:
        write(server.dsn)
        kill(server.pid)
        server.ensure()
        assert rows(server.dsn) == [(1,)]


def test_another_process_brings_a_killed_server_back(home: Path) -> None:
    holder = Holder(home)
    kill(holder.wait_for_server())
    with embedded.start(home) as server:
        pid = server.pid
    holder.leave()
    assert pid
    assert not system.alive(pid)


def test_it_waits_for_the_children_of_a_killed_server_to_go(home: Path) -> None:
    with embedded.start(home) as server, psycopg.connect(server.dsn) as conn:
        backend = conn.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        kill(server.pid)
        again = threading.Thread(target=server.ensure)
        again.start()
        log = home / "server.log"
        wait_until(lambda: "pre-existing shared memory block" in log.read_text())
        os.kill(backend, signal.SIGCONT)
        again.join()
        assert server.pid
        conn.close()


def test_lock_files_that_name_a_stranger_are_seen_through(home: Path) -> None:
    with embedded.start(home) as server:
        kill(server.pid)
        wait_until(lambda: system.processes_in(home / "data") == [])
        user = system.server_user(home / "data")
        stranger = subprocess.Popen(["sleep", "60"], user=user.uid if user else None)
        files = [home / "data/postmaster.pid", next(server.socket_dir.glob(".*.lock"))]
        for file in files:
            rest = file.read_text().split("\n", 1)[1]
            file.write_text(f"{stranger.pid}\n{rest}")
        server.ensure()
        assert server.pid != stranger.pid
        stranger.kill()
        stranger.wait()


def test_a_killed_initdb_leaves_nothing_in_the_way(home: Path) -> None:
    holder = Holder(home)
    wait_until((home / "data.new/PG_VERSION").exists)
    holder.kill()
    for pid in processes_naming(str(home / "data.new")):
        os.kill(pid, signal.SIGKILL)
    assert not (home / "data").exists()
    with embedded.start(home) as server:
        write(server.dsn)


def processes_naming(word: str) -> list[int]:
    processes = psutil.process_iter(["cmdline"])
    return [p.pid for p in processes if any(word in part for part in p.info["cmdline"] or ())]


def test_other_settings_restart_a_server_that_nobody_else_uses(home: Path) -> None:
    holder = Holder(home, "relaxed")
    pid = holder.wait_for_server()
    with pytest.raises(EmbeddedError, match="for another process, and is not durable"):
        embedded.start(home)
    with embedded.start(home, durable=False, settings={"work_mem": "8MB"}) as server:
        assert server.pid == pid
    holder.kill()
    with embedded.start(home) as server, psycopg.connect(server.dsn) as conn:
        assert server.pid != pid
        assert conn.execute("SHOW fsync").fetchone() == ("on",)


def test_removing_stops_a_server_that_nobody_uses_and_refuses_otherwise(home: Path) -> None:
    holder = Holder(home)
    pid = holder.wait_for_server()
    assert not embedded.remove(home)
    holder.kill()
    assert embedded.remove(home)
    assert not system.alive(pid)
    assert not home.exists()


def test_closing_twice_is_allowed(home: Path) -> None:
    server = embedded.start(home)
    server.close()
    server.close()


def test_a_server_that_hangs_is_stopped_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "actorq.embedded.server.STOP_S", ((signal.SIGINT, 0.1), (signal.SIGKILL, 30.0))
    )
    with embedded.start(home) as server:
        assert server.pid
        os.kill(server.pid, signal.SIGSTOP)
        server.close()
    assert server.pid is None


def test_its_connection_string_survives_every_character(place: Path) -> None:
    home = place / 'it\'s "quoted", \\ and ünï'
    with embedded.start(home) as server, psycopg.connect(server.dsn) as conn:
        assert conn.execute("SELECT current_database()").fetchone() == ("actorq",)


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(place: Path) -> None:
    with embedded.start(place / ("long" * 30)) as server:
        write(server.dsn)
        host = str(conninfo.conninfo_to_dict(server.dsn)["host"])
        assert len(host) < 60
        assert Path(host).stat().st_mode & 0o077 == 0
    embedded.remove(server.home)
    assert not Path(host).exists()
