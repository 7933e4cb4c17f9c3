"""Bugs to plant in what counts changes, folds them, drops them and tells of them."""

from __future__ import annotations

from tests.torture.plant import Plant, sql

_COUNTERS = "tests/store/test_counters.py"
_ONCE = "tests/store/test_counted_once.py"
_FEED = "tests/core/test_feed.py"
_FOLD = "store/counters/fold.py"
_CURSOR = "core/following/cursor.py"
_READ = "core/following/feed.py"
_COMMIT = "store/schema/migrations/0002_changes/2_commit.sql"

COUNTING = (
    # ---- counting -------------------------------------------------------------------------
    Plant("what was sent is counted, not what was written", _COUNTERS, (
        sql("settle", "'completed' FROM n_done d\n", "'completed' FROM (SELECT v.k,"
            " cardinality(v.ids) AS n FROM (VALUES {rows}) v (k, attempt, ids, results)"
            " WHERE (SELECT lane FROM held)[v.k] > 0) d\n"),
    )),
    Plant("a settle that is late writes what is not counted", _ONCE, (
        sql("settle", "    WHERE NOT EXISTS (\n        SELECT FROM {schema}.change c",
            "    WHERE true OR NOT EXISTS (\n        SELECT FROM {schema}.change c"),
    )),
    Plant("a number that is in use is passed over", _ONCE, (
        sql("settle", "    FROM fresh\n    RETURNING no",
            "    FROM fresh\n    ON CONFLICT (source, no) DO NOTHING\n    RETURNING no"),
    )),
    Plant("a loss is counted nowhere", "torture", (
        sql("reap", "        FROM back b\n    ) c\n", "        FROM back b WHERE false\n    ) c\n"),
    )),
    Plant("jobs without a lane are counted nowhere", _ONCE, (
        sql("reap", "{schema}.made_lane(b.queue, b.kind)\n            ) AS lane, b.id",
            "NULL\n            ) AS lane, b.id"),
    )),
    Plant("numbers are given before the commit", _COUNTERS, (
        (_COMMIT, "INITIALLY DEFERRED", "INITIALLY IMMEDIATE"),
    )),
    Plant("numbers commit in any order", _ONCE, (
        (_COMMIT, "    PERFORM pg_advisory_xact_lock('{schema}.change'::regclass::oid::int4, 0);\n",
         ""),
    )),
    # ---- folding and dropping -------------------------------------------------------------
    Plant("a fold does not take its turn", _COUNTERS, (
        (_FOLD, 'if not calls.row("fold_turn")[0]:', "if False:"),
    )),
    Plant("what is in a minute already is forgotten", _COUNTERS, (
        (_FOLD, "        found[key].count(before.outcomes)\n", ""),
    )),
    Plant("a fold does not note how far it has come", "torture", (
        (_FOLD, "        last[source, no % 2] = max(no, last.get((source, no % 2), 0))\n    calls",
         "        last.setdefault((source, no % 2), no)\n    calls"),
    )),
    Plant("of what is dropped the first is counted", _COUNTERS, (
        (_FOLD, "    for source, no, counts in dropped:\n",
         "    for source, no, counts in dropped[:1]:\n"),
    )),
    # ---- following ------------------------------------------------------------------------
    Plant("a follower does not look for what was dropped", _FEED, (
        (_READ, "    for dropped in look.dropped:\n", "    for dropped in ():\n"),
    )),
    Plant("a cursor stays before the gap", _FEED, (
        (_CURSOR, "        self.no, self.counted = no, list(counted)\n", ""),
    )),
    Plant("what was told of a change is in the gap, too", _FEED, (
        (_CURSOR, "read.count(self.partly.pop(key)[:N_OUTCOMES])", "self.partly.pop(key)"),
    )),
    Plant("a change that was told in part is told from the beginning", _FEED, (
        (_READ, "[sum(taken) :]", "[0:]"),
    )),
    Plant("a change counts as told before it is", "torture", (
        (_READ, "    for event in events[:-1]:\n",
         "    cursor.take_all(source, no, change.at, ())\n    for event in events[:-1]:\n"),
    )),
    Plant("a look that is cut off is told to its end", _FEED, (
        (_READ, "    known = [change for change in look.changes if change.at <= until]\n",
         "    known = [change for change in look.changes if change.at <= until or True]\n"),
    )),
    Plant("somebody's lock ends a follower", "tests/client/test_follow.py", (
        ("client/follow.py", "StoreUnavailable | Contended | TooSlow)", "StoreUnavailable)"),
    )),
)  # fmt: skip
