"""A recommender that learns what has happened since: new events, with new users and items among them.

Axes: E edges of the grown graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphtune.adapt.enlarge import Enlarged, enlarge
from graphtune.adapt.induct import NewNodes, extend, usual_training
from graphtune.check import bad, integer, number
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation
from graphtune.graph import Graph
from graphtune.models.base import ClosedForm, Model
from graphtune.sampling import EdgeSampler, Replay, Sampler, VisitSampler
from graphtune.split import TEST, TRAIN, UNUSED, VALID, Split
from graphtune.split.keys import group_by, row_key
from graphtune.split.parts import UPDATED
from graphtune.tasks import Recommendation, finetune, pretrain
from graphtune.train.fit import Result, Run, Training

WHO = "update"
EPOCHS, PATIENCE = 10, 3


@dataclass(frozen=True)
class Updating:
    """How new events are learned.

    Attributes:
        valid, test: shares of the new events, the latest ones, that are kept aside to stop by and to judge on; events
            without times are drawn.
        replay: old events that are learned again for each new one, others each epoch; None for all of them.
        weight: of the loss of a new event beside 1 for an old one.
        k: places of the list that is judged.
    """

    valid: float = 0.1
    test: float = 0.1
    replay: float | None = None
    weight: float = 1.0
    k: int = 20

    def __post_init__(self) -> None:
        for name in ("valid", "test"):
            number(name, "Updating", getattr(self, name), 0, 0.9)
        if self.valid + self.test > 0.9:
            raise bad("test", "Updating", "at most 0.9 together with `valid`", self.test)
        if self.replay is not None:
            number("replay", "Updating", self.replay, 0)
        number("weight", "Updating", self.weight, 0, open_low=True)
        integer("k", "Updating", self.k, 1)


@dataclass(frozen=True)
class News:
    """New events beside those that a model knows, before anything is learned.

    Attributes:
        start: the model over all users and items, new ones folded in: what answers until the new one is there.
        split: all events, the earlier ones in the parts they had.
        earlier: the same with only earlier events held out; None where there are none.
        later: the same with only new events held out.
        first: the number of the first new edge of the train part.
        report: what became of new users and items.
    """

    start: Model
    split: Split
    earlier: Split | None
    later: Split
    first: int
    report: NewNodes

    def counts(self) -> dict[str, int]:
        """New events that are learned, stopped by and judged on."""
        held = {name: int((self.later.part == part).sum()) for name, part in (("valid", VALID), ("test", TEST))}
        return {"learned": self.split.train.num_edges - self.first, **held}


@dataclass(frozen=True)
class Updated:
    """A model that has learned new events.

    Attributes:
        result: of the training.
        news: what it was trained on.
        before, after: by "earlier" and "later", the scores on the held-out events of that time; before, those of the
            model that there was, with new users and items folded in. What fell on "earlier" was forgotten.
    """

    result: Result
    news: News
    before: dict[str, Evaluation]
    after: dict[str, Evaluation]


def update(
    model: Model,
    split: Split | None,
    events: Graph,
    how: Updating = Updating(),
    config: TrainConfig | None = None,
    run: Run = Run(),
) -> Updated:
    """Train a model on from new events and old ones, and measure what it gained and what it forgot.

    Rows start where they were, by id, and those of new users and items at what `add_nodes` makes of their events. All
    weights are then trained as the recipe pretrains; a closed form is solved anew. Events that were held out stay so.

    Args:
        model: trained on the train part of the split, or on its whole graph; left as it is.
        split: of the events that it comes from; None where it learned all of them.
        events: new ones under the user's ids, also of users and items that the model does not know.
        how: what is kept aside, and how much the old events count.
        config: how to train; as the recipe does at a third of its rate, for a few epochs, where None.
        run: checkpoints, loggers and progress.

    Raises:
        ArgumentError: the model is no recommender of events, no event is new or none is left to learn, or the recipe
            is a closed form or draws no edges, so that they cannot be weighed or replayed.
        TrainingError: the loss is no longer finite.
    """
    if isinstance(model.recipe, ClosedForm) and (how.weight != 1 or how.replay is not None):
        option = "weight" if how.weight != 1 else "replay"
        what = f"left out: {type(model.recipe).__name__} is solved anew from all events"
        raise bad(option, "Updating", what, getattr(how, option))
    news = read_news(model, split, events, how)
    before = {} if split is None or news.earlier is None else {"earlier": _judged(model, split, how)}
    before |= _later(news.start, news, how)
    config = config or usual_update(model)
    if isinstance(model.recipe, ClosedForm):
        result = pretrain(model.recipe, news.later, config, run=run)
    else:
        result = finetune(news.start, _Task(news, how), config, run)
    after = {} if news.earlier is None else {"earlier": _judged(result.model, news.earlier, how)}
    return Updated(result, news, before, after | _later(result.model, news, how))


def usual_update(model: Model) -> TrainConfig:
    """How an update is trained unless told: as rows of new nodes are, for a few epochs, all weights together."""
    return replace(usual_training(model), epochs=EPOCHS, eval_every=1, patience=PATIENCE)


def read_news(model: Model, split: Split | None, events: Graph, how: Updating) -> News:
    """Put new events beside those that a model knows, in parts; and fold new users and items in.

    An event between a user and an item that have met before goes where they are; of the others the latest are held out,
    each pair with its first event.

    Raises:
        ArgumentError: see `update`.
    """
    graph = model.graph if split is None else split.graph
    if not graph.is_bipartite_events or not events.is_bipartite_events:
        fix = "For other graphs: add_nodes, and then finetune."
        raise bad("model", WHO, "one of events of users and items", " and ".join(model.ids.kinds), fix)
    whole = enlarge(graph, events, anything=True)
    if not whole.added.any():
        raise bad("events", WHO, "such that one is new", f"{events.num_edges:,} events, all known")
    old = np.full(graph.num_edges, TRAIN, np.uint8) if split is None else split.part
    part = _parts(whole, old, how, 0 if split is None else split.seed or 0)
    kept = Split(whole.graph, "edge", UPDATED, part, seed=None if split is None else split.seed)
    seen = Enlarged(kept.train, whole.rows, model.graph.num_edges, whole.known)
    if kept.train.num_edges == seen.edges_before:
        raise bad("events", WHO, "such that one is left to learn", how, "Keep fewer aside, or wait for more.")
    extended = extend(model, seen)
    held = (part == VALID) | (part == TEST)
    earlier = replace(kept, part=np.where(held & whole.added, UNUSED, part))
    later = replace(kept, part=np.where(held & ~whole.added, UNUSED, part))
    some = bool((held & ~whole.added).any())
    return News(extended.model, kept, earlier if some else None, later, seen.edges_before, extended.report)


def _parts(whole: Enlarged, old: np.ndarray, how: Updating, seed: int) -> np.ndarray:
    """[E] the part of each edge: that of the pair of its ends where they have met, else by the time of its first."""
    graph, before = whole.graph, whole.edges_before
    group, _ = group_by(row_key(*graph.edges))
    count = int(group.max()) + 1
    part_of = np.full(count, UNUSED + 1, dtype=np.uint8)
    np.minimum.at(part_of, group[:before], old)
    fresh = np.setdiff1d(group[before:], group[:before])
    if graph.time is None:
        order = np.random.default_rng(seed).permutation(fresh)
    else:
        first = np.full(count, np.inf)
        np.minimum.at(first, group, graph.time.astype(np.float64))
        order = fresh[np.argsort(first[fresh], kind="stable")]
    test, valid = round(how.test * len(order)), round(how.valid * len(order))
    ends = len(order) - test - valid, len(order) - test
    for name, which in zip((TRAIN, VALID, TEST), np.split(order, ends)):
        part_of[which] = name
    return np.concatenate([old, part_of[group[before:]]])


def _judged(model: Model, split: Split, how: Updating) -> Evaluation:
    """On the test part, or on that of validation where there is no other."""
    part = TEST if (split.part == TEST).any() else VALID
    return Recommendation(split, how.k).evaluate(model, part)


def _later(model: Model, news: News, how: Updating) -> dict[str, Evaluation]:
    return {"later": _judged(model, news.later, how)} if news.counts()["test"] else {}


@dataclass(frozen=True)
class _Task:
    """Learning new events as a task: what the recipe pretrains on, weighed, validated on the latest."""

    news: News
    how: Updating
    name = "update"

    @property
    def monitor(self) -> str:
        return f"ndcg_{self.how.k}"

    @property
    def graph(self) -> Graph:
        return self.news.split.graph

    def training(self, model: Model, config: TrainConfig) -> Training:
        sampler, objective = model.recipe.pretraining(self.news.later.train, config)  # type: ignore[union-attr]
        training = Training(self.name, self._weighed(sampler), objective)
        if not self.news.counts()["valid"]:
            return training
        return replace(training, validate=self.validate, monitor=self.monitor)

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        return Recommendation(self.news.later, self.how.k).evaluate(model, part)

    def validate(self, model: Model) -> dict[str, float]:
        return self.evaluate(model, VALID).means()

    def defaults(self) -> TrainConfig:
        return usual_update(self.news.start)

    def _weighed(self, sampler: Sampler) -> Sampler:
        """With new edges weighed, and only some old ones."""
        how, first = self.how, self.news.first
        if how.weight == 1 and how.replay is None:
            return sampler
        if isinstance(sampler, VisitSampler):
            sampler = EdgeSampler(sampler.graph, sampler.batch_size, sampler.negatives, seed=sampler.seed)
        if not isinstance(sampler, EdgeSampler):
            option = "weight" if how.weight != 1 else "replay"
            raise bad(option, "Updating", "left out: the recipe draws no edges", getattr(how, option))
        if how.weight != 1:
            weight = np.ones(sampler.graph.num_edges) if sampler.weight is None else sampler.weight.astype(np.float64)
            weight[first:] *= how.weight
            sampler = replace(sampler, weight=weight)
        return sampler if how.replay is None else Replay(sampler, first, how.replay)


def told(updated: Updated) -> dict[str, Any]:
    """Means of every score before and after, and what of it was gained, in plain numbers."""
    found = {}
    for when, before in updated.before.items():
        first, second = before.means(), updated.after[when].means()
        found[when] = {
            name: {"before": first[name], "after": second[name], "change": second[name] - first[name]} for name in first
        }
    return found
