"""What a sampler hands to an objective.

Axes: B examples, K negatives, W walks, L positions, T tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Batch:
    """Examples of one step. Objectives say in their docstrings which fields they need.

    Attributes:
        source: [B] int64 nodes.
        target: [B] int64 nodes.
        negative: int64 nodes: [B, K] of each example, [K] shared by all, or [ceil(B / 2), K] shared by two in a row.
        relation: [B] int64; relation r read backwards is r + R.
        weight: [B] float32 weight of each example's loss.
        label: [B] int64 classes, [B, C] float32 indicators, or [B] float32 values.
        known: [B, K] bool, which negatives are known positives of the example, or no corruption of it: no objective
            counts them.
        log_q: float32, log of how often each negative is expected among the K, in the shape of `negative`.
        mix_source: [B] int64 nodes whose embeddings and labels are mixed into those of `source`.
        mix_label: of these, as `label`.
        mix_share: [B] float32, how much of each mixture is of `source`.
    """

    unit: ClassVar[str] = "examples"
    source: Tensor
    target: Tensor | None = None
    negative: Tensor | None = None
    relation: Tensor | None = None
    weight: Tensor | None = None
    label: Tensor | None = None
    known: Tensor | None = None
    log_q: Tensor | None = None
    mix_source: Tensor | None = None
    mix_label: Tensor | None = None
    mix_share: Tensor | None = None

    def __len__(self) -> int:
        return self.source.shape[0]

    def nodes(self) -> Tensor:
        """[n] int64, every node that an objective reads of it, repeats among them."""
        named = self.source, self.target, self.negative, self.mix_source
        return torch.cat([t.reshape(-1) for t in named if t is not None])

    def own_negative(self) -> Tensor:
        """[B, K] negatives of each example, or [K] where all share them."""
        assert self.negative is not None
        return self._own(self.negative)

    def own_log_q(self) -> Tensor | None:
        """`log_q` in the shape of `own_negative`."""
        return None if self.log_q is None else self._own(self.log_q)

    def _own(self, values: Tensor) -> Tensor:
        if values.ndim == 1 or values.shape[0] == self.source.shape[0]:
            return values
        return values.repeat_interleave(2, dim=0)[: len(self)]

    def split(self, parts: int) -> list[Batch]:
        """The examples in up to `parts` batches of like size, in order; negatives shared by all go with each.

        All but the last have an even number of examples, as two in a row may share their negatives.
        """
        size = 2 * -(-len(self) // (2 * parts))
        return [self._slice(begin, begin + size) for begin in range(0, len(self), size)]

    def _slice(self, begin: int, end: int) -> Batch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        given = {name: t for name, t in values.items() if t is not None}
        return replace(self, **{name: self._cut(name, t, begin, end) for name, t in given.items()})

    def _cut(self, name: str, values: Tensor, begin: int, end: int) -> Tensor:
        if name not in ("negative", "log_q"):
            return values[begin:end]
        if values.ndim == 1:
            return values
        paired = len(values) != len(self)
        return values[begin // 2 : -(-end // 2)] if paired else values[begin:end]

    def to(self, device: torch.device) -> Batch:
        if self.source.device == device:
            return self
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in moved.items() if v is not None})


@dataclass(frozen=True)
class QueryBatch:
    """Queries of one step, each with all its targets. An example is a query with one target, so a triple.

    Axes: Q queries, B examples: those of the first query, then those of the second, and so on.

    Attributes:
        source: [Q] int64 nodes.
        relation: [Q] int64; relation r read backwards is r + R.
        count: [Q] int64 targets of each query, 1 or more.
        target: [B] int64 nodes, each once a query.
        phase: [Q] float32 in [0, 1), a number of chance for what objectives round.
        weight: [B] float32 weight of each example's loss.
    """

    unit: ClassVar[str] = "triples"
    source: Tensor
    relation: Tensor
    count: Tensor
    target: Tensor
    phase: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return self.target.shape[0]

    def nodes(self) -> Tensor:
        """[n] int64, every node that an objective reads of it, repeats among them."""
        return torch.cat([self.source, self.target])

    def bounds(self) -> Tensor:
        """[Q + 1] int64: the examples of query q are those from bounds[q] to bounds[q + 1]."""
        return F.pad(self.count.cumsum(0), (1, 0))

    def query(self) -> Tensor:
        """[B] int64: of which query each example is."""
        return torch.arange(len(self.count), device=self.count.device).repeat_interleave(self.count)

    def split(self, parts: int) -> list[QueryBatch]:
        """The queries in up to `parts` batches of like size, in order."""
        size, bounds = -(-len(self.count) // parts), self.bounds().tolist()
        cuts = [slice(begin, begin + size) for begin in range(0, len(self.count), size)]
        return [self._slice(cut, slice(bounds[cut.start], bounds[min(cut.stop, len(self.count))])) for cut in cuts]

    def _slice(self, queries: slice, examples: slice) -> QueryBatch:
        by_query = {name: getattr(self, name)[queries] for name in ("source", "relation", "count", "phase")}
        weight = None if self.weight is None else self.weight[examples]
        return replace(self, **by_query, target=self.target[examples], weight=weight)

    def to(self, device: torch.device) -> QueryBatch:
        if self.source.device == device:
            return self
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in moved.items() if v is not None})


@dataclass(frozen=True)
class WalkBatch:
    """Walks with word2vec's random choices made, so that an objective is a pure function of its batch.

    Attributes:
        walks: [W, L] int32 nodes, -1 for none.
        reach: [W, G] int32, G = ceil(L / 2), how far the windows of two centres in a row reach.
        negative: [W, G, 2, K] int32, of two centres in a row: the first set is for the nodes around them up to the
            middle or a little beyond it (`kernels.skipgram.around`), the second for the others.
    """

    unit: ClassVar[str] = "pairs"
    walks: np.ndarray
    reach: np.ndarray
    negative: np.ndarray

    def __len__(self) -> int:
        """The number of training pairs."""
        at, size = np.arange(self.walks.shape[1]), (self.walks >= 0).sum(1, keepdims=True)
        reach = self.reach[:, at // 2]
        near = np.minimum(at, reach) + np.minimum(size - 1 - at, reach)
        return int(near[at < size].sum())

    def split(self, parts: int) -> list[WalkBatch]:
        """The walks in up to `parts` batches of like size, in order."""
        size = -(-len(self.walks) // parts)
        cuts = [slice(begin, begin + size) for begin in range(0, len(self.walks), size)]
        return [WalkBatch(self.walks[cut], self.reach[cut], self.negative[cut]) for cut in cuts]

    def to(self, device: torch.device) -> WalkBatch:
        return self

    def pairs(self) -> tuple[Tensor, Tensor, Tensor]:
        """The training pairs: input node [B], centre [B] and negatives [B, K], int64."""
        length = self.walks.shape[1]
        at = np.arange(length)
        near = np.abs(at[:, None] - at[None, :])[None] <= self.reach[:, at // 2, None]
        used = self.walks >= 0
        near &= used[:, :, None] & used[:, None, :] & (at[:, None] != at[None, :])
        walk, centre, other = np.nonzero(near)
        pair = centre // 2
        reach = self.reach[walk, pair]
        first, end = np.maximum(0, 2 * pair - reach), np.minimum(length, 2 * pair + 2 + reach)
        second = other >= first + (end - first + 7) // 8 * 4
        return (
            torch.from_numpy(self.walks[walk, other].astype(np.int64)),
            torch.from_numpy(self.walks[walk, centre].astype(np.int64)),
            torch.from_numpy(self.negative[walk, pair, second.astype(int)].astype(np.int64)),
        )


@dataclass(frozen=True)
class MixedBatch:
    """What several tasks have in one step.

    Attributes:
        parts: [T] the batch of each task, None for one that this step leaves out.
    """

    unit: ClassVar[str] = "examples"
    parts: tuple[Batch | QueryBatch | WalkBatch | None, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts if part is not None)

    def nodes(self) -> Tensor:
        """[n] int64, every node that an objective reads of it, repeats among them."""
        return torch.cat([part.nodes() for part in self.parts if isinstance(part, Batch | QueryBatch)])

    def split(self, parts: int) -> list[MixedBatch]:
        """Each task's batch in up to `parts` batches of like size; a task that has fewer is left out of the last."""
        pieces: list[list[Any]] = [[] if part is None else part.split(parts) for part in self.parts]
        return [MixedBatch(row) for row in zip_longest(*pieces)]

    def to(self, device: torch.device) -> MixedBatch:
        return MixedBatch(tuple(None if part is None else part.to(device) for part in self.parts))
