"""What models of triples hold and compute beside a table of entities.

Axes: N nodes, R relations, B batch, D dim, U different relations in a batch.
"""

from __future__ import annotations

from math import isqrt

from graphtune.estimate.plan import Plan, Size

RELATIONAL = (
    "ComplEx", "DistMult", "TransE", "RotatE", "RESCAL", "TuckER", "ConvE", "QuatE", "CP", "SimplE",
)  # fmt: skip
OF_MATRICES = 3  # arrays of the matrices of a batch's relations: made, dropped out, and their gradient
OF_MAPS = 6  # arrays of ConvE's maps: convolved, scaled, cut, dropped out, and two gradients


def scorer_bytes(plan: Plan, size: Size) -> int:
    """Of the weights of a scorer: rows of relations read both ways, and what else it has."""
    relations, dim = 2 * size.relations, plan.dim
    if plan.model == "RESCAL":
        return 4 * relations * dim**2
    if plan.model == "TuckER":
        width, norms = int(plan.options["relation_dim"]), 4 * dim * bool(plan.options["batch_norm"])
        return 4 * (relations * width + width * dim**2 + norms)
    if plan.model == "ConvE":
        channels = int(plan.options["channels"])
        kernels = channels * int(plan.options["kernel"]) ** 2
        norms = 2 * (1 + channels + dim) * bool(plan.options["batch_norm"])
        return 4 * (size.nodes + relations * dim + kernels + _maps(plan) * dim + norms)
    tails = size.nodes * dim if plan.model == "CP" else 0
    return 4 * (relations * (dim // 2 if plan.model == "RotatE" else dim) + tails)


def query_bytes(plan: Plan, size: Size, batch: int) -> int:
    """Held in a step while queries are made, where that is much more than the queries."""
    if plan.model in ("RESCAL", "TuckER"):
        return OF_MATRICES * 4 * plan.dim**2 * _present(size, batch)
    return OF_MAPS * 4 * batch * _maps(plan) if plan.model == "ConvE" else 0


def query_flops(plan: Plan, size: Size, batch: int) -> float:
    """Operations of making the queries of a step, forwards and backwards, where they are products of matrices."""
    product = 6.0 * batch * plan.dim**2
    if plan.model == "RESCAL":
        return product
    if plan.model == "TuckER":
        return product + 6.0 * _present(size, batch) * int(plan.options["relation_dim"]) * plan.dim**2
    if plan.model == "ConvE":
        return 6.0 * batch * _maps(plan) * (plan.dim + int(plan.options["kernel"]) ** 2)
    return 0.0


def _present(size: Size, batch: int) -> int:
    """U, at most."""
    return min(batch, 2 * size.relations)


def _maps(plan: Plan) -> int:
    """Numbers of an example's maps."""
    dim, side = plan.dim, int(plan.options["kernel"])
    rows = next(rows for rows in range(isqrt(dim), 0, -1) if dim % rows == 0)
    return int(plan.options["channels"]) * (2 * rows - side + 1) * (dim // rows - side + 1)
