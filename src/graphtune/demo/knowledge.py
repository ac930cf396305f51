"""The third story: a knowledge graph of a library's own interface."""

from __future__ import annotations

import numpy as np
import polars as pl

from graphtune.clean import Cleaning
from graphtune.config import TrainConfig
from graphtune.demo.baselines import frequent_answers
from graphtune.demo.code import Code
from graphtune.demo.story import FINE_TUNED, PRETRAINED, Contest, Plan, Story, kept, plain, shown
from graphtune.evaluate import evaluate_triples
from graphtune.io import from_frame
from graphtune.models import ComplEx, Model
from graphtune.split import Split, split_triples
from graphtune.tasks import TripleCompletion, finetune, pretrain

NAME = "knowledge"
CORE = 3  # triples that an entity must be in to stay
EXAMPLE = ("LogisticRegression", "takes")


def knowledge_story(plan: Plan, package: str, code: Code) -> Story:
    """Which parameter, method, base class or module is missing in a triple?"""
    frame = pl.DataFrame(code.facts, schema=["head", "relation", "tail"], orient="row")
    graph, _ = from_frame(frame, kind="triples", cleaning=Cleaning(k_core=CORE))
    split = split_triples(graph)
    task = TripleCompletion(split)
    learn = TrainConfig(epochs=plan.epochs(15), batch_size=1024, lr=0.1, optimizer="adagrad", n3=0.05, eval_every=5)
    adapt = TrainConfig(
        epochs=plan.epochs(20), batch_size=1024, lr=0.1, optimizer="adagrad", schedule="cosine", n3=0.1, eval_every=4
    )
    pretrained = pretrain(ComplEx(dim=64), split, learn)
    tuned = finetune(pretrained.model, task, adapt)
    scores = (
        plain("most frequent answers", evaluate_triples(frequent_answers(split.train), split)),
        kept(plan, NAME, PRETRAINED, pretrained, task, split),
        kept(plan, NAME, FINE_TUNED, tuned, task, split),
    )
    relations = shown(f'"{name}"' for name in graph.relation_ids.values(np.arange(graph.num_relations)))  # type: ignore[union-attr]
    read = (
        f"The interface of {package}, from {code.files} source files: {len(code.facts):,} triples with the relations "
        f"{relations}",
        f"With {CORE} triples at least: {graph.num_nodes:,} entities, {graph.num_edges:,} triples; 70 % to learn from, "
        "20 % to choose by, 10 % to test on",
    )
    contest = Contest("Which entity completes the triple?", ("mrr", "hits_10"), scores)
    return Story(NAME, "A knowledge graph", read, (contest,), _example(tuned.model, split))


def _example(model: Model, split: Split) -> tuple[str, ...]:
    """Answers to one question that training did not hold, and whether they are right."""
    names = split.graph.relation_ids
    assert names is not None and split.graph.relation is not None
    head = int(model.ids.index([EXAMPLE[0]], missing="mark")[0])
    relation = int(names.index([EXAMPLE[1]], missing="mark")[0])
    if head < 0 or relation < 0:
        return ()
    asked = (split.graph.edges[0] == head) & (split.graph.relation == relation)
    scores = model.frozen().cross(np.array([head]), range(len(model.ids)), np.array([relation]))[0]
    scores[split.graph.edges[1, asked & (split.part == 0)]] = -np.inf
    best = np.argsort(-scores, kind="stable")[:5]
    really = set(split.graph.edges[1, asked & (split.part > 0)].tolist())
    answers = (f"{name} ({'yes' if at in really else 'no'})" for at, name in zip(best.tolist(), model.ids.values(best)))
    return (f"({EXAMPLE[0]}, {EXAMPLE[1]}, ?), {len(really)} answers held back (is it one?): {shown(answers)}",)
