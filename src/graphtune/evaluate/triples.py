"""Knowledge-graph completion: the missing tail and the missing head of each triple, ranked among all entities.

Axes: T triples, Q queries.
"""

from __future__ import annotations

import numpy as np

from graphtune.evaluate.groups import Groups, by_entities, by_relation
from graphtune.evaluate.ranks import TripleRanks, rank_scores, rank_triples
from graphtune.evaluate.result import PARTS, Evaluation, Pooled
from graphtune.metrics import amri
from graphtune.models.base import Model
from graphtune.split import TEST, VALID, Split


def evaluate_triples(model: Model, split: Split, part: int = TEST, side: str = "both") -> Evaluation:
    """MRR, Hits@1/3/10, mean rank and AMRI; filtered, realistic ranks.

    Known answers other than the asked one are left out: those of train and validation when validation is evaluated, of
    all three parts when test is. Ties count as the mean of their places. Triples whose entities or relation no
    training triple holds stay in and are counted. Heads are ranked by the reverse relation, `model.score` scores tails.

    Args:
        model: scores triples; relation r + R reads r backwards.
        split: of triples.
        part: VALID or TEST.
        side: "tail" for (h, r, ?) alone, "head" for (?, r, t) alone, or "both" together.

    Returns:
        with groups by "relation", "category" (1-1, 1-N, N-1 or N-N in the train part), "side" (the end that is
        missing) and "entities" (whether the train part has both), and with the ranks of the queries.

    Raises:
        ArgumentError: `side` is none of these, or the model scores NaN.
    """
    asked = split.valid if part == VALID else split.test
    ranks = rank_triples(model, asked, split.through(part), side)
    groups = _groups(ranks, split)
    unseen = by_entities(asked.edges, split.train).of
    counts = {"triples": asked.num_edges, "triples with an entity unseen in train (kept)": int(unseen.sum())}
    strange = int((~np.isin(np.asarray(asked.relation), np.asarray(split.train.relation))).sum())
    if strange:
        counts["triples with a relation unseen in train (kept)"] = strange
    pooled = {"amri": Pooled(_amri, (ranks.rank, ranks.candidates))}
    return Evaluation(_name(side), PARTS[part], rank_scores(ranks.rank), pooled, counts, groups, ranks)


def _groups(ranks: TripleRanks, split: Split) -> dict[str, Groups]:
    asked = ranks.asked
    assert asked.relation is not None
    return {
        **by_relation(asked, asked.relation[ranks.triple], split.train),
        "side": Groups(("tail", "head"), ranks.is_head.astype(np.int64)),
        "entities": by_entities(asked.edges[:, ranks.triple], split.train),
    }


def _name(side: str) -> str:
    return "knowledge-graph completion" + ("" if side == "both" else f" ({side}s)")


def _amri(ranks: np.ndarray, candidates: np.ndarray) -> float:
    return float(np.nanmean(amri(ranks, candidates)))
