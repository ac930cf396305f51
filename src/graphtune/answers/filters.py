"""Which targets may be recommended: those of a list, those not in a list, those with an attribute.

Axes: T targets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.io.attributes import Attributes, label_attributes
from graphtune.models.ranked import kinds_asked, targets_of


@dataclass(frozen=True)
class Filter:
    """What may be recommended; all conditions hold together.

    Attributes:
        only: ids, of which the answers are some; any where None.
        without: ids that are never given.
        where: for each column of the attributes a value that targets must have, or several of which they must have
            one; a graph with labels has the column "label" without a file.
        keep_seen: give also what a user has already.
    """

    only: Collection[Any] | None = None
    without: Collection[Any] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    keep_seen: bool = False

    def __post_init__(self) -> None:
        for name in ("only", "without"):
            ids = getattr(self, name)
            left_out = ids is None and name == "only"
            if not left_out and (isinstance(ids, str) or not isinstance(ids, Collection)):
                raise bad(name, "Filter", "a list of ids", ids)


def allowed_targets(chosen: Filter, graph: Graph, attributes: Attributes | None) -> np.ndarray | None:
    """[T] bool, the targets that a filter lets through; None for all.

    Raises:
        ArgumentError: an id, a column or a value is unknown; or none is let through.
    """
    allowed = np.ones(len(targets_of(graph)), dtype=bool)
    if chosen.only is not None:
        allowed &= _chosen(graph, graph.ids.index(chosen.only, kinds_asked(graph)[1]))
    for column, values in chosen.where.items():
        allowed &= _chosen(graph, _source(column, graph, attributes).having(column, values))
    allowed &= ~_chosen(graph, graph.ids.index(chosen.without, kinds_asked(graph)[1]))
    if allowed.all():
        return None
    if not allowed.any():
        raise bad("filter", "recommend", "one that lets a target through", chosen)
    return allowed


def _source(column: str, graph: Graph, attributes: Attributes | None) -> Attributes:
    """The attributes that have the column; those of the file where none has."""
    labels = label_attributes(graph)
    if labels is not None and (attributes is None or column not in attributes.columns):
        return labels if attributes is None or column in labels.columns else attributes
    if attributes is None:
        raise bad(
            "where",
            "recommend",
            "left out without attributes",
            column,
            "`read_attributes` reads them; --items FILE gives a file.",
        )
    return attributes


def _chosen(graph: Graph, rows: np.ndarray) -> np.ndarray:
    """[T] bool of the targets among `rows`; attributes may be about users, too."""
    span = targets_of(graph)
    mask = np.zeros(graph.num_nodes, dtype=bool)
    mask[rows] = True
    return mask[span.start : span.stop]
