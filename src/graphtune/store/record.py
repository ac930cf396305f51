"""What stands in a model directory beside the weights, and what its files are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphtune.check import bad
from graphtune.models import Model
from graphtune.split import Split

FORMAT = 1
CHECKPOINTS, LOGS, REPORT = "checkpoints", "logs", "report"
PROFILE = "profile.json"  # in LOGS
FUSED = "models"  # the directories of the models that are fused


@dataclass(frozen=True)
class Record:
    """What is saved beside a model.

    Attributes:
        split: of the graph that the model learned from; None if it saw all of it.
        training: the resolved training configuration.
        metrics: evaluations by name, as `Evaluation.as_dict` gives them.
        history: a row an epoch.
        notes: anything else worth keeping, as JSON can say it: command, cleaning report, starting weights.
        node_splits: of the nodes of the same graph, by task, where edges are divided or there are several; they come
            back over the graph of the model.
    """

    split: Split | None = None
    training: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    node_splits: dict[str, Split] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for split in self.node_splits.values():
            if split.unit != "node" or split.edge_part is not None:
                raise bad("node_splits", "Record", "of nodes, all of whose edges are seen", f"one of {split.kind}")


@dataclass(frozen=True)
class Written:
    """What stands beside the weights of a model directory, without the model.

    Attributes:
        config: recipe, heads, training, graph, split.
        metrics: evaluations by name.
        history: a row an epoch.
        run: versions, fingerprint, notes, and the sha256 of the files.
        parts: edges or nodes of each part of the split; none without a split.
    """

    config: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, Any]]
    run: dict[str, Any]
    parts: dict[str, int]


@dataclass(frozen=True)
class Stored:
    """A model directory, read: the model and the record beside it."""

    model: Model
    record: Record
