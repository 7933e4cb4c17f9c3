"""A whole test from the command line, and planted faults that its report has to name."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import conninfo

from actorq.cli import main
from actorq.errors import ActorqError
from actorq.store.schema.migrate import migrate
from actorq.stress import ground
from actorq.stress.core.figures import StressReport
from actorq.stress.core.plan import LoadPlan, StressKind, StressPlan, WorkCost
from actorq.stress.core.reading import changed
from actorq.stress.ground import Programs
from actorq.stress.measure.place import given_place
from actorq.stress.run import StressRun
from tests.support.wait import wait_until

SCHEMA = "actorq_stress"
QUICK = ("--rate", "150", "--step", "1s", "--repeats", "1", "--drain", "400")


def command(dsn: str, *words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "actorq", "stress", "--dsn", dsn, *words]


def has_schema(dsn: str) -> bool:
    with psycopg.connect(dsn) as conn:
        text = "SELECT FROM pg_namespace WHERE nspname = %s"
        return conn.execute(text, [SCHEMA]).fetchone() is not None


def test_a_schema_with_jobs_is_refused_and_left_alone(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(empty_dsn, SCHEMA)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(f"INSERT INTO {SCHEMA}.job (kind) VALUES ('k')".encode())
        assert main(["stress", "--dsn", empty_dsn, *QUICK]) == 2
        assert "has jobs: a stress test works in a schema of its own" in capsys.readouterr().err
        assert conn.execute(f"SELECT count(*) FROM {SCHEMA}.job".encode()).fetchone() == (1,)


def test_ctrl_c_still_writes_the_report(empty_dsn: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    words = ("--rate", "50", "--step", "60s", "--drain", "0", "--limit", "2m", "--json")
    with subprocess.Popen(
        command(empty_dsn, *words, "--report", str(page)), stdout=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: rows_of(empty_dsn) > 5, 60, "jobs were sent")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    figures = json.loads(out.splitlines()[-1])
    assert figures["cut_short"] == "it was interrupted"
    assert figures["jobs"] > 5
    assert figures["lost"] == 0
    assert "Not all steps were run: it was interrupted" in page.read_text()
    assert not has_schema(empty_dsn)


def running() -> list[bytes]:
    """Return the commands of generators and supervisors that this test may have left behind."""
    found = [_command(each) for each in psutil.Process().children(recursive=True)]
    return [each for each in found if b"actorq" in each]


def _command(process: psutil.Process) -> bytes:
    try:
        return " ".join(process.cmdline()).encode()
    except psutil.Error:
        return b""


def rows_of(dsn: str) -> int:
    with psycopg.connect(dsn) as conn:
        text = f"SELECT count(*) FROM {SCHEMA}.job WHERE args ->> 'g' <> '-1'"
        try:
            row = conn.execute(text.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return row[0] if row else 0


# ---- planted faults -------------------------------------------------------------------------

PLAN = StressPlan(
    kinds=(StressKind(result_bytes=16),),
    load=LoadPlan(rates=(100.0,), step_s=1.5, warm_up_s=0.5, repeats=1, generators=1),
    max_s=60.0,
)


def run_with(dsn: str, programs: Programs, plan: StressPlan = PLAN) -> StressReport:
    with given_place(dsn, SCHEMA) as place:
        return StressRun(place, plan, print, programs).run()


def python(*lines: str) -> tuple[str, ...]:
    """Return a program of these lines, which is given the arguments of the one it stands for."""
    return sys.executable, "-P", "-c", "\n".join(lines)


def test_a_supervisor_that_sleeps_before_each_claim_is_named(empty_dsn: str) -> None:
    slow = python(
        "import sys, time",
        "from actorq.store.queue.queue import QueueStore",
        "claim = QueueStore.claim",
        "QueueStore.claim = lambda self, ask: time.sleep(0.005) or claim(self, ask)",
        "from actorq.cli import main",
        "sys.exit(main(['run', *sys.argv[1:]]))",
    )
    report = run_with(empty_dsn, Programs(supervisor=slow))
    [said] = [text for text in report.findings if "Supervisors are slow" in text]
    assert "between the enqueue's answer and its claim" in said
    # The sleep begins with the commit, shortly before the generator has its answer.
    assert report.steps[-1].stages_ms["wait"] > 4.0


LAGGING = python(
    "import sys, time",
    "from actorq.stress.process import generate",
    "send = generate.Sender._send",
    "generate.Sender._send = lambda *args: time.sleep(0.4) or send(*args)",
    "generate.main(sys.argv[1])",
)


def test_a_generator_that_lags_is_named_and_so_is_what_a_role_may_not_see(empty_dsn: str) -> None:
    role, name = f"stress_{uuid.uuid4().hex[:8]}", conninfo.conninfo_to_dict(empty_dsn)["dbname"]
    views = "pg_catalog.pg_stat_database, pg_catalog.pg_stat_user_tables"
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {name} TO {role};"
                     f"REVOKE SELECT ON {views} FROM PUBLIC".encode())  # fmt: skip
        try:
            theirs = conninfo.make_conninfo(empty_dsn, user=role)
            report = run_with(theirs, Programs(generator=LAGGING))
        finally:
            conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role};"
                         f"GRANT SELECT ON {views} TO PUBLIC".encode())  # fmt: skip
    [step] = report.steps
    assert step.end == "generator"
    assert any("the generator was the limit" in text for text in report.findings)
    assert step.sent is not None
    assert step.sent.lag_p99_ms > 250
    assert step.sent.late > 0
    assert step.audit.lost == 0
    said = " ".join(report.unseen)
    assert "commits_per_s is empty (permission denied for view pg_stat_database" in said
    assert f"GRANT SELECT ON pg_catalog.pg_stat_database TO {role}" in said
    assert f"GRANT SELECT ON pg_catalog.pg_stat_user_tables TO {role}" in said
    assert report.samples
    assert {sample.commits_per_s for sample in report.samples} == {None}


LOSE = f"""
CREATE FUNCTION {SCHEMA}.lose() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN DELETE FROM {SCHEMA}.job WHERE id = NEW.id; RETURN NULL; END';
CREATE TRIGGER lose AFTER UPDATE ON {SCHEMA}.job FOR EACH ROW
    WHEN (NEW.state = 'completed' AND NEW.args ->> 'n' = '7') EXECUTE FUNCTION {SCHEMA}.lose()
"""


def test_a_job_that_is_lost_is_named_and_fates_are_met(empty_dsn: str) -> None:
    migrate(empty_dsn, SCHEMA)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(LOSE.encode())
    kind = StressKind(result_bytes=16, fail=0.05, crash=0.02, payload_bytes=300, keys=5,
                      delayed=0.1, delay_s=0.3)  # fmt: skip
    options = {"kinds": (kind,), "load.rates": (200.0,), "load.drain_s": 60.0}
    report = run_with(empty_dsn, Programs(), changed(PLAN, options))
    [step] = report.steps
    assert step.audit.lost == 1
    assert "1 job lost: sent and answered for, but not in the table" in report.findings[0]
    assert step.audit.wrong_state == step.audit.wrong_results == step.audit.duplicates == 0
    assert step.audit.failed > 5
    assert set(step.audit.causes) == {"error", "signal"}
    assert step.audit.attempts[2] > 5
    # The event of its outcome had come before the row was gone.
    assert step.counted.events == step.counted.table + 1
    assert "the counts of final jobs differ" in report.findings[1]


def test_a_fault_is_made_in_the_middle_and_its_cost_told(empty_dsn: str) -> None:
    plan = changed(
        PLAN,
        {
            "load": False,
            "kinds": (StressKind(work=WorkCost(form="sleep", call_ms=50.0), max_batch=5),),
            "faults": ("kill_supervisor", "restart_server"),
            "fault_rate": 60.0,
            "fault_s": 2.0,
        },
    )
    report = run_with(empty_dsn, Programs(), plan)
    [fault] = report.faults
    assert fault.fault == "kill_supervisor"
    assert fault.lost == fault.unfinished == 0
    assert fault.worst_ms is not None
    assert fault.worst_ms > 100
    assert report.steps[0].fault_at_s == fault.at_s >= 0.6
    assert any("only a server of the test's own may be restarted" in f for f in report.findings)


def test_two_plans_run_in_turns_beside_a_baseline(
    empty_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("a", 10), ("b", 500)):
        text = f"drain_jobs = 200\nload = false\n[[kinds]]\nmax_batch = {size}\n"
        (tmp_path / f"{name}.toml").write_text(text)
    plans = ["--compare", str(tmp_path / "a.toml"), str(tmp_path / "b.toml"), "--repeats", "1"]
    page = tmp_path / "old.html"
    assert main(["stress", "--dsn", empty_dsn, *plans, "--report", str(page)]) == 0
    out = capsys.readouterr().out
    assert out.index("A1 drain") < out.index("B1 drain")
    assert "drained jobs/s: B is" in out
    assert "Side by side" in page.read_text()
    saved = json.loads(page.with_suffix(".json").read_text())
    assert [each["name"] for each in saved["compared"]] == ["drained jobs/s"]


def test_a_handler_that_never_ends_is_named(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground, "RUN_S", 3.0)
    work = WorkCost(form="sleep", call_ms=600_000.0)
    plan = changed(PLAN, {"kinds": (StressKind(work=work, batch_timeout_s=3600.0),)})
    with pytest.raises(ActorqError, match=r"still running after 3 s: .* lower work\.call_ms"):
        run_with(empty_dsn, Programs(), plan)
    wait_until(lambda: running() == [], 20, "all processes have ended")


@pytest.mark.parametrize("words", [("--plan", "nowhere.toml"), ("--slo", "p95=1"),
                                   ("--report", "/nowhere/r.html"), ("--embedded",),
                                   ("--baseline", __file__), ("--report", "r.json")])  # fmt: skip
def test_wrong_usage_is_refused_before_anything_is_started(
    empty_dsn: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stress", "--dsn", empty_dsn, *words]) == 2
    assert capsys.readouterr().err.count("actorq: ") == 1
    assert not has_schema(empty_dsn)
