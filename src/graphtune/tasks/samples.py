"""Which edges a task counts more, and what it holds them against: options of every task on edges. E edges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from graphtune.check import bad, integer, number, one_of
from graphtune.graph import Graph
from graphtune.objectives import Hardest
from graphtune.sampling import EDGE_WEIGHTS, NOISES, TRIPLE_NOISES, EdgeSampler, Negatives, QuerySampler, edge_weights

S = TypeVar("S", bound=EdgeSampler | QuerySampler)


@dataclass(frozen=True, kw_only=True)
class EdgeSamples:
    """How a task on edges weighs its examples and draws its negatives.

    Attributes:
        noise: "uniform", "degree" for degree^0.75, or "in-batch" for the targets of the first `negatives` examples; of
            triples also "type-constrained", uniform among the entities that the train part has in the place of the
            answer (Krompass et al., 2015), and "bernoulli", uniform, where of a triple's two queries the one counts
            more whose corruption seldom makes a true triple (Wang et al., 2014).
        unknown: no negative is a known positive of the train part.
        log_q: scores of negatives are corrected by how often each is drawn, for a sampled softmax.
        hard: of the negatives each example keeps so many that the model scores highest; 0 for all.
        sample_weight: of each edge's loss: "none"; "column", the graph's weights; "degree", popularity^-`weight_power`;
            "recency", half as much every `half_life` of the time that the train part spans; or, of triples,
            "subsampling", (answers of its two queries)^-`weight_power` (Sun et al., 2019).
        weight_power: of "degree" and "subsampling".
        half_life: of "recency".
    """

    noise: str = "uniform"
    unknown: bool = False
    log_q: bool = False
    hard: int = 0
    sample_weight: str = "none"
    weight_power: float = 0.5
    half_life: float = 0.25

    def _check_samples(self, graph: Graph, loss: str, sampled: bool, corrected: bool) -> None:
        """Refuse what the graph or the loss cannot give: one with negatives, one that can be `corrected` by log_q."""
        who = type(self).__name__
        one_of("noise", who, self.noise, TRIPLE_NOISES if graph.relation is not None else NOISES)
        integer("hard", who, self.hard, 0)
        one_of("sample_weight", who, self.sample_weight, EDGE_WEIGHTS)
        number("weight_power", who, self.weight_power, 0)
        number("half_life", who, self.half_life, 0, open_low=True)
        for name in ("noise", "unknown", "log_q", "hard"):
            plain = getattr(EdgeSamples, name)
            if not sampled and getattr(self, name) != plain:
                raise bad(name, who, f"{plain!r} for loss={loss!r}, which has no negatives", getattr(self, name))
        if self.log_q and (not corrected or self.hard):
            what = f"False for loss={loss!r}, which is no sampled softmax" if not corrected else "False with `hard`"
            raise bad("log_q", who, what, self.log_q)
        needed = {"column": graph.weight, "recency": graph.time, "subsampling": graph.relation}
        if self.sample_weight in needed and needed[self.sample_weight] is None:
            what = {"column": "with weights", "recency": "with times"}.get(self.sample_weight, "with relations")
            raise bad("split", who, f"of edges {what} for sample_weight={self.sample_weight!r}", "edges without")

    def _negatives(self, count: int) -> Negatives:
        return Negatives(count, self.noise, unknown=self.unknown, log_q=self.log_q)

    def _weighed(self, sampler: S) -> S:
        """The sampler with the weights of its edges."""
        weight = self._edge_weight(sampler.graph)
        return sampler if weight is None else replace(sampler, weight=weight)

    def _edge_weight(self, graph: Graph) -> np.ndarray | None:
        """[E], or None where all edges weigh alike."""
        return edge_weights(graph, self.sample_weight, self.weight_power, self.half_life)

    def _hardened(self, objective: Any) -> Any:
        """The objective on the hardest negatives."""
        return Hardest(objective, self.hard) if self.hard else objective
