"""What a split is: a graph and the part that each edge or node belongs to. Axes: N nodes, E edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphtune.check import LeakError, bad, one_of
from graphtune.findings import Finding
from graphtune.graph import Graph
from graphtune.split import leaks
from graphtune.split.keys import PARTS, TEST, TRAIN, UNUSED, VALID

RATIOS = (7.0, 2.0, 1.0)
PUBLIC = "public"
ORDERED = ("by-time", "leave-last-out")
COLD = ("cold-users", "cold-items", "new-users", "new-items")
UPDATED = "updated"
KINDS = {
    "edge": ("edges", "triples", "by-user", *ORDERED, *COLD, UPDATED, PUBLIC),
    "node": ("nodes", "inductive", PUBLIC),
}


@dataclass(frozen=True, eq=False)
class Split:
    """A graph divided into train, validation and test.

    Attributes:
        graph: the whole graph.
        unit: what is divided, "edge" or "node".
        kind: how. Edges: "edges", "triples", "by-user", "by-time", "leave-last-out", "cold-users", "cold-items",
            "new-users", "new-items" or "updated", a split that was there and later events in parts of their own.
            Nodes: "nodes" or "inductive". Both: "public", a published split.
        part: [E] or [N] uint8: TRAIN 0, VALID 1, TEST 2, UNUSED 3 (in no part, for example a node without
            label).
        edge_part: [E] uint8, for nodes that are unseen in training ("inductive"): the part with which each
            edge arrives. Without it a node split shows every edge from the start.
        negatives: [2, M] fixed training negatives (source, target), or [3, M] with the relation as third row.
        false_valid: [3, M] false triples (head, tail, relation) to tell those of validation from, or None.
        false_test: the same of test.
        seed: of the maker; None for a split that was given.
        ratios: of train, validation and test; None for a split that was given.
    """

    graph: Graph
    unit: str
    kind: str
    part: np.ndarray
    edge_part: np.ndarray | None = None
    negatives: np.ndarray | None = None
    false_valid: np.ndarray | None = None
    false_test: np.ndarray | None = None
    seed: int | None = None
    ratios: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        one_of("unit", "Split", self.unit, KINDS)
        one_of("kind", "Split", self.kind, KINDS[self.unit])
        graph = self.graph
        length = graph.num_edges if self.unit == "edge" else graph.num_nodes
        object.__setattr__(self, "part", _checked("part", self.part, length))
        if self.kind in ORDERED and graph.time is None:
            raise bad("graph", "Split", f"a graph with times, as kind {self.kind!r} is about time", "no times")
        if self.edge_part is not None:
            object.__setattr__(self, "edge_part", _checked("edge_part", self.edge_part, graph.num_edges))
        if (self.edge_part is None) == (self.kind == "inductive"):
            raise bad("edge_part", "Split", "given exactly for the kind 'inductive'", self.kind)
        for name in ("negatives", "false_valid", "false_test"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _checked_negatives(name, getattr(self, name), graph))

    @cached_property
    def train(self) -> Graph:
        """All nodes, with the edges that may be seen in training."""
        return self.observed(TRAIN)

    @cached_property
    def valid(self) -> Graph:
        """All nodes, with the validation edges only."""
        return self._edges_of(VALID)

    @cached_property
    def test(self) -> Graph:
        """All nodes, with the test edges only."""
        return self._edges_of(TEST)

    @cached_property
    def train_nodes(self) -> np.ndarray:
        """Rows of the training nodes (node splits)."""
        return self._nodes_of(TRAIN)

    @cached_property
    def valid_nodes(self) -> np.ndarray:
        """Rows of the validation nodes (node splits)."""
        return self._nodes_of(VALID)

    @cached_property
    def test_nodes(self) -> np.ndarray:
        """Rows of the test nodes (node splits)."""
        return self._nodes_of(TEST)

    def observed(self, part: int) -> Graph:
        """All nodes, with the edges that may be seen, as input or known positives, when `part` is predicted.

        Edge splits: train for TRAIN and VALID, train and validation for TEST. Node splits: every edge; in an
        inductive one the edges that have arrived by then, those of the nodes to be predicted included.
        """
        one_of("part", "Split.observed", part, (TRAIN, VALID, TEST))
        if self.unit == "node":
            return self.graph if self.edge_part is None else self.graph.take_edges(self.edge_part <= part)
        return self.graph.take_edges(self.part < max(part, VALID))

    def through(self, part: int) -> Graph:
        """All nodes, with the edges of every part up to `part`: the known positives when `part` is evaluated."""
        one_of("part", "Split.through", part, (VALID, TEST))
        return self._through_valid if part == VALID else self._through_test

    @cached_property
    def _through_valid(self) -> Graph:
        return self.graph.take_edges(self.part <= VALID)

    @cached_property
    def _through_test(self) -> Graph:
        return self.graph.take_edges(self.part <= TEST)

    def audit(self, raise_on_leak: bool = True) -> tuple[Finding, ...]:
        """Look for everything by which one part could tell of another.

        Leaks are duplicate, reversed and parallel edges across parts; inverse, symmetric and duplicate
        relations; validation or test edges among the training negatives; training events from the future;
        training edges that touch unseen nodes. What a published split (kind "public") lets through is noted,
        as results on it are compared with others' on the same split.

        Args:
            raise_on_leak: False returns the leaks with the notes.

        Returns:
            the leaks of a published split, and what is no leak but worth knowing.

        Raises:
            LeakError: naming every leak with its count and first examples.
        """
        found, notes = self._leaks()
        if found and raise_on_leak and self.kind != PUBLIC:
            named = ", ".join(f"{f.count:,} {f.what} (first: {'; '.join(f.examples)})" for f in found)
            fix = "Split again with a maker of graphtune.split, which keeps such edges together."
            raise LeakError(f"The split ({self.kind}) must keep its parts apart. Got {named}. {fix}")
        return (*found, *notes)

    def summary(self) -> dict[str, int]:
        """Counts: the size of each part, and the validation and test edges with a node unseen in training."""
        unit = f"{self.unit}s"
        result = {f"{name} {unit}": int((self.part == number).sum()) for number, name in enumerate(PARTS)}
        if self.unit == "edge":
            unseen = ~_touched(self.train)
            used = unseen & _touched(self.graph.take_edges(self.part < UNUSED))
            result["nodes unseen in train"] = int(used.sum())
            for number in (VALID, TEST):
                edges = self.graph.edges[:, self.part == number]
                result[f"{PARTS[number]} edges with an unseen node"] = int(unseen[edges].any(axis=0).sum())
        return result

    def _leaks(self) -> tuple[list[Finding], list[Finding]]:
        if self.unit == "node":
            return leaks.unseen_nodes(self.graph, self.part, self.edge_part), []
        ordered = self.kind in (*ORDERED, UPDATED)
        found, notes = leaks.repeated_edges(self.graph, self.part, ordered)
        future, later = leaks.future_events(self.graph, self.part, self.kind)
        relations = leaks.linked_triples(self.graph, self.part)
        negatives = leaks.known_negatives(self.graph, self.part, self.negatives)
        found, notes = [*found, *negatives, *future], [*notes, *later]
        return (found, notes + relations) if ordered else (found + relations, notes)

    def _edges_of(self, part: int) -> Graph:
        edge_part = self.part if self.unit == "edge" else self.edge_part
        if edge_part is None:
            fix = f"Use `{PARTS[part]}_nodes` and `observed`."
            what = "read from a split whose edges have parts"
            raise bad(PARTS[part], "Split", what, f"a split of kind {self.kind!r}", fix)
        return self.graph.take_edges(edge_part == part)

    def _nodes_of(self, part: int) -> np.ndarray:
        if self.unit != "node":
            fix = f"Use `{PARTS[part]}`, the graph of its edges."
            what = "read from a node split"
            raise bad(f"{PARTS[part]}_nodes", "Split", what, f"a split of kind {self.kind!r}", fix)
        return np.flatnonzero(self.part == part)


def given_split(
    graph: Graph, part: np.ndarray, unit: str, kind: str = PUBLIC, negatives: np.ndarray | None = None
) -> Split:
    """A split that was published or made elsewhere.

    Args:
        graph: the whole graph, all parts.
        part: [E] or [N] part numbers: TRAIN 0, VALID 1, TEST 2, UNUSED 3.
        unit: "edge" or "node".
        kind: "public" for a published split, whose leaks `audit` notes; another kind (see `Split`) for one
            that is to pass the audit. "inductive" hides the edges of validation and test nodes from training.
        negatives: fixed training negatives, see `Split`.

    Raises:
        ArgumentError: `part` does not fit the graph, or has no train, or neither validation nor test.
    """
    one_of("unit", "given_split", unit, KINDS)
    part = _checked("part", part, graph.num_edges if unit == "edge" else graph.num_nodes)
    sizes = np.bincount(part, minlength=4)
    if sizes[TRAIN] == 0 or sizes[VALID] + sizes[TEST] == 0:
        fix = "Mark the training entries 0, validation 1, test 2, all others 3."
        got = dict(zip(PARTS, sizes.tolist()))
        raise bad("part", "given_split", "a train part and a validation or test part", got, fix)
    edge_part = arrival(graph, part) if kind == "inductive" and unit == "node" else None
    return Split(graph, unit, kind, part, edge_part, negatives)


def arrival(graph: Graph, node_part: np.ndarray) -> np.ndarray:
    """[E] the part with which each edge arrives if nodes do: the later one of its ends; unused nodes are seen."""
    seen_from = np.where(node_part == UNUSED, TRAIN, node_part)
    return np.maximum(*seen_from[graph.edges]).astype(np.uint8)


def _checked(name: str, part: np.ndarray, length: int) -> np.ndarray:
    """`part` as read-only uint8 of the right length."""
    part = np.asarray(part)
    if part.shape != (length,) or part.dtype.kind not in "iu" or ((part < TRAIN) | (part > UNUSED)).any():
        got = f"{part.dtype} {part.shape}, {sorted(set(part.ravel()[:1000].tolist()))[:9]}"
        raise bad(name, "Split", f"{length} integers, each 0, 1, 2 or 3", got)
    part = part.astype(np.uint8)
    part.flags.writeable = False
    return part


def _checked_negatives(name: str, negatives: np.ndarray, graph: Graph) -> np.ndarray:
    """`negatives` as int64 with a row for each column of an edge."""
    negatives = np.asarray(negatives)
    rows = 2 if graph.relation is None else 3
    if negatives.ndim != 2 or len(negatives) != rows or negatives.dtype.kind not in "iu":
        raise bad(name, "Split", f"integers [{rows}, M]", f"{negatives.dtype} {negatives.shape}")
    return negatives.astype(np.int64)


def _touched(graph: Graph) -> np.ndarray:
    return np.bincount(graph.edges.ravel(), minlength=graph.num_nodes) > 0
