"""Recommendation: every target ranked for every user, those already taken left out.

Axes: U users with something to find, k places, N nodes, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from graphtune import metrics
from graphtune.check import bad
from graphtune.evaluate.groups import Groups, distinct
from graphtune.evaluate.result import PARTS, Evaluation, Pooled
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.best import Targets
from graphtune.models.ranked import left_out
from graphtune.split import TEST, VALID, Split

ACTIVITY = (1, 10, 50, 200)  # train events from which on a user is in the next group
ACTIVITY_NAMES = ("cold: 0", "1 to 9", "10 to 49", "50 to 199", "200 or more")
PERIODS = 4


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is to be found.

    Attributes:
        split: the whole.
        part: VALID or TEST.
        targets: rows of what is ranked.
        users: [U] who has something to find.
        skipped: how many have not.
        pairs: source * N + target of all that is to be found, ascending.
    """

    split: Split
    part: int
    targets: range
    users: np.ndarray
    skipped: int
    pairs: np.ndarray


@dataclass(frozen=True, eq=False)
class _Lists:
    """What the users are given: [U, k] rows of targets, -1 where there are no more."""

    asked: _Asked
    found: np.ndarray

    def accuracy(self, pairs: np.ndarray, which: np.ndarray | slice = slice(None)) -> dict[str, np.ndarray]:
        """Scores of some users by what there is to find, each user having something."""
        n, users, found = self.asked.split.graph.num_nodes, self.asked.users[which], self.found[which]
        hits = _is_in(users[:, None] * n + found, pairs) & (found >= 0)
        relevant, k = np.bincount(pairs // n, minlength=n)[users], found.shape[1]
        scores = {
            f"recall_{k}": metrics.recall_at_k,
            f"precision_{k}": metrics.precision_at_k,
            f"ndcg_{k}": metrics.ndcg_at_k,
            f"mrr_{k}": metrics.mrr_at_k,
            f"map_{k}": metrics.average_precision_at_k,
            f"hit_rate_{k}": metrics.hit_rate_at_k,
        }
        return {name: score(hits, relevant) for name, score in scores.items()}

    def popularity(self) -> tuple[dict[str, np.ndarray], dict[str, Pooled]]:
        """Scores per user, and of all lists together, of how new, how popular and how many the targets are."""
        train, targets, k = self.asked.split.train, self.asked.targets, self.found.shape[1]
        n, taken = train.num_nodes, _pairs(train)
        takers = np.bincount(taken % n, minlength=n)[targets.start : targets.stop]
        users = len(distinct(taken // n))
        share = np.bincount(taken % n, minlength=n) / max(users, 1)
        lists = np.where(self.found >= 0, self.found - targets.start, -1)
        given = metrics.list_means(lists, share[targets.start : targets.stop])
        count = np.bincount(taken // n, minlength=n)
        own = np.bincount(taken // n, share[taken % n], minlength=n)
        own = np.divide(own, count, out=np.full(n, np.nan), where=count > 0)[self.asked.users]
        each = {
            f"novelty_{k}": metrics.list_means(lists, metrics.self_information(takers, users)),
            f"popularity_{k}": given,
        }
        of_all = {
            f"popularity_lift_{k}": Pooled(metrics.popularity_lift, (given, own)),
            f"coverage_{k}": Pooled(partial(metrics.coverage, items=len(targets)), (lists,), resampled=False),
            f"gini_{k}": Pooled(partial(metrics.gini, items=len(targets)), (lists,), resampled=False),
        }
        return each, of_all

    def activity(self) -> Groups:
        """Users by how many events of the train part are theirs."""
        events = self.asked.split.train.adjacency("out").degree[self.asked.users]
        return Groups(ACTIVITY_NAMES, np.searchsorted(ACTIVITY, events, side="right"))

    def periods(self) -> dict[str, Evaluation]:
        """Accuracy by when the targets were taken, in periods with as many of them each: the same lists, and of each
        period the users with something to find in it."""
        asked = self.asked
        if not len(asked.pairs):
            return {}
        when = _first_times(asked)
        edges = np.quantile(when, np.linspace(0, 1, PERIODS + 1)[1:-1], method="higher")
        of, found = np.searchsorted(edges, when, side="right"), {}
        for period in distinct(of):
            pairs, times = asked.pairs[of == period], when[of == period]
            which = np.isin(asked.users, pairs // asked.split.graph.num_nodes)
            scores = self.accuracy(pairs, which)
            counts = {"queries": int(which.sum()), "targets to find": len(pairs)}
            name = f"{times.min()} to {times.max()}"
            found[name] = Evaluation("recommendation", PARTS[asked.part], scores, counts=counts)
        return found


def evaluate_recommendations(
    model: Model, split: Split, part: int = TEST, k: int = 20, beyond: bool = True
) -> Evaluation:
    """Recall, precision, NDCG, MRR, MAP and hit rate at k over the full ranking, and what the lists are like.

    NDCG has binary gains and the ideal over min(k, relevant); MRR is of the first hit. A target counts once however
    often a user took it, and not at all if it was seen before, as it is then left out of the ranking. Users without
    anything to find in the part are skipped and counted. In a graph that is no log of events every node is a user and
    every other node a target.

    Beyond accuracy there are `novelty` (bits) and `popularity` (share of users) of the recommended targets, the lift of
    popularity over what users took, and of all lists together coverage and the Gini index; see `metrics.lists`. What is
    popular is told by the train part, and asked are the users with something to find. `by("activity")` has users by
    their events in train, and `by("period")`, where there are times, what was taken in each quarter of what is to be
    found.

    Args:
        model: scores pairs; or whatever has a `frozen()` that does.
        split: of edges without relations.
        part: VALID or TEST; what was seen before it is left out of the ranking.
        k: places.
        beyond: whether more than accuracy is asked.

    Raises:
        ArgumentError: nobody has anything to find in the part.
    """
    asked = _asked(split, part)
    if not len(asked.users):
        what = f"one whose {PARTS[part]} part holds pairs that are in no earlier part"
        raise bad("split", "evaluate_recommendations", what, split.summary())
    seen = split.train if part == VALID else split.through(VALID)
    out = left_out(split.graph, seen, asked.users)
    lists = _Lists(asked, Targets(model.frozen(), asked.targets).best(asked.users, k, out)[0])
    counts = {"users": len(asked.users), "users without anything to find (skipped)": asked.skipped}
    scores = lists.accuracy(asked.pairs)
    if not beyond:
        return Evaluation("recommendation", PARTS[part], scores, counts=counts, users=asked.users)
    each, pooled = lists.popularity()
    groups, divided = {"activity": lists.activity()}, {} if split.graph.time is None else {"period": lists.periods}
    told = scores | each
    return Evaluation("recommendation", PARTS[part], told, pooled, counts, groups, users=asked.users, divided=divided)


def _asked(split: Split, part: int) -> _Asked:
    graph, n = split.graph, split.graph.num_nodes
    targets = graph.ids.rows("item") if graph.is_bipartite_events else range(n)
    users = np.array(graph.ids.rows("user")) if graph.is_bipartite_events else np.arange(n)
    seen = split.train if part == VALID else split.through(VALID)
    pairs = _to_find(_hidden(split, part), seen)
    asked = users[np.bincount(pairs // n, minlength=n)[users] > 0]
    return _Asked(split, part, targets, asked, len(users) - len(asked), pairs)


def _hidden(split: Split, part: int) -> Graph:
    return split.valid if part == VALID else split.test


def _to_find(hidden: Graph, seen: Graph) -> np.ndarray:
    """Each pair (source * N + target) that is hidden and not seen, once, ascending; without self-loops."""
    n = hidden.num_nodes
    pairs = np.setdiff1d(_pairs(hidden), _pairs(seen), assume_unique=True)
    return pairs[pairs // n != pairs % n]


def _first_times(asked: _Asked) -> np.ndarray:
    """When each pair that is to be found was first there."""
    hidden, n = _hidden(asked.split, asked.part), asked.split.graph.num_nodes
    assert hidden.time is not None
    (u, v), time = hidden.edges, hidden.time
    if not hidden.directed:
        u, v, time = np.concatenate([u, v]), np.concatenate([v, u]), np.concatenate([time, time])
    order = np.lexsort((time, u * n + v))
    return time[order][np.searchsorted((u * n + v)[order], asked.pairs)]


def _is_in(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    return ascending[np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)] == values


def _pairs(graph: Graph) -> np.ndarray:
    csr = graph.adjacency("out")
    return distinct(np.repeat(np.arange(graph.num_nodes), csr.degree) * graph.num_nodes + csr.indices)
