"""Full ranking beside implicit, and the metrics of ranked lists beside torchmetrics, each on one thread.

29,858 users, 40,981 items, 64 numbers each, the best 20, Gowalla's train part left out. Factors are drawn from a normal
distribution, where no item is easier to leave out than another (`ranking_ratio_implicit`), or trained by implicit's BPR
(`ranking_ratio_implicit_trained`). `ranking_ratio_implicit_float32` is without whole numbers of 16 bits, as other
processors have it. `ranking_same_implicit` is the share of lists with the same items. The lists of the trained factors
are then judged by Gowalla's test part: `metrics_ratio_torchmetrics` is for all six metrics at 20, and
`metrics_off_torchmetrics` the most that one differs, but for MAP, which torchmetrics divides by the hits.
Peers: benchmarks/peers.sh implicit, benchmarks/peers.sh torchmetrics.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import graphtune as gt
from graphtune import metrics
from graphtune.kernels.best import Keys
from harness import in_new_process, median_ratio, peer

DIM, K, REPEATS, ROUNDS = 64, 20, 5, 50
METRICS: dict[str, Any] = {
    "recall": metrics.recall_at_k,
    "precision": metrics.precision_at_k,
    "ndcg": metrics.ndcg_at_k,
    "mrr": metrics.mrr_at_k,
    "map": metrics.average_precision_at_k,
    "hit_rate": metrics.hit_rate_at_k,
}
Found = dict[str, float]


def ranking(path: Path, short: bool | None, out: Path) -> float:
    """Users a CPU-second, everything between factors and lists included; the lists go to a file."""
    data = np.load(path)
    user, item, indptr, indices = (data[name] for name in ("user", "item", "indptr", "indices"))
    options = {} if short is None else {"short": short}
    Keys(item, **options).best(user[:200], K, indptr[:201], indices)
    begin = time.process_time()
    lists, _ = Keys(item, **options).best(user, K, indptr, indices)
    took = time.process_time() - begin
    np.save(out, lists)
    return len(user) / took


def judged(path: Path) -> dict[str, Any]:
    """Seconds for all metrics of lists, and their means."""
    data = np.load(path)
    hits, relevant = data["hits"], data["relevant"]
    begin = time.process_time()
    for _ in range(REPEATS):
        values = {name: float(np.nanmean(metric(hits, relevant))) for name, metric in METRICS.items()}
    return {"seconds": (time.process_time() - begin) / REPEATS, "values": values}


def ranking_turn(path: Path, place: Path) -> Found:
    ours = in_new_process(ranking, path, None, place / "ours.npy")
    theirs = peer("implicit", "ranking", path, K, place / "theirs.npy")["speed"]
    plain = in_new_process(ranking, path, False, place / "plain.npy")
    lists = [np.sort(np.load(place / f"{name}.npy"), axis=1) for name in ("ours", "theirs")]
    same = float((lists[0] == lists[1]).all(axis=1).mean())
    return {"ours": ours, "float32": plain, "implicit": theirs, "same": same}


def metrics_turn(hits: Path, places: Path) -> Found:
    ours, theirs = in_new_process(judged, hits), peer("torchmetrics", "retrieval", places, K)
    off = max(abs(ours["values"][name] - theirs["values"][name]) for name in METRICS if name != "map")
    return {"ours": ours["seconds"], "torchmetrics": theirs["seconds"], "off": off}


def write_factors(split: gt.Split, place: Path, quick: bool) -> dict[str, Path]:
    """Files with drawn and with trained factors of the users and items of a split, and what users took in train."""
    users, items = split.graph.ids.rows("user"), split.graph.ids.rows("item")
    csr = split.train.adjacency("out")
    taken = {"indptr": csr.indptr[: len(users) + 1].astype(np.int32), "indices": csr.indices - items.start}
    taken = {name: values.astype(np.int32) for name, values in taken.items()}
    rng, files = np.random.default_rng(0), {name: place / f"{name}.npz" for name in ("drawn", "trained")}
    user, item = (rng.standard_normal((len(rows), DIM), dtype=np.float32) for rows in (users, items))
    for path in files.values():
        np.savez(path, user=user, item=item, users=len(users), items=len(items), **taken)
    peer("implicit", "ranking", files["trained"], "train", DIM, 1 if quick else ROUNDS)
    return files


def write_lists(split: gt.Split, lists: np.ndarray, place: Path) -> tuple[Path, Path]:
    """The lists with what is to be found, as each of the two wants it."""
    first = split.graph.ids.rows("item").start
    u, v = np.unique(split.test.edges, axis=1)
    n = split.graph.num_nodes
    wanted, found = u * n + v - first, np.arange(len(lists))[:, None] * n + lists
    relevant = np.bincount(u, minlength=len(lists))[: len(lists)]
    asked = relevant > 0
    hits, missed = np.isin(found, wanted), np.setdiff1d(wanted, found) // n
    np.savez(place / "hits.npz", hits=hits[asked], relevant=relevant[asked])
    index = np.concatenate([np.repeat(np.flatnonzero(asked), K), missed])
    preds = np.concatenate([np.tile(np.linspace(1, 0.5, K), asked.sum()), np.full(len(missed), 0.1)])
    target = np.concatenate([hits[asked].ravel(), np.ones(len(missed), dtype=bool)])
    np.savez(place / "places.npz", index=index, preds=preds.astype(np.float32), target=target)
    return place / "hits.npz", place / "places.npz"


def shown(name: str, rows: list[Found]) -> None:
    print(f"{name}: " + ", ".join(f"{key} {np.median([row[key] for row in rows]):,.4g}" for key in rows[0]), flush=True)


def ranking_figures(turns: int, quick: bool) -> Found:
    """Figures of the ranking alone."""
    split = gt.load_dataset("lastfm" if quick else "gowalla").split
    with TemporaryDirectory() as name:
        place = Path(name)
        rows = {what: [ranking_turn(path, place) for _ in range(turns)]
                for what, path in write_factors(split, place, quick).items()}  # fmt: skip
    for what, found in rows.items():
        shown(f"users a CPU-second, {what} factors", found)
    return {
        "ranking_ratio_implicit": median_ratio(rows["drawn"], "ours", "implicit"),
        "ranking_ratio_implicit_float32": median_ratio(rows["drawn"], "float32", "implicit"),
        "ranking_ratio_implicit_trained": median_ratio(rows["trained"], "ours", "implicit"),
        "ranking_same_implicit": min(row["same"] for found in rows.values() for row in found),
    }


def metrics_figures(turns: int, quick: bool) -> Found:
    """Figures of the metrics alone."""
    split = gt.load_dataset("lastfm" if quick else "gowalla").split
    with TemporaryDirectory() as name:
        place = Path(name)
        factors = write_factors(split, place, quick)["trained"]
        in_new_process(ranking, factors, None, place / "ours.npy")
        files = write_lists(split, np.load(place / "ours.npy"), place)
        rows = [metrics_turn(*files) for _ in range(turns)]
    shown("seconds of metrics", rows)
    return {
        "metrics_ratio_torchmetrics": median_ratio(rows, "torchmetrics", "ours"),
        "metrics_off_torchmetrics": max(row["off"] for row in rows),
    }


def figures(turns: int, quick: bool) -> Found:
    """All figures, medians over the turns."""
    return {**ranking_figures(turns, quick), **metrics_figures(turns, quick)}
