"""BPR-MF beside implicit's Cython Hogwild and beside plain torch, on Gowalla, d = 64, all processors.

A speed is interactions a second of whole runs of training: ours and implicit's with as many epochs, negatives checked
against what the user took in both; plain torch is dense tables, fused Adam, batches of 2048 and negatives that nobody
checks, for some steps. They take turns, each in a process of its own; ratios are medians over the turns.

Equal Recall means that ours is not lower: speeds are compared after the same number of epochs (`EPOCHS`), and test
Recall@20 of both models, ranked by the same code, stands beside them as `bpr_recall_20` and `implicit_recall_20`. Rate
and L2 of each are those that were best on LightGCN++'s validation part, ours after 50 epochs, implicit's after 20.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

import graphtune as gt
from graphtune.split import VALID
from harness import median_ratio, peer

DIM, EPOCHS, QUICK_EPOCHS, TORCH_STEPS = 64, 20, 2, 40
LR, L2 = 0.2, 0.0025
PEER_LR, PEER_L2 = 0.05, 0.001
Turn = dict[str, float]


def figures(turns: int, quick: bool) -> dict[str, float]:
    """`bpr_ratio_implicit`, `bpr_ratio_torch`, and test Recall@20 of ours and of implicit's."""
    epochs = QUICK_EPOCHS if quick else EPOCHS
    with TemporaryDirectory() as place:
        files = Path(place) / "train.npz", Path(place) / "ours.npz", Path(place) / "implicit.npz"
        split = gt.load_dataset("gowalla").split
        learned = split.through(VALID)
        users = len(split.graph.ids.rows("user"))
        np.savez(files[0], train=learned.edges - [[0], [users]], users=users, items=learned.num_nodes - users)
        rows = [_turn(files, epochs) for _ in range(turns)]
        recalls = {name: recall(split, file) for name, file in zip(("bpr", "implicit"), files[1:])}
    print("; ".join(f"{name} {np.median([row[name] for row in rows]) / 1e6:.2f} M/s" for name in rows[0]), flush=True)
    return {
        "bpr_ratio_implicit": median_ratio(rows, "ours", "implicit"),
        "bpr_ratio_torch": median_ratio(rows, "ours", "torch"),
        **{f"{name}_recall_20": value for name, value in recalls.items()},
    }


def _turn(files: tuple[Path, Path, Path], epochs: int) -> Turn:
    return {
        "ours": _alone(ours, files[0], epochs, files[1]),
        "implicit": peer("implicit", "bpr", files[0], epochs, PEER_LR, PEER_L2, files[2])["speed"],
        "torch": _alone(plain_torch, files[0], TORCH_STEPS),
    }


def ours(file: Path, epochs: int, out: Path) -> float:
    """Interactions a second; the rows of users and items are left in `out`."""
    graph = graph_of(file)
    recipe = gt.BPRMF(dim=DIM)
    config = replace(recipe.training(), epochs=epochs, lr=LR, l2=L2)
    some = replace(graph, edges=graph.edges[:, :1000])
    gt.pretrain(recipe, some, replace(config, epochs=1), run=gt.Run(quiet=True))  # so that what is compiled is there
    begin = time.perf_counter()
    result = gt.pretrain(recipe, graph, config, run=gt.Run(quiet=True))
    seconds = time.perf_counter() - begin
    z, users = result.model.embeddings().numpy(), len(graph.ids.rows("user"))
    np.savez(out, user=z[:users], item=z[users:])
    return epochs * graph.num_edges / seconds


def plain_torch(file: Path, steps: int) -> float:
    """Interactions a second of BPR-MF as one writes it down."""
    data = np.load(file)
    user, item = (torch.from_numpy(side) for side in data["train"])
    users, items = int(data["users"]), int(data["items"])
    tables = [torch.nn.Embedding(rows, DIM) for rows in (users, items)]
    optimizer = torch.optim.Adam([table.weight for table in tables], lr=0.001, fused=True)
    for step in range(-3, steps):
        if step == 0:
            begin = time.perf_counter()
        which = torch.randint(len(user), (2048,))
        x, y, z = tables[0](user[which]), tables[1](item[which]), tables[1](torch.randint(items, (2048,)))
        loss = F.softplus(-(x * (y - z)).sum(-1)).mean() + 1e-4 * sum(r.square().sum(-1).mean() for r in (x, y, z))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return 2048 * steps / (time.perf_counter() - begin)


def graph_of(file: Path) -> gt.Graph:
    data = np.load(file)
    users, items = int(data["users"]), int(data["items"])
    ids = gt.NodeIds.of(range(users), range(items), kinds=("user", "item"))
    return gt.Graph(data["train"] + np.array([[0], [users]]), ids, directed=True)


def recall(split: gt.Split, file: Path) -> float:
    """Test Recall@20 of the rows in `file`, by one evaluation for all."""
    rows = np.load(file)
    weight = np.concatenate([rows["user"], rows["item"]]).astype(np.float32)
    model = gt.BPRMF(dim=weight.shape[1]).build(split.train)
    with torch.no_grad():
        model.encoder.weight.copy_(torch.from_numpy(weight))
    return gt.Recommendation(split).evaluate(model)["recall_20"]


def _alone(function: Callable[..., float], *arguments: Any) -> float:
    """What a function gives in a new process, on all processors."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)
