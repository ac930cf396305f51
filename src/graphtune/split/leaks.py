"""The leaks that an audit looks for, each counted and shown with the user's own ids.

Every function returns findings; those in a second list are no leaks but worth knowing. Axis: E edges.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from graphtune.findings import EXAMPLES, Finding
from graphtune.graph import Graph
from graphtune.split.keys import (
    PARTS,
    TEST,
    TRAIN,
    UNUSED,
    VALID,
    edge_key,
    endpoints,
    incidence,
    linked_relations,
    pair_numbers,
    row_key,
)

DUPLICATE_EDGES = "duplicate edges across parts"
REVERSED_EDGES = "reversed edges across parts"
PARALLEL_EDGES = "parallel edges across parts"
REPEATS = "later events that repeat an earlier part's edge"
INVERSE_RELATIONS = "triples whose inverse relation stands in an earlier part"
SYMMETRIC_RELATIONS = "triples of a symmetric relation that stand turned round in an earlier part"
DUPLICATE_RELATIONS = "triples whose duplicate relation stands in an earlier part"
KNOWN_NEGATIVES = "validation or test edges among the training negatives"
FUTURE_EVENTS = "future events in an earlier part"
LATER_EVENTS = "training events later than the first event to predict"
UNSEEN_NODES = "visible edges that touch nodes of a later part"


def repeated_edges(graph: Graph, part: np.ndarray, ordered: bool) -> tuple[list[Finding], list[Finding]]:
    """Edges of one part that stand in an earlier part too, by the strongest reason that holds.

    A duplicate has the same source, target, relation and time; a reversed edge (undirected graphs) the same
    turned round; a parallel one joins the same nodes (in a directed graph: in the same direction by the same
    relation) at another time or by another relation. In a split `ordered` in time such a repeat is no leak,
    as the past may predict the future.
    """
    suspects = np.flatnonzero(_across(edge_key(graph), part))
    graph, part = graph.take_edges(suspects), part[suspects]
    exact = _known(row_key(*graph.edges, *_stamps(graph)), part)
    either_way = _known(row_key(*endpoints(graph), *_stamps(graph)), part)
    pair = _known(edge_key(graph), part)
    found = [
        _finding(DUPLICATE_EDGES, graph, exact, part),
        _finding(REVERSED_EDGES, graph, either_way & ~exact, part),
    ]
    repeats = _finding(REPEATS if ordered else PARALLEL_EDGES, graph, pair & ~either_way, part)
    return _real(found if ordered else [*found, repeats]), _real([repeats] if ordered else [])


def linked_triples(graph: Graph, part: np.ndarray) -> list[Finding]:
    """Triples that a near-inverse, symmetric or near-duplicate relation gives away in an earlier part.

    Which relations are linked is measured on all parts together: a random split of a perfectly inverse pair
    leaves just the train share of it in train, so train alone would hide the worst cases.
    """
    if graph.relation is None or not graph.directed:
        return []
    pairs = pair_numbers(graph)
    inverse, duplicate = linked_relations(graph, pairs, part < UNUSED)
    symmetric = sp.csr_array(sp.diags_array(inverse.diagonal(), dtype=np.int64))
    kinds = (
        (INVERSE_RELATIONS, inverse - symmetric, True),
        (SYMMETRIC_RELATIONS, symmetric, True),
        (DUPLICATE_RELATIONS, duplicate, False),
    )
    hits = (_given_away(graph, part, pairs, links, backward) for _, links, backward in kinds)
    return _real([_finding(what, graph, hit, part, links) for (what, links, _), hit in zip(kinds, hits)])


def known_negatives(graph: Graph, part: np.ndarray, negatives: np.ndarray | None) -> list[Finding]:
    """Fixed training negatives that are positives of validation or test."""
    if negatives is None:
        return []
    relation = () if graph.relation is None else (np.concatenate([graph.relation, negatives[2]]),)
    both = np.concatenate([graph.edges, negatives[:2]], axis=1)
    key, negative_key = np.split(row_key(*endpoints(graph, both), *relation), [graph.num_edges])
    hit = np.isin(key, negative_key) & ((part == VALID) | (part == TEST))
    return _real([_finding(KNOWN_NEGATIVES, graph, hit, part)])


def future_events(graph: Graph, part: np.ndarray, kind: str) -> tuple[list[Finding], list[Finding]]:
    """Events that come after one that is to be predicted from them.

    By time: training events later than the first validation or test event, validation events later than the
    first test event. Leave-last-out and cold users: the same within each user, cold items: within each item; across
    them, and in splits that pay no heed to time, later training events are no more than noted.
    """
    if graph.time is None:
        return [], []
    of_all = _too_late(graph.time, part, np.zeros(graph.num_edges, dtype=np.int64))
    if kind == "by-time":
        return _real([_finding(FUTURE_EVENTS, graph, of_all, part)]), []
    of_owner = np.zeros(graph.num_edges, dtype=bool)
    if kind in ("leave-last-out", "cold-users", "cold-items"):
        of_owner = _too_late(graph.time, part, graph.edges[int(kind == "cold-items")])
    notes = of_all & ~of_owner & (part == TRAIN)
    leaks = _real([_finding(FUTURE_EVENTS, graph, of_owner, part)])
    return leaks, _real([_finding(LATER_EVENTS, graph, notes, part)])


def unseen_nodes(graph: Graph, node_part: np.ndarray, edge_part: np.ndarray | None) -> list[Finding]:
    """Edges of an inductive split that show a node before its part is reached."""
    if edge_part is None:
        return []
    of_ends = np.where(node_part == UNUSED, TRAIN, node_part)[graph.edges]
    early = (edge_part < of_ends[0]) | (edge_part < of_ends[1])
    return _real([_finding(UNSEEN_NODES, graph, early, edge_part)])


def _stamps(graph: Graph) -> list[np.ndarray]:
    return [array for array in (graph.relation, graph.time) if array is not None]


def _across(key: np.ndarray, part: np.ndarray) -> np.ndarray:
    """[E] whether an edge of another part has the same key; unused edges count for nothing."""
    used = part < UNUSED
    packed = np.sort(key[used] * 4 + part[used])
    change = (packed[1:] // 4 == packed[:-1] // 4) & (packed[1:] != packed[:-1])
    if not change.any():
        return np.zeros(len(key), dtype=bool)
    return np.isin(key, packed[1:][change] // 4) & used


def _known(key: np.ndarray, part: np.ndarray) -> np.ndarray:
    """[E] whether an edge of an earlier part has the same key."""
    group = np.unique(key, return_inverse=True)[1]
    first = np.full(len(key), UNUSED, dtype=np.uint8)
    np.minimum.at(first, group, part)
    return part > first[group]


def _given_away(graph: Graph, part: np.ndarray, pairs: np.ndarray, links: sp.csr_array, backward: bool) -> np.ndarray:
    """[E] whether a linked relation has the triple's pair (turned round if `backward`) in an earlier part."""
    hit = np.zeros(graph.num_edges, dtype=bool)
    if links.nnz == 0:
        return hit
    for now in (VALID, TEST):
        reached = sp.coo_array(links @ incidence(graph, pairs, part < now, backward))
        relation, pair = (at.astype(np.int64) for at in reached.coords)
        key = np.asarray(graph.relation) * reached.shape[1] + pairs[0]
        hit |= (part == now) & np.isin(key, relation * reached.shape[1] + pair)
    return hit


def _too_late(time: np.ndarray, part: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """[E] whether the event is later than the owner's first event of a later part."""
    late = np.zeros(len(part), dtype=bool)
    first = np.full(int(owner.max(initial=0)) + 1, np.inf)
    for later, now in ((TEST, VALID), (VALID, TRAIN)):
        np.minimum.at(first, owner[part == later], time[part == later])
        late |= (part == now) & (time > first[owner])
    return late


def _finding(what: str, graph: Graph, mask: np.ndarray, part: np.ndarray, links: sp.csr_array | None = None) -> Finding:
    examples = []
    for edge in np.flatnonzero(mask)[:EXAMPLES]:
        text = f"{edge_text(graph, edge)} in {PARTS[part[edge]]}"
        if links is not None and graph.relation_ids is not None and graph.relation is not None:
            partners = links[[graph.relation[edge]]].indices
            text += f", by {' or '.join(map(str, graph.relation_ids.values(partners)))}"
        examples.append(text)
    return Finding(what, int(mask.sum()), "noted", tuple(examples))


def _real(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.count]


def edge_text(graph: Graph, edge: int) -> str:
    """An edge in the user's ids: `(head, relation, tail)`, `a -> b` or `a - b`."""
    source, target = graph.ids.values(graph.edges[:, edge])
    if graph.relation_ids is not None and graph.relation is not None:
        return f"({source}, {graph.relation_ids.values(graph.relation[[edge]])[0]}, {target})"
    return f"{source} {'->' if graph.directed else '-'} {target}"
