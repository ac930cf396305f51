"""Link prediction as node2vec has it: a logistic regression on what an operator makes of two embeddings.

Axes: n pairs, D dim, F features of a pair.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtune.check import bad, integer, one_of
from graphtune.evaluate.result import PARTS, Evaluation, Pooled
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.kernels.negatives import unknown_targets
from graphtune.metrics import average_precision, roc_auc
from graphtune.models.base import Model
from graphtune.models.scorer import Frozen
from graphtune.split import TEST, VALID, Split

BATCH = 1 << 16  # pairs whose features are held at once
STRENGTHS = (0.01, 1.0)


def hadamard(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, D] products of the two embeddings, number by number."""
    z = _numbers(frozen.z)
    return z[u] * z[v]


def average(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, D] means of the two embeddings."""
    z = _numbers(frozen.z)
    return (z[u] + z[v]) / 2


def weighted_l1(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, D] magnitudes of the differences."""
    z = _numbers(frozen.z)
    return np.abs(z[u] - z[v])


def weighted_l2(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, D] squares of the differences."""
    z = _numbers(frozen.z)
    return (z[u] - z[v]) ** 2


def sides(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, D] products of source and target side; of both directions, half each, where edges have none."""
    z, key = _numbers(frozen.z), _numbers(frozen.key)
    forward = z[u] * key[v]
    return forward if frozen.directed else (forward + z[v] * key[u]) / 2


def score(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, 1] the model's own score."""
    return frozen.pairs(u, v)[:, None]


def cosine(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, 1] the cosine of the two embeddings."""
    z = _numbers(frozen.z)
    length = np.maximum(np.linalg.norm(z, axis=1), 1e-12)
    return ((z[u] * z[v]).sum(axis=1) / (length[u] * length[v]))[:, None]


def together(frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n, F] sides, hadamard, weighted L1, score and cosine beside one another."""
    return np.hstack([made(frozen, u, v) for made in (sides, hadamard, weighted_l1, score, cosine)])


OPERATORS: dict[str, Callable[[Frozen, np.ndarray, np.ndarray], np.ndarray]] = {
    "hadamard": hadamard,
    "average": average,
    "weighted-l1": weighted_l1,
    "weighted-l2": weighted_l2,
    "sides": sides,
    "score": score,
    "together": together,
}
OF_THE_PAPER = ("hadamard", "average", "weighted-l1", "weighted-l2")


@dataclass(frozen=True)
class LinkProbe:
    """A model, an operator and the logistic regression that was fitted to them.

    Attributes:
        model: the name of the chosen model.
        operator: the name of the chosen operator.
        strength: of the regression, scikit-learn's C.
        valid: validation AUC of every (model, operator), the best strength of each.
    """

    model: str
    operator: str
    strength: float
    valid: dict[tuple[str, str], float]
    frozen: Frozen
    regression: Any

    def scores(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """[n] log-odds of an edge for pairs of rows."""
        return _decide(self.regression, self.operator, self.frozen, u, v)


def choose_operator(
    models: Mapping[str, Model],
    split: Split,
    operators: tuple[str, ...] = tuple(OPERATORS),
    pairs: int = 20_000,
    seed: int = 0,
) -> LinkProbe:
    """Fit a logistic regression for each model and operator, and keep the one with the best validation AUC.

    The protocol of Grover and Leskovec (2016, section 4.4): half of the edges hidden so that the rest stays connected
    (`split_edges(graph, (4.5, 0.5, 5), keep_connected=True)`), and as many pairs without an edge. The regression sees
    edges of the train part and pairs that have none there; model, operator and strength are chosen on validation edges
    and pairs without an edge in train and validation. The test part is not looked at.

    Args:
        models: by name; trained on the train part only.
        split: of edges without relations.
        operators: names in `OPERATORS`.
        pairs: train edges, and as many others, that the regression is fitted to; all edges if there are fewer.
        seed: of the train edges and of all non-edges.

    Raises:
        ArgumentError: an operator is unknown, or the split is not one of edges with a validation part.
        LeakError: a model learned from validation or test edges.
    """
    for name in operators:
        one_of("operators", "choose_operator", name, OPERATORS)
    if split.unit != "edge" or split.graph.relation is not None or split.valid.num_edges == 0:
        raise bad("split", "choose_operator", "of edges without relations, some of them for validation", split.kind)
    pairs = integer("pairs", "choose_operator", pairs, 1)
    for name, model in models.items():
        refuse_seen(model, split, f"Model {name!r}")
    edges, rng = split.train.edges, np.random.default_rng(seed)
    edges = edges[:, rng.choice(edges.shape[1], min(pairs, edges.shape[1]), replace=False)]
    train = edges, non_edges(split.train, edges.shape[1], seed)
    valid = split.valid.edges, non_edges(split.through(VALID), split.valid.num_edges, seed + 1)
    found: dict[tuple[str, str], float] = {}
    best: tuple[float, LinkProbe] | None = None
    for name, model in models.items():
        frozen = model.frozen()
        for operator in operators:
            for strength, regression in _fitted(frozen, operator, train).items():
                positive, negative = (_decide(regression, operator, frozen, *p) for p in valid)
                auc = roc_auc(positive, negative)
                found[name, operator] = max(auc, found.get((name, operator), 0.0))
                if best is None or auc > best[0]:
                    best = auc, LinkProbe(name, operator, strength, found, frozen, regression)
    if best is None:
        raise bad("models", "choose_operator", "at least one model and one operator", list(models))
    return best[1]


def evaluate_probe(probe: LinkProbe, split: Split, part: int = TEST, seed: int = 0) -> Evaluation:
    """AUC and AP of the edges of a part against as many pairs that have no edge in it or in the parts before it."""
    edges = (split.valid if part == VALID else split.test).edges
    others = non_edges(split.through(part), edges.shape[1], seed + part)
    true, false = probe.scores(*edges), probe.scores(*others)
    pooled = {
        "auc": Pooled(roc_auc, (true, false), together=False),
        "ap": Pooled(average_precision, (true, false), together=False),
    }
    counts = {"edges": len(true), "non-edges": len(false)}
    return Evaluation(f"link prediction by {probe.operator} of {probe.model}", PARTS[part], {}, pooled, counts)


def non_edges(known: Graph, count: int, seed: int) -> np.ndarray:
    """[2, count] pairs u, v with u uniform and v uniform among the nodes that are neither u nor its neighbours."""
    csr = known.adjacency("out")
    u = np.random.default_rng([seed, 1]).integers(0, known.num_nodes, count)
    return np.stack([u, unknown_targets(csr.indptr, csr.indices, u, 1, 0, known.num_nodes, seed)[:, 0]])


def _fitted(frozen: Frozen, operator: str, train: tuple[np.ndarray, np.ndarray]) -> dict[float, Any]:
    """A regression of each strength on features of mean 0 and variance 1."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    edges, others = train
    features = np.concatenate([OPERATORS[operator](frozen, *p) for p in train])
    is_edge = np.repeat([1, 0], [edges.shape[1], others.shape[1]])
    fitted = {}
    for strength in STRENGTHS:
        regression = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300, tol=1e-3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges a regression, converged or not
            fitted[strength] = regression.fit(features, is_edge)
    return fitted


def _decide(regression: Any, operator: str, frozen: Frozen, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[n] log-odds."""
    parts = [slice(begin, begin + BATCH) for begin in range(0, len(u), BATCH)]
    return np.concatenate([regression.decision_function(OPERATORS[operator](frozen, u[p], v[p])) for p in parts])


def _numbers(table: Any) -> np.ndarray:
    return table.float().cpu().numpy()
