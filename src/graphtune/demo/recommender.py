"""The second story: source files and the names they use, as users and items."""

from __future__ import annotations

import polars as pl

from graphtune.cleaning import Cleaning
from graphtune.config import TrainConfig
from graphtune.demo.baselines import common_neighbours, popularity
from graphtune.demo.code import Code
from graphtune.demo.story import FINE_TUNED, PRETRAINED, Contest, Plan, Story, command, kept, plain, shown
from graphtune.evaluate import evaluate_recommendations
from graphtune.io import from_frame
from graphtune.models import DeepWalk, Model
from graphtune.split import Split, split_interactions
from graphtune.tasks import Recommendation, finetune, pretrain

NAME = "recommender"
CORE = 4  # uses that a file, and users that a name, must have to stay


def recommender_story(plan: Plan, packages: dict[str, Code]) -> Story:
    """What else will a source file use?"""
    events = [use for code in packages.values() for use in code.uses]
    frame = pl.DataFrame(events, schema=["user", "item"], orient="row")
    graph, _ = from_frame(frame, kind="events", cleaning=Cleaning(k_core=CORE))
    split = split_interactions(graph)
    task = Recommendation(split, loss="full-softmax")
    adapt = TrainConfig(
        epochs=plan.epochs(60), batch_size=1024, lr=0.01, schedule="cosine", l2=0.1, eval_every=2, patience=8
    )
    pretrained = pretrain(DeepWalk(dim=64, walks_per_node=10, walk_length=40, window=5), split)
    tuned = finetune(pretrained.model, task, adapt)
    scores = (
        plain("popularity", evaluate_recommendations(popularity(split.train), split)),
        plain("common neighbours", evaluate_recommendations(common_neighbours(split.train), split)),
        kept(plan, NAME, PRETRAINED, pretrained, task, split),
        kept(plan, NAME, FINE_TUNED, tuned, task, split),
    )
    users, items = map(len, graph.ids.blocks)
    files = sum(code.files for code in packages.values())
    read = (
        f"The source code of {shown(packages)}: {files} files and the names they import, {len(events):,} uses",
        f"With {CORE} at least on either side: {users} files as users, {items} names as items, {graph.num_edges:,} "
        "events; of each file 70 % to learn from, 20 % to choose by, 10 % to test on",
    )
    contest = Contest("Which other names does a file use?", ("ndcg_20", "recall_20"), scores)
    file = _most_held_back(split)
    ask = command("recommend", plan.out / NAME / FINE_TUNED, file, "-k", "5")
    notes = (
        "DeepWalk learns from the structure alone which nodes are near one another, not which items to put first: "
        "that is what fine-tuning adds",
        _example(tuned.model, split, file),
    )
    return Story(NAME, "A recommender", read, (contest,), notes, ask)


def _most_held_back(split: Split) -> str:
    """The file with the most uses held back."""
    row = int(split.graph.take_edges(split.part > 0).adjacency("out").degree.argmax())
    return str(split.graph.ids.values([row])[0])


def _example(model: Model, split: Split, file: str) -> str:
    """What a file should use, and whether it does."""
    edges = split.graph.edges[:, split.part > 0]
    really = set(edges[1, edges[0] == split.graph.ids.index([file], "user")].tolist())
    best = [name for name, _ in model.recommend(file, 5)]
    marks = ["yes" if at in really else "no" for at in model.ids.index(best, "item").tolist()]
    answers = shown(f"{name} ({mark})" for name, mark in zip(best, marks))
    return f"{file} should also use (and does it?): {answers}"
