"""Arguments and options that several commands share: one spelling, one help text."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

DATA, EVENTS, LABELS, OUTPUT, LEARNING = "Data", "Cleaning and events", "Labels", "Output", "Learning"


def _option(*names: str, help: str, panel: str | None = None, metavar: str | None = None) -> typer.models.OptionInfo:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, show_default=False)


Directory: TypeAlias = Annotated[str, typer.Argument(metavar="DIR", help="A model directory.")]
Run: TypeAlias = Annotated[
    str, typer.Argument(metavar="DIR", help="A model directory, or that of a run under way or broken off.")
]
Edges: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="EDGES",
        help="A file: csv, tsv, txt (also .gz), .parquet, .graphml, .gml, .mat or .npz; dataset:NAME; or "
        "a DIR of --on-disk.",
    ),
]
Json: TypeAlias = Annotated[bool, _option("--json", help="One JSON object on stdout, and nothing else there.")]
Quiet: TypeAlias = Annotated[bool, _option("--quiet", help="No reports and no progress on stderr.")]
Own: TypeAlias = Annotated[
    str | None,
    _option("--model", metavar="package.module:Class", help="The class of a model of your own that DIR holds."),
]
Seed: TypeAlias = Annotated[int, _option("--seed", help="Of every random choice; 0 unless given.", panel=LEARNING)]
K: TypeAlias = Annotated[int, _option("-k", help="How many; 10 unless given.")]
Kind: TypeAlias = Annotated[
    str | None, _option("--kind", metavar="KIND", help="user or item, where an id may be of both.")
]
Set: TypeAlias = Annotated[
    list[str] | None,
    _option("--set", metavar="KEY=VALUE", help="A setting, such as epochs=5; may be repeated.", panel=LEARNING),
]
Model: TypeAlias = Annotated[
    str | None,
    _option(
        "--model",
        help="deepwalk, node2vec, line, netmf, prone, gcn, graphsage, gat, bprmf, lightgcn; complex, distmult, "
        "transe, rotate, rescal, tucker, conve, quate, cp, simple, rgcn, compgcn for triples; or package.module:Class. "
        "Unless given: deepwalk, or complex, or lightgcn for events.",
        panel=LEARNING,
    ),
]
Variant: TypeAlias = Annotated[
    str | None,
    _option(
        "--variant",
        metavar="base|enhanced",
        help="Of deepwalk, node2vec, line: base samples; enhanced factorises and smooths, in closed form.",
        panel=LEARNING,
    ),
]
Dim: TypeAlias = Annotated[
    int | None,
    _option(
        "--dim",
        help="Numbers a node.",
        panel=LEARNING,
    ),
]
Split: TypeAlias = Annotated[
    str | None,
    _option(
        "--split",
        metavar="7:2:1|none",
        help="Train, validation, test; 7:2:1 unless given. none learns every edge.",
        panel=LEARNING,
    ),
]
Start: TypeAlias = Annotated[
    str | None,
    _option(
        "--start",
        metavar="NAME|FILE|DIR",
        help="Begin with xavier, normal, orthogonal, spectral or svd rows; these vectors (.parquet, .npz, word2vec) or "
        "weights of PyG or DGL (.safetensors); or this model. Matched by id.",
        panel=LEARNING,
    ),
]
Missing: TypeAlias = Annotated[
    str | None,
    _option(
        "--missing",
        metavar="neighbours|random",
        help="Nodes that --start does not know: the mean of their neighbours (unless given), or random.",
        panel=LEARNING,
    ),
]
Resize: TypeAlias = Annotated[
    str | None,
    _option(
        "--resize",
        metavar="project|refuse",
        help="Vectors of another dim in --start: project them (unless given), or stop.",
        panel=LEARNING,
    ),
]
Scale: TypeAlias = Annotated[
    str | None,
    _option(
        "--scale",
        metavar="keep|own",
        help="Vectors in --start as large as they are (unless given), or as the rows they replace.",
        panel=LEARNING,
    ),
]
Fixed: TypeAlias = Annotated[
    str | None,
    _option("--fixed", metavar="FILE", help="Nodes whose rows stay as they are: an id a line.", panel=LEARNING),
]

Triples: TypeAlias = Annotated[bool, _option("--triples", help="The file holds triples (h, r, t).", panel=DATA)]
Events: TypeAlias = Annotated[
    str | None,
    _option("--events", metavar="USER,ITEM[,TIME]", help="The file holds events; their columns.", panel=DATA),
]
Columns: TypeAlias = Annotated[
    str | None,
    _option("--columns", metavar="A,B[,C]", help="source,target or head,relation,tail, by name or from 0.", panel=DATA),
]
Directed: TypeAlias = Annotated[bool, _option("--directed", help="Edges have a direction.", panel=DATA)]
Weight: TypeAlias = Annotated[
    str | None, _option("--weight", metavar="COLUMN", help="The column of edge weights.", panel=DATA)
]
Time: TypeAlias = Annotated[
    str | None, _option("--time", metavar="COLUMN", help="The column of edge times.", panel=DATA)
]
Delimiter: TypeAlias = Annotated[
    str | None, _option("--delimiter", help="Between columns; found out unless given (tab, space, ...).", panel=DATA)
]
Header: TypeAlias = Annotated[
    bool | None,
    _option("--header/--no-header", help="Whether the first line names columns; found out unless given.", panel=DATA),
]
LabelAttribute: TypeAlias = Annotated[
    str | None,
    _option("--label-attribute", metavar="NAME", help="The class of nodes in .graphml and .gml.", panel=DATA),
]
Features: TypeAlias = Annotated[
    str | None, _option("--features", metavar="FILE", help="Node features: an id, then numbers.", panel=DATA)
]
Texts: TypeAlias = Annotated[
    str | None, _option("--texts", metavar="FILE", help="Texts of nodes: a line `id,text` each.", panel=DATA)
]
Strict: TypeAlias = Annotated[
    bool, _option("--strict", help="Refuse data in which anything must be dropped or merged.", panel=DATA)
]
OnDisk: TypeAlias = Annotated[
    str | None,
    _option("--on-disk", metavar="DIR", help="Keep the graph there: for edges that memory does not hold.", panel=DATA),
]
Implicit: TypeAlias = Annotated[
    str | None,
    _option("--implicit", metavar="4|mean", help="Keep events of this weight or more, or of their user's mean; each "
            "counts 1 then.", panel=EVENTS),
]  # fmt: skip
KeepWeight: TypeAlias = Annotated[bool, _option("--keep-weight", help="With --implicit: keep weights.", panel=EVENTS)]
KCore: TypeAlias = Annotated[
    str | None,
    _option("--k-core", metavar="K|K,K", help="Drop nodes with fewer edges, again and again; or K of users, of items.",
            panel=EVENTS),
]  # fmt: skip
Duplicates: TypeAlias = Annotated[
    str | None,
    _option("--duplicates", metavar="first|sum|max|keep", help="Repeated edges: the first (unless given), the sum or "
            "the most of their weights, or all of them.", panel=EVENTS),
]  # fmt: skip
SessionGap: TypeAlias = Annotated[
    float | None,
    _option("--session-gap", metavar="TIME", help="Sessions for users: cut where more time passes.", panel=EVENTS),
]
UserFeatures: TypeAlias = Annotated[
    str | None, _option("--user-features", metavar="FILE", help="An id, then numbers or categories.", panel=EVENTS)
]
ItemFeatures: TypeAlias = Annotated[
    str | None, _option("--item-features", metavar="FILE", help="The same of items.", panel=EVENTS)
]
Categories: TypeAlias = Annotated[
    str | None,
    _option("--categories", metavar="user.A,item.B", help="Their columns of numbers that stand for categories.",
            panel=EVENTS),
]  # fmt: skip
Social: TypeAlias = Annotated[
    str | None, _option("--social", metavar="FILE", help="Links between users, as side edges.", panel=EVENTS)
]
ItemGraph: TypeAlias = Annotated[
    str | None,
    _option("--item-graph", metavar="FILE", help="Triples (item, r, t) or between entities, as side edges.",
            panel=EVENTS),
]  # fmt: skip
Labels: TypeAlias = Annotated[
    str | None, _option("--labels", metavar="FILE", help="Labels of nodes: a line `id,label` each.", panel=LABELS)
]
LabelType: TypeAlias = Annotated[
    str, _option("--label-type", help="class (unless given), multi (several a node) or target.", panel=LABELS)
]
LabelColumns: TypeAlias = Annotated[
    str | None, _option("--label-columns", metavar="ID,LABEL", help="Their columns, by name or from 0.", panel=LABELS)
]

Out: TypeAlias = Annotated[str, _option("--out", metavar="DIR", help="Where to save: a new directory.", panel=OUTPUT)]
OutFile: TypeAlias = Annotated[str, _option("--out", metavar="FILE", help="The file to write.")]
Resume: TypeAlias = Annotated[bool, _option("--resume", help="Go on with an unfinished run in --out.", panel=OUTPUT)]
SaveEvery: TypeAlias = Annotated[
    float,
    _option(
        "--save-every", metavar="SECONDS", help="Save the state within epochs too; 300 unless given.", panel=OUTPUT
    ),
]
Overwrite: TypeAlias = Annotated[bool, _option("--overwrite", help="Replace what is there.", panel=OUTPUT)]
Log: TypeAlias = Annotated[
    str | None,
    _option("--log", metavar="csv,mlflow,wandb", help="Also log each epoch to DIR/logs, or a tracker.", panel=OUTPUT),
]
TensorBoard: TypeAlias = Annotated[
    bool, _option("--tensorboard", help="Also log for `tensorboard --logdir DIR/logs`.", panel=OUTPUT)
]
Profile: TypeAlias = Annotated[
    bool, _option("--profile", help="Measure where a step's time goes; slower by a little.", panel=OUTPUT)
]
