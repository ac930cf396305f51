"""What transformers over the texts of nodes hold and take, counted from their configuration. B batch, L tokens."""

from __future__ import annotations

import json
from typing import Any

from graphtune.estimate.plan import Plan

TEXT = "Text"
KEPT = 20  # numbers a token and unit of width that a layer keeps for its gradient, beside the inner ones
INNER = 3  # passes over the inner layer that are kept


def transformer_weights(plan: Plan) -> int:
    """Bytes of a transformer's weights."""
    config = _config(plan)
    width, positions = config["hidden_size"], config.get("max_position_embeddings", 0)
    return 4 * (_of_layers(config) + width * (int(config["vocab_size"]) + int(positions)))


def reading_bytes(plan: Plan, batch: int) -> int:
    """Bytes that the layers keep of the texts of a batch, as long as they may be."""
    config = _config(plan)
    heads, length = int(config["num_attention_heads"]), int(plan.options["max_length"])
    a_token = KEPT * config["hidden_size"] + INNER * config["intermediate_size"] + 2 * heads * length
    return 4 * int(config["num_hidden_layers"]) * a_token * 2 * batch * length


def reading_flops(plan: Plan, batch: int) -> float:
    """Of a step: every weight of a layer meets every token three times, twice for the gradient."""
    return 6.0 * _of_layers(_config(plan)) * 2 * batch * int(plan.options["max_length"])


def _of_layers(config: dict[str, Any]) -> int:
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    return int(config["num_hidden_layers"]) * (4 * width * width + 2 * width * inner + 9 * width + inner)


def _config(plan: Plan) -> dict[str, Any]:
    return json.loads(plan.options["config"].read_text())
