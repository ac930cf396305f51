"""graphtune learns node embeddings and fine-tunes them to a task.

    graph, report = graphtune.read_edges("edges.csv")
    split = graphtune.split_edges(graph)
    pretrained = graphtune.pretrain(graphtune.DeepWalk(dim=64), split)
    tuned = graphtune.finetune(pretrained.model, graphtune.LinkPrediction(split))
    print(graphtune.LinkPrediction(split).evaluate(tuned.model))

Names are imported when first used, so that `import graphtune` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "graphtune.adapt": ("Extended", "NewNodes", "Updated", "Updating", "add_nodes", "fuse", "update"),
    "graphtune.answers": ("Explanation", "Filter", "Recommendations", "Recommender"),
    "graphtune.check": ("ArgumentError", "DataError", "GraphtuneError", "LeakError"),
    "graphtune.cleaning": ("Cleaning", "clean"),
    "graphtune.config": ("TrainConfig",),
    "graphtune.convert": (
        "from_dgl", "from_networkx", "from_pyg", "from_scipy", "to_dgl", "to_networkx", "to_pyg", "to_scipy",
    ),
    "graphtune.datasets": ("load_dataset",),
    "graphtune.disk": ("load_graph", "save_graph"),
    "graphtune.evaluate": (
        "Evaluation", "choose_operator", "compare", "compare_ranks", "compare_scores", "evaluate_probe", "read_ranks",
        "read_scores", "write_ranks", "write_scores",
    ),
    "graphtune.events": ("EventSummary", "cut_sessions", "describe_events"),
    "graphtune.findings": ("Finding", "Report"),
    "graphtune.graph": ("Graph",),
    "graphtune.ids": ("NodeIds",),
    "graphtune.io": (
        "Attributes", "from_frame", "read_adjacency_lists", "read_attributes", "read_edges", "read_event_files",
        "read_events", "read_features", "read_item_graph", "read_labels", "read_social", "read_texts",
        "read_triple_files", "read_triples",
    ),
    "graphtune.models": (
        "BPRMF", "BSPM", "CP", "EASE", "GAT", "GCN", "GFCF", "LINE", "RESCAL", "RGCN", "Answer", "Calibration",
        "ClosedForm", "CompGCN", "ComplEx", "Completion", "ConvE", "DeepWalk", "DistMult", "Encoder", "GraphSAGE",
        "ItemKNN", "LightGCN", "Model", "NetMF", "Node2Vec", "PathRanking", "Popularity", "ProNE", "QuatE", "Recipe",
        "RotatE", "Scorer", "SimplE", "Text", "TransE", "TuckER",
    ),
    "graphtune.models.fused": ("Fused", "Fusion"),
    "graphtune.models.pathranking": ("path_rules",),
    "graphtune.reporting": ("report",),
    "graphtune.split": (
        "EntitySplit", "RelationPattern", "RelationPatterns", "Split", "audit_together", "given_split",
        "relation_patterns", "split_cold", "split_edges", "split_entities", "split_inductive", "split_interactions",
        "split_nodes", "split_triples",
    ),
    "graphtune.start": (
        "StartReport", "randomise", "start_from", "start_from_closed_form", "start_from_model", "start_from_state",
        "start_from_svd",
    ),
    "graphtune.store": ("Record", "load", "open_directory", "save"),
    "graphtune.tasks": (
        "CommunityDetection", "LinkPrediction", "NodeClassification", "NodeRegression", "Recommendation",
        "Reliability", "Shared", "TripleClassification", "TripleCompletion", "calibrate", "finetune", "pretrain",
        "reliability",
    ),
    "graphtune.train.fit": ("Result", "Run", "Training", "fit"),
    "graphtune.train.loggers": ("CSVLogger", "TensorBoardLogger"),
    "graphtune.train.profile": ("Profile",),
    "graphtune.train.trackers": ("MLflowLogger", "WandbLogger"),
    "graphtune.vectors": ("Vectors", "read_vectors", "write_vectors"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'graphtune' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
