"""What `fit` needs of a sampler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from graphtune.batch import Batch, MixedBatch, QueryBatch, WalkBatch


class Sampler(Protocol):
    """What `fit` needs of a sampler."""

    @property
    def num_batches(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch | QueryBatch | WalkBatch | MixedBatch]:
        """The batches of an epoch from number `first` on, the same for the same sampler, epoch and number."""
        ...
