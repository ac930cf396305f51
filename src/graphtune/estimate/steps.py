"""What one step of an autograd model holds: gradients, and the arrays between weights and loss.

Axes: N nodes, E edges, B batch, K negatives, D dim, H hidden width.
"""

from __future__ import annotations

from itertools import pairwise

from graphtune.estimate.plan import Plan, Size
from graphtune.estimate.relational import RELATIONAL_GNNS, layer_bytes
from graphtune.estimate.text import TEXT, reading_bytes
from graphtune.estimate.triples import query_bytes
from graphtune.kernels.parallel import thread_count

LARGE, ROWS_OF_LARGE, ROWS_AT_ONCE = 12 << 20, 96, 12  # as in `graphtune.kernels.grouped`, which would compile
GNNS = {"GCN": 2, "GraphSAGE": 2, "GAT": 4}  # arrays [edges, width] that a convolution holds at once
SHARED = ("self-adversarial", "softmax", "ccl")  # losses whose negatives a batch shares
PROPAGATED = 3  # arrays [N, D] of LightGCN's layers, beside the gradient
WHOLE_ROWS = ("one-vs-all", "full-softmax", "k-vs-all-bce")  # losses that hold all scores of a batch
TARGETS = 4  # of a query of triples, about: 3.6 on FB15k-237, 2.3 on WN18RR
AN_ENTRY = 24  # bytes of an entry of a gradient that is rounded: three times a column and a value
OF_SCORES = 3  # arrays [B, N] of one-vs-all: logarithms, and two gradients
OF_ROWS = 4  # arrays of the rows of a batch: gathered, scored, and their gradients


def step_bytes(plan: Plan, size: Size, weights: int) -> int:
    """Beyond the weights and the optimiser's state.

    Args:
        plan: a model that learns from edges.
        size: of the graph that it learns from.
        weights: bytes of the model's own numbers.
    """
    count = max(1, size.edges * (1 if size.directed and not size.relations else 2))
    batch = min(plan.config.batch_size, count)
    negatives = int(plan.options.get("negatives", 1))
    if plan.model == "LINE":
        return 2 * batch * (16 + 4 * negatives) + 8 * batch
    if is_visited(plan):
        return 2 * batch * (16 + 12 * negatives)
    table = 4 * size.nodes * plan.dim
    if plan.model in RELATIONAL_GNNS:
        weights += layer_bytes(plan, size)
    if plan.model == "LightGCN":
        weights += PROPAGATED * table
    if holds_scores(plan):
        return weights + table + OF_SCORES * 4 * batch * size.targets + query_bytes(plan, size, batch)
    if plan.options.get("loss") == "k-vs-all":
        examples = min(count, targets_of_query(size) * batch)
        entries = min(batch * size.targets, examples / plan.options["rounding"] + examples)
        rows_at_once = ROWS_OF_LARGE if table // 2 > LARGE else ROWS_AT_ONCE
        scores = 4 * rows_at_once * thread_count() * size.targets + int(AN_ENTRY * entries)
        rows = OF_ROWS * 4 * 2 * examples * plan.dim
        return weights + table + table // 2 + scores + rows + query_bytes(plan, size, batch)
    shared = plan.options.get("loss") in SHARED
    rows = (2 * batch + negatives) if shared else batch * (2 + negatives)
    step = weights + OF_ROWS * 4 * rows * plan.dim + shared * OF_ROWS * 4 * batch * negatives
    step += query_bytes(plan, size, batch)
    if plan.model == TEXT:
        return step + reading_bytes(plan, batch)
    if plan.model in GNNS:
        return step + _convolutions(plan, size)
    return step


def is_visited(plan: Plan) -> bool:
    """Whether a fused step of BPR learns the edges in visits."""
    return plan.model == "BPRMF" and plan.options["loss"] == "bpr" and plan.config.optimizer == "sgd"


def _contrast(plan: Plan, batch: int, table: int) -> int:
    """The noisy layers, and the cosines of the users and of the items of a batch."""
    if not plan.options["contrast"]:
        return 0
    return 2 * int(plan.options["layers"]) * table + 2 * OF_SCORES * 4 * batch * batch


def holds_scores(plan: Plan) -> bool:
    """Whether a step makes an array of the scores of its batch."""
    loss = plan.options.get("loss")
    return loss in WHOLE_ROWS or (loss == "k-vs-all" and not plan.options.get("rounding"))


def targets_of_query(size: Size) -> int:
    """Targets of a query, about: of a knowledge graph, or the events of a user, or the neighbours of a node."""
    if size.relations:
        return TARGETS
    sources = size.nodes - size.targets if size.targets < size.nodes else size.nodes
    return max(1, size.edges * (1 if size.directed else 2) // max(1, sources))


def gnn_layers(plan: Plan, size: Size) -> list[tuple[int, int]]:
    """Inputs and outputs of each convolution."""
    hidden, layers = int(plan.options["hidden"]), int(plan.options["layers"])
    return list(pairwise([size.width or hidden, *[hidden] * (layers - 1), plan.dim]))


def _convolutions(plan: Plan, size: Size) -> int:
    """Activations of all layers, and the messages of the widest; GraphSAGE sends inputs, the others outputs."""
    layers = gnn_layers(plan, size)
    sent = [inputs if plan.model == "GraphSAGE" else outputs for inputs, outputs in layers]
    messages = GNNS[plan.model] * 4 * (2 * size.edges + size.nodes) * max(sent)
    return messages + sum(4 * 4 * size.nodes * outputs for _, outputs in layers) + 3 * size.features
