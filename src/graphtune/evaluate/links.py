"""Link prediction: hidden edges against pairs that are none.

Axes: P positives, C candidate targets a positive.
"""

from __future__ import annotations

import numpy as np

from graphtune.evaluate.result import PARTS, Evaluation, Pooled
from graphtune.kernels.negatives import unknown_targets
from graphtune.kernels.ranking import ranks_among
from graphtune.metrics import average_precision, hits_at, hits_at_k_against, mrr, roc_auc
from graphtune.models.base import Model
from graphtune.split import TEST, VALID, Split

CANDIDATES = 100
HITS_AGAINST = 50


def evaluate_links(model: Model, split: Split, part: int = TEST, seed: int = 0, limit: int | None = None) -> Evaluation:
    """AUC, AP and Hits@50 against as many random non-edges; MRR and Hits@10 of each edge's target among 100 others.

    A non-edge is a pair with no edge in the parts seen so far or in the evaluated one; validation never looks at test
    edges. In a directed graph the reverse of an edge counts as a non-edge like any other.

    Args:
        model: scores pairs.
        split: of edges.
        part: VALID or TEST.
        seed: of the non-edges; the same seed gives every model the same ones.
        limit: judge this many of the part's edges, chosen by the seed, instead of all: quick enough for every epoch.
    """
    positive = (split.valid if part == VALID else split.test).edges
    known = split.through(part).adjacency("out")
    n = split.graph.num_nodes
    rng = np.random.default_rng([seed, part])
    if limit is not None and limit < positive.shape[1]:
        positive = positive[:, rng.choice(positive.shape[1], limit, replace=False)]
    source = rng.integers(0, n, size=(positive.shape[1],), dtype=np.int64)
    target = unknown_targets(known.indptr, known.indices, source, 1, 0, n, seed)[:, 0]
    others = unknown_targets(known.indptr, known.indices, positive[0], CANDIDATES, 0, n, seed + 1)
    frozen = model.frozen()
    true = frozen.pairs(positive[0], positive[1])
    false = frozen.pairs(source, target)
    among = frozen.pairs(np.repeat(positive[0], CANDIDATES), others.ravel()).reshape(-1, CANDIDATES)
    ranks = ranks_among(true, among)
    per_query = {
        "mrr": mrr(ranks),
        "hits_10": hits_at(ranks, 10),
        f"hits_{HITS_AGAINST}_against": hits_at_k_against(true, false, HITS_AGAINST),
    }
    pooled = {
        "auc": Pooled(roc_auc, (true, false), together=False),
        "ap": Pooled(average_precision, (true, false), together=False),
    }
    counts = {"edges": len(true), "non-edges": len(false), "candidates an edge": CANDIDATES}
    return Evaluation("link prediction", PARTS[part], per_query, pooled, counts)
