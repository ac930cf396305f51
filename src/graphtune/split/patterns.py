"""What relations have to do with one another, counted in the triples: symmetric, inverse, near-duplicate, composed.

Axes: N entities, E triples, R relations, S sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtune.check import bad, integer, number
from graphtune.graph import Graph
from graphtune.split.inverse import SUPPORT, SharedPairs
from graphtune.split.keys import OVERLAP

WORK = 1 << 27  # paths of two steps that are walked, a second or two
MOST_RELATIONS = 4096  # whose compositions are counted: a table of their pairs is 128 MiB
SEED = 0

SENTENCES = {
    "symmetric": "{0} is symmetric: {share} of its pairs stand turned round too",
    "antisymmetric": "{0} is antisymmetric: {share} of its pairs do not stand turned round",
    "inverse": "{0} is {1} read backwards in {share} of its pairs",
    "duplicate": "{0} and {1} share {share} of their pairs",
    "composition": "{0}, then {1}, gives {2} in {share} of the pairs that they join",
}
KEPT = "unless a split keeps such pairs in one part, as `split_triples` does"
LEFT = "where a split parts them, and `split_triples` does, as one of the two has many more pairs"


@dataclass(frozen=True)
class RelationPattern:
    """One rule, with what speaks for it.

    Attributes:
        kind: "symmetric", "antisymmetric", "inverse", "duplicate" or "composition".
        relations: their names, in the order of the sentence that `str` gives.
        support: pairs for which it holds.
        confidence: their share. Of the pairs of the first relation; for "duplicate" of the pairs of either (Jaccard);
            for "composition" of the pairs that the first two relations join.
    """

    kind: str
    relations: tuple[Any, ...]
    support: int
    confidence: float

    def __str__(self) -> str:
        share = f"{100 * self.confidence:.3g} %"
        return f"{SENTENCES[self.kind].format(*self.relations, share=share)} ({self.support:,})"


@dataclass(frozen=True)
class RelationPatterns:
    """What `relation_patterns` found.

    Attributes:
        found: by kind, in the order of `SENTENCES`, the surest first.
        sources: the share of the entities from which paths were walked to find compositions; 1 for all.
        relations: the share of the relations among which they were looked for; 1 for all.
    """

    found: tuple[RelationPattern, ...]
    sources: float = 1.0
    relations: float = 1.0

    def of(self, kind: str) -> tuple[RelationPattern, ...]:
        """Those of a kind."""
        return tuple(pattern for pattern in self.found if pattern.kind == kind)

    def warnings(self) -> tuple[str, ...]:
        """What gives test triples away where the parts of a split divide it: relations of which four in five pairs are
        another's, or their own, turned round, or that share four in five pairs."""
        linked = [p for kind in ("symmetric", "inverse", "duplicate") for p in self.of(kind) if p.confidence >= OVERLAP]
        inverse = {p.relations for p in linked if p.kind == "inverse"}
        told = []
        for pattern in linked:
            both = pattern.kind != "inverse" or pattern.relations[::-1] in inverse
            if not (pattern.kind == "inverse" and both and pattern.relations[::-1] < pattern.relations):
                told.append(f"{pattern}: test triples can be read off train {KEPT if both else LEFT}")
        return tuple(told)


def relation_patterns(
    graph: Graph, confidence: float = OVERLAP, support: int = SUPPORT, work: int = WORK
) -> RelationPatterns:
    """The patterns of the relations of a knowledge graph: symmetric, antisymmetric, inverse, near-duplicate, composed.

    Confidence is the plain one of AMIE (Galarraga et al., WWW 2013): what is not there counts against a rule. Repeats
    count once, self-loops not at all. Compositions are found by walking all paths of two steps. Where there are more
    than `work`, they are walked from entities drawn at random, and support is what was seen from these alone.

    Args:
        graph: triples; of a split the train part, where the rules are to be learned from.
        confidence: the least share, in (0, 1].
        support: the least number of pairs.
        work: paths at most.

    Raises:
        ArgumentError: a graph without relations or without directions, or a number out of its range.

    Example:
        >>> from graphtune.testing import inverse_relations
        >>> print(*relation_patterns(inverse_relations()).of("inverse"), sep="; ")
        in is has read backwards in 100 % of its pairs (12); has is in read backwards in 80 % of its pairs (12)
    """
    who = "relation_patterns"
    if graph.relation is None or graph.relation_ids is None or not graph.directed:
        raise bad("graph", who, "directed, with relations", "another graph")
    number("confidence", who, confidence, 0, 1, open_low=True)
    support, work = integer("support", who, support, 1), integer("work", who, work, 1)
    names = graph.relation_ids.values(np.arange(graph.num_relations))
    composed, sources, relations = _compositions(graph, work)
    rows = [*_turned(graph), *_duplicates(graph), *composed]
    kinds = list(SENTENCES)
    kept = [row for row in rows if row[2] >= support and row[3] >= confidence]
    kept.sort(key=lambda row: (kinds.index(row[0]), -row[3], -row[2], row[1]))
    found = (RelationPattern(kind, tuple(names[r] for r in which), n, share) for kind, which, n, share in kept)
    return RelationPatterns(tuple(found), sources, relations)


Row = tuple[str, tuple[int, ...], int, float]  # kind, relations, support, confidence


def _turned(graph: Graph) -> Iterator[Row]:
    """What a relation has in common with itself, or with another, turned round."""
    shared = SharedPairs.of(graph, backward=True)
    own = np.zeros(graph.num_relations, dtype=np.int64)
    for r, s, n in zip(shared.relation.tolist(), shared.other.tolist(), shared.common.tolist()):
        if r == s:
            own[r] = n
        else:
            yield "inverse", (r, s), n, float(n / shared.size[r])
    for r, (n, size) in enumerate(zip(own.tolist(), shared.size.tolist())):
        if size:
            yield "symmetric", (r,), n, n / size
            yield "antisymmetric", (r,), size - n, 1 - n / size


def _duplicates(graph: Graph) -> Iterator[Row]:
    shared = SharedPairs.of(graph, backward=False)
    once = shared.relation < shared.other
    r, s, n = shared.relation[once], shared.other[once], shared.common[once]
    jaccard = n / (shared.size[r] + shared.size[s] - n)
    for first, second, count, share in zip(r.tolist(), s.tolist(), n.tolist(), jaccard.tolist()):
        yield "duplicate", (first, second), count, share


def _compositions(graph: Graph, work: int) -> tuple[list[Row], float, float]:
    """The rules, and the shares of the entities and relations that they were counted from."""
    from graphtune.kernels.paths import closing_paths  # late: whoever only splits compiles nothing

    head, relation, tail = _distinct(graph)
    frequent = np.bincount(relation, minlength=graph.num_relations)
    taken = np.sort(np.argsort(-frequent, kind="stable")[:MOST_RELATIONS])
    number = np.full(graph.num_relations, -1)
    number[taken] = np.arange(len(taken))
    kept = number[relation] >= 0
    head, relation, tail = head[kept], number[relation[kept]], tail[kept]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(head, minlength=graph.num_nodes))])
    sources, share = _sources(indptr, head, tail, work)
    joined, rules, closed = closing_paths(indptr, relation, tail, sources, len(taken))
    both, r = np.divmod(rules, max(1, len(taken)))
    p, q = np.divmod(both, max(1, len(taken)))
    sure = closed / joined[p, q]
    columns = (taken[p].tolist(), taken[q].tolist(), taken[r].tolist(), closed.tolist(), sure.tolist())
    rows: list[Row] = [("composition", (a, b, c), n, share) for a, b, c, n, share in zip(*columns)]
    return rows, share, len(taken) / max(1, graph.num_relations)


def _distinct(graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(head, relation, tail) of each triple once, sorted, without self-loops."""
    (head, tail), relation = graph.edges, np.asarray(graph.relation)
    order = np.lexsort((tail, relation, head))
    triples = np.stack([head, relation, tail])[:, order]
    new = np.ones(triples.shape[1], dtype=bool)
    new[1:] = (triples[:, 1:] != triples[:, :-1]).any(axis=0)
    head, relation, tail = triples[:, new & (triples[0] != triples[2])]
    return head, relation, tail


def _sources(indptr: np.ndarray, head: np.ndarray, tail: np.ndarray, work: int) -> tuple[np.ndarray, float]:
    """Entities whose paths of two steps come to `work` at most, and their share of those that have any."""
    degree = np.diff(indptr)
    paths = np.bincount(head, weights=degree[tail], minlength=len(degree)).astype(np.int64)
    sources = np.flatnonzero(paths)
    if paths.sum() <= work:
        return sources, 1.0
    drawn = np.random.default_rng(SEED).permutation(sources)
    drawn = drawn[: max(1, int(np.searchsorted(np.cumsum(paths[drawn]), work, side="right")))]
    return np.sort(drawn), len(drawn) / len(sources)
