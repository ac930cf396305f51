"""Makers of splits that divide nodes. Axes: N nodes, C classes."""

from __future__ import annotations

import numpy as np

from graphtune.check import bad, integer
from graphtune.graph import Graph
from graphtune.split.deal import Ratios, deal, deal_within, shares, too_few
from graphtune.split.keys import UNUSED
from graphtune.split.parts import RATIOS, Split, arrival


def split_nodes(graph: Graph, ratios: Ratios = RATIOS, seed: int = 0, stratify: bool = True) -> Split:
    """Labelled nodes at random, for node classification or regression; all edges are seen from the start.

    Args:
        graph: with labels, or else with targets. Nodes without either are UNUSED.
        ratios: of train, validation and test.
        seed: the same seed gives the same split.
        stratify: give each class its share of every part, to within one node, and one node of each class to
            train. Several labels a node: by the node's rarest label, a one-pass approximation of iterative
            stratification (Sechidis et al., ECML 2011), which keeps the shares of the rare labels. Without
            it, and for targets, plainly at random.

    Raises:
        ArgumentError: neither labels nor targets, or too few nodes that have them.
    """
    known = _known(graph)
    if known is None:
        fix = "Read the labels first, or use split_edges."
        raise bad("graph", "split_nodes", "a graph with labels or targets", "neither", fix)
    part = _deal_nodes(graph, known, ratios, seed, stratify, "split_nodes")
    return Split(graph, "node", "nodes", part, seed=seed, ratios=ratios)


def split_inductive(graph: Graph, ratios: Ratios = RATIOS, seed: int = 0, stratify: bool = True) -> Split:
    """Nodes at random, those of validation and test unseen in training: no edge of theirs is in `train`.

    `observed(VALID)` adds the validation nodes with their edges, `observed(TEST)` the test nodes with theirs.

    Args:
        graph: any graph. Where it has labels or targets, nodes without are UNUSED, and seen in training.
        ratios: of train, validation and test nodes.
        seed: the same seed gives the same split.
        stratify: as in `split_nodes`.

    Raises:
        ArgumentError: too few nodes, or no edge left between training nodes.
    """
    who = "split_inductive"
    known = _known(graph)
    known = np.ones(graph.num_nodes, dtype=bool) if known is None else known
    part = _deal_nodes(graph, known, ratios, seed, stratify, who)
    split = Split(graph, "node", "inductive", part, arrival(graph, part), seed=seed, ratios=ratios)
    if split.train.num_edges == 0:
        what = "such that edges between training nodes remain"
        raise bad("ratios", who, what, ratios, "Give train a larger ratio.")
    return split


def _known(graph: Graph) -> np.ndarray | None:
    """[N] which nodes have a label, or else a target; None for a graph without either."""
    if graph.labels is not None:
        return graph.labels >= 0 if graph.labels.ndim == 1 else np.any(graph.labels, axis=1)
    return None if graph.targets is None else np.logical_not(np.isnan(graph.targets))


def _deal_nodes(graph: Graph, known: np.ndarray, ratios: Ratios, seed: int, stratify: bool, who: str) -> np.ndarray:
    rng = np.random.default_rng(integer("seed", who, seed, 0))
    asked = int((shares(ratios, who) > 0).sum())
    if known.sum() < asked:
        raise too_few(who, "nodes", int(known.sum()), asked)
    part = np.full(graph.num_nodes, UNUSED, dtype=np.uint8)
    if stratify and graph.labels is not None:
        part[known] = deal_within(_stratum(graph.labels[known]), ratios, rng, who)
    else:
        part[known] = deal(rng.permutation(int(known.sum())), ratios, who, "nodes")
    return part


def _stratum(labels: np.ndarray) -> np.ndarray:
    """[n] the class of each node, or the rarest of its labels."""
    if labels.ndim == 1:
        return labels
    rarest_first = np.argsort(labels.sum(axis=0), kind="stable")
    return rarest_first[labels[:, rarest_first].argmax(axis=1)]
