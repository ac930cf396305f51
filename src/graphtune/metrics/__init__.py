"""Scores of a model's answers, kept per query wherever the metric is a mean, so that intervals and tests follow.

Whatever is returned as [Q] or [P] has the metric as its mean. Counts are compared here with NumPy rather than
scikit-learn where a bootstrap calls them a thousand times (F1: 1.4 ms against 48 ms for 10,000 nodes with 39
labels); the tests hold them to scikit-learn.
"""

from graphtune.metrics.calibration import brier_score, expected_calibration_error
from graphtune.metrics.classes import (
    accuracy,
    deepwalk_protocol,
    f1_macro,
    f1_micro,
    one_vs_rest_scores,
    precision_macro,
    recall_macro,
    top_k_labels,
)
from graphtune.metrics.communities import ari, modularity, nmi
from graphtune.metrics.links import (
    accuracy_at,
    average_precision,
    average_precision_each,
    f1_at,
    hits_at_k_against,
    roc_auc,
    roc_auc_each,
)
from graphtune.metrics.lists import coverage, gini, list_means, popularity_lift, self_information
from graphtune.metrics.ranked import (
    average_precision_at_k,
    hit_rate_at_k,
    mrr_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)
from graphtune.metrics.ranks import amri, hits_at, mean_rank, mrr
from graphtune.metrics.values import absolute_errors, mae, mse, r2, squared_errors

__all__ = [
    "absolute_errors",
    "accuracy",
    "accuracy_at",
    "amri",
    "ari",
    "average_precision",
    "average_precision_at_k",
    "average_precision_each",
    "brier_score",
    "coverage",
    "deepwalk_protocol",
    "expected_calibration_error",
    "f1_at",
    "f1_macro",
    "f1_micro",
    "gini",
    "hit_rate_at_k",
    "hits_at",
    "hits_at_k_against",
    "list_means",
    "mae",
    "mean_rank",
    "modularity",
    "mrr",
    "mrr_at_k",
    "mse",
    "ndcg_at_k",
    "nmi",
    "one_vs_rest_scores",
    "popularity_lift",
    "precision_at_k",
    "precision_macro",
    "r2",
    "recall_at_k",
    "recall_macro",
    "roc_auc",
    "roc_auc_each",
    "self_information",
    "squared_errors",
    "top_k_labels",
]
