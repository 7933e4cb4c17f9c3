"""The demo's kinds: one handler that works on whole batches, run in three ways."""

from __future__ import annotations

import functools
import os

from actorq import App, Batch
from actorq.demo.corpus import Text
from actorq.demo.signature import Weights

ACTORS = min(4, os.cpu_count() or 1)

app = App()
in_batches = app.kind("demo.signature", args=Text)
each_alone = app.kind("demo.signature.each", args=Text)
one_by_one = app.kind("demo.signature.one", args=Text)


@in_batches.actor(max_batch=256, actors=ACTORS)
class Signature:
    """A handler that computes the signatures of a batch of texts at once."""

    def setup(self, slot: int) -> None:
        """Load what every batch needs, once per process."""
        self.weights = Weights()

    def handle(self, batch: Batch[Text]) -> list[str]:
        """Return one signature per text."""
        return self.weights.signatures([args.text for args in batch.args])


@one_by_one.actor(max_batch=1, actors=ACTORS)
class SignatureAlone(Signature):
    """The same handler, given one job at a time: one claim and one settle for each."""


@each_alone.actor(max_batch=256, actors=ACTORS)
def signature_of(args: Text) -> str:
    """Return one text's signature; claimed and settled in batches, run one by one."""
    return weights().signatures([args.text])[0]


@functools.cache
def weights() -> Weights:
    """Return the weights of this process."""
    return Weights()
