"""Losses of queries against every entity, by name, and their options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphtune.check import bad, number
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.objectives import KvsAll, KvsAllBCE
from graphtune.objectives.queries import ROUNDING
from graphtune.sampling import QuerySampler

QUERY_LOSSES = ("k-vs-all", "k-vs-all-bce")
FULL_LOSSES = ("one-vs-all", *QUERY_LOSSES)
"""Those against every entity."""


@dataclass(frozen=True)
class Full:
    """Options of the losses against every entity; see `KvsAll`.

    Attributes:
        relation_weight: of relation prediction.
        rounding: of the gradient of "k-vs-all".
    """

    relation_weight: float = 0.0
    rounding: float = ROUNDING

    def check(self, who: str, loss: str) -> None:
        """Refuse options that are no numbers from 0 on, rounding of 1 or more, or a weight that the loss does not know.

        Raises:
            ArgumentError: it is so.
        """
        number("relation_weight", who, self.relation_weight, 0)
        number("rounding", who, self.rounding, 0, 1)
        if self.relation_weight and loss not in FULL_LOSSES:
            what = f"0 unless the loss is one of {FULL_LOSSES}"
            raise bad("relation_weight", who, what, self.relation_weight, f"The loss is {loss!r}.")


PLAIN = Full()


def query_pretraining(
    graph: Graph, config: TrainConfig, loss: str, label_smoothing: float, full: Full
) -> tuple[QuerySampler, Any]:
    """Queries in both directions with all their targets; `batch_size` counts queries."""
    sampler = QuerySampler(graph, config.batch_size, seed=config.seed)
    if loss == "k-vs-all":
        return sampler, KvsAll(label_smoothing, full.relation_weight, full.rounding)
    return sampler, KvsAllBCE(label_smoothing, full.relation_weight)
