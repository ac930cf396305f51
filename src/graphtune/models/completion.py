"""Questions to a knowledge graph with one part missing: (?, r, t), (h, ?, t), (h, r, ?).

Axes: n questions, C candidates (N entities or R relations), E triples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from graphtune.check import bad, integer
from graphtune.graph import Graph
from graphtune.models.calibration import Calibration, Curve
from graphtune.split import Split
from graphtune.split.keys import PARTS, row_key

PLACES = ("head", "relation", "tail")
KNOWN = "known"


class Scores(Protocol):
    """What scores candidates: `Frozen`."""

    def cross(self, u: np.ndarray, columns: range, relation: np.ndarray | None = None) -> np.ndarray: ...

    def relations(self, u: np.ndarray, v: np.ndarray, count: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Answer:
    """A candidate for the missing part.

    Attributes:
        id: of the entity, or of the relation.
        score: of the model; larger is likelier.
        probability: the chance that it is the answer, of a question with one answer that is not known yet, as each
            triple kept aside asks one; None for a known fact and from a model that is not calibrated.
        known: the part of the split that the fact stands in, "known" where there are no parts; None for a new one.
    """

    id: Any
    score: float
    probability: float | None
    known: str | None


@dataclass(frozen=True)
class Completion:
    """The answers to a question.

    Attributes:
        head, relation, tail: as asked; None for what is missing.
        answers: the best candidates, best first.
        known: how many facts answer the question already.
        unseen: what is asked about, but in no triple that the model learned from, so that nothing speaks for the
            answers; they have no probabilities then.
    """

    head: Any
    relation: Any
    tail: Any
    answers: tuple[Answer, ...]
    known: int
    unseen: tuple[Any, ...] = ()


def complete(
    scores: Scores,
    graph: Graph,
    asked: tuple[Any, Any, Any],
    k: int,
    known: Graph | Split | None,
    new: bool,
    calibration: Calibration | None,
) -> Completion:
    """See `Model.complete`; `graph` is the model's, `asked` is (head, relation, tail)."""
    k = integer("k", "Model.complete", k, 1)
    if graph.relation_ids is None:
        fix = "`recommend` gives the best targets of a node."
        raise bad("head", "Model.complete", "a node of a knowledge graph", asked[0], fix)
    missing = _missing(asked)
    facts, parts, part_of = _facts(graph, known)
    query = _rows(graph, missing, asked)
    found = candidates(scores, missing, query, graph)[0].astype(np.float64)
    if np.isnan(found).any():
        raise bad("model", "Model.complete", "one whose scores are numbers", "NaN")
    unseen = _unseen(graph, missing, asked, query[:, 0])
    _, edge = answering(facts, missing, query)
    answer = column(facts, missing)[edge]
    part = np.full(len(found), len(parts))
    np.minimum.at(part, answer, part_of[edge])
    free = part == len(parts)
    curve: Curve | None = None if calibration is None else getattr(calibration, PLACES[missing])
    chances = None if curve is None or unseen else curve.chances(found[None], free[None])[0]
    order = np.argsort(-found, kind="stable")
    order = order[free[order]][:k] if new else order[:k]
    ids = (graph.relation_ids if missing == 1 else graph.ids).values(order)
    answers = tuple(
        Answer(
            name,
            float(found[at]),
            float(chances[at]) if chances is not None and free[at] else None,
            None if free[at] else parts[part[at]],
        )
        for name, at in zip(ids, order.tolist())
    )
    return Completion(*asked, answers, int((~free).sum()), unseen)


def candidates(scores: Scores, missing: int, query: np.ndarray, graph: Graph) -> np.ndarray:
    """[n, C] scores of all that may stand in the place `missing` (of PLACES); `query` [2, n] are the other two rows."""
    if missing == 1:
        return scores.relations(query[0], query[1], graph.num_relations)
    if missing == 0:
        return scores.cross(query[1], range(graph.num_nodes), query[0] + graph.num_relations)
    return scores.cross(query[0], range(graph.num_nodes), query[1])


def column(graph: Graph, place: int) -> np.ndarray:
    """[E] heads, relations or tails."""
    return np.asarray(graph.relation) if place == 1 else graph.edges[place // 2]


def others(graph: Graph, missing: int) -> np.ndarray:
    """[2, E] of each triple the two parts beside the one that is missing."""
    return np.stack([column(graph, place) for place in range(3) if place != missing])


def answering(graph: Graph, missing: int, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which triples answer which question: [m] numbers of questions, [m] of triples. `query` is [2, n]."""
    both = np.concatenate([others(graph, missing), query], axis=1)
    key, wanted = np.split(row_key(*both), [graph.num_edges])
    order = np.argsort(wanted, kind="stable")
    low, high = (np.searchsorted(wanted[order], key, side) for side in ("left", "right"))
    count = high - low
    edge = np.repeat(np.arange(graph.num_edges), count)
    place = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - low, count)
    return order[place], edge


def _missing(asked: tuple[Any, Any, Any]) -> int:
    places = [place for place, part in enumerate(asked) if part is None]
    if len(places) != 1:
        fix = "Leave out one of them: complete(head=..., relation=...) asks for tails."
        raise bad("head, relation, tail", "Model.complete", "two of the three", asked, fix)
    return places[0]


def _rows(graph: Graph, missing: int, asked: tuple[Any, Any, Any]) -> np.ndarray:
    """[2, 1] rows of the two parts that are given."""
    assert graph.relation_ids is not None
    tables = (graph.ids, "node"), (graph.relation_ids, "relation"), (graph.ids, "node")
    given = [(*tables[place], asked[place]) for place in range(3) if place != missing]
    return np.stack([table.index([name], what=what) for table, what, name in given])


def _unseen(graph: Graph, missing: int, asked: tuple[Any, Any, Any], rows: np.ndarray) -> tuple[Any, ...]:
    """Those of the two given parts that no triple of the graph holds."""
    places = [place for place in range(3) if place != missing]
    held = [np.asarray(graph.relation) if place == 1 else graph.edges for place in places]
    return tuple(asked[place] for place, rest, row in zip(places, held, rows) if not (rest == row).any())


def _facts(graph: Graph, known: Graph | Split | None) -> tuple[Graph, tuple[str, ...], np.ndarray]:
    """The triples that are known, the names of their parts, and the part of each [E]."""
    facts = known.graph if isinstance(known, Split) else known or graph
    if facts.ids != graph.ids or facts.relation_ids != graph.relation_ids:
        what = "a graph or a split on the entities and relations of the model"
        raise bad("known", "Model.complete", what, f"{facts.num_nodes} entities, {facts.num_relations} relations")
    if isinstance(known, Split) and known.unit == "edge":
        return facts, PARTS, known.part.astype(np.int64)
    return facts, (KNOWN,), np.zeros(facts.num_edges, dtype=np.int64)
