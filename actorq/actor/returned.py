"""What a handler of batches returned, turned into outcomes in the batch's outbox."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from actorq.actor.context import Batch
from actorq.actor.outbox import WrongOutcomes
from actorq.actor.results import as_list
from actorq.actor.texts import shown
from actorq.core.job.outcome import Said
from actorq.english import a, count


def settle(batch: Batch[object], returned: object) -> None:
    """Turn what a batch handler returned into outcomes in its outbox; raises WrongOutcomes.

    None means that every unmarked job is done, a single outcome is that of each unmarked job.
    Otherwise there is one entry per job, by position or by id: an outcome or a result. The entry
    of a marked job is None or missing.
    """
    if returned is None:
        return
    if isinstance(returned, Said):
        raise returned
    outbox, positions = batch._outbox, batch._positions
    if isinstance(returned, Mapping):
        _settle_by_id(batch, returned)
        return
    values = as_list(returned, outbox.results.packs)
    if values is None:
        _close(returned)
        raise WrongOutcomes(
            f"the handler returned {a(returned)}: return a list or array with one "
            "result per job, a dict by job id, or None"
        )
    if len(values) != len(batch):
        results, jobs = count(len(values), "result"), count(len(batch), "job")
        raise WrongOutcomes(f"the handler returned {results} for {jobs}")
    outbox.add_results(positions, values)


def _settle_by_id(batch: Batch[object], returned: Mapping[Any, object]) -> None:
    position_of = dict(zip(batch.ids, batch._positions, strict=True))
    foreign = [key for key in returned if key not in position_of]
    missing = [
        id_
        for id_, position in position_of.items()
        if id_ not in returned and not batch._outbox.is_told(position)
    ]
    if foreign:
        raise WrongOutcomes(f"the handler returned ids not in its batch: {_listed(foreign)}")
    if missing:
        raise WrongOutcomes(f"the handler returned nothing for the jobs {_listed(missing)}")
    batch._outbox.add_results([position_of[key] for key in returned], list(returned.values()))


def _listed(items: list[Any]) -> str:
    texts = [shown(item) for item in items[:10]]
    return ", ".join(texts) + (f" and {len(items) - 10} more" if len(items) > 10 else "")


def _close(returned: object) -> None:
    if inspect.iscoroutine(returned):
        returned.close()  # otherwise Python warns that nobody awaited it
