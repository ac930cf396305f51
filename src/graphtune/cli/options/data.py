"""Options of a graph in files: how they are read, what is kept of them, and what goes with the edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from graphtune.cli.options import shared as o
from graphtune.cli.options.shared import DATA, EVENTS, LABELS, option


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Labels of nodes in a file of their own; without it those that the graph has."""

    labels: Annotated[
        str | None, option("--labels", metavar="FILE", help="Labels of nodes: a line `id,label` each.", panel=LABELS)
    ] = None
    label_type: Annotated[
        str, option("--label-type", help="class (unless given), multi (several a node) or target.", panel=LABELS)
    ] = "class"
    label_columns: Annotated[
        str | None,
        option("--label-columns", metavar="ID,LABEL", help="Their columns, by name or from 0.", panel=LABELS),
    ] = None
    kind: o.Kind = None


@dataclass(frozen=True, kw_only=True)
class ExtraOptions:
    """Rules of cleaning, and what belongs to users and items."""

    implicit: Annotated[
        str | None,
        option("--implicit", metavar="4|mean", help="Keep events of this weight or more, or of their user's mean; each "
               "counts 1 then.", panel=EVENTS),
    ] = None  # fmt: skip
    keep_weight: Annotated[bool, option("--keep-weight", help="With --implicit: keep weights.", panel=EVENTS)] = False
    k_core: Annotated[
        str | None,
        option("--k-core", metavar="K|K,K", help="Drop nodes with fewer edges, again and again; or K of users, of "
               "items.", panel=EVENTS),
    ] = None  # fmt: skip
    duplicates: Annotated[
        str | None,
        option("--duplicates", metavar="first|sum|max|keep", help="Repeated edges: the first (unless given), the sum "
               "or the most of their weights, or all of them.", panel=EVENTS),
    ] = None  # fmt: skip
    session_gap: Annotated[
        float | None,
        option("--session-gap", metavar="TIME", help="Sessions for users: cut where more time passes.", panel=EVENTS),
    ] = None
    user_features: Annotated[
        str | None, option("--user-features", metavar="FILE", help="An id, then numbers or categories.", panel=EVENTS)
    ] = None
    item_features: Annotated[
        str | None, option("--item-features", metavar="FILE", help="The same of items.", panel=EVENTS)
    ] = None
    categories: Annotated[
        str | None,
        option("--categories", metavar="user.A,item.B", help="Their columns of numbers that stand for categories.",
               panel=EVENTS),
    ] = None  # fmt: skip
    social: Annotated[
        str | None, option("--social", metavar="FILE", help="Links between users, as side edges.", panel=EVENTS)
    ] = None
    item_graph: Annotated[
        str | None,
        option("--item-graph", metavar="FILE", help="Triples (item, r, t) or between entities, as side edges.",
               panel=EVENTS),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """A graph: a file or a data set by name, and what goes with it."""

    edges: Annotated[
        str,
        typer.Argument(
            metavar="EDGES",
            help="A file: csv, tsv, txt (also .gz), .parquet, .graphml, .gml, .mat or .npz; dataset:NAME; or "
            "a DIR of --on-disk.",
        ),
    ]
    triples: Annotated[bool, option("--triples", help="The file holds triples (h, r, t).", panel=DATA)] = False
    events: o.Events = None
    valid: Annotated[
        str | None,
        option("--valid", metavar="FILE", help="A file of the validation part; EDGES is the train part then.",
               panel=DATA),
    ] = None  # fmt: skip
    test: Annotated[
        str | None, option("--test", metavar="FILE", help="The test part, together with --valid.", panel=DATA)
    ] = None
    columns: o.Columns = None
    directed: Annotated[bool, option("--directed", help="Edges have a direction.", panel=DATA)] = False
    weight: o.Weight = None
    time: o.Time = None
    delimiter: o.Delimiter = None
    header: o.Header = None
    label_attribute: Annotated[
        str | None,
        option("--label-attribute", metavar="NAME", help="The class of nodes in .graphml and .gml.", panel=DATA),
    ] = None
    labels: LabelOptions = field(default_factory=LabelOptions)
    features: o.Features = None
    texts: Annotated[
        str | None, option("--texts", metavar="FILE", help="Texts of nodes: a line `id,text` each.", panel=DATA)
    ] = None
    strict: o.Strict = False
    on_disk: Annotated[
        str | None,
        option("--on-disk", metavar="DIR", help="Keep the graph there: for edges that memory does not hold.",
               panel=DATA),
    ] = None  # fmt: skip
    extras: ExtraOptions = field(default_factory=ExtraOptions)


@dataclass(frozen=True, kw_only=True)
class NewEdges:
    """A file of edges that come to a graph that was learned."""

    edges: Annotated[str, typer.Argument(metavar="FACTS", help="A file of new edges, of the kind that DIR learned.")]
    events: o.Events = None
    columns: o.Columns = None
    weight: o.Weight = None
    time: o.Time = None
    delimiter: o.Delimiter = None
    header: o.Header = None
    features: o.Features = None
    strict: o.Strict = False


@dataclass(frozen=True, kw_only=True)
class NewEvents:
    """A file of events that come to those that were learned."""

    edges: Annotated[str, typer.Argument(metavar="EVENTS", help="A file of new events.")]
    events: o.Events = None
    weight: o.Weight = None
    delimiter: o.Delimiter = None
    header: o.Header = None
    strict: o.Strict = False
