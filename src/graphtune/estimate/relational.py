"""What encoders over the messages of graphs with relations take: weights, messages, layers.

Axes: N nodes, E edges, R relations, B bases, D dim, L layers.
"""

from __future__ import annotations

from graphtune.estimate.plan import Plan, Size

RELATIONAL_GNNS = ("RGCN", "CompGCN")
MESSAGE = 8 * (5 + 3 + 3) + 4  # bytes: its ends and group, all but one end in two other orders, what it counts
MAKING = 8 * 12  # more while messages are put in order
BESIDE = 8  # arrays [N, D] of a layer beside its sums of messages: dropped, own, added, normed and their gradients


def encoder_weights(plan: Plan, size: Size) -> int:
    """Bytes of inputs, layers and relations."""
    dim, layers, relations = plan.dim, int(plan.options["layers"]), 2 * size.relations
    inputs = 4 * (size.width or size.nodes) * dim
    if plan.model == "RGCN":
        bases = int(plan.options["bases"])
        return inputs + 4 * layers * ((bases + 1) * dim * dim + dim + relations * bases) + 4 * relations * dim
    return inputs + 4 * relations * dim + 4 * layers * (4 * dim * dim + 3 * dim)


def message_bytes(size: Size, making: bool = False) -> int:
    """Of two messages an edge, while they are put in order or when they stand."""
    return 2 * size.edges * (MESSAGE + MAKING * making)


def layer_bytes(plan: Plan, size: Size) -> int:
    """Of all layers forwards and backwards, and the numbers of their edges that a step drops."""
    sums = 3 * _sums(plan)
    return 4 * size.nodes * plan.dim * int(plan.options["layers"]) * (sums + BESIDE) + 2 * size.edges * 16


def layer_flops(plan: Plan, size: Size) -> float:
    """Operations of the dense products of all layers, forwards and backwards."""
    return 6.0 * size.nodes * plan.dim**2 * int(plan.options["layers"]) * (_sums(plan) + 1)


def message_numbers(plan: Plan, size: Size) -> float:
    """Numbers that all layers pass over along messages, forwards and twice backwards."""
    return 3.0 * 2 * size.edges * plan.dim * int(plan.options["layers"])


def _sums(plan: Plan) -> int:
    """Arrays [N, D] that a layer sums messages in: one a basis, or one a direction."""
    return int(plan.options["bases"]) if plan.model == "RGCN" else 2
