"""Options that several classes or commands have: one spelling, one help text."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

DATA, EVENTS, LABELS, OUTPUT, LEARNING = "Data", "Cleaning and events", "Labels", "Output", "Learning"


def option(*names: str, help: str, panel: str | None = None, metavar: str | None = None) -> typer.models.OptionInfo:
    """An option whose default is not shown, as there is none or the help tells it."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, show_default=False)


Directory: TypeAlias = Annotated[str, typer.Argument(metavar="DIR", help="A model directory.")]
Json: TypeAlias = Annotated[bool, option("--json", help="One JSON object on stdout, and nothing else there.")]
Quiet: TypeAlias = Annotated[bool, option("--quiet", help="No reports and no progress on stderr.")]
Own: TypeAlias = Annotated[
    str | None,
    option("--model", metavar="package.module:Class", help="The class of a model of your own that DIR holds."),
]
Seed: TypeAlias = Annotated[int, option("--seed", help="Of every random choice; 0 unless given.", panel=LEARNING)]
K: TypeAlias = Annotated[int, option("-k", help="How many; 10 unless given.")]
Kind: TypeAlias = Annotated[
    str | None, option("--kind", metavar="KIND", help="user or item, where an id may be of both.")
]
Set: TypeAlias = Annotated[
    list[str],
    option("--set", metavar="KEY=VALUE", help="A setting, such as epochs=5; may be repeated.", panel=LEARNING),
]
Model: TypeAlias = Annotated[
    str | None,
    option(
        "--model",
        help="deepwalk, node2vec, line, netmf, prone, gcn, graphsage, gat, text; bprmf, lightgcn, popularity, itemknn, "
        "ease, gf-cf, bspm for events; complex, distmult, transe, rotate, rescal, tucker, conve, quate, cp, simple, "
        "rgcn, compgcn, pathranking for triples; or package.module:Class. Unless given: deepwalk, lightgcn for events, "
        "complex for triples.",
        panel=LEARNING,
    ),
]
Variant: TypeAlias = Annotated[
    str | None,
    option(
        "--variant",
        metavar="base|enhanced",
        help="Of deepwalk, node2vec, line: base samples; enhanced factorises and smooths, in closed form.",
        panel=LEARNING,
    ),
]
Dim: TypeAlias = Annotated[
    int | None,
    option("--dim", help="Numbers a node.", panel=LEARNING),
]
Split: TypeAlias = Annotated[
    str | None,
    option(
        "--split",
        metavar="7:2:1|none",
        help="Train, validation, test; 7:2:1 unless given. none learns every edge.",
        panel=LEARNING,
    ),
]
Start: TypeAlias = Annotated[
    str | None,
    option(
        "--start",
        metavar="NAME|FILE|DIR",
        help="Begin with xavier, normal, orthogonal, spectral or svd rows; these vectors (.parquet, .npz, word2vec) or "
        "weights of PyG or DGL (.safetensors); or this model. Matched by id.",
        panel=LEARNING,
    ),
]
Missing: TypeAlias = Annotated[
    str | None,
    option(
        "--missing",
        metavar="neighbours|random",
        help="Nodes that --start does not know: the mean of their neighbours (unless given), or random.",
        panel=LEARNING,
    ),
]
Resize: TypeAlias = Annotated[
    str | None,
    option(
        "--resize",
        metavar="project|refuse",
        help="Vectors of another dim in --start: project them (unless given), or stop.",
        panel=LEARNING,
    ),
]
Scale: TypeAlias = Annotated[
    str | None,
    option(
        "--scale",
        metavar="keep|own",
        help="Vectors in --start as large as they are (unless given), or as the rows they replace.",
        panel=LEARNING,
    ),
]
Fixed: TypeAlias = Annotated[
    str | None,
    option("--fixed", metavar="FILE", help="Nodes whose rows stay as they are: an id a line.", panel=LEARNING),
]

Events: TypeAlias = Annotated[
    str | None,
    option("--events", metavar="USER,ITEM[,TIME]", help="The file holds events; their columns.", panel=DATA),
]
Columns: TypeAlias = Annotated[
    str | None,
    option("--columns", metavar="A,B[,C]", help="source,target or head,relation,tail, by name or from 0.", panel=DATA),
]
Weight: TypeAlias = Annotated[
    str | None, option("--weight", metavar="COLUMN", help="The column of edge weights.", panel=DATA)
]
Time: TypeAlias = Annotated[
    str | None, option("--time", metavar="COLUMN", help="The column of edge times.", panel=DATA)
]
Delimiter: TypeAlias = Annotated[
    str | None, option("--delimiter", help="Between columns; found out unless given (tab, space, ...).", panel=DATA)
]
Header: TypeAlias = Annotated[
    bool | None,
    option("--header/--no-header", help="Whether the first line names columns; found out unless given.", panel=DATA),
]
Features: TypeAlias = Annotated[
    str | None, option("--features", metavar="FILE", help="Node features: an id, then numbers.", panel=DATA)
]
Strict: TypeAlias = Annotated[
    bool, option("--strict", help="Refuse data in which anything must be dropped or merged.", panel=DATA)
]
Out: TypeAlias = Annotated[str, option("--out", metavar="DIR", help="Where to save: a new directory.", panel=OUTPUT)]
Resume: TypeAlias = Annotated[bool, option("--resume", help="Go on with an unfinished run in --out.", panel=OUTPUT)]
Overwrite: TypeAlias = Annotated[bool, option("--overwrite", help="Replace what is there.", panel=OUTPUT)]
