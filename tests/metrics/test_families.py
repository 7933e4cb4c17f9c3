"""What is exposed: by Prometheus' own parsers, with the right names, buckets and sums."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from actorq.core.counters.figures import Figures
from actorq.core.counters.histogram import bucket
from actorq.core.report import Report
from actorq.metrics.families import SECONDS, buckets, done
from actorq.metrics.server import Health, _Collector
from actorq.metrics.supervisor import SupervisorSource, waiting
from actorq.store.admin.status import LaneStatus
from actorq.supervisor.asked import Told

LANE = ("default", "embed")
FIGURES = Figures(
    3, {bucket(0.002): 90, bucket(0.3): 10}, {bucket(1.5): 100}, {40: 2, 20: 1},
    {"full": 2, "idle": 1}, 95, 2, 3, 0, 0,
)  # fmt: skip


class Fixed:
    """Be scraped with these metrics."""

    def __init__(self, *metrics: Metric) -> None:
        self.metrics = metrics

    def collect(self) -> list[Metric]:
        return list(self.metrics)

    def health(self) -> Health:
        return Health(True, [])


def exposed(accept: str, *metrics: Metric) -> str:
    registry = CollectorRegistry()
    registry.register(_Collector(Fixed(*metrics)))
    encode, _ = choose_encoder(accept)
    return encode(registry).decode()


def samples(*metrics: Metric) -> dict[tuple[str, ...], float]:
    """Return the samples as a scraper reads them: name and values of labels → value."""
    text = exposed("", *metrics)
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in plain(text)
        for sample in family.samples
    }


def test_outcomes_and_batches_are_counters_by_kind_and_queue() -> None:
    found = samples(*done({LANE: FIGURES}))
    assert found["actorq_jobs_completed_total", "embed", "default"] == 95
    assert found["actorq_jobs_failed_total", "embed", "default"] == 2
    assert found["actorq_jobs_retried_total", "embed", "default"] == 3
    assert found["actorq_jobs_cancelled_total", "embed", "default"] == 0
    assert found["actorq_batches_total", "full", "embed", "default"] == 2


def test_durations_are_in_seconds_and_add_up() -> None:
    found = samples(*done({LANE: FIGURES}))
    assert found["actorq_job_wait_seconds_count", "embed", "default"] == 100
    waited_s = found["actorq_job_wait_seconds_sum", "embed", "default"]
    assert waited_s == pytest.approx(90 * 0.002 + 10 * 0.3, rel=0.02)
    assert found["actorq_job_wait_seconds_bucket", "embed", "0.0025", "default"] == 90
    assert found["actorq_job_wait_seconds_bucket", "embed", "0.25", "default"] == 90
    assert found["actorq_job_wait_seconds_bucket", "embed", "0.5", "default"] == 100
    assert found["actorq_batch_jobs_sum", "embed", "default"] == 100
    assert found["actorq_batch_jobs_bucket", "embed", "20.0", "default"] == 1


def test_openmetrics_reads_the_same() -> None:
    text = exposed("application/openmetrics-text; version=1.0.0", *done({LANE: FIGURES}))
    families = {family.name: family for family in open_metrics(text)}  # type: ignore[no-untyped-call]
    assert families["actorq_jobs_completed"].type == "counter"
    assert families["actorq_job_run_seconds"].type == "histogram"
    assert text.endswith("# EOF\n")


def test_a_lane_in_which_nothing_was_done_has_counters_at_zero() -> None:
    found = samples(*done({LANE: Figures()}))
    assert found["actorq_jobs_completed_total", "embed", "default"] == 0
    assert found["actorq_job_run_seconds_bucket", "embed", "+Inf", "default"] == 0


def test_every_value_is_in_the_first_bucket_that_holds_it() -> None:
    counts = dict(buckets({0.0001: 1, 0.00011: 2, 4999.0: 4, 1e9: 8}, SECONDS))
    assert (counts["0.0001"], counts["0.00025"]) == (1, 3)
    assert (counts["2500.0"], counts["5000.0"], counts["+Inf"]) == (3, 7, 15)


def test_hostile_names_are_escaped() -> None:
    found = samples(*done({('a"\\\n', "k"): FIGURES}))
    assert found["actorq_jobs_completed_total", "k", 'a"\\\n'] == 95


def test_what_waits_has_a_state() -> None:
    lane = LaneStatus("default", "embed", 7, 2, 1, 3, 0, 0, 4, 1.5, None)
    found = samples(*waiting([lane]))
    assert found["actorq_jobs_waiting", "embed", "default", "due"] == 7
    assert found["actorq_jobs_waiting", "embed", "default", "suspect"] == 3
    assert found["actorq_jobs_dead", "embed", "default"] == 4
    assert found["actorq_oldest_due_seconds", "embed", "default"] == 1.5
    assert samples(*waiting([lane], {("other", "embed")})) == {}


def test_a_supervisor_that_never_answered_is_not_healthy_and_has_no_metrics() -> None:
    source = SupervisorSource(lambda answer: None, list)
    assert source.collect() == []
    found = source.health()
    assert not found.healthy
    assert "loop has not answered within 1 s" in found.reasons[0]


def test_a_supervisor_that_answers_no_more_keeps_its_last_counters() -> None:
    answers = [Told("n", Report("running", 0, [], [], []), {LANE: FIGURES})]

    def ask(answer: Callable[[Told], object]) -> None:
        if answers:
            answer(answers.pop())

    source = SupervisorSource(ask, list)
    first = samples(*source.collect())
    assert first["actorq_jobs_completed_total", "embed", "default"] == 95
    assert samples(*source.collect()) == first
