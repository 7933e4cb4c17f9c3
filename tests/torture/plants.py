"""Bugs to plant: for each the texts to replace in a copy of the package, and who must notice.

Every text must be found exactly once: a line that has moved makes its plant fail loudly rather
than plant nothing. `caught_by` is `torture`, or what to give to pytest.
"""

from __future__ import annotations

from tests.torture.plant import Plant, sql
from tests.torture.plants_counting import COUNTING

_HEART = "supervisor/threads/heart.py"
_THREAD = "supervisor/threads/store_thread.py"
_SETTLER = "supervisor/threads/settler.py"
_WRITER = "core/writing/writer.py"
_BLAMING = "core/plan/blaming.py"
_GUARDIAN = "supervisor/local/guardian.py"
_CLOSED = "v (n, seq, k)\n    WHERE l.node = :node::uuid AND l.n = v.n AND l.seq = v.seq"
_BUMPED = "v (n, seq, open, k)\n    WHERE l.node = :node::uuid AND l.n = v.n AND l.seq = v.seq"
_DONE = "AND (SELECT lane FROM held)[v.k] > 0\n    RETURNING j.id, v.k"
_OTHER = "AND (SELECT lane FROM held)[v.k] > 0\n    RETURNING j.id, j.state"
_ALIVE = "(SELECT count(*) FROM fresh) = 1"
_JUDGED = "    failure = Failure(view.kinds[held.kind], actor, held, error, crashed, now)\n"
_KEYS = "tests/client/test_unique.py::test_keys_are_taken_in_one_order_whatever_order_they_come_in"
_CUT = "tests/supervisor/test_settler.py::test_a_settle_whose_connection_is_lost_is_written_once"
_SIM = "tests/sim/test_sim.py::test_nothing_that_can_happen_breaks_a_promise[0]"
_STOP = "tests/e2e/test_life.py::test_a_stop_lets_the_running_batch_finish_and_charges_nobody"
_PLANNER = (
    "tests/store/test_claim.py::test_no_planner_setting_makes_a_claim_take_more_than_its_limit"
)
_PICK = "pick AS MATERIALIZED (\n"
_GONE = """    WHERE r.k = 1
), gone AS MATERIALIZED (
    DELETE FROM {schema}.ready r USING pick p WHERE r.ctid = p.place
    RETURNING r.id, r.run_at, r.priority, r.jobs
), here AS"""
_LIMIT = " LIMIT :limit::int8) AS ids,\n        CASE WHEN EXISTS"
_ORPHANS = "WHERE NOT EXISTS (SELECT FROM {schema}.node d WHERE d.id = l.node)\n      AND concat"

PLANTS = (
    # ---- the fence ------------------------------------------------------------------------
    Plant("settle without seq", "tests/store/test_settle.py", (
        sql("settle", _CLOSED, _CLOSED.replace(" AND l.seq = v.seq", "")),
        sql("settle", _BUMPED, _BUMPED.replace(" AND l.seq = v.seq", "")),
    )),
    Plant("a key taken over from a job that is retried", "tests/client/test_unique.py::"
          "test_a_key_whose_job_is_retried_while_one_waits_is_held", (
        sql("unique_insert", "seen.ctid = k.ctid", "true"),
    )),
    Plant("a sweep that asks before it locks", "tests/store/test_keys.py", (
        sql("key_sweep", "\n  AND NOT EXISTS (SELECT FROM {schema}.job j"
             " WHERE j.id = k.job AND j.state = 'pending')", ""),
        sql("key_stale", "\n    FOR UPDATE OF k SKIP LOCKED", ""),
    )),
    Plant("a retry that takes a held key", "tests/store/test_by_hand.py", (
        sql("admin_retry", "AND j.state <> 'pending')", ")"),
    )),
    Plant("settle without attempt", "tests/store/test_settle.py", (
        sql("settle", "WHERE j.id = ANY (v.ids) AND j.attempt = v.attempt"
             " AND j.state = 'pending'\n      " + _DONE,
             "WHERE j.id = ANY (v.ids) AND j.state = 'pending'\n      " + _DONE),
    )),
    Plant("settle without the lease", "tests/store/test_settle.py", (
        sql("settle", _DONE, "RETURNING j.id, v.k"),
        sql("settle", _OTHER, "RETURNING j.id, j.state"),
    )),
    Plant("the fence is the supervisor's row alone", "tests/store/test_settle.py", (
        sql("settle", _DONE, _DONE.replace("(SELECT lane FROM held)[v.k] > 0", _ALIVE, 1)),
        sql("settle", _OTHER, _OTHER.replace("(SELECT lane FROM held)[v.k] > 0", _ALIVE, 1)),
    )),
    Plant("a dead supervisor still settles", "tests/store/test_settle.py", (
        sql("settle", f"{_CLOSED} AND {_ALIVE}", _CLOSED),
        sql("settle", f"{_BUMPED} AND {_ALIVE}", _BUMPED),
    )),
    Plant("give back without seq", "tests/store/test_claim.py", (
        sql("give_back", "l.seq = coalesce(:seq::int4, l.seq)", "(:seq::int4 IS NULL OR true)"),
    )),
    Plant("lease ids used again", "torture", (
        ("core/plan/looking.py", "view.next_lease, view.next_lease + take.n_batches",
         "view.next_lease, view.next_lease % 30 + take.n_batches"),
    )),
    # ---- dead supervisors -----------------------------------------------------------------
    Plant("reap by way of the node's row", "tests/store/test_reap.py", (
        sql("reap", _ORPHANS, "WHERE EXISTS (SELECT FROM {schema}.node d WHERE d.id = l.node"
             " AND d.beat_at < clock_timestamp() - d.ttl_s * interval '1 s')\n      AND concat"),
    )),
    Plant("a loss is not charged", "tests/store/test_reap.py", (
        sql("reap", " + 1, n_lost = least(j.n_lost + 1, 32767)",
             ", n_lost = least(j.n_lost + 1, 32767)"),
    )),
    Plant("reap whatever state a job has", "tests/store/test_reap.py", (
        sql("reap", "WHERE j.id = s.id AND j.state = 'pending'", "WHERE j.id = s.id"),
        sql("reap", "{schema}.open_jobs(l.jobs, l.open) u", "unnest(l.jobs) u (id)"),
    )),
    Plant("a beat revives a dead node", "tests/store/test_reap.py", (
        sql("node_beat", "UPDATE {schema}.node SET beat_at = clock_timestamp() WHERE id ="
             " :node::uuid RETURNING id", "INSERT INTO {schema}.node (id, host, pid, ttl_s) VALUES"
             " (:node::uuid, '', 0, 3) ON CONFLICT (id) DO UPDATE SET beat_at ="
             " clock_timestamp() RETURNING id"),
    )),
    Plant("death is decided by the clock", "tests/core/test_liveness.py", (
        ("core/liveness.py", "return now - self.since[node.id][1] >= node.ttl_s",
         "return __import__('time').time() - node.beat_at / 1e6 >= node.ttl_s"),
    )),
    Plant("an outage makes everybody dead", "tests/core/test_liveness.py", (
        ("core/liveness.py", "self.since.clear()", "pass"),
    )),
    Plant("a new life hears what was said to the old one", "tests/supervisor/test_engine.py", (
        ("supervisor/engine.py", "        self._inbox = SimpleQueue()\n        if self._stopped",
         "        if self._stopped"),
    )),
    Plant("a lock ends the heart", "tests/supervisor/test_heart.py", (
        (_HEART, "except (StoreUnavailable, Forbidden, SchemaMismatch):", "except StoreError:"),
        (_THREAD, "except (SchemaMismatch, Forbidden):", "except LookupError:"),
    )),
    Plant("a slow duty holds up the beats", "tests/supervisor/test_heart.py", (
        (_HEART, "            self._beat_if_due(store)\n"
         "            self._run_if_due(store, duty)\n",
         "            self._run_if_due(store, duty)\n"),
    )),
    Plant("what a slow settle leaves for later is dropped", _SIM, (
        (_WRITER, "            self._later = self.sent[half:] + self._later\n", ""),
    )),
    Plant("what somebody has locked is dropped", _SIM, (
        (_WRITER, "        self._kept.append((now + KEPT_WAIT_S, rest))\n", ""),
    )),
    # ---- answers that are lost ------------------------------------------------------------
    Plant("outcomes are dropped before the commit is known", _CUT, (
        (_SETTLER, "            self._resolve(store)\n",
         "            writer.sent = []\n"),
    )),
    Plant("what was sent counts as written", "tests/supervisor/test_settler.py", (
        (_SETTLER, "                self._say(self._writer.delayed(str(exc)))\n"
         "                raise\n",
         "                self._say(self._writer.found([], 0.0))\n"
         "                raise\n"),
    )),
    Plant("a lost answer means not written", "tests/supervisor/test_settler.py", (
        (_WRITER, "        if written is None or written < self.no:",
         "        if written is None or written < 10**9:"),
    )),
    Plant("the other settler's commit counts", "tests/supervisor/test_settlers.py", (
        sql("settle_no", " AND c.no % 2 = :like::int8 % 2", " AND :like::int8 > 0"),
    )),
    Plant("a lost answer means written", "tests/supervisor/test_settler.py", (
        (_WRITER, "        if written is None or written < self.no:",
         "        if written is None:"),
    )),
    Plant("what was locked is forgotten with the answer", "tests/supervisor/test_settler.py", (
        (_WRITER, "if self.way.may_keep or self._is_anew else []", "if False else []"),
    )),
    Plant("an unknown lease is not given back", "tests/core/test_plan_batches.py", (
        ("core/plan/leases.py", "            view.do(GiveBack(lease))\n", ""),
        ("core/plan/looking.py", "    view.do(GiveBack(input_.lease, claim.n_batches))\n", ""),
    )),
    Plant("a claim brings what is of another kind", "tests/store/test_restore.py", (
        sql("jobs_of", "              AND j.queue = home.queue AND j.kind = home.kind\n", ""),
    )),
    Plant("an error without a code is final", "tests/store/test_faults.py", (
        ("store/session/faults.py", "        return \"reconnect\"\n    return \"bisect\"",
         "        return \"fatal\"\n    return \"bisect\""),
    )),
    Plant("an enqueue does not wait for the log", "torture", (
        ("store/session/settings.py", '"synchronous_commit": "on"', '"synchronous_commit": "off"'),
    )),
    # ---- what handlers say and ask for ----------------------------------------------------
    Plant("a time-out is an Exception", "tests/actor/test_late.py", (
        ("actor/time_limits.py", "class TimedOut(BaseException):", "class TimedOut(Exception):"),
    )),
    Plant("an outcome is an Exception", "tests/actor/test_said.py", (
        ("core/job/outcome.py", "class Said(BaseException):", "class Said(Exception):"),
    )),
    Plant("what is said late counts", "tests/actor/test_late.py", (
        ("actor/outbox.py", "    return is_done and not was_running\n", "    return True\n"),
    )),
    Plant("fresh processes for ever", "tests/core/test_plan_hand_back.py", (
        ("core/plan/state.py", "self.restarts.pop(id_, 0) + 1", "1"),
    )),
    Plant("a batch handed back is forgotten", "tests/core/test_plan_hand_back.py", (
        ("core/plan/handing_back.py", "    batches.give_back(view, held, now)\n"
         "    batches.finish(view, actor, held, now)\n    _leave_in_order",
         "    batches.finish(view, actor, held, now)\n    _leave_in_order"),
    )),
    Plant("one attempt is several deaths", "tests/core/test_plan_hand_back.py", (
        ("core/job/settle.py", " or attempts(counts, policy) == 1:", ":"),
    )),
    Plant("jobs of an abandoned batch go on in the next one", "tests/actor/test_said.py", (
        ("actor/adapters.py", "                _cancel(task, self._loop)\n", ""),
    )),
    # ---- blame ----------------------------------------------------------------------------
    Plant("an exit with code 0 is a success", "torture", (
        (_BLAMING, _JUDGED,
         "    if error.cause == 'exit':\n        held.done += held.left()\n"
         "        held.told.update(range(held.batch.n))\n        held.finished = True\n"
         "        held.since = min(held.since, now)\n        return True\n" + _JUDGED),
    )),
    Plant("the whole batch pays for one", "torture", (
        ("core/blame/blame.py", "\n    return Blame(suspects=suspects, innocent=innocent)",
         "\n    return Blame(charged=suspects, innocent=innocent) or Blame()"),
    )),
    Plant("a rest ends in the process that is broken", "tests/sim/test_blame.py", (
        (_BLAMING, "view.renew |= {a.id for a in view.actors.values()",
         "view.renew |= {0 for a in view.actors.values()"),
    )),
    Plant("what fails for all is charged to each", "tests/sim/test_blame.py", (
        (_BLAMING, "    if quarantine.alike(failure.error) >= ALIKE:", "    if False:"),
    )),
    Plant("a group is asked from the end of the backlog for ever", "tests/sim/test_blame.py", (
        ("core/plan/looking.py", "quarantine.n_unrelated >= UNRELATED", "False"),
        ("core/plan/looking.py", "turn = not fresh or (", "turn = not fresh or False and ("),
    )),
    Plant("halving begins anew at each death", "tests/sim/test_blame.py", (
        ("core/blame/quarantine.py", "return Take(number, (group.n + 1) // 2)",
         "return Take(number, max(1, group.n - 1))"),
    )),
    Plant("those that had not begun pay, too", "tests/core/test_blame.py", (
        ("core/blame/blame.py", "return Blame(charged=suspects, innocent=innocent)",
         "return Blame(charged=tuple(open_))"),
    )),
    Plant("finished outcomes go with the batch that fails", _SIM, (
        (_BLAMING, _JUDGED, "    held.told.clear()\n" + _JUDGED),
    )),
    Plant("a second outcome of a job is swallowed", "tests/process/test_ledger.py", (
        ("pipe/ledger.py", "if len(told) != before + len(positions):", "if False:"),
    )),
    # ---- claims ---------------------------------------------------------------------------
    Plant("a claim takes more than its limit", "tests/store/test_claim.py", (
        sql("claim", _LIMIT, ") AS ids,\n        CASE WHEN false AND EXISTS"),
    )),
    Plant("a claim asks for its limit in a subquery", _PLANNER, (
        sql("claim", _PICK + "    SELECT r.place\n",
             _PICK + "    DELETE FROM {schema}.ready d WHERE d.ctid IN (SELECT r.place\n"),
        sql("claim", _GONE, "    WHERE r.k = 1) RETURNING d.id, d.run_at, d.priority,"
             " d.jobs\n), gone AS MATERIALIZED (SELECT * FROM pick), here AS"),
    )),
    Plant("a batch takes its neighbour's first job as well", "tests/store/test_bundles.py", (
        sql("claim", "(batch.k + 1) * :size::int8]", "(batch.k + 1) * :size::int8 + 1]"),
    )),
    Plant("of a lost claim one lease goes back", "tests/core/test_plan_room.py", (
        ("core/plan/looking.py", "GiveBack(input_.lease, claim.n_batches)",
         "GiveBack(input_.lease)"),
    )),
    Plant("slow batches are claimed in bundles, too", "tests/core/test_plan_room.py", (
        ("core/plan/room.py", "    by_time = int(QUICK_S", "    by_time = 100 + int(QUICK_S"),
    )),
    Plant("what a claim leaves of a block is gone", "tests/store/test_blocks.py", (
        ("store/schema/migrations/0001_initial/3_claim.sql",
         "WHERE j.id = ANY ($3) AND j.state = 'pending'",
         "WHERE false"),
    )),
    Plant("a cancel takes its block along", "tests/store/test_blocks.py", (
        sql("cancel_take", "WHERE NOT h.mine", "WHERE false"),
    )),
    Plant("a cancel does not look where its block has gone", "tests/store/test_blocks.py", (
        ("store/queue/cancel.py", "if again else []", "if False else []"),
    )),
    Plant("nobody polls", _SIM, (
        ("core/plan/looking.py", "    view.due_by = now + max(BUSY_DUE_S, poll_s)",
         "    view.due_at = view.due_by = math.inf"),
    )),
    Plant("nobody looks behind the frontier", _SIM, (
        ("core/lanes/frontier.py", "return now >= self.allowed_at() and (self.wanted or routine)",
         "return now < 0"),
    )),
    Plant("what has begun is given back without asking", "tests/core/test_plan_stop.py", (
        ("core/plan/stopping.py", "            batches.recall(view, actor, held)\n",
         "            batches.give_back(view, held, now)\n"),
    )),
    # ---- ends ------------------------------------------------------------------------------
    Plant("actors outlive their supervisor", "torture", (
        ("actor/loop.py", "        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)\n",
         "        pass\n"),
        ("actor/pipe.py", "            if not n:\n                leave(LOST)\n",
         "            if not n:\n                threading.Event().wait()\n"),
        ("actor/pipe.py", "            poll.poll()\n        leave(LOST)\n",
         "            poll.poll()\n        threading.Event().wait()\n"),
        (_GUARDIAN, "os.kill(ward.pid, signal.SIGKILL)", "pass"),
    )),
    Plant("nobody adopts what actors leave", "torture", (
        (_GUARDIAN, "prctl(_PR_SET_CHILD_SUBREAPER, 1,",
         "prctl(_PR_SET_CHILD_SUBREAPER, 0,"),
    )),
    Plant("orphans are nobody's business", "tests/process/test_families.py", (
        (_GUARDIAN, "            if self._alone or (dead and self._is_left(pid)):",
         "            if False:"),
    )),
    Plant("a dead actor takes another's family along", "tests/process/test_families.py", (
        (_GUARDIAN, "return not any(ward.mark in marks or ward.pid in groups for",
         "return not any(False for"),
    )),
    Plant("a job is given away while its family lives", "tests/core/test_liveness.py", (
        ("core/liveness.py", " and not self._guarded(node, start_of)", ""),
    )),
    Plant("a forked process is an actor, too", "torture", (
        ("actor/owner.py", "if not _owner or os.getpid() == _owner:", "if True:"),
    )),
    Plant("a closed terminal kills", "tests/e2e/test_families.py", (
        ("supervisor/surroundings.py", "signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)",
         "signal.SIGINT)"),
    )),
    Plant("what a stop has broken is charged", "tests/core/test_plan_stop.py", (
        ("core/plan/batches.py", 'return view.phase != "running" and error.cause != "timeout"',
         "return False"),
    )),
    Plant("exit hooks have no time", "tests/process/test_leaving.py", (
        ("actor/leaving.py", "        atexit._run_exitfuncs()\n", "        pass\n"),
    )),
    Plant("an actor enqueues while it loads", "tests/e2e/test_life.py", (
        ("client/sending.py", '    refuse_while_loading("a job was enqueued")\n', ""),
    )),
    Plant("a supervisor that stops keeps its row", _STOP, (
        ("supervisor/engine.py", "            store.leave()\n", "            pass\n"),
    )),
    # ---- cancels, refused rows, locks -----------------------------------------------------
    Plant("a cancel is not looked at on the way back", "tests/store/test_settle.py", (
        sql("settle", "CASE WHEN v.state = 'pending' AND j.cancel_at IS NOT NULL THEN 'cancelled'",
             "CASE WHEN false THEN 'cancelled'"),
    )),
    Plant("a lost job's cancel is not looked at", "tests/store/test_reap.py", (
        sql("reap", "CASE WHEN j.cancel_at IS NOT NULL THEN 'cancelled'\n            WHEN",
             "CASE WHEN"),
    )),
    Plant("a cancel is not looked at where a batch is given back", "tests/store/test_schema.py", (
        sql("give_back", "CASE WHEN j.cancel_at IS NOT NULL THEN 'cancelled'",
             "CASE WHEN false THEN 'cancelled'"),
    )),
    Plant("a cancel of a job that runs leaves no mark", "tests/store/test_schema.py", (
        sql("cancel_mark", "coalesce(j.cancel_at, clock_timestamp())", "j.cancel_at"),
    )),
    Plant("a key is taken from a job that waits", "tests/client/test_unique.py", (
        sql("unique_insert", "WHERE j.id = k.job AND j.state <> 'pending'", "WHERE j.id = k.job"),
    )),
    Plant("keys are taken in any order", _KEYS, (
        sql("unique_insert", 'ORDER BY g.unique_key COLLATE "C"', "ORDER BY g.unique_key DESC"),
    )),
    Plant("a user's lock is waited for without end", "tests/supervisor/test_settler.py", (
        ("store/session/settings.py", 'f"{round(lock_timeout_s * 1000)}ms"', '"0"'),
    )),
    Plant("a refused row takes its batch along", "tests/supervisor/test_settler.py", (
        (_SETTLER, "                return store.settle_refused(*sent, way.reason)",
         "                return SettleReply({s.lease for s in self._writer.sent})"),
    )),
    Plant("locks are taken in any order", "tests/store/test_settle.py", (
        sql("settle", "        ORDER BY v.id\n", ""),
    )),
    Plant("one lock stops all outcomes", "tests/store/test_settle.py", (
        sql("lock_jobs", "FOR NO KEY UPDATE SKIP LOCKED", "FOR NO KEY UPDATE"),
    )),
    *COUNTING,
)  # fmt: skip
