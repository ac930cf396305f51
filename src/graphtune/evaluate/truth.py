"""Triple classification: true triples told from false ones by a threshold of the score for each relation.

Axes: P true triples, M false ones, n both, the true ones first, R relations. Triples are rows head, tail, relation.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad
from graphtune.evaluate.groups import by_relation
from graphtune.evaluate.ranks import answers_of
from graphtune.evaluate.result import PARTS, Evaluation, Pooled
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.split import TEST, VALID, Split

Triples = tuple[np.ndarray, np.ndarray]  # [3, P] true and [3, M] false


def evaluate_truth(
    model: Model, split: Split, part: int = TEST, false: Triples | None = None, seed: int = 0
) -> Evaluation:
    """Accuracy and F1 of telling the part's triples from false ones, as Safavi and Koutra (2020, "CoDEx") do.

    A triple is taken for true where its score, read forwards, reaches the threshold of its relation: the one of best
    accuracy on validation; relations without validation triples have the one that is best for all together. Metrics
    that end in `_global` have that one for every relation, as the code of the paper has. For validation itself the
    thresholds of each half come from the other half.

    Args:
        model: scores triples.
        split: of triples.
        part: VALID or TEST.
        false: [3, M] false triples of validation and of test; drawn by `corrupted` where None.
        seed: of what is drawn, and of the halves.

    Raises:
        ArgumentError: there are no validation triples to choose thresholds on, or none in the part.
    """
    if split.valid.num_edges == 0 or (split.valid if part == VALID else split.test).num_edges == 0:
        raise bad("split", "evaluate_truth", "one with validation triples and triples of the part", split.summary())
    drawn = false is None
    false = false or (corrupted(split, VALID, seed), corrupted(split, TEST, seed))
    valid, relation, is_true = _scored(model, split, VALID, false[0])
    if part == VALID:
        half = np.random.default_rng(seed).permutation(len(valid)) % 2
        margin, margin_global = np.empty((2, len(valid)))
        for of in (0, 1):
            other = half != of
            chosen = thresholds(valid[other], relation[other], is_true[other], split.graph.num_relations)
            margin[half == of] = (valid - chosen[0][relation])[half == of]
            margin_global[half == of] = (valid - chosen[1])[half == of]
    else:
        chosen = thresholds(valid, relation, is_true, split.graph.num_relations)
        scores, relation, is_true = _scored(model, split, part, false[1])
        margin, margin_global = scores - chosen[0][relation], scores - chosen[1]
    counts = _counts(split, part, is_true, drawn, seed)
    return _evaluation(split, part, relation, is_true, margin >= 0, margin_global >= 0, counts)


def thresholds(
    scores: np.ndarray, relation: np.ndarray, is_true: np.ndarray, num_relations: int
) -> tuple[np.ndarray, float]:
    """The thresholds of best accuracy: [R] of each relation, and the one for all together.

    Args:
        scores: [n] of triples.
        relation: [n] of each.
        is_true: [n] whether each is true.
        num_relations: R.

    Returns:
        A relation without triples has the threshold for all; of several that are best for a relation it has the one
        nearest to that.
    """
    scores = scores.astype(np.float64)  # between two neighbours of float32 there is a float64
    everywhere = best_threshold(scores[is_true], scores[~is_true])
    chosen = np.full(num_relations, everywhere)
    for r in np.unique(relation):
        its = relation == r
        chosen[r] = best_threshold(scores[its & is_true], scores[its & ~is_true], everywhere)
    return chosen, everywhere


def best_threshold(positive: np.ndarray, negative: np.ndarray, near: float | None = None) -> float:
    """The threshold t of best accuracy, where scores of t and more are taken for true.

    Candidates lie midway between neighbouring scores, at the least score (all true) and above the greatest (none true).

    Args:
        positive: [P] float64 scores of true triples.
        negative: [M] float64 scores of false triples; not both empty.
        near: another candidate, and of several that are best the one nearest to it is taken; without it the least.
    """
    scores = np.unique(np.concatenate([positive, negative]))
    candidates = np.concatenate([scores[:1], (scores[1:] + scores[:-1]) / 2, [np.nextafter(scores[-1], np.inf)]])
    if near is not None:
        candidates = np.append(candidates, near)
    found = len(positive) - np.searchsorted(np.sort(positive), candidates)
    right = found + np.searchsorted(np.sort(negative), candidates)
    best = candidates[right == right.max()]
    return float(best.min() if near is None else best[np.abs(best - near).argmin()])


def corrupted(split: Split, part: int, seed: int = 0) -> np.ndarray:
    """[3, P] a false triple for each true one of the part: its head or its tail, by the toss of a coin, replaced.

    The new entity is one that stands at that end of the relation in some training triple (type constraints as of
    Krompass et al., 2015, under the local closed world), drawn uniformly from those that make no known triple. Known
    are those of train and validation for validation, and of all parts for test. Where there is none the other end is
    replaced; where there is none for either, by any entity; and a triple of which nothing false can be made has none.
    """
    asked, known, train = split.valid if part == VALID else split.test, split.through(part), split.train
    rng = np.random.default_rng([seed, part])
    (head, tail), relation = asked.edges, asked.relation
    assert relation is not None
    both = 2 * asked.num_relations
    tails = answers_of(known, head * both + relation)
    heads = answers_of(known, tail * both + relation + asked.num_relations)
    ends = _ends(train)
    made = []
    for i, end in enumerate(rng.integers(0, 2, len(head)).tolist()):
        taken = [indices[indptr[i] : indptr[i + 1]] for indptr, indices in (heads, tails)]
        end, entities = _open(end, taken, [of_relation[relation[i]] for of_relation in ends], asked.num_nodes)
        if len(entities):
            triple = [head[i], tail[i], relation[i]]
            triple[end] = rng.choice(entities)
            made.append(triple)
    return np.array(made, dtype=np.int64).reshape(-1, 3).T


def _open(end: int, taken: list[np.ndarray], typed: list[np.ndarray], nodes: int) -> tuple[int, np.ndarray]:
    """The end to replace and what may stand there: of its type if it can be, rather at `end` than at the other."""
    for pool in (typed, [np.arange(nodes)] * 2):
        for at in (end, 1 - end):
            entities = np.setdiff1d(pool[at], taken[at])
            if len(entities):
                return at, entities
    return end, entities


def _ends(train: Graph) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The heads and the tails of each relation."""
    assert train.relation is not None
    n, relation = train.num_nodes, train.relation

    def of(entities: np.ndarray) -> list[np.ndarray]:
        pairs = np.unique(relation * n + entities)
        return np.split(pairs % n, np.searchsorted(pairs, np.arange(1, train.num_relations) * n))

    return of(train.edges[0]), of(train.edges[1])


def _scored(model: Model, split: Split, part: int, false: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[n] scores, [n] relations and [n] whether it is true, of the part's triples and the false ones."""
    true = split.valid if part == VALID else split.test
    head, tail, relation = np.concatenate([np.stack([*true.edges, true.relation]), false], axis=1)  # type: ignore[list-item]
    is_true = np.arange(len(head)) < true.num_edges
    return model.frozen().pairs(head, tail, relation), relation, is_true


def _counts(split: Split, part: int, is_true: np.ndarray, drawn: bool, seed: int) -> dict[str, int]:
    valid, asked = split.valid.relation, (split.valid if part == VALID else split.test).relation
    assert valid is not None and asked is not None
    how = f"drawn within the types of the relation, seed {seed}" if drawn else "as published, hard"
    return {
        "true triples": int(is_true.sum()),
        f"false triples ({how})": int((~is_true).sum()),
        "relations without validation triples (threshold for all)": len(np.setdiff1d(asked, valid)),
    }


def _evaluation(
    split: Split,
    part: int,
    relation: np.ndarray,
    is_true: np.ndarray,
    said: np.ndarray,
    said_global: np.ndarray,
    counts: dict[str, int],
) -> Evaluation:
    right = {"accuracy": said == is_true, "accuracy_global": said_global == is_true}
    per_query = {name: values.astype(np.float64) for name, values in right.items()}
    pooled = {"f1": Pooled(_f1, (is_true, said)), "f1_global": Pooled(_f1, (is_true, said_global))}
    groups = by_relation(split.graph, relation, split.train)
    return Evaluation("triple classification", PARTS[part], per_query, pooled, counts, groups)


def _f1(is_true: np.ndarray, said: np.ndarray) -> float:
    """F1 of the true triples; 0 where none is true and none said to be."""
    return float(2 * (is_true & said).sum() / max(is_true.sum() + said.sum(), 1))
