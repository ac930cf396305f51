"""What a step costs: the engine over a loop written by hand in torch, big tables by rows, and softmax losses.

The engine and the loop by hand take the same small batches in turns, each first in every other turn, with the same
optimiser, and end at the same weights, on one thread. `us_per_step_over_torch` is the worst of the cases. The table of
`row_sparse_ratio_dense_adamw` has 5 M rows of 64 numbers, a batch 4,096 examples; whole steps are compared. The
speed-ups of softmax losses are of loss and gradient over torch's own, in the sizes of FB15k-237 and of a recommender.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.nn import functional as F

import graphtune as gt
from graphtune.batch import Batch
from graphtune.config import TrainConfig
from graphtune.objectives import BPR, EdgeProximity
from graphtune.objectives.entropy import full_entropy, sampled_entropy
from graphtune.sampling import EdgeSampler, Negatives
from graphtune.train.fit import Training, fit
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep
from harness import arguments, finish, median_ratio, power_law_graph

DIM, LR, NEGATIVES = 32, 0.01, 5
SIZES = (64, 256)
QUIET = gt.Run(quiet=True)
Turns = list[dict[str, float]]


@dataclass(frozen=True)
class Replay:
    """A sampler that gives the same batches again."""

    taken: Sequence[Batch]

    @property
    def num_batches(self) -> int:
        return len(self.taken)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        yield from self.taken[first:]


def bpr(weight: Tensor, batch: Batch) -> Tensor:
    source, target, noise = (F.embedding(x, weight) for x in (batch.source, batch.target, batch.negative))
    margin = (source * target).sum(-1)[:, None] - (source[:, None] * noise).sum(-1)
    return F.softplus(-margin).mean(-1).mean()


def edge_proximity(weight: Tensor, batch: Batch) -> Tensor:
    source, target, noise = (F.embedding(x, weight) for x in (batch.source, batch.target, batch.negative))
    wrong = F.softplus((source[:, None] * noise).sum(-1)).masked_fill(batch.negative == batch.target[:, None], 0.0)
    return (F.softplus(-(source * target).sum(-1)) + wrong.sum(-1)).mean()


OBJECTIVES = {"bpr": (BPR(), bpr), "edge_proximity": (EdgeProximity(), edge_proximity)}


def by_hand(weight: Tensor, batches: Sequence[Batch], loss_of: Callable[..., Tensor]) -> float:
    """Train `weight` over the batches; the mean loss."""
    parameter = torch.nn.Parameter(weight)
    optimizer = torch.optim.AdamW([parameter], lr=LR, weight_decay=0.0, fused=True)
    total = 0.0
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(parameter, batch)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(batches)


def loops(model: gt.Model, name: str, batches: Sequence[Batch], ours_first: bool = False) -> dict[str, float]:
    """Microseconds a step of both loops, from the same start to the same end; it is told which of them goes first."""
    objective, loss_of = OBJECTIVES[name]
    ours, weight = model.copy(), model.encoder.weight.detach().clone()
    config = TrainConfig(epochs=1, batch_size=len(batches[0]), lr=LR, patience=0)
    ways = {
        "by_hand": lambda: by_hand(weight, batches, loss_of),
        "ours": lambda: fit(ours, Training(name, Replay(batches), objective), config, QUIET),
    }
    took = {}
    for way in sorted(ways, reverse=ours_first):
        begin = time.perf_counter()
        ways[way]()
        took[way] = 1e6 / len(batches) * (time.perf_counter() - begin)
    torch.testing.assert_close(ours.encoder.weight.detach(), weight, rtol=1e-3, atol=1e-4)
    return took


def overhead(turns: int, steps: int) -> dict[str, Turns]:
    graph = power_law_graph(1000, 10, 0)
    model = gt.BPRMF(dim=DIM).build(graph)
    rows = {}
    for name in OBJECTIVES:
        for size in SIZES:
            sampler = EdgeSampler(graph, size, Negatives(NEGATIVES))
            batches = [b for epoch in range(steps) for b in sampler.batches(epoch) if len(b) == size][:steps]
            loops(model, name, batches)
            rows[f"{name}_{size}"] = [loops(model, name, batches, bool(turn % 2)) for turn in range(turns)]
            print(f"{name}, batches of {size}: {_over(rows[f'{name}_{size}']):.0f} us a step over torch", flush=True)
    return rows


def _over(turns: Turns) -> float:
    return float(np.median([turn["ours"] - turn["by_hand"] for turn in turns]))


def big_table(turns: int, rows: int, dim: int, size: int) -> Turns:
    """Seconds of a step on the whole table and by rows, in turns; by rows a batch more, as it is the shorter."""
    graph = gt.Graph(np.array([[0, 1], [1, 2]]), gt.NodeIds.range(rows))
    model = gt.BPRMF(dim=dim).build(graph).train()
    config = TrainConfig(batch_size=size, lr=LR)
    rng = np.random.default_rng(0)
    ways = {}
    for way in ("dense", "rows"):
        ways[way] = AutogradStep(model, BPR(), TrainConfig(**{**vars(config), "table_updates": way}))
    found = []
    for _ in range(turns + 1):
        took = {}
        for way, step in ways.items():
            model.encoder.sparse = way == "rows"
            times = []
            for _ in range(1 if way == "dense" else 5):
                source, target, noise = (torch.from_numpy(rng.integers(0, rows, size)) for _ in range(3))
                begin = time.perf_counter()
                step(Batch(source, target, noise[:, None]), Clock())
                times.append(time.perf_counter() - begin)
            took[way] = float(np.median(times))
        found.append(took)
    print(f"{rows} rows: {found[-1]['dense']:.3f} s dense, {found[-1]['rows']:.4f} s by rows", flush=True)
    return found[1:]


def one_vs_all(size: int, keys: int, dim: int) -> tuple[list[Tensor], Callable[..., Tensor], Callable[..., Tensor]]:
    leaves = [torch.randn(n, dim).requires_grad_() for n in (size, keys)]
    target = torch.randint(0, keys, (size,))
    return (
        leaves,
        lambda query, key: full_entropy(query, key, target, 0.0),
        lambda query, key: F.cross_entropy(query @ key.T, target, reduction="none"),
    )


def sampled(size: int, keys: int, dim: int) -> tuple[list[Tensor], Callable[..., Tensor], Callable[..., Tensor]]:
    leaves = [torch.randn(n, dim).requires_grad_() for n in (size, keys)]
    negative, target, positive = torch.arange(keys), torch.randint(0, 4 * keys, (size,)), torch.randn(size)
    lowest = torch.finfo(torch.float32).min

    def plain(query: Tensor, key: Tensor) -> Tensor:
        wrong = (query @ key.T).masked_fill(negative == target[:, None], lowest)
        return torch.logaddexp(positive, wrong.logsumexp(1)) - positive

    return leaves, lambda query, key: sampled_entropy(query, key, positive, negative, target), plain


def softmax(turns: int, small: int) -> dict[str, Turns]:
    """Seconds of loss and gradient, in turns; sizes are divided by `small`."""
    cases = {
        "one_vs_all_dim_200": one_vs_all(512 // small, 14541 // small, 200),
        "one_vs_all_dim_1000": one_vs_all(512 // small, 14541 // small, 1000),
        "sampled_softmax": sampled(4096 // small, 1024, 64),
    }
    rows = {}
    for name, (leaves, ours, plain) in cases.items():
        rows[name] = [{"ours": _seconds(ours, leaves), "torch": _seconds(plain, leaves)} for _ in range(turns + 1)][1:]
        print(f"{name}: {median_ratio(rows[name], 'torch', 'ours'):.2f} times as fast as torch", flush=True)
    return rows


def _seconds(loss: Callable[..., Tensor], leaves: list[Tensor]) -> float:
    begin = time.perf_counter()
    torch.autograd.grad(loss(*leaves).mean(), leaves)
    return time.perf_counter() - begin


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--turns", type=int, default=21, help="how often the ways take turns")
    args = parser.parse_args()
    torch.manual_seed(0)
    turns = 3 if args.quick else args.turns
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    steps = overhead(turns, 50 if args.quick else 500)
    torch.set_num_threads(threads)
    table = big_table(1, 200_000, 16, 512) if args.quick else big_table(max(3, turns // 4), 5_000_000, 64, 4096)
    losses = softmax(turns, 8 if args.quick else 1)
    figures = {
        "us_per_step_over_torch": max(_over(rows) for rows in steps.values()),
        "row_sparse_ratio_dense_adamw": median_ratio(table, "dense", "rows"),
        **{f"{name}_speedup": median_ratio(rows, "torch", "ours") for name, rows in losses.items()},
        **{f"us_over_torch_{name}": _over(rows) for name, rows in steps.items()},
    }
    load = psutil.getloadavg()  # of the last 1, 5 and 15 minutes: what else the machine did
    shown = list(figures)[:5]
    finish("engine_overhead", figures, args, shown, steps=steps, table=table, losses=losses, load_average=load)


if __name__ == "__main__":
    main()
