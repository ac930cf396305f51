"""The techniques of fine-tuning, each with the stories and the strengths that `techniques.py` tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

LINKS = ("cora-links-deepwalk", "citeseer-links-deepwalk")
NODES = ("cora-gcn", "citeseer-gcn")
FEWS = ("cora-few-gcn", "citeseer-few-gcn")
TABLES = ("lastfm-deepwalk", "cora-deepwalk")
TRIPLES = ("umls-complex", "nations-distmult")
SHARED = ("cora-shared", "lastfm-shared")
FALLING = (
    "citeseer-links-deepwalk",
    "umls-complex",
    "kinship-complex",
    "nations-distmult",
    "lastfm-bprmf",
    "cora-links-gcn",
)
CLIPPED = ("cora-links-deepwalk", "umls-complex", "nations-distmult")
MIXED = ("cora-links-deepwalk", "cora-gcn", "umls-complex")
FROM_RANDOM, FROM_PRETRAINED, FROM_KNOWN = ({"start": start} for start in ("random", "pretrained", "known"))


@dataclass(frozen=True)
class Technique:
    """What is compared.

    Attributes:
        stage: of fine-tuning, as docs/fine-tuning.md has them.
        stories: names of the stories that are tried.
        arms: changes that bring the technique, one entry a strength.
        base: changes of both sides.
        saves: whether it is for memory or speed, so that no loss is what is asked.
        metric: instead of the story's.
    """

    stage: str
    stories: Sequence[str]
    arms: Sequence[dict[str, Any]]
    base: dict[str, Any] = field(default_factory=dict)
    saves: bool = False
    metric: str = ""


def each(name: str, *values: Any, **others: Any) -> list[dict[str, Any]]:
    """One arm a value of an option."""
    return [{name: value, **others} for value in values]


TECHNIQUES = {
    "start_pretrained": Technique("start", (*LINKS, *FEWS), each("start", "pretrained"), FROM_RANDOM),
    "start_closed_form": Technique(
        "start", (*LINKS, "lastfm-gcn", "lastfm-bprmf"), each("start", "prone", "netmf"), FROM_RANDOM
    ),
    "start_drawn": Technique(
        "start", (*LINKS, "lastfm-gcn", "umls-complex"), each("start", "xavier", "normal", "orthogonal"), FROM_RANDOM
    ),
    "start_neighbours": Technique(
        "start", (*LINKS, "lastfm-deepwalk"), each("missing", "neighbours"), {**FROM_KNOWN, "missing": "random"}
    ),
    "freeze": Technique("trained", (*TABLES, *FEWS), each("freeze", "encoder.*"), FROM_PRETRAINED),
    "fixed_rows": Technique("trained", (*LINKS, "lastfm-deepwalk"), each("fixed", True), FROM_KNOWN),
    "unfreeze": Technique("trained", (*TABLES, *FEWS), each("unfreeze", 0.2, 0.4), FROM_PRETRAINED),
    "lora": Technique(
        "trained",
        FEWS,
        [*each("lr", 0.01, 0.03, 0.1, lora_rank=4), *each("lr", 0.01, 0.03, 0.1, lora_rank=16)],
        FROM_PRETRAINED,
    ),
    "adapter": Technique(
        "trained",
        FEWS,
        each("lr", 0.003, 0.01, 0.03, adapter=16),
        FROM_PRETRAINED,
    ),
    "layer_decay": Technique("rates", (*TABLES, *FEWS), each("layer_decay", 0.3, 0.1), FROM_PRETRAINED),
    "group_rates": Technique("rates", TABLES, each("lr_table", 1e-3, 1e-4), FROM_PRETRAINED),
    "warmup": Technique("rates", ("cora-gcn", *FALLING), each("warmup", 0.1, 0.3)),
    "cosine": Technique("rates", FALLING, each("schedule", "cosine")),
    "cosine_restarts": Technique("rates", FALLING, each("cycles", 2, 3, schedule="cosine")),
    "exponential": Technique("rates", FALLING, each("lr_end", 0.1, 0.01, schedule="exponential")),
    "linear": Technique("rates", FALLING, each("schedule", "linear")),
    "step": Technique("rates", FALLING, each("step_factor", 0.5, 0.1, schedule="step")),
    "plateau": Technique("rates", FALLING, each("plateau_factor", 0.5, 0.1, schedule="plateau", plateau_patience=1)),
    "l2_sp": Technique("regularisation", (*TABLES, *FEWS), each("l2_sp", 0.3, 3.0, 10.0), FROM_PRETRAINED),
    "dropout": Technique("regularisation", (*NODES, "lastfm-gcn"), each("recipe.dropout", 0.3, 0.6, 0.8)),
    "row_dropout": Technique("regularisation", (*LINKS, *TRIPLES), each("row_dropout", 0.1, 0.3, 0.5)),
    "edge_dropout": Technique(
        "regularisation", (*NODES, "cora-links-gcn", "lastfm-gcn"), each("edge_dropout", 0.2, 0.5)
    ),
    "l1": Technique("regularisation", (*LINKS, *TRIPLES, "lastfm-bprmf"), each("l1", 1e-4, 1e-3, 1e-2)),
    "l2": Technique("regularisation", (*LINKS, *TRIPLES, "lastfm-bprmf"), each("l2", 1e-3, 1e-2, 1e-1)),
    "n3": Technique("regularisation", (*TRIPLES, "kinship-complex"), each("n3", 1e-3, 1e-2, 1e-1)),
    "weight_decay": Technique("regularisation", (*NODES, *FEWS), each("weight_decay", 0.1, 1.0, 5.0)),
    "weight_decay_table": Technique(
        "regularisation", (*LINKS, "lastfm-bprmf"), each("weight_decay_table", 0.1, 1.0, 5.0)
    ),
    "early_stopping": Technique(
        "regularisation",
        (*LINKS, "lastfm-deepwalk"),
        each("watch", True, eval_every=2, patience=3),
        {"watch": False, "epochs": 60},
    ),
    "label_smoothing": Technique("regularisation", (*NODES, *TRIPLES), each("task.label_smoothing", 0.1, 0.3)),
    "ema": Technique(
        "regularisation", (*LINKS, "umls-complex", "cora-gcn"), each("ema_decay", 0.9, 0.98, average="ema")
    ),
    "swa": Technique(
        "regularisation", (*LINKS, "umls-complex", "cora-gcn"), each("swa_start", 0.3, 0.6, average="swa")
    ),
    "weight_column": Technique("samples", ("novel-links-deepwalk",), each("task.sample_weight", "column")),
    "weight_degree": Technique(
        "samples", (*LINKS, "lastfm-bprmf"), each("task.weight_power", 0.25, 0.5, **{"task.sample_weight": "degree"})
    ),
    "weight_recency": Technique(
        "samples",
        ("movielens-last-bprmf", "movielens-time-bprmf"),
        each("task.half_life", 0.1, 0.25, 1.0, **{"task.sample_weight": "recency"}),
    ),
    "class_balance": Technique(
        "samples",
        ("lastfm-deepwalk", "lastfm-gcn", "cora-few-gcn"),
        each("task.class_weight", "balanced", "effective"),
        metric="f1_macro",
    ),
    "focal": Technique("samples", (*NODES, "lastfm-deepwalk"), each("task.focal", 0.5, 1.0, 2.0)),
    "curriculum": Technique("samples", (*LINKS, "umls-complex", *NODES), each("curriculum", 0.3, 0.6)),
    "degree_negatives": Technique("samples", (*LINKS, "lastfm-bprmf"), each("task.noise", "degree")),
    "in_batch": Technique("samples", (*LINKS, "lastfm-bprmf"), each("task.noise", "in-batch", **{"task.log_q": True})),
    "log_q": Technique("samples", (*LINKS, "lastfm-bprmf"), each("task.log_q", True), {"task.noise": "in-batch"}),
    "known_mask": Technique("samples", (*LINKS, "lastfm-bprmf", "umls-transe"), each("task.unknown", True)),
    "hard_negatives": Technique(
        "samples", (*LINKS, "lastfm-bprmf", "umls-transe"), each("task.hard", 8, 24), {"task.unknown": True}
    ),
    "self_adversarial": Technique(
        "samples",
        ("umls-transe", "nations-transe"),
        each("objective.temperature", 0.5, 1.0, 2.0),
        {"objective.temperature": 0.0},
    ),
    "node_dropout": Technique(
        "augmentation", (*NODES, "lastfm-gcn", "lastfm-lightgcn"), each("node_dropout", 0.1, 0.3)
    ),
    "feature_masking": Technique("augmentation", (*NODES, *FEWS), each("feature_dropout", 0.2, 0.5)),
    "edge_add": Technique("augmentation", (*NODES, *FEWS), each("edge_add", 0.2, 1.0)),
    "subgraph": Technique("augmentation", (*NODES, "cora-links-gcn"), each("subgraph", 2, 4)),
    "mixup": Technique("augmentation", (*NODES, "lastfm-deepwalk"), each("mixup", 0.2, 1.0)),
    "swap": Technique("augmentation", (*LINKS, "lastfm-deepwalk"), each("swap", 0.1, 0.3, swap_weight=0.5)),
    "inversion": Technique("augmentation", (*TRIPLES, "kinship-complex"), each("task.invert", 0.5, 0.9)),
    "clip_norm": Technique("numbers", CLIPPED, each("clip_norm", 0.01, 0.1)),
    "clip_value": Technique("numbers", CLIPPED, each("clip_value", 1e-4, 1e-3)),
    "clip_rows": Technique("numbers", CLIPPED, each("clip_rows", 1e-3, 1e-2)),
    "bf16": Technique("numbers", MIXED, each("precision", "bf16"), saves=True),
    "fp16": Technique("numbers", MIXED, each("precision", "fp16"), saves=True),
    "fp8": Technique("numbers", MIXED, each("precision", "fp8"), saves=True),
    "accumulate": Technique("numbers", MIXED, each("accumulate", 2, 4), saves=True),
    "row_sparse": Technique("numbers", (*LINKS, "lastfm-bprmf"), each("table_updates", "rows"), saves=True),
    "shared": Technique("sharing", SHARED, each("alone", False), {"alone": True}),
    "uncertainty": Technique("sharing", SHARED, each("task.balance", "uncertainty"), metric="mean"),
    "pcgrad": Technique("sharing", SHARED, each("task.balance", "pcgrad"), metric="mean"),
}
