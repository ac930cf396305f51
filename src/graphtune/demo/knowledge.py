"""The third story: a knowledge graph of a library's own interface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from graphtune.cleaning import Cleaning
from graphtune.config import TrainConfig
from graphtune.demo.baselines import frequent_answers
from graphtune.demo.code import Code
from graphtune.demo.story import FINE_TUNED, PRETRAINED, Contest, Plan, Story, command, kept, plain, shown
from graphtune.evaluate import evaluate_triples
from graphtune.io import from_frame
from graphtune.models import ComplEx, Model
from graphtune.split import Split, split_triples
from graphtune.tasks import TripleCompletion, calibrate, can_calibrate, finetune, pretrain

NAME = "knowledge"
CORE = 3  # triples that an entity must be in to stay


def knowledge_story(plan: Plan, package: str, code: Code) -> Story:
    """Which parameter, method, base class or module is missing in a triple?"""
    frame = pl.DataFrame(code.facts, schema=["head", "relation", "tail"], orient="row")
    graph, _ = from_frame(frame, kind="triples", cleaning=Cleaning(k_core=CORE))
    split = split_triples(graph)
    task = TripleCompletion(split)
    learn = TrainConfig(epochs=plan.epochs(30), batch_size=1024, lr=0.2, optimizer="adagrad", n3=0.1, eval_every=5)
    adapt = replace(learn, epochs=plan.epochs(20), lr=0.1, schedule="cosine", eval_every=4)
    pretrained = pretrain(ComplEx(dim=64), split, learn)
    tuned = finetune(pretrained.model, task, adapt)
    if can_calibrate(tuned.model, split):
        tuned.model.calibration = calibrate(tuned.model, split)
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
    head, relation = _most_held_back(split)
    ask = command("predict", plan.out / NAME / FINE_TUNED, head, relation, "?", "--new")
    return Story(NAME, "A knowledge graph", read, (contest,), (_example(tuned.model, split, head, relation),), ask)


def _most_held_back(split: Split) -> tuple[str, str]:
    """The head and the relation of the question with the most answers held back."""
    graph = split.graph
    assert graph.relation is not None and graph.relation_ids is not None
    question = graph.edges[0] * graph.num_relations + graph.relation
    head, relation = divmod(int(np.bincount(question[split.part > 0]).argmax()), graph.num_relations)
    return graph.ids.values([head])[0], graph.relation_ids.values([relation])[0]


def _example(model: Model, split: Split, head: str, relation: str) -> str:
    """The model's best new answers to a question, and whether they are right."""
    graph = split.graph
    assert graph.relation is not None and graph.relation_ids is not None
    h, r = graph.ids.index([head]), graph.relation_ids.index([relation])
    asked = (graph.edges[0] == h) & (graph.relation == r)
    scores = model.frozen().cross(h, range(graph.num_nodes), r)[0]
    scores[graph.edges[1, asked & (split.part == 0)]] = -np.inf
    best = np.argsort(-scores, kind="stable")[:5]
    held_back = set(graph.edges[1, asked & (split.part > 0)].tolist())
    marks = ["yes" if at in held_back else "no" for at in best.tolist()]
    answers = shown(f"{name} ({mark})" for name, mark in zip(graph.ids.values(best), marks))
    return f"({head}, {relation}, ?) has {len(held_back)} answers held back; best new ones (is it one?): {answers}"
