"""Negative targets of a batch of edges, with what objectives need to know of them. B examples, K negatives, N nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphtune.graph import Graph
from graphtune.kernels.alias import Alias
from graphtune.sampling.known import Known
from graphtune.sampling.noise import Negatives, noise_weights
from graphtune.sampling.ranges import Ranges


@dataclass(frozen=True)
class Targets:
    """Where negative targets come from: the kind of node that the edges of a graph point to.

    Attributes:
        graph: whose edges are the known positives.
        how: they are drawn.
        direction: of the edges that count for "degree": "in", or "both" where they are read both ways.
        frequency: gives [N], how often each node is a target of examples; asked only to correct those in the batch.
    """

    graph: Graph
    how: Negatives
    direction: str
    frequency: Callable[[], np.ndarray]

    def draw(
        self, source: np.ndarray, target: np.ndarray, relation: np.ndarray | None, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The fields `negative`, `log_q` and `known` of a batch, as far as they are asked for.

        Args:
            source, target, relation: [B] of its edges.
            rng: all choices come from it.
        """
        how, seed = self.how, int(rng.integers(2**62))
        own = how.noise in ("uniform", "bernoulli") and not how.shared and not how.pairs
        if how.unknown and own:
            found = {"negative": self._known.others(source, relation, how.count, *self._range, seed)}
        else:
            found = {"negative": self._any(target, relation, rng, seed)}
            found |= self._hidden(source, relation, found["negative"])
        if how.log_q:
            others = 1 - 1 / len(target) if how.noise == "in-batch" else 1.0  # as an example has its own target aside
            expected = found["negative"].shape[-1] * max(others, 1e-12)
            found["log_q"] = self._log_chance[found["negative"]] + np.float32(np.log(expected))
        return found

    def _hidden(self, source: np.ndarray, relation: np.ndarray | None, negative: np.ndarray) -> dict[str, np.ndarray]:
        """The field `known`, where negatives may be some that an example is not to count."""
        masks = []
        if self.how.unknown:
            masks.append(self._known.mask(source, relation, negative))
        if self.how.noise == "type-constrained" and (self.how.shared or self.how.pairs):
            assert relation is not None
            masks.append(self._ranges.lacks(relation, negative))
        return {"known": np.logical_or.reduce(masks)} if masks else {}

    def _any(self, target: np.ndarray, relation: np.ndarray | None, rng: np.random.Generator, seed: int) -> np.ndarray:
        how, (low, high) = self.how, self._range
        if how.noise == "in-batch":
            return target[: how.count]
        sets = -(-len(target) // 2) if how.pairs else len(target)
        shape = (how.count,) if how.shared else (sets, how.count)
        if how.noise == "degree":
            drawn = self._by_degree.draw(int(np.prod(shape)), seed).reshape(shape)
            return drawn + low if low else drawn
        if how.noise == "type-constrained":
            assert relation is not None
            return self._ranges.draw(relation, shape, rng, seed)
        return rng.integers(low, high, shape)

    @property
    def _range(self) -> tuple[int, int]:
        if self.graph.is_bipartite_events:
            items = self.graph.ids.rows("item")
            return items.start, items.stop
        return 0, self.graph.num_nodes

    @cached_property
    def _known(self) -> Known:
        return Known.of(self.graph)

    @cached_property
    def _ranges(self) -> Ranges:
        return Ranges.of(self.graph)

    @cached_property
    def _degree_weights(self) -> np.ndarray:
        low, high = self._range
        return noise_weights(self.graph, self.direction)[low:high]

    @cached_property
    def _by_degree(self) -> Alias:
        return Alias(self._degree_weights)

    @cached_property
    def _log_chance(self) -> np.ndarray:
        """[N] float32 log of the chance that a draw gives each node; -inf for one that is never drawn."""
        low, high = self._range
        if self.how.noise == "in-batch":
            weights = self.frequency()[low:high]
        else:
            weights = self._degree_weights if self.how.noise == "degree" else np.ones(high - low)
        chance = np.zeros(self.graph.num_nodes)
        chance[low:high] = weights / weights.sum()
        with np.errstate(divide="ignore"):
            return np.log(chance).astype(np.float32)
