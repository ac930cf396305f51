"""Batches changed before the step: similar nodes in place of those sampled, and examples to mix with.

Each change is a function of (seed, epoch, number of the batch), so that a run goes on at any of them.
Axes: B examples, N nodes, k similar nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphtune.batch import Batch, WalkBatch
from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.models.base import Model
from graphtune.models.similar import kinds_of, similar_nodes
from graphtune.objectives import Several
from graphtune.sampling import MixedSampler, QuerySampler, Sampler

SWAPS, MIXES = 5, 6  # streams of chance


@dataclass(frozen=True)
class Augmented:
    """A sampler whose batches are changed.

    Attributes:
        sampler: whose.
        config: `swap`, `swap_weight` and `mixup` say how.
        nearest: [N, k] similar nodes, -1 for none; None without `swap`.
    """

    sampler: Sampler
    config: TrainConfig
    nearest: np.ndarray | None = None

    @property
    def num_batches(self) -> int:
        return self.sampler.num_batches

    def batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        for number, batch in enumerate(self.sampler.batches(epoch, first), first):
            yield self._changed(batch, (self.config.seed, epoch, number))

    def _changed(self, batch: Any, at: tuple[int, ...]) -> Any:
        config = self.config
        if self.nearest is not None:
            rng = np.random.default_rng([*at, SWAPS])
            batch = swap_similar(batch, self.nearest, config.swap, config.swap_weight, rng)
        return mix(batch, config.mixup, np.random.default_rng([*at, MIXES])) if config.mixup else batch


def augment(sampler: Sampler, objective: Any, model: Model, config: TrainConfig) -> Sampler:
    """The sampler as `swap` and `mixup` change it; itself without them.

    Which nodes are similar is up to the weights that the model has now, those that training starts from.

    Raises:
        ArgumentError: the objective has no head whose examples could be mixed.
    """
    if not config.swap and not config.mixup:
        return sampler
    objectives = objective.objectives if isinstance(objective, Several) else (objective,)
    if config.mixup and not any(map(_mixes, objectives)):
        what = f"0 for {type(objective).__name__}: only labels or values that a head learns are mixed"
        raise bad("mixup", "TrainConfig", what, config.mixup)
    nearest = None
    if config.swap:
        samplers = sampler.samplers if isinstance(sampler, MixedSampler) else (sampler,)
        if any(isinstance(own, QuerySampler) for own in samplers):
            fix = "Of queries with all their targets no example stands alone; 'one-vs-all' has triples."
            raise bad("swap", "TrainConfig", "0 for the losses 'k-vs-all' and 'k-vs-all-bce'", config.swap, fix)
        nearest = similar_nodes(model.embeddings(), config.swap_nearest, kinds_of(model.graph)).numpy()
    if not isinstance(sampler, MixedSampler):
        return Augmented(sampler, config, nearest)
    plain = replace(config, mixup=0.0)
    each = zip(sampler.samplers, objectives)
    return replace(sampler, samplers=tuple(Augmented(s, config if _mixes(o) else plain, nearest) for s, o in each))


def _mixes(objective: Any) -> bool:
    return getattr(objective, "mixes", False)


def swap_similar(batch: Any, nearest: np.ndarray, chance: float, weight: float, rng: np.random.Generator) -> Any:
    """Examples in which one node, source or target, is by chance one of its similar nodes; or such nodes of walks.

    Args:
        batch: a `Batch` or a `WalkBatch`.
        nearest: [N, k], the same kind of node each, best first, -1 for none; nodes without any stay.
        chance: of each example, or of each node of a walk.
        weight: of the examples that are changed; 1 leaves the weights alone.
        rng: of all choices.

    Raises:
        ArgumentError: a weight other than 1 for walks, which have none; or negatives are to be unknown.
    """
    if isinstance(batch, WalkBatch):
        if weight != 1:
            raise bad("swap_weight", "TrainConfig", "1 for walks, which have no weights", weight)
        return replace(batch, walks=_swap(batch.walks, rng.random(batch.walks.shape) < chance, nearest, rng))
    if batch.known is not None:
        fix = "What is known of a node is not known of a similar one."
        raise bad("swap", "TrainConfig", "0 where negatives are to be unknown", chance, fix)
    hit = rng.random(len(batch)) < chance
    at_source = np.full(len(batch), True) if batch.target is None else rng.random(len(batch)) < 0.5
    source = torch.from_numpy(_swap(batch.source.numpy(), hit & at_source, nearest, rng))
    changed, target = source != batch.source, batch.target
    if target is not None:
        target = torch.from_numpy(_swap(target.numpy(), hit & ~at_source, nearest, rng))
        changed |= target != batch.target
    batch = replace(batch, source=source, target=target)
    if weight == 1:
        return batch
    before = torch.ones(len(batch)) if batch.weight is None else batch.weight
    return replace(batch, weight=before * torch.where(changed, weight, 1.0))


def _swap(nodes: np.ndarray, hit: np.ndarray, nearest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The nodes, of any shape, with those that are hit replaced."""
    which = np.nonzero(hit & (nodes >= 0))
    mine = nearest[nodes[which]]
    count = (mine >= 0).sum(1)
    column = (rng.random(len(mine)) * count).astype(np.int64)
    other = mine[np.arange(len(mine)), column]
    swapped = nodes.copy()
    swapped[which] = np.where(count > 0, other, nodes[which])
    return swapped


def mix(batch: Batch, alpha: float, rng: np.random.Generator) -> Batch:
    """Each example with another of the batch to mix it with, and the share that is its own, drawn from
    Beta(alpha, alpha) (mixup: Zhang et al., 2018). Weights are mixed as the labels are."""
    assert batch.label is not None
    other = torch.from_numpy(rng.permutation(len(batch)))
    share = torch.from_numpy(rng.beta(alpha, alpha, len(batch)).astype(np.float32))
    weight: Tensor | None = batch.weight
    if weight is not None:
        weight = torch.lerp(weight[other], weight, share)
    return replace(batch, mix_source=batch.source[other], mix_label=batch.label[other], mix_share=share, weight=weight)
