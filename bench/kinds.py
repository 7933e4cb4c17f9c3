"""Serve many kinds in one supervisor: the rate of all together, and whether shares are fair.

Every kind has the same backlog but the first, which has ten times as much. Shares are taken as
soon as a fair supervisor, which gave every kind the same, would have done half of each backlog.
"""

from __future__ import annotations

from typing import Any

from bench import _harness as h
from bench import _runs

FLOOD = 10
INSERT = """
INSERT INTO actorq.job (kind, args)
SELECT 'bench.kind_' || k, json_build_object('n', n, 's', repeat('x', 80))
FROM generate_series(1, {most}) n, generate_series(0, {kinds} - 1) k
WHERE n <= CASE WHEN k = 0 THEN {most} ELSE {each} END
ORDER BY n, k
"""


def once(host: h.Server, kinds: int, jobs: int, batch: int) -> dict[str, float]:
    """Serve so many kinds with so many jobs in all; return the rate and the shares."""
    each = max(batch, jobs // (kinds + FLOOD - 1))
    total = each * (kinds + FLOOD - 1)
    names = [f"bench.kind_{n}" for n in range(kinds)]
    with h.database(host) as dsn:
        made = _runs.Supervisor(
            dsn,
            ",".join(names),
            jobs=total,
            shares_at=each * kinds // 2,
            batch=batch,
            declared_in="bench._many",
            env={"BENCH_KINDS": str(kinds)},
        )
        made.ready()
        h.run(dsn, INSERT.format(kinds=kinds, most=each * FLOOD, each=each))
        run = made.result()
    return {"jobs_per_s": total / run["wall_s"], **_shares(names, run["shares"])}


def _shares(names: list[str], done: dict[str, int]) -> dict[str, float]:
    """Compare what each kind got: Jain's index is 1 if all got the same, 1/n if one got all."""
    got = [done.get(name, 0) for name in names]
    mean = sum(got) / len(got)
    index = sum(got) ** 2 / (len(got) * sum(n * n for n in got))
    return {"fairness": index, "least_of_mean": min(got) / mean, "flood_of_mean": got[0] / mean}


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        jobs=(200_000, 2_000, "jobs per run, of all kinds"),
        batch=(100, 20, "jobs per batch"),
        kinds=((1, 10, 200), (1, 4), "how many kinds"),
    )
    result: dict[str, Any] = {}
    with h.server() as host:
        h.say(f"on {host.text}")
        for kinds in options.kinds:
            runs = []
            for _ in range(options.repeat):
                runs.append(once(host, kinds, options.jobs, options.batch))
                h.say(f"{kinds:>4} kinds  {runs[-1]}")
            result |= {f"{k}_{kinds}": h.median([r[k] for r in runs], 3) for k in runs[0]}
        first = result[f"jobs_per_s_{options.kinds[0]}"]
        for kinds in options.kinds[1:]:
            result[f"ratio_{kinds}"] = round(result[f"jobs_per_s_{kinds}"] / first, 3)
        h.report(options, host, result)


if __name__ == "__main__":
    main()
