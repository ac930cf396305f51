"""Weights of examples, for `Batch.weight`: which edges or nodes a loss counts more. Each has the mean 1.

Axes: N nodes, E edges, n labelled nodes, C classes.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad, chance, number, one_of
from graphtune.graph import Graph

EDGE_WEIGHTS = ("none", "column", "degree", "recency", "subsampling")
CLASS_WEIGHTS = ("none", "balanced", "effective")


def edge_weights(graph: Graph, by: str, power: float = 0.5, half_life: float = 0.25) -> np.ndarray | None:
    """[E] weight of each edge's loss; None for equal ones.

    Args:
        by: "none"; "column" for the graph's own weights; "degree" for `rarity_weights`; "recency"; "subsampling" for
            `query_weights`.
        power: of "degree" and "subsampling"; half_life: of "recency".

    Raises:
        ArgumentError: the graph has no weights, times or relations.
    """
    one_of("by", "edge_weights", by, EDGE_WEIGHTS)
    if by == "column":
        return _mean_one(_has(graph.weight, by, "weights"))
    if by == "recency":
        return recency_weights(_has(graph.time, by, "times"), half_life)
    if by == "subsampling":
        _has(graph.relation, by, "relations")
        return query_weights(graph, power)
    return rarity_weights(graph, power) if by == "degree" else None


def rarity_weights(graph: Graph, power: float = 0.5) -> np.ndarray:
    """[E] popularity^-power: edges to popular targets count less.

    The popularity of an edge is the number of edges into its target; of one that is read both ways (undirected, or a
    triple) the geometric mean of the numbers at its two ends.
    """
    number("power", "rarity_weights", power, 0)
    source, target = graph.edges
    if graph.directed and graph.relation is None:
        popularity = np.bincount(target, minlength=graph.num_nodes)[target].astype(np.float64)
    else:
        degree = np.bincount(graph.edges.ravel(), minlength=graph.num_nodes).astype(np.float64)
        popularity = np.sqrt(degree[source] * degree[target])
    return _mean_one(popularity**-power)


def query_weights(graph: Graph, power: float = 0.5) -> np.ndarray:
    """[E] (n(h, r) + n(r, t))^-power: triples whose queries have many answers count less.

    n is the number of train triples with that head and relation, or relation and tail, and 3: so RotatE's own program
    counts (Sun et al., 2019), after word2vec's subsampling.
    """
    number("power", "query_weights", power, 0)
    relation = graph.relation
    assert relation is not None
    asked = (relation * graph.num_nodes + end for end in graph.edges)
    found = (np.unique(query, return_inverse=True, return_counts=True)[1:] for query in asked)
    answers = sum(count[place] + 3 for place, count in found)
    return _mean_one(np.asarray(answers, dtype=np.float64) ** -power)


def corruption_weights(graph: Graph) -> np.ndarray:
    """[2E] how much the two queries of each triple count, (h, r, ?) of all triples and then (?, r, t) of all.

    Wang et al. (2014) replace the head of a triple with the chance tph / (tph + hpt) and else its tail, tph being the
    mean number of tails per head of the relation and hpt that of heads per tail: so a 1-to-N relation has its heads
    replaced, which seldom makes a true triple. With reciprocal relations each triple is both queries in every epoch, so
    twice these chances are weights: the gradient that drawing a side has on average, with less noise.
    """
    relation, count, nodes = graph.relation, graph.num_relations, graph.num_nodes
    assert relation is not None
    ends = (np.unique(relation * nodes + end) // nodes for end in graph.edges)
    heads, tails = (np.bincount(which, minlength=count) for which in ends)
    of_head = (tails / np.maximum(heads + tails, 1))[relation]  # tph = triples / heads, hpt = triples / tails
    return 2 * np.concatenate([1 - of_head, of_head])


def recency_weights(time: np.ndarray, half_life: float = 0.25) -> np.ndarray:
    """[E] 2^(-age / h): how old an edge is beside the newest one.

    Args:
        time: [E] larger is later.
        half_life: h as a share of the time from the first edge to the last.
    """
    number("half_life", "recency_weights", half_life, 0, open_low=True)
    age = (time.max() - time).astype(np.float64) if len(time) else np.empty(0)
    span = age.max(initial=0.0)
    return _mean_one(np.exp2(-age / (half_life * span))) if span else np.ones(len(time))


def class_weights(label: np.ndarray, by: str, beta: float = 0.999) -> np.ndarray | None:
    """[n] weight of each node's loss by how rare its class is; None for equal ones.

    A class of n_c nodes weighs 1 / n_c ("balanced"), or (1 - beta) / (1 - beta^n_c), the inverse of its effective
    number ("effective": Cui et al., 2019, equation 2), which lies between equal weights (beta = 0) and "balanced"
    (beta -> 1). A node of several classes weighs the mean of theirs, one of none the mean of all nodes.

    Args:
        label: [n] class numbers or [n, C] bool.
        by: "none", "balanced" or "effective".
        beta: of "effective".
    """
    one_of("by", "class_weights", by, CLASS_WEIGHTS)
    chance("beta", "class_weights", beta)
    if by == "none":
        return None
    member = label if label.ndim == 2 else np.eye(label.max(initial=0) + 1, dtype=bool)[label]
    size = np.maximum(member.sum(axis=0), 1).astype(np.float64)
    weight = 1 / size if by == "balanced" else (1 - beta) / (1 - beta**size)
    classes = member.sum(axis=1)
    weights = (member @ weight) / np.maximum(classes, 1)
    known = classes > 0
    return _mean_one(np.where(known, weights, weights[known].mean() if known.any() else 1.0))


def _has(values: np.ndarray | None, by: str, what: str) -> np.ndarray:
    if values is None:
        raise bad("by", "edge_weights", f"one that the graph has; {by!r} needs {what}", by)
    return values


def _mean_one(weights: np.ndarray) -> np.ndarray:
    return weights / weights.mean() if len(weights) else weights
