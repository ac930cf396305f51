"""Node classification and regression: by the model's own head, or by a linear probe on its frozen embeddings.

Axes: n nodes, C classes.
"""

from __future__ import annotations

import numpy as np
import torch

from graphtune.evaluate.result import PARTS, Evaluation, Pooled
from graphtune.metrics import (
    accuracy,
    f1_macro,
    f1_micro,
    mae,
    mse,
    one_vs_rest_scores,
    precision_macro,
    r2,
    recall_macro,
    top_k_labels,
)
from graphtune.models.base import Model
from graphtune.split import TEST, TRAIN, VALID, Split

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)


def evaluate_classes(model: Model, split: Split, part: int = TEST, head: str | None = None) -> Evaluation:
    """Accuracy, precision, recall and F1 of predicted classes.

    With several labels a node, as many of the highest-scored ones are predicted as the node has (the protocol of
    Perozzi et al., 2014).

    Args:
        model: its embeddings, or its head's outputs, are used.
        split: of the nodes of a graph with labels.
        part: VALID or TEST.
        head: the head to predict with; None trains logistic regression on the embeddings of the train nodes, its
            strength chosen on the validation nodes.
    """
    labels = split.graph.labels
    assert labels is not None
    nodes = np.flatnonzero(split.part == part)
    scores = head_outputs(model, head)[nodes] if head else _probe_classes(model, split, nodes)
    return classes_evaluation(labels[nodes], scores, PARTS[part])


def classes_evaluation(labels: np.ndarray, scores: np.ndarray, part: str) -> Evaluation:
    """The metrics of class scores [n, C] against labels, [n] or [n, C] bool."""
    if labels.ndim == 1:
        predicted = scores.argmax(axis=1)
    else:
        predicted = top_k_labels(scores, labels.sum(axis=1))
    arrays = (labels, predicted)
    pooled = {
        "f1_micro": Pooled(f1_micro, arrays),
        "f1_macro": Pooled(f1_macro, arrays),
        "precision": Pooled(precision_macro, arrays),
        "recall": Pooled(recall_macro, arrays),
    }
    per_query = {"accuracy": accuracy(labels, predicted).astype(np.float64)}
    return Evaluation("node classification", part, per_query, pooled, {"nodes": len(labels)})


def evaluate_values(model: Model, split: Split, part: int = TEST, head: str | None = None) -> Evaluation:
    """MSE, MAE and R2 of predicted values.

    Args:
        model: its embeddings, or its head's output, are used.
        split: of the nodes of a graph with targets.
        part: VALID or TEST.
        head: the head to predict with; None trains ridge regression on the embeddings of the train nodes, its strength
            chosen on the validation nodes.
    """
    targets = split.graph.targets
    assert targets is not None
    nodes = np.flatnonzero(split.part == part)
    values = head_values(model, head)[nodes] if head else _probe_values(model, split, nodes)
    arrays = (targets[nodes], values)
    per_query = {"mse": (arrays[0] - values) ** 2, "mae": np.abs(arrays[0] - values)}
    assert np.isclose(per_query["mse"].mean(), mse(*arrays))
    assert np.isclose(per_query["mae"].mean(), mae(*arrays))
    return Evaluation("node regression", PARTS[part], per_query, {"r2": Pooled(r2, arrays)}, {"nodes": len(nodes)})


@torch.no_grad()
def head_outputs(model: Model, head: str) -> np.ndarray:
    """[N, outputs] of a head for all nodes."""
    was_training = model.training
    model.eval()
    outputs = model.heads[head](model.encoder(None)).float().cpu().numpy()
    model.train(was_training)
    return outputs


def head_values(model: Model, head: str) -> np.ndarray:
    """[N] values of a regression head, on the scale of the targets."""
    scale = model.outputs[head]
    return head_outputs(model, head)[:, 0].astype(np.float64) * scale["spread"] + scale["mean"]


def _standard(model: Model, nodes: np.ndarray) -> np.ndarray:
    """[N, D] embeddings with mean 0 and variance 1 over `nodes`."""
    z = model.embeddings().float().cpu().numpy()
    spread = z[nodes].std(axis=0)
    return (z - z[nodes].mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _probe_classes(model: Model, split: Split, nodes: np.ndarray) -> np.ndarray:
    labels = split.graph.labels
    assert labels is not None
    train, valid = np.flatnonzero(split.part == TRAIN), np.flatnonzero(split.part == VALID)
    several = labels if labels.ndim == 2 else labels[:, None] == np.arange(labels.max() + 1)
    z = _standard(model, train)

    def score(c: float) -> float:
        found = one_vs_rest_scores(z[train], several[train], z[valid], c)
        return classes_evaluation(labels[valid], found, "valid")["f1_micro"]

    return one_vs_rest_scores(z[train], several[train], z[nodes], max(STRENGTHS, key=score))


def _probe_values(model: Model, split: Split, nodes: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import Ridge

    targets = split.graph.targets
    assert targets is not None
    train, valid = np.flatnonzero(split.part == TRAIN), np.flatnonzero(split.part == VALID)
    z = _standard(model, train)
    probes = [Ridge(alpha=1 / c).fit(z[train], targets[train]) for c in (*STRENGTHS, 0.001, 0.0001)]
    return min(probes, key=lambda probe: mse(targets[valid], probe.predict(z[valid]))).predict(z[nodes])
