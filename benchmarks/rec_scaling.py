"""What a recommender costs on generated logs, up to 1 M users, 100 thousand items and 20 million events.

Users have a taste, one of a thousand: four events in five are with items of their taste, the rest with any, and items
are popular by rank^-0.8. BPR-MF, dim 64, is trained by the fused step on nine tenths of each user's events, and ranks
all items for every user who has others. Each size runs in its own process; `minutes` are of training and ranking, of
the largest; `peak_gib` is the peak of that whole process, its log made by another one. The exponent is the slope of log
seconds over log events. `recall_20` is beside that of the most popular items.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

import graphtune as gt
from graphtune.cli.machine import peak_resident
from harness import apart, arguments, finish

TASTES, OWN, POWER, EVENTS = 1000, 0.8, -0.8, 40
USERS = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def make(users: int, items: int, path: str) -> None:
    """Write the different (user, item) pairs of a log as an array [2, E]."""
    rng = np.random.default_rng(0)
    count = np.maximum(3, rng.lognormal(np.log(EVENTS) - 0.5, 1.0, users).astype(np.int64))
    user = np.repeat(np.arange(users), np.minimum(count, items // 4))
    order, per_taste = rng.permutation(items), max(1, items // TASTES)
    taste = rng.integers(0, max(1, items // per_taste), users)[user]
    item = np.where(
        rng.random(len(user)) < OWN,
        taste * per_taste + _ranks(rng, per_taste, len(user)),
        _ranks(rng, items, len(user)),
    )
    pairs = np.unique(user * items + order[item])
    np.save(path, np.stack([pairs // items, users + pairs % items]))


def _ranks(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Places 0..count-1 drawn in proportion to (1 + place)^POWER."""
    total = np.cumsum((1.0 + np.arange(count)) ** POWER)
    return np.searchsorted(total, rng.random(size) * total[-1])


def one(users: int, items: int, path: str, epochs: int) -> dict[str, float]:
    """Train on one log and rank for all its users."""
    ids = gt.NodeIds.of(range(users), range(items), kinds=("user", "item"))
    graph = gt.Graph(np.load(path), ids, directed=True)
    split = gt.split_interactions(graph, ratios=(9, 0, 1), seed=0)
    begin = time.perf_counter()
    result = gt.pretrain(gt.BPRMF(dim=64), split.train, training(epochs))
    middle = time.perf_counter()
    found = gt.Recommendation(split).evaluate(result.model)
    end = time.perf_counter()
    popular = most_popular(split)
    return {
        "users": users,
        "items": items,
        "events": graph.num_edges,
        "training_s": middle - begin,
        "ranking_s": end - middle,
        "users_ranked": found.counts["users"],
        "peak_gib": peak_resident() / 2**30,
        "recall_20": found["recall_20"],
        "popular_recall_20": popular,
    }


def training(epochs: int) -> gt.TrainConfig:
    return gt.TrainConfig(
        epochs=epochs, batch_size=32768, lr=0.2, optimizer="sgd", l2=0.0025, schedule="linear", patience=0
    )


def most_popular(split: gt.Split) -> float:
    """Recall@20 of the most taken items, for a thousand users."""
    first = split.graph.ids.rows("item").start
    taken, hidden = split.train.adjacency("out"), split.test.adjacency("out")
    order = (
        np.argsort(-np.bincount(split.train.edges[1], minlength=split.graph.num_nodes)[first:], kind="stable") + first
    )
    recalls = []
    for user in np.flatnonzero(hidden.degree[:first])[:1000]:
        seen = taken.indices[taken.indptr[user] : taken.indptr[user + 1]]
        best = order[: 20 + len(seen)]
        best = best[~np.isin(best, seen)][:20]
        recalls.append(np.isin(hidden.indices[hidden.indptr[user] : hidden.indptr[user + 1]], best).mean())
    return float(np.mean(recalls))


def measured(users: int, items: int, epochs: int) -> dict[str, float]:
    """`one` in a process of its own, on a log made in another."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "log.npy")
        apart(make, users, items, path)
        row = apart(one, users, items, path, epochs)
    took = f"training {row['training_s']:.1f} s, ranking {row['ranking_s']:.1f} s"
    quality = f"recall@20 {row['recall_20']:.4f}, of the most popular {row['popular_recall_20']:.4f}"
    print(f"{users:,} users, {row['events']:,} events: {took}, {row['peak_gib']:.2f} GiB, {quality}", flush=True)
    return row


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--sizes", type=int, nargs="*", default=USERS, help="numbers of users; a tenth as many items")
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    sizes = (2_000, 4_000) if args.quick else tuple(args.sizes)
    rows = [measured(size, size // 10, args.epochs) for size in sizes]
    took = [row["training_s"] + row["ranking_s"] for row in rows]
    slope = np.polyfit(np.log([row["events"] for row in rows]), np.log(took), 1)[0]
    figures = {
        "minutes": took[-1] / 60,
        "peak_gib": rows[-1]["peak_gib"],
        "time_exponent": float(slope),
        "recall_20": rows[-1]["recall_20"],
    }
    finish("rec_scaling", figures, args, curve=rows)


if __name__ == "__main__":
    main()
