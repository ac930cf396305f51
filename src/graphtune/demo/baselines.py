"""Plain methods that a learned model must beat, in the shape that the evaluators ask of a model.

Axes: N nodes, R relations, n queries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtune.evaluate.nodes import classes_evaluation
from graphtune.evaluate.ranks import both_directions
from graphtune.evaluate.result import Evaluation
from graphtune.graph import Graph
from graphtune.split import Split

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)


class Fixed:
    """Scores that need no training.

    Args:
        rows: [n, N] scores, a row for each node; or a row for each relation, with `by_relation`.
        by_relation: what the rows are about.
    """

    def __init__(self, rows: np.ndarray, by_relation: bool = False):
        self.rows = rows.astype(np.float32)
        self.by_relation = by_relation

    def frozen(self) -> Fixed:
        return self

    def cross(self, nodes: np.ndarray, columns: range, relation: np.ndarray | None = None) -> np.ndarray:
        """[n, len(columns)] scores, fresh, of every node in `columns`."""
        asked = np.asarray(relation if self.by_relation else nodes)
        return self.rows[asked, columns.start : columns.stop].copy()


def popularity(train: Graph) -> Any:
    """Every node likes what most nodes have."""
    degree = np.bincount(train.edges[1], minlength=train.num_nodes)
    return Fixed(np.tile(degree, (train.num_nodes, 1)))


def common_neighbours(train: Graph) -> Any:
    """A user likes what users have who have much in common with it: paths of length three, counted."""
    taken = train.sparse("out")
    return Fixed((taken @ taken.T @ taken).toarray())


def frequent_answers(train: Graph) -> Any:
    """The answers that a relation has most often, in each direction."""
    _, relation, answer = both_directions(train)
    counts = np.zeros((2 * train.num_relations, train.num_nodes))
    np.add.at(counts, (relation, answer), 1)
    return Fixed(counts, by_relation=True)


def logistic_regression(split: Split) -> Evaluation:
    """Classes from the features alone, no graph; the strength is chosen on the validation nodes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, labels = np.asarray(split.graph.features), np.asarray(split.graph.labels)
    train, valid, test = split.train_nodes, split.valid_nodes, split.test_nodes
    models = [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)) for c in STRENGTHS]
    for model in models:
        model.fit(x[train], labels[train])
    best = max(models, key=lambda model: model.score(x[valid], labels[valid]))
    return classes_evaluation(labels[test], best.predict_proba(x[test]), "test")
