"""What `fit` needs of a sampler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from graphtune.batch import Batch, WalkBatch


class Sampler(Protocol):
    """What `fit` needs of a sampler."""

    @property
    def num_batches(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int) -> Iterator[Batch | WalkBatch]:
        """The batches of an epoch, the same for the same sampler and epoch."""
        ...
