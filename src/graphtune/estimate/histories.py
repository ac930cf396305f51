"""Closed forms that score histories: the memory of their operators, and how long they take to solve."""

from __future__ import annotations

from graphtune.estimate.plan import Plan, Size

HISTORIES = ("Popularity", "ItemKNN", "EASE", "GFCF", "BSPM")
DENSE_ITEMS = 16_000  # of EASE
ROWS = 2048  # items whose similarities ItemKNN holds at a time
PAIR = 40  # bytes of a similarity while the largest are looked for
PAIR_SECONDS = 3e-8  # of a pair of items that a user took


def operator_bytes(plan: Plan, size: Size) -> int:
    """Of what is saved: float32 numbers, places of 8 bytes."""
    items, places = size.targets, 8 * size.targets
    if plan.model == "ItemKNN":
        return places + 8 * (items + 1) + 12 * items * min(items, int(plan.options["neighbours"]))
    if plan.model == "EASE":
        rank = min(items, int(plan.options["rank"]))
        return places + (4 * items**2 if _is_exact(plan, size) else 4 * items * (2 * rank + 1))
    if plan.model in ("GFCF", "BSPM"):
        users = size.nodes - items
        return places + 12 * size.edges + 8 * (users + 1) + 4 * items * (plan.dim + 1) + 4
    return places + 4 * items


def solving_bytes(plan: Plan, size: Size) -> int:
    """While it is solved, beside the operator."""
    held = 24 * size.edges
    if plan.model == "ItemKNN":
        return held + PAIR * min(size.targets, ROWS) * size.targets
    if plan.model == "EASE" and _is_exact(plan, size):
        return held + 12 * size.targets**2
    rank = _rank(plan)
    return held + 30 * size.nodes * rank  # a basis of two and a half times the factors, and its images


def solving_work(plan: Plan, size: Size) -> tuple[float, float]:
    """Multiplications of dense matrices, and seconds beside them."""
    if plan.model == "ItemKNN":
        return 0.0, PAIR_SECONDS * 3 * size.edges**2 / max(1, size.nodes - size.targets)
    if plan.model == "EASE" and _is_exact(plan, size):
        return 2.0 * size.targets**3, 0.0
    rank = _rank(plan)
    return 40.0 * size.nodes * rank**2 + 200.0 * size.edges * rank, 0.0


def _rank(plan: Plan) -> int:
    return int(plan.options["rank"]) if plan.model == "EASE" else plan.dim


def _is_exact(plan: Plan, size: Size) -> bool:
    method = plan.options["method"]
    return method == "exact" or (method == "auto" and size.targets <= DENSE_ITEMS)
