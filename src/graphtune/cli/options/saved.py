"""Options of the commands that read saved models: evaluate, fuse, recommend, predict, communities and export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from graphtune.cli.options import shared as o
from graphtune.cli.options.data import LabelOptions
from graphtune.cli.options.shared import option


@dataclass(frozen=True, kw_only=True)
class FuseOptions:
    """What `graphtune fuse` is asked."""

    directories: Annotated[
        list[str], typer.Argument(metavar="DIR...", help="Saved models that learned the same train part.")
    ]
    out: o.Out
    by: Annotated[str, typer.Option("--by", help="rrf, or weights learned on the validation part.")] = "rrf"
    k: Annotated[int, typer.Option("-k", help="Places of the list that is judged; of triples none.")] = 20
    model: o.Own = None
    overwrite: o.Overwrite = False


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What `graphtune evaluate` is asked."""

    directory: o.Directory
    task: Annotated[str, option("--task", help="One of finetune's, triple-classification or community-detection.")]
    labels: LabelOptions = field(default_factory=LabelOptions)
    part: Annotated[str, typer.Option("--part", help="test or valid.")] = "test"
    by: Annotated[
        str | None,
        option(
            "--by",
            metavar="relation,category,side,entities,activity,period",
            help="Show metrics by some of these too; the last two are of recommendation, the others of triples.",
        ),
    ] = None
    side: Annotated[
        str, typer.Option("--side", metavar="head|tail|both", help="Triples: which missing end is asked for.")
    ] = "both"
    ranks: Annotated[
        str | None,
        option("--ranks", metavar="FILE", help="Triples: write the rank of each query there (Parquet), for compare."),
    ] = None
    scores: Annotated[
        str | None,
        option("--scores", metavar="FILE", help="Recommendation: write each user's scores there (Parquet), for "
               "compare."),
    ] = None  # fmt: skip
    overwrite: o.Overwrite = False
    seed: o.Seed = 0
    set: o.Set = field(default_factory=list)
    model: o.Own = None

    @property
    def groups(self) -> list[str]:
        """The names in `by`."""
        return [] if self.by is None else [name.strip() for name in self.by.split(",")]


@dataclass(frozen=True, kw_only=True)
class RecommendOptions:
    """What `graphtune recommend` is asked."""

    directory: o.Directory
    user: Annotated[
        str | None, typer.Argument(metavar="[USER]", help="A user, or any node of a graph without relations.")
    ] = None
    k: o.K = 10
    all: Annotated[bool, typer.Option("--all", help="For all users, into --out.")] = False
    users: Annotated[
        str | None, option("--users", metavar="FILE", help="For these users, an id a line, into --out.")
    ] = None
    out: Annotated[
        str | None, option("--out", metavar="FILE", help="A .parquet or .csv file: user, item, place, score.")
    ] = None
    only: Annotated[str | None, option("--only", metavar="FILE", help="Only these items, an id a line.")] = None
    without: Annotated[
        str | None,
        option("--without", metavar="FILE", help="Without these items, an id a line."),
    ] = None
    where: Annotated[
        list[str],
        option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Items with this value in --items, or label=NAME; may be repeated.",
        ),
    ] = field(default_factory=list)
    items: Annotated[str | None, option("--items", metavar="FILE", help="What items are: an id, then columns.")] = None
    keep_seen: Annotated[bool, typer.Option("--keep-seen", help="Also what a user has already.")] = False
    diversity: Annotated[
        float,
        typer.Option("--diversity", help="0, the best, to 1, the most unlike each other."),
    ] = 0.0
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Which of the user's own items carried each score."),
    ] = False
    search: Annotated[
        str, typer.Option("--search", metavar="auto|exact|faiss", help="auto takes faiss where there is much to score.")
    ] = "auto"
    overwrite: o.Overwrite = False
    model: o.Own = None


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What `graphtune predict` is asked."""

    directory: o.Directory
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAMES...", help="A B [C D ...], HEAD RELATION TAIL with or without one ?, or IDs."),
    ]
    nodes: Annotated[bool, typer.Option("--nodes", help="NAMES are nodes: give their classes or values.")] = False
    k: o.K = 10
    new: Annotated[bool, typer.Option("--new", help="Leave out the answers that are known.")] = False
    task: Annotated[str | None, option("--task", help="Which head, where there are several.")] = None
    kind: o.Kind = None
    model: o.Own = None


@dataclass(frozen=True, kw_only=True)
class CommunityOptions:
    """What `graphtune communities` is asked."""

    directory: o.Directory
    out: Annotated[str, option("--out", metavar="FILE", help="The file to write.")]
    method: Annotated[str, typer.Option("--method", help="combined, kmeans or leiden.")] = "combined"
    k: Annotated[int | None, option("-k", help="How many, for combined and kmeans.")] = None
    seed: o.Seed = 0
    overwrite: o.Overwrite = False
    model: o.Own = None


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What `graphtune export` is asked."""

    directory: o.Directory
    format: Annotated[str, option("--format", help="parquet, word2vec, npz or npy.")]
    out: Annotated[str | None, option("--out", metavar="FILE", help="DIR.parquet and the like unless given.")] = None
    side: Annotated[str, typer.Option("--side", help="source or target.")] = "source"
    overwrite: o.Overwrite = False
    model: o.Own = None
