"""Entities held out whole, as those that come after training do.

Axes: N entities, E edges, G groups of edges that stay together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphtune.check import LeakError, bad, integer
from graphtune.findings import Finding
from graphtune.graph import Graph
from graphtune.split.deal import Ratios, deal
from graphtune.split.keys import TEST, TRAIN, UNUSED, VALID, edge_key, fact_key, group_by, rank_within, sort_within
from graphtune.split.leaks import edge_text
from graphtune.split.parts import RATIOS, Split

SUPPORT = 5  # edges of a new entity that are told


@dataclass(frozen=True, eq=False)
class EntitySplit:
    """A graph some of whose entities come after training.

    Attributes:
        split: over all entities, the new ones last of their kind. Its train part is what a model may know in the end:
            the edges that training sees and the support of the new entities. Validation and test are edges of new
            entities, each entity in one of the two. Edges between two new entities are unused: no end has a row that
            was learned.
        new: [N] bool.
    """

    split: Split
    new: np.ndarray

    def __post_init__(self) -> None:
        starts = self.split.graph.ids.starts
        fits = self.new.shape == (starts[-1],) and self.new.any() and not self.new.all()
        blocks = [self.new[begin:end] for begin, end in zip(starts, starts[1:])] if fits else []
        if not fits or any((block[1:] < block[:-1]).any() for block in blocks):
            what = "a mask of entities, the new ones last of their kind"
            raise bad("new", "EntitySplit", what, f"{int(np.sum(self.new))} new ones")

    @cached_property
    def seen(self) -> Graph:
        """What a model learns first: the entities that are not new, and the train edges between them."""
        return self.split.train.take_nodes(np.flatnonzero(~self.new))

    @cached_property
    def support(self) -> Graph:
        """What is told of the new entities: their train edges, under the ids of all."""
        graph = self.split.train
        return graph.take_edges(self.new[graph.edges].any(axis=0))

    def audit(self, raise_on_leak: bool = True) -> tuple[Finding, ...]:
        """What `Split.audit` finds, after a look at the new entities.

        Raises:
            LeakError: an edge of validation or test is not of one new entity, or of one with edges in both parts; or
                what `Split.audit` raises.
        """
        graph, part = self.split.graph, self.split.part
        new = self.new[graph.edges]
        asked = (part == VALID) | (part == TEST)
        wrong = asked & (new.sum(axis=0) != 1)
        entity = np.where(new[0], *graph.edges)
        in_test = np.isin(entity, entity[(part == TEST) & ~wrong])
        wrong |= (part == VALID) & in_test
        if wrong.any() and raise_on_leak:
            first = edge_text(graph, int(wrong.argmax()))
            raise LeakError(
                "The edges to ask for must be of one new entity each, of validation or of test. Got "
                f"{int(wrong.sum()):,} others (first: {first}). Make the split with split_entities or split_cold."
            )
        return self.split.audit(raise_on_leak)

    def summary(self) -> dict[str, int]:
        """Counts: entities and edges of each part, and the new entities of which nothing is told or nothing asked."""
        graph, part = self.split.graph, self.split.part
        kind = graph.ids.kinds_of(np.arange(graph.num_nodes))
        names = [f"{graph.ids.kinds[number]}s" for number in np.unique(kind[self.new])]
        noun = " and ".join(names) if len(graph.ids.kinds) > 1 else "entities"
        told, asked = (_of_new(graph, which, self.new) for which in (part == TRAIN, (part == VALID) | (part == TEST)))
        return {
            f"{noun} seen": int((np.isin(kind, kind[self.new]) & ~self.new).sum()),
            f"new {noun}": int(self.new.sum()),
            f"new {noun} of which nothing is told": int((self.new & (told == 0)).sum()),
            f"new {noun} of which nothing is asked": int((self.new & (asked == 0)).sum()),
            "seen edges": self.seen.num_edges,
            "support edges": self.support.num_edges,
            "valid edges": int((part == VALID).sum()),
            "test edges": int((part == TEST).sum()),
            "unused edges": int((part == UNUSED).sum()),
        }


def split_entities(graph: Graph, ratios: Ratios = RATIOS, support: int = SUPPORT, seed: int = 0) -> EntitySplit:
    """Entities at random, those of validation and test new: seen in training with no edge of theirs.

    Of each new entity `support` edges to seen ones are told when it comes, one less where it has no more than that;
    the others are asked for, in validation or test as the entity is. Edges that say the same thing stay together, as in
    `split_triples`, and count once. The setting is that of Hamaguchi et al. (2017): new entities next to known ones.

    Args:
        graph: triples or other edges, of one kind of node.
        ratios: of the entities seen in training, new ones for validation and new ones for test.
        support: edges that are told of each.
        seed: the same seed gives the same split.

    Raises:
        ArgumentError: several kinds of node, too few entities for the ratios, or no edge left to learn or to ask for.
    """
    who = "split_entities"
    rng = np.random.default_rng(integer("seed", who, seed, 0))
    integer("support", who, support, 1)
    if len(graph.ids.kinds) > 1:
        raise bad("graph", who, "of one kind of node", graph.ids.kinds, "Use split_cold for users or items.")
    entity_part = deal(rng.permutation(graph.num_nodes), ratios, who, "entities")
    order = np.argsort(entity_part != TRAIN, kind="stable")  # the new ones last
    graph, entity_part = graph.take_nodes(order), entity_part[order]
    new = entity_part != TRAIN
    ends = new[graph.edges].sum(axis=0)
    part = np.where(ends == 2, UNUSED, TRAIN).astype(np.uint8)
    told = np.flatnonzero(ends == 1)
    entity = np.where(new[graph.edges[0, told]], *graph.edges[:, told])
    asked = _beyond_support(_group(graph, ends < 2)[told], entity, support, rng)
    part[told[asked]] = entity_part[entity[asked]]
    found = EntitySplit(Split(graph, "edge", "edges" if graph.relation is None else "triples", part, seed=seed), new)
    if not found.seen.num_edges or not asked.any():
        sizes = {"seen edges": found.seen.num_edges, "edges to ask for": int(asked.sum())}
        raise bad("ratios", who, "such that edges remain to learn and to ask for", sizes, "Give other ratios.")
    return found


def _group(graph: Graph, used: np.ndarray) -> np.ndarray:
    """[E] a number for edges that stay together, 0 for those that are not used."""
    some = graph.take_edges(used)
    facts = graph.relation is not None and graph.directed
    group = np.zeros(graph.num_edges, dtype=np.int64)
    group[used] = group_by(fact_key(some) if facts else edge_key(some))[0]
    return group


def _beyond_support(group: np.ndarray, entity: np.ndarray, support: int, rng: np.random.Generator) -> np.ndarray:
    """Which edges are asked for: those of groups behind the first `support` of their entity, in random order."""
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    owner = entity[first]  # [G]
    order = sort_within(owner, rng.permutation(len(owner)))
    place, size = rank_within(owner[order])
    beyond = np.zeros(len(owner), dtype=bool)
    beyond[order] = place >= np.minimum(support, np.maximum(size - 1, 1))
    return beyond[number]


def _of_new(graph: Graph, which: np.ndarray, new: np.ndarray) -> np.ndarray:
    """[N] how many of the edges that `which` selects each new entity has."""
    ends = graph.edges[:, which].ravel()
    return np.bincount(ends[new[ends]], minlength=graph.num_nodes)
