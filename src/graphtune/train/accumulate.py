"""A step made in parts, for batches that memory does not hold at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from graphtune.check import bad
from graphtune.train.failure import TrainingError
from graphtune.train.shares import WHOLE, Share, Whole, shares

Make = Callable[[Any, "Share | Whole"], float]
"""(part, share) -> its share of the loss; adds its share of the gradient to what there is."""


class Parts:
    """In how many parts the gradient of a step is made: more once memory has run out. A part of a run.

    Args:
        count: at first.
        tell: what to do with a line of text for the user.
    """

    def __init__(self, count: int, tell: Callable[[str], None]):
        self.count, self.tell = count, tell

    def gradient(self, batch: Any, clear: Callable[[], None], make: Make) -> float:
        """The loss of the batch, `make` having made its gradient part by part; `clear` takes back what it has added.

        Raises:
            TrainingError: memory does not hold the smallest part.
        """
        while True:
            clear()
            try:
                return self._sum(batch, make)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._double(batch, error)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]

    def _sum(self, batch: Any, make: Make) -> float:
        if self.count == 1:
            return make(batch, WHOLE)
        return sum(make(part, share) for part, share in split(batch, self.count))

    def _double(self, batch: Any, error: Exception) -> None:
        if not hasattr(batch, "split"):
            raise error
        parts, halves = batch.split(self.count), batch.split(2 * self.count)
        if len(halves) == len(parts):
            raise TrainingError(
                f"The memory must hold a step on {len(parts[0])} {batch.unit}. Got too little: {error} "
                "No batch is smaller; try a smaller `dim`, or fewer negatives."
            ) from error
        self.count *= 2
        self.tell(f"Out of memory: each step is made in {self.count} parts from now on, of the same batch_size.")


def split(batch: Any, count: int) -> Iterator[tuple[Any, Share]]:
    """Up to `count` parts of a batch that are not empty, and what each counts."""
    if not hasattr(batch, "split"):
        raise bad("accumulate", "TrainConfig", "1 for batches that have no `split`", count)
    parts = [part for part in batch.split(count) if len(part)]
    return zip(parts, shares(batch, parts))


def out_of_memory(error: BaseException) -> bool:
    """Whether an error is that of torch, on any device, or of NumPy that memory has run out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
