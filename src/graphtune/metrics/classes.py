"""Classes of nodes.

Axes: Q queries, k places in a ranked list, P positives, M negatives, n nodes, C classes, E edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphtune.check import bad, integer, number


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[n] 1 where a node's class, or its whole set of classes, is right, else 0; the mean is the accuracy.

    Args:
        labels: [n] integer classes from 0, or [n, C] bool for several classes a node.
        predicted: the same shape and kind.

    Raises:
        ArgumentError: other types or shapes, or a class below 0.
    """
    labels, predicted = _classes("accuracy", labels, predicted)
    right = labels == predicted
    return right.reshape(len(right), -1).all(axis=1).astype(np.float64)


def precision_macro(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Precision per class, averaged over classes.

    A class never predicted has precision 0. The average is over the classes that occur in `labels` or
    `predicted`, or over all C columns if these are [n, C], as in scikit-learn. See `accuracy`.
    """
    hit, claimed, _ = _counts("precision_macro", labels, predicted)
    return float(_share(hit, claimed).mean())


def recall_macro(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Recall per class, averaged over classes; 0 for a class no node has. See `precision_macro`."""
    hit, _, actual = _counts("recall_macro", labels, predicted)
    return float(_share(hit, actual).mean())


def f1_macro(labels: np.ndarray, predicted: np.ndarray) -> float:
    """F1 per class, averaged over classes; 0 for a class neither given nor predicted. See `precision_macro`."""
    hit, claimed, actual = _counts("f1_macro", labels, predicted)
    return float(_share(2 * hit, claimed + actual).mean())


def f1_micro(labels: np.ndarray, predicted: np.ndarray) -> float:
    """F1 over all node-class decisions together; with one class a node it equals the accuracy."""
    hit, claimed, actual = (count.sum() for count in _counts("f1_micro", labels, predicted))
    return float(_share(2 * hit, claimed + actual))


def top_k_labels(scores: np.ndarray, k_per_node: np.ndarray) -> np.ndarray:
    """[n, C] bool: the k best classes of each node; of equal scores the smaller class goes first.

    With `k_per_node` the true number of labels this is the prediction rule of the DeepWalk protocol.

    Args:
        scores: [n, C] probabilities or any scores.
        k_per_node: [n] integers in 0..C.
    """
    scores, k = np.asarray(scores), np.asarray(k_per_node)
    if scores.ndim != 2 or np.isnan(scores).any():
        raise bad("scores", "top_k_labels", "[n, C] without NaN", f"shape {scores.shape}")
    is_count = k.shape == scores.shape[:1] and np.issubdtype(k.dtype, np.integer)
    if not is_count or (k < 0).any() or (k > scores.shape[1]).any():
        what = f"one integer in [0, {scores.shape[1]}] per row of `scores`"
        raise bad("k_per_node", "top_k_labels", what, f"{k.dtype} {k.shape}")
    order = np.argsort(-scores, axis=1, kind="stable")
    chosen = np.zeros(scores.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, np.arange(scores.shape[1]) < k[:, None], axis=1)
    return chosen


def one_vs_rest_scores(embedding: np.ndarray, labels: np.ndarray, new: np.ndarray, c: float = 1.0) -> np.ndarray:
    """Decision values of one logistic regression per class: the probe of the DeepWalk scoring script.

    BLAS is held to one thread: on products this small several spend their time waiting for one another.

    Args:
        embedding: [n, D] training nodes.
        labels: [n, C] bool.
        new: [m, D] nodes to score.
        c: inverse strength of the L2 penalty, as in scikit-learn; the intercept is not penalised.

    Returns:
        [m, C] float64. A class that no training node has scores -inf, one that all have +inf.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    c = number("c", "one_vs_rest_scores", c, low=0, open_low=True)
    scores = np.empty((len(new), labels.shape[1]))
    with threadpool_limits(1):
        for column, has in enumerate(labels.T):
            if has.all() or not has.any():
                scores[:, column] = np.inf if has.all() else -np.inf
            else:
                probe = LogisticRegression(C=c, max_iter=1000).fit(embedding, has)
                scores[:, column] = probe.decision_function(new)
    return scores


def deepwalk_protocol(
    embedding: np.ndarray,
    labels: np.ndarray,
    fractions: Sequence[float] = (0.1, 0.5, 0.9),
    repeats: int = 10,
    seed: int = 0,
) -> dict[float, dict[str, np.ndarray]]:
    """Node classification as in the DeepWalk paper (Perozzi et al. 2014, section 5 and `scoring.py`).

    Nodes are shuffled once per repeat; the first share of them trains one-vs-rest logistic regression (C = 1),
    the rest is scored, the number of labels of each test node being given. Nodes without a label are left out.

    Args:
        embedding: [N, D] finite.
        labels: [N, C] bool.
        fractions: shares of the nodes to train on, each in (0, 1).
        repeats: how many shuffles.
        seed: of the shuffles.

    Returns:
        fraction -> {"micro_f1": [repeats], "macro_f1": [repeats]}.

    Raises:
        ArgumentError: shapes or types that do not fit, or a fraction that leaves a side empty.
    """
    embedding, labels = np.asarray(embedding), np.asarray(labels)
    if labels.ndim != 2 or labels.dtype != np.bool_ or embedding.ndim != 2 or len(embedding) != len(labels):
        got = f"{labels.dtype} {labels.shape} for an embedding {embedding.shape}"
        raise bad("labels", "deepwalk_protocol", "bool [N, C] beside an embedding [N, D]", got)
    if not np.isfinite(embedding).all():
        raise bad("embedding", "deepwalk_protocol", "finite", "NaN or infinite entries")
    repeats = integer("repeats", "deepwalk_protocol", repeats, low=1)
    rng = np.random.default_rng(seed)
    labelled = np.flatnonzero(labels.any(axis=1))
    sizes = {fraction: _train_size(fraction, len(labelled)) for fraction in fractions}
    scores = {fraction: {"micro_f1": np.empty(repeats), "macro_f1": np.empty(repeats)} for fraction in sizes}
    for repeat in range(repeats):
        nodes = rng.permutation(labelled)
        for fraction, size in sizes.items():
            train, test = nodes[:size], nodes[size:]
            decision = one_vs_rest_scores(embedding[train], labels[train], embedding[test])
            predicted = top_k_labels(decision, labels[test].sum(axis=1))
            scores[fraction]["micro_f1"][repeat] = f1_micro(labels[test], predicted)
            scores[fraction]["macro_f1"][repeat] = f1_macro(labels[test], predicted)
    return scores


def _classes(who: str, labels: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    for name, array in (("labels", labels), ("predicted", predicted)):
        single = array.ndim == 1 and np.issubdtype(array.dtype, np.integer)
        if not (single or (array.ndim == 2 and array.dtype == np.bool_)) or len(array) == 0:
            raise bad(name, who, "integers [n] or bool [n, C]", f"{array.dtype} {array.shape}")
        if single and array.min() < 0:
            raise bad(name, who, "classes from 0", int(array.min()), "Leave out the nodes without a label.")
    if labels.shape != predicted.shape:
        raise bad("predicted", who, f"of the shape of `labels`, {labels.shape}", predicted.shape)
    return labels, predicted


def _counts(who: str, labels: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per class: nodes rightly predicted, predicted, and labelled."""
    labels, predicted = _classes(who, labels, predicted)
    if labels.ndim == 2:
        return (labels & predicted).sum(axis=0), predicted.sum(axis=0), labels.sum(axis=0)
    size = int(max(labels.max(), predicted.max())) + 1
    hit = np.bincount(labels[labels == predicted], minlength=size)
    claimed, actual = np.bincount(predicted, minlength=size), np.bincount(labels, minlength=size)
    occurs = claimed + actual > 0
    return hit[occurs], claimed[occurs], actual[occurs]


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, 0 where the whole is 0."""
    return part / np.maximum(whole, 1)


def _train_size(fraction: float, nodes: int) -> int:
    fraction = number("fractions", "deepwalk_protocol", fraction, low=0, high=1)
    size = int(fraction * nodes)
    if not 0 < size < nodes:
        what = f"shares that leave nodes to train on and to test, of {nodes} with a label"
        raise bad("fractions", "deepwalk_protocol", what, fraction)
    return size
