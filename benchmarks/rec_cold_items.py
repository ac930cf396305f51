"""Items that come after training, given rows by their features or by half of their events: NDCG@20 beside retraining.

A fifth of the items is held out whole, with the users that have only met them. A model learns the others, as in
`rec_cold.py`; then the new ones get rows in two ways: from their features alone (year and genres of films), with no
event of theirs, and from half of their events, in the way that is best for an eighth of the other items, held out in
the same way before. Beside them stand the same recipe trained from scratch with these halves, the cosine of a user's
mean features with an item's, weighed by how rare they are, and chance. Users rank the new items alone ("new"), which
all of these can be asked for, to find the other halves; or all items ("all"), to find these and a tenth of the events
of old items, so that neither may push the other aside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

import graphtune as gt
from graphtune.evaluate import evaluate_recommendations
from graphtune.split import TEST
from harness import arguments, finish, mean_and_spread
from rec_cold import FOR_CHOICE, QUIET, RATIOS, RECIPES, Parts, chosen, divided, fold, timed, unchanged

K, DRAWS = 20, 10
DISCOUNT = 1 / np.log2(np.arange(2, K + 2))


def with_old(parts: Parts) -> Parts:
    """Parts in which a tenth of the events of old items is asked for, too."""
    part = np.where(parts.later.part == TEST, TEST, parts.asked.part)
    return replace(parts, asked=gt.given_split(parts.asked.graph, part, "edge"))


def new_items(parts: Parts) -> np.ndarray:
    """Rows of the items, in the graph of all, that training has not seen."""
    whole = parts.asked.graph
    items = np.asarray(whole.ids.rows("item"))
    names = whole.ids.blocks[whole.ids.kinds.index("item")]
    return items[parts.first.graph.ids.index(names, "item", missing="mark") < 0]


def ndcg_among(scores: np.ndarray, parts: Parts, users: np.ndarray, new: np.ndarray) -> float:
    """NDCG@20 of `users` whose lists are of new items alone, those of the given half left out; scores [users, new]."""
    known, relevant = (np.zeros(scores.shape, dtype=bool) for _ in range(2))
    for table, graph in ((known, parts.asked.train), (relevant, parts.asked.test)):
        user, item = graph.edges[:, np.isin(graph.edges[0], users) & np.isin(graph.edges[1], new)]
        table[np.searchsorted(users, user), np.searchsorted(new, item)] = True
    order = np.argsort(-np.where(known, -np.inf, scores), axis=1, kind="stable")[:, :K]
    hits = np.take_along_axis(relevant, order, axis=1)
    ideal = np.cumsum(DISCOUNT)[np.minimum(relevant.sum(axis=1), K) - 1]
    return float((hits @ DISCOUNT[: hits.shape[1]] / ideal).mean())


def by_features(model: gt.Model, parts: Parts) -> gt.Model:
    """The model with rows for the new items, of whom nothing is told but features."""
    return gt.add_nodes(model, parts.support.take_edges(np.arange(0)), run=QUIET).model


def content(parts: Parts, users: np.ndarray, new: np.ndarray) -> np.ndarray:
    """[users, new] cosines of features, each column weighed by the logarithm of how rare it is among items."""
    whole, first = parts.asked.graph, parts.first.graph
    features = sp.csr_array(whole.features)
    features = features[:, np.flatnonzero(features[new].sum(axis=0))]
    rare = np.log(1 + len(whole.ids.rows("item")) / np.maximum(1, (features > 0).sum(axis=0)))
    features = features.multiply(rare).toarray()
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    rows = [whole.ids.index(first.ids.blocks[side], kind) for side, kind in enumerate(("user", "item"))]
    row = np.concatenate(rows)[parts.first.train.edges]
    profile = np.zeros_like(features)
    np.add.at(profile, row[0], features[row[1]])
    return np.asarray(profile[users] @ features[new].T)


def run(graph: gt.Graph, name: str, seed: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Scores of the rows by features and by events, of the model trained anew, and of what needs no model."""
    recipe, own = RECIPES[name]
    config = replace(recipe.training(), **{"eval_every": 2, "patience": 3, "seed": seed, **own, **changes})
    parts = with_old(divided(graph, "item", RATIOS, seed))
    way, valid = chosen(recipe, with_old(divided(parts.first.graph, "item", FOR_CHOICE, seed)), config)
    first = gt.pretrain(recipe, parts.first, config, run=QUIET).model
    anew, seconds_anew = timed(lambda: gt.pretrain(recipe, parts.later, config, run=QUIET).model)
    told, seconds = timed(lambda: fold(first, parts, way))
    models = {"events": told, "retrained": anew}
    if graph.features is not None:
        models["features"], seconds_features = timed(lambda: by_features(first, parts))
    new, (user, item) = new_items(parts), parts.asked.test.edges
    users = np.unique(user[np.isin(item, new)])
    figures = {}
    for kind, model in models.items():
        mine = new - model.ids.rows("item").start
        scores = model.frozen().cross(users, model.ids.rows("item"))[:, mine]
        figures[f"ndcg_20_new_{kind}"] = ndcg_among(scores, parts, users, new)
        figures[f"ndcg_20_all_{kind}"] = evaluate_recommendations(model, parts.asked, TEST)["ndcg_20"]
    if graph.features is not None:
        figures["ndcg_20_new_content"] = ndcg_among(content(parts, users, new), parts, users, new)
        figures["seconds_features"] = seconds_features
    rng = np.random.default_rng(seed)
    drawn = [ndcg_among(rng.random((len(users), len(new))), parts, users, new) for _ in range(DRAWS)]
    figures |= {"ndcg_20_new_chance": float(np.mean(drawn)), "seconds": seconds, "seconds_retrained": seconds_anew}
    figures["ndcg_20_of_retrained"] = figures["ndcg_20_all_events"] / figures["ndcg_20_all_retrained"]
    folded = [model for kind, model in models.items() if kind != "retrained"]
    held = all(unchanged(first, model, kind) for model in folded for kind in first.ids.kinds)
    print(f"{name}, seed {seed}, {way}, old rows unchanged: {held}: {figures}", flush=True)
    return {"figures": figures, "way": way, "choice": valid, "old_unchanged": held}


def main() -> None:
    parser = arguments(__doc__, seeds=3)
    parser.add_argument("data", nargs="?", default="movielens-100k")
    parser.add_argument("--models", nargs="*", default=["mf-softmax", "lightgcn-softmax"], choices=list(RECIPES))
    parser.add_argument("--epochs", type=int, default=60, help="at most")
    args = parser.parse_args()
    graph = gt.load_dataset(args.data).graph.replace(weight=None)
    figures: dict[str, float] = {}
    runs: dict[str, list[dict[str, Any]]] = {}
    for name in args.models:
        seeds = range(1 if args.quick else args.seeds)
        runs[name] = [run(graph, name, seed, {"epochs": 2 if args.quick else args.epochs}) for seed in seeds]
        for key in runs[name][0]["figures"]:
            values = [one["figures"][key] for one in runs[name]]
            print(f"{name} {key}: {mean_and_spread(values)}", flush=True)
            figures[f"{name}_{key}"] = float(np.mean(values))
    finish(f"rec_cold_items_{args.data}", figures, args, runs=runs)


if __name__ == "__main__":
    main()
