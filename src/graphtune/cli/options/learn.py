"""Options of the commands that learn: inspect, embed, finetune, extend, update and benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from graphtune.cli.options import shared as o
from graphtune.cli.options.data import DataOptions, LabelOptions, NewEdges, NewEvents
from graphtune.cli.options.shared import LEARNING, OUTPUT, option
from graphtune.config import SAVE_EVERY


@dataclass(frozen=True, kw_only=True)
class OutOptions:
    """Where a run is saved, what it logs, and how it goes on after a break."""

    out: o.Out
    resume: o.Resume = False
    overwrite: o.Overwrite = False
    log: Annotated[
        str | None,
        option("--log", metavar="csv,mlflow,wandb", help="Also log each epoch to DIR/logs, or a tracker.",
               panel=OUTPUT),
    ] = None  # fmt: skip
    tensorboard: Annotated[
        bool, option("--tensorboard", help="Also log for `tensorboard --logdir DIR/logs`.", panel=OUTPUT)
    ] = False
    save_every: Annotated[
        float,
        option("--save-every", metavar="SECONDS", help="Save the state within epochs too; 300 unless given.",
               panel=OUTPUT),
    ] = SAVE_EVERY  # fmt: skip
    profile: Annotated[
        bool, option("--profile", help="Measure where a step's time goes; slower by a little.", panel=OUTPUT)
    ] = False

    @property
    def logs(self) -> list[str]:
        """The names in `log`."""
        return [] if self.log is None else [kind.strip() for kind in self.log.split(",")]


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """What `graphtune inspect` is asked: the graph, and the run whose cost is told."""

    data: DataOptions
    model: o.Model = None
    variant: o.Variant = None
    dim: o.Dim = None
    set: o.Set = field(default_factory=list)
    split: o.Split = None


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """What `graphtune embed` is asked."""

    out: OutOptions
    model: o.Model = None
    variant: o.Variant = None
    dim: o.Dim = None
    seed: o.Seed = 0
    set: o.Set = field(default_factory=list)
    split: o.Split = None
    by: Annotated[
        str | None,
        option(
            "--by",
            metavar="user|time|last|cold-users|...",
            help="How events are split: by user (unless given), time, last, cold-users, cold-items, new-users or "
            "new-items.",
            panel=LEARNING,
        ),
    ] = None
    start: o.Start = None
    missing: o.Missing = None
    resize: o.Resize = None
    scale: o.Scale = None
    fixed: o.Fixed = None
    data: DataOptions


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions:
    """What `graphtune finetune` is asked."""

    directory: o.Directory
    task: Annotated[
        str,
        option(
            "--task",
            help="link-prediction, recommendation, triple-completion, node-classification or node-regression; several "
            "with commas between.",
        ),
    ]
    out: OutOptions
    labels: LabelOptions = field(default_factory=LabelOptions)
    seed: o.Seed = 0
    set: o.Set = field(default_factory=list)
    start: o.Start = None
    missing: o.Missing = None
    resize: o.Resize = None
    scale: o.Scale = None
    fixed: o.Fixed = None
    model: o.Own = None


@dataclass(frozen=True, kw_only=True)
class ExtendOptions:
    """What `graphtune extend` is asked."""

    directory: o.Directory
    out: o.Out
    data: NewEdges
    rows: Annotated[
        str,
        typer.Option(
            "--rows",
            metavar="mean|solve",
            help="New rows from the mean of what edges say, or by least squares (bprmf).",
            rich_help_panel=LEARNING,
        ),
    ] = "mean"
    seed: o.Seed = 0
    set: o.Set = field(default_factory=list)
    model: o.Own = None
    overwrite: o.Overwrite = False


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """What `graphtune update` is asked."""

    directory: o.Directory
    out: OutOptions
    data: NewEvents
    seed: o.Seed = 0
    set: o.Set = field(default_factory=list)
    model: o.Own = None


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """What `graphtune benchmark` is asked."""

    configs: Annotated[
        list[str], typer.Argument(metavar="CONFIG...", help="Files as run takes them, or results of a benchmark.")
    ]
    seeds: Annotated[int | None, option("--seeds", help="How many; 3, or those of the results, unless given.")] = None
    price: Annotated[float, typer.Option("--price", help="Of an hour of one core, for the cost.")] = 0.05
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The results, as JSON.")] = "benchmark.json"
    resume: o.Resume = False
    overwrite: o.Overwrite = False
