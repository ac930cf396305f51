"""Does fine-tuning help? For a model of each family: pretrained alone, fine-tuned from it, and the same from random.

"Random" gets the same fine-tuning, from random weights. Scores are of the test part; epochs are chosen on validation.
The interval is of the fine-tuned model's gain over each of the others, paired over queries, for the first seed; the
means are over all seeds. For node classification "pretrained" is logistic regression on the frozen embeddings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import graphtune as gt
from graphtune.statistics import paired_test
from harness import arguments, finish, mean_and_spread

QUIET = gt.Run(quiet=True)


@dataclass(frozen=True)
class Story:
    """One family on one graph.

    Attributes:
        recipe: the model.
        make: seed -> (what to pretrain on, the task).
        metric: a per-query metric of the task.
        before, after: changes to the training settings of pretraining and of fine-tuning.
    """

    recipe: Any
    make: Callable[[int], tuple[Any, Any]]
    metric: str
    before: dict[str, Any]
    after: dict[str, Any]


def links(name: str) -> Callable[[int], tuple[Any, Any]]:
    def make(seed: int) -> tuple[Any, Any]:
        split = gt.split_edges(gt.load_dataset(name).graph, seed=seed)
        return split, gt.LinkPrediction(split)

    return make


def published(name: str, task: Callable[[Any], Any]) -> Callable[[int], tuple[Any, Any]]:
    def make(seed: int) -> tuple[Any, Any]:
        split = gt.load_dataset(name).split
        return (split if split.unit == "edge" else split.train), task(split)

    return make


def citations(seed: int) -> tuple[Any, Any]:
    """Cora with 20 labels a class, as published; the graph and the features are there for pretraining."""
    split = gt.load_dataset("cora").split
    return split.train, gt.NodeClassification(split)


KG = {"epochs": 16, "eval_every": 4}
STORIES = {
    "deepwalk": Story(gt.DeepWalk(dim=64), links("ego-facebook"), "mrr", {}, {"epochs": 10, "batch_size": 1024}),
    "line": Story(gt.LINE(dim=64), links("ego-facebook"), "mrr", {}, {"epochs": 10, "batch_size": 1024}),
    "gcn": Story(gt.GCN(dropout=0.8), citations, "accuracy", {"epochs": 50}, {}),
    "gcn_links": Story(
        gt.GCN(dropout=0.2), links("lastfm-asia"), "mrr", {"epochs": 30}, {"epochs": 10, "batch_size": 4096}
    ),
    "complex": Story(gt.ComplEx(dim=200), published("codex-s", gt.TripleCompletion), "mrr", KG, {"epochs": 20}),
    "bprmf": Story(
        gt.BPRMF(), published("lastfm", gt.Recommendation), "ndcg_20", {"epochs": 30}, {"epochs": 20, "l2": 1e-3}
    ),
    "lightgcn": Story(gt.LightGCN(), published("lastfm", gt.Recommendation), "ndcg_20", {"epochs": 20}, {"epochs": 20}),
}


def run(story: Story, seed: int, quick: bool) -> dict[str, gt.Evaluation]:
    """The three evaluations of one seed."""
    data, task = story.make(seed)
    before = replace(story.recipe.training(), seed=seed, **story.before)
    after = replace(task.defaults(), seed=seed, **story.after)
    if quick:
        before, after = replace(before, epochs=1), replace(after, epochs=1)
    start = gt.pretrain(story.recipe, data, before, run=QUIET).model
    random = story.recipe.build(start.graph, seed)
    return {
        "pretrained": task.evaluate(start),
        "random": task.evaluate(gt.finetune(random, task, after, QUIET).model),
        "finetuned": task.evaluate(gt.finetune(start, task, after, QUIET).model),
    }


def main() -> None:
    parser = arguments(__doc__, seeds=3)
    parser.add_argument("--stories", nargs="*", default=list(STORIES), choices=list(STORIES))
    args = parser.parse_args()
    figures: dict[str, float] = {}
    details: dict[str, Any] = {}
    for name in args.stories:
        story = STORIES[name]
        found: dict[str, list[float]] = {}
        for seed in range(1 if args.quick else args.seeds):
            evaluations = run(story, seed, args.quick)
            for how, evaluation in evaluations.items():
                found.setdefault(how, []).append(evaluation[story.metric])
            if seed == 0:
                gains = {}
                for other in ("pretrained", "random"):
                    pair = (evaluations[k].per_query[story.metric] for k in ("finetuned", other))
                    gains[other] = paired_test(*pair)
        for how, values in found.items():
            print(f"{name} {story.metric} {how}: {mean_and_spread(values)}", flush=True)
            figures[f"{name}_{how}"] = float(np.mean(values))
        for other, test in gains.items():
            interval = f"{test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}]"
            print(f"{name} fine-tuned over {other}: {interval}, p {test.p_value:.4f}", flush=True)
        details[name] = {
            "metric": story.metric,
            "runs": found,
            "gains": {k: [t.difference, t.low, t.high, t.p_value] for k, t in gains.items()},
        }
    finish("finetuning", figures, args, stories=details)


if __name__ == "__main__":
    main()
