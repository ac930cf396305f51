"""Bytes that learning holds at once, beyond the program itself, counted array by array.

Axes: N nodes, E edges, c examples an epoch, M entries of neighbour lists, B batch, K negatives, D dim.
"""

from __future__ import annotations

from graphtune.estimate.histories import HISTORIES, operator_bytes, solving_bytes
from graphtune.estimate.plan import Plan, Size
from graphtune.estimate.relational import RELATIONAL_GNNS, encoder_weights, message_bytes
from graphtune.estimate.steps import GNNS, gnn_layers, is_visited, step_bytes
from graphtune.estimate.text import TEXT, transformer_weights
from graphtune.estimate.triples import RELATIONAL, scorer_bytes

CANDIDATES, WATCHED = 100, 5000  # of link prediction: pairs an edge, and edges that are scored during training
SCORED = 1 << 26  # numbers of the rows that are scored at once
QUERIES = {"triples": 384, "events": 1024}  # that are scored at once against every target
VISIT = 16  # as in `graphtune.sampling.visits`
DISTANCES = ("TransE", "RotatE")
ALIAS = 48  # bytes an outcome, while the table of a distribution is made
STATES = {"sgd": 0, "adagrad": 1, "adamw": 2}  # arrays of an optimiser for each array of weights
WALKERS, CLOSED_FORMS = ("DeepWalk", "Node2Vec"), ("NetMF", "ProNE")
COUNTED_AT_ONCE = 1 << 13  # walks, for the frequencies of nodes
Stages = dict[str, int]


def training_memory(plan: Plan, size: Size) -> Stages:
    """Bytes at the peak of each stage of `pretrain` on a graph, the graph included and mapped files left out.

    Args:
        plan: what is learned.
        size: of the graph that it learns from.
    """
    held = size.edge_bytes + size.ids + size.features + weight_bytes(plan, size) + mean_bytes(plan, size)
    stages = _walk_stages(plan, size) if plan.model in WALKERS else _edge_stages(plan, size)
    return {name: held + more for name, more in stages.items()}


def kept_bytes(plan: Plan, size: Size) -> int:
    """Between two steps of `pretrain`, the graph included: what is drawn from, gradients and the optimiser's state."""
    training, step = training_memory(plan, size)["training"], 0
    if plan.model not in (*WALKERS, *CLOSED_FORMS, *HISTORIES):
        weights = weight_bytes(plan, size)
        step = max(0, step_bytes(plan, size, weights) - (0 if _is_fused(plan) else weights))
    return training - step


def embedding_memory(plan: Plan, size: Size, ratios: tuple[float, float, float] | None) -> Stages:
    """Bytes at the peak of each stage of `graphtune embed`, from the graph on that was read.

    Args:
        plan: what is learned.
        size: of the whole graph.
        ratios: of train, validation and test; None where every edge is learned.
    """
    if ratios is None:
        training = training_memory(plan, size)
        return {**training, "checkpoint": kept_bytes(plan, size) + _checkpoint(plan, size, 1)}
    train, valid, test = (share / sum(ratios) for share in ratios)
    learned, known = size.part(train), size.part(train + valid)
    whole = size.edge_bytes + size.edges  # and the part of each edge
    training = {name: whole + more for name, more in training_memory(plan, learned).items()}
    parts = size.part(valid).edge_bytes + known.edge_bytes + weight_bytes(plan, size)
    stays = whole + kept_bytes(plan, learned) + parts
    aside = weight_bytes(plan, size) if mean_bytes(plan, size) else 0  # the weights, while their mean is judged
    model = learned.edge_bytes + size.ids + size.features + weight_bytes(plan, size) + _graph_of_model(plan, learned)
    judged = whole + model + parts + list_bytes(known, size.directed) + size.part(test).edge_bytes + size.edge_bytes
    return {
        "split": size.ids + size.features + whole + 56 * size.edges,
        **training,
        "validation": stays + aside + _known(known) + _scores(plan, size, min(WATCHED, round(valid * size.edges))),
        "checkpoint": stays + list_bytes(known, size.directed) + _checkpoint(plan, size, 2),
        "evaluation": judged + _known(size) + _scores(plan, size, round(test * size.edges)),
    }


def weight_bytes(plan: Plan, size: Size) -> int:
    """Of the model's own numbers."""
    table = 4 * size.nodes * plan.dim // (2 if plan.options.get("table_dtype") == "bfloat16" else 1)
    if plan.model in HISTORIES:
        return operator_bytes(plan, size)
    if plan.model in (*WALKERS, *CLOSED_FORMS):
        return 2 * table
    if plan.model == "LINE":
        return {"first": 2, "second": 4, "both": 3}[plan.options["order"]] * table // 2
    if plan.model in RELATIONAL:
        return table + scorer_bytes(plan, size)
    if plan.model in RELATIONAL_GNNS:
        return encoder_weights(plan, size)
    if plan.model == TEXT:
        return transformer_weights(plan) + 8 * size.relations * plan.dim
    if plan.model in GNNS:
        widths = gnn_layers(plan, size)
        own = 0 if size.width else 4 * size.nodes * int(plan.options["hidden"])
        return own + sum(4 * (a + 1) * b for a, b in widths)
    return table


def mean_bytes(plan: Plan, size: Size) -> int:
    """Of the mean of the weights, float32, where the run averages."""
    half = plan.options.get("table_dtype") == "bfloat16"
    return 0 if plan.config.average == "none" else weight_bytes(plan, size) * (2 if half else 1)


def list_bytes(size: Size, directed: bool, making: bool = False) -> int:
    """Of neighbour lists, while they are made or when they stand; 0 on disk but for what is a number a node."""
    entries = size.edges * (1 if directed else 2)
    if size.on_disk:
        return 24 * size.nodes if making else 0
    each = 4 + 4 * size.weighted
    return (48 * size.nodes + 2 * each * entries) if making else (8 * size.nodes + each * entries)


def _walk_stages(plan: Plan, size: Size) -> Stages:
    """DeepWalk and node2vec: lists, the tables to draw from, and two batches of walks, one made and one learned."""
    lists = list_bytes(size, size.directed)
    walks = min(plan.config.batch_size, size.nodes)
    batch = walks * int(plan.options["walk_length"]) * 4 * (2 + int(plan.options["negatives"]))
    alias, making = (8 * size.entries, 16 * size.entries) if size.weighted and not size.on_disk else (0, 0)
    order = 16 * size.nodes  # of the nodes that walks start from
    counted = 4 * COUNTED_AT_ONCE * int(plan.options["walk_length"]) + 8 * size.nodes
    return {
        "neighbour lists": list_bytes(size, size.directed, making=True),
        "drawing tables": lists + max(making, alias + max(ALIAS * size.nodes, counted)) + order + batch,
        "training": lists + alias + order + 8 * size.nodes + 2 * batch,
    }


def _edge_stages(plan: Plan, size: Size) -> Stages:
    """Models that learn from edges: their ends twice over, the order of an epoch, and what a step holds."""
    if plan.model in CLOSED_FORMS:
        lists = list_bytes(size, size.directed)
        return {"neighbour lists": list_bytes(size, size.directed, making=True),
                "training": lists + 12 * size.entries + 4 * size.nodes * (10 * plan.dim)}  # fmt: skip
    if plan.model in HISTORIES:
        return {"training": list_bytes(size, size.directed) + solving_bytes(plan, size)}
    both_ways = size.relations > 0 or not size.directed
    examples = size.edges * (2 if both_ways else 1)
    ends = 0 if size.on_disk and not size.relations else examples * (3 * 4 + 8 * (size.relations > 0))
    if is_visited(plan):
        ends = 12 * (size.nodes + examples // VISIT) + 8 * size.nodes
    draws = 0
    if plan.model == "LINE":
        draws = 8 * size.nodes + 8 * examples * (size.weighted and not size.on_disk)
    lists = _graph_of_model(plan, size)
    weights = weight_bytes(plan, size)
    kept = 0 if plan.config.optimizer == "sgd" and plan.model == "LINE" else weights * STATES[plan.config.optimizer]
    stages = {"training": lists + ends + draws + kept + step_bytes(plan, size, weights)}
    if plan.model == "LINE":
        stages["drawing tables"] = ends + ALIAS * max(size.nodes, examples * (size.weighted and not size.on_disk))
    if lists:
        stages["neighbour lists"] = list_bytes(size, size.directed, making=True)
    if plan.model == "LightGCN":
        stages["matrix"] = list_bytes(size, False) + 36 * 2 * size.edges
    if plan.model in GNNS:
        stages["edge index"] = list_bytes(size, False) + 40 * 2 * size.edges
    if plan.model in RELATIONAL_GNNS:
        stages["messages"] = message_bytes(size, making=True)
    return stages


def _is_fused(plan: Plan) -> bool:
    return plan.model == "LINE" or is_visited(plan)


def _graph_of_model(plan: Plan, size: Size) -> int:
    """Neighbour lists that are kept, and the matrix that a model propagates over."""
    both = 2 * size.edges
    lists = list_bytes(size, size.directed) if plan.model in WALKERS else 0
    if plan.model in RELATIONAL_GNNS:
        return message_bytes(size)
    if plan.model in (*GNNS, "LightGCN") or plan.options.get("loss") == "bpr":
        lists = list_bytes(size, size.directed)
    if plan.model in (*GNNS, "LightGCN") and size.directed:
        lists += list_bytes(size, False)  # those of both directions beside those out of a node
    if plan.model == "LightGCN":
        return lists + 24 * both + 32 * size.nodes  # half of it what kernels read, and parts of that
    return lists + (16 * both + 20 * (both + size.nodes) if plan.model in GNNS else 0)


def _known(size: Size) -> int:
    """The known edges that an evaluation leaves out."""
    if size.relations:
        return 6 * 16 * size.edges  # keys of both directions, sorted
    return list_bytes(size, size.directed, making=True)


def _scores(plan: Plan, size: Size, edges: int) -> int:
    """What scoring the hidden edges takes, all embeddings computed."""
    table = 4 * size.nodes * plan.dim
    half = plan.options.get("table_dtype") == "bfloat16"
    frozen = 3 * table if half or plan.model in ("LINE", "LightGCN", *GNNS, *RELATIONAL_GNNS) else 0
    frozen += table if plan.model in ("ConvE", "SimplE") else 0  # whose keys are not rows of a table
    if size.relations:
        rows = 4 * QUERIES["triples"] * size.nodes
        return frozen + (3 * rows if plan.model in DISTANCES else rows + table)
    if size.targets < size.nodes:
        return frozen + 2 * 4 * QUERIES["events"] * size.targets + 64 * edges
    pairs = CANDIDATES * edges
    return frozen + 24 * pairs + 12 * min(pairs * plan.dim, SCORED)


def _checkpoint(plan: Plan, size: Size, sets: int) -> int:
    """A copy of the weights (and of the best ones) and of the optimiser's state, and all once more as it is written."""
    states = 0 if plan.model in WALKERS or plan.model == "LINE" else STATES[plan.config.optimizer]
    return 2 * ((sets + states) * weight_bytes(plan, size) + mean_bytes(plan, size))
