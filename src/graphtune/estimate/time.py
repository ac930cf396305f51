"""Seconds that learning takes, roughly: a moment of the real kernel, or of the products that a model is made of.

Expect a factor of two for what kernels train, for models on torch more: validation is not counted, and early stopping
ends sooner. Axes: N nodes, E edges, B batch, K negatives, D dim.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from graphtune.estimate.histories import HISTORIES, solving_work
from graphtune.estimate.memory import CLOSED_FORMS, VISIT, WALKERS, list_bytes
from graphtune.estimate.plan import Plan, Size
from graphtune.estimate.relational import RELATIONAL_GNNS, layer_bytes, layer_flops, message_numbers
from graphtune.estimate.steps import GNNS, SHARED, gnn_layers, holds_scores, is_visited, targets_of_query
from graphtune.estimate.text import TEXT, reading_flops
from graphtune.estimate.triples import query_flops

TRIED_WALKS, TRIED_BYTES = 512, 1 << 26  # of the trial: walks, and bytes of a table
LIST_SECONDS = 4e-8  # an entry
STEP_SECONDS = 1e-3  # of a step of autograd beside its products
GATHERED = 12.0  # passes over a message: gathered and added up at random places, forwards and backwards
PASSES = 12  # over an array of scores or messages, forwards and backwards
HUNDREDTH = 0x3C24  # 0.01 as bfloat16
SHORT = 0.4  # time of a product in 16 bits beside one of float32
OF_LAYER = 0.7  # of LightGCN, beside a product of all entries in torch
PRODUCT_ENTRY = 2e-10  # seconds of a number in a sparse product, both ways


def training_seconds(plan: Plan, size: Size) -> float:
    """Of `pretrain` on this machine, every epoch of it, without validation.

    Args:
        plan: what is learned.
        size: of the graph that it learns from.
    """
    if plan.model in WALKERS:
        walks = size.nodes * int(plan.options["walks_per_node"]) * plan.config.epochs
        return LIST_SECONDS * size.entries + walks * _walk_seconds(plan, size)
    if plan.model == "LINE":
        return 2 * size.edges * plan.config.epochs * _edge_seconds(plan, size)
    if is_visited(plan):
        return size.entries * plan.config.epochs * _triplets_seconds(plan, size)
    if plan.model in CLOSED_FORMS:
        flops = 40.0 * size.nodes * plan.dim**2 + 200.0 * size.entries * plan.dim
        return flops * _flop_seconds()
    if plan.model in HISTORIES:
        flops, seconds = solving_work(plan, size)
        return flops * _flop_seconds() + seconds
    return _autograd_seconds(plan, size)


def _walk_seconds(plan: Plan, size: Size) -> float:
    """Of one walk: its steps, its choices and its updates. On tables of the graph's size, or 64 MiB."""
    from graphtune.kernels.alias import Alias
    from graphtune.kernels.skipgram import train_walks
    from graphtune.kernels.walks import random_walks, windows

    rows, (source, target) = _tables(plan, plan.dim, size.nodes)
    rng = np.random.default_rng(0)
    degree = max(1, size.entries // max(1, size.nodes))
    indptr = np.arange(rows + 1, dtype=np.int64) * degree
    indices = np.sort(rng.integers(0, rows, (rows, degree), dtype=np.int32), axis=1).ravel()
    noise = Alias(np.ones(rows)).table
    o = plan.options

    def once() -> None:
        starts = rng.integers(0, rows, TRIED_WALKS)
        walks = random_walks(indptr, indices, None, starts, int(o["walk_length"]), o.get("p", 1.0), o.get("q", 1.0))
        reach, negative = windows(walks, int(o["window"]), int(o["negatives"]), noise)
        train_walks(source, target, walks, reach, negative, 0.01)

    return _quickest(once) / TRIED_WALKS


def _edge_seconds(plan: Plan, size: Size) -> float:
    """Of one edge of LINE, in every order that is learned."""
    from graphtune.kernels.skipgram import train_edges

    orders = 2 if plan.options["order"] == "both" else 1
    rows, (source, target) = _tables(plan, plan.dim // orders, size.nodes)
    rng, count = np.random.default_rng(0), 1 << 15

    def once() -> None:
        head, tail = rng.integers(0, rows, (2, count))
        negative = rng.integers(0, rows, (count // 2, int(plan.options["negatives"])))
        train_edges(source, target, head, tail, negative, 0.01)

    return _quickest(once) * orders / count


def _triplets_seconds(plan: Plan, size: Size) -> float:
    """Of one example of BPR: its negatives and its triplets, in visits."""
    from graphtune.kernels.bpr import train_triplets
    from graphtune.kernels.negatives import unknown_targets

    rows, (table, _) = _tables(plan, plan.dim, size.nodes)
    rng, count, negatives = np.random.default_rng(0), 1 << 15, int(plan.options["negatives"])
    degree = max(1, size.entries // max(1, size.nodes))
    indptr = np.arange(rows + 1, dtype=np.int64) * degree
    indices = np.sort(rng.integers(0, rows, (rows, degree), dtype=np.int32), axis=1).ravel()
    rate = np.full((count, negatives), 0.01, np.float32)

    def once() -> None:
        source = np.repeat(rng.integers(0, rows, count // VISIT), VISIT)
        negative = unknown_targets(indptr, indices, source, negatives, 0, rows, 0)
        train_triplets(table, table, source, rng.integers(0, rows, count), negative, rate)

    return _quickest(once) / count


def _autograd_seconds(plan: Plan, size: Size) -> float:
    """Steps times what one takes: dense products, passes over what lies between, sparse products, the optimiser."""
    examples = size.edges * (1 if size.directed and not size.relations else 2)
    if plan.options.get("loss") in ("k-vs-all", "k-vs-all-bce"):
        examples = -(-examples // targets_of_query(size))
    batch = max(1, min(plan.config.batch_size, examples))
    steps = -(-examples // batch) * plan.config.epochs
    table = float(size.nodes * plan.dim)
    flops, numbers, sparse = query_flops(plan, size, batch), 0.0, 0.0
    if plan.options.get("loss") == "k-vs-all" and not holds_scores(plan):
        flops += SHORT * 2.0 * batch * size.targets * plan.dim
        numbers += 3.0 * batch * size.targets
    if holds_scores(plan):
        flops += 6.0 * batch * size.targets * plan.dim
        numbers += PASSES * float(batch) * size.targets
    if plan.model == "LightGCN":
        sparse += OF_LAYER * 2 * size.edges * plan.dim * int(plan.options["layers"])
    if plan.model == TEXT:
        flops += reading_flops(plan, batch)
    if plan.model in RELATIONAL_GNNS:
        flops += layer_flops(plan, size)
        sparse += message_numbers(plan, size)
        numbers += layer_bytes(plan, size) / 4
    if plan.model in GNNS:
        layers = gnn_layers(plan, size)
        flops += sum(6.0 * size.nodes * a * b for a, b in layers) if not size.width else 0.0
        numbers += GNNS[plan.model] * GATHERED * (2 * size.edges + size.nodes) * sum(b for _, b in layers)
    negatives, shared = int(plan.options.get("negatives", 1)), plan.options.get("loss") in SHARED
    flops += 6.0 * batch * negatives * plan.dim * shared
    rows = 2 * batch + negatives if shared else batch * (2 + negatives)
    numbers += 6.0 * table + PASSES * float(rows) * plan.dim
    each = STEP_SECONDS + flops * _flop_seconds() + numbers * _number_seconds() + sparse * PRODUCT_ENTRY
    return steps * each + (LIST_SECONDS * 2 * size.edges if list_bytes(size, size.directed) else 0.0)


def _tables(plan: Plan, dim: int, nodes: int) -> tuple[int, np.ndarray]:
    rows = max(2, min(nodes, TRIED_BYTES // (4 * dim)))
    half = plan.options.get("table_dtype") == "bfloat16"
    return rows, np.full((2, rows, dim), HUNDREDTH if half else 0.01, dtype=np.uint16 if half else np.float32)


def _flop_seconds() -> float:
    """Of an operation in a product of matrices."""
    one = np.ones((768, 768), dtype=np.float32)
    return _quickest(lambda: one @ one) / (2 * 768**3)


def _number_seconds() -> float:
    """Of a number that is read, changed and written."""
    array = np.ones(1 << 24, dtype=np.float32)
    return _quickest(lambda: np.add(array, 1.0, out=array)) / len(array)


def _quickest(work: Callable[[], object], times: int = 4) -> float:
    """Seconds of the quickest of some runs, the first left out."""
    work()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)
