"""From what stands on the command line to a graph, and which models learn from it."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.check import DataError, bad
from graphtune.cli.extras import add_extras, refuse
from graphtune.cli.options.data import DataOptions, LabelOptions
from graphtune.cli.reading import OF_READING, columns_of, read_file
from graphtune.cli.talk import Talk
from graphtune.disk import has_graph
from graphtune.estimate.relational import RELATIONAL_GNNS
from graphtune.estimate.triples import RELATIONAL as SCORERS
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.io import read_features, read_labels, read_texts
from graphtune.split import Split, given_split

NAMED = "dataset:"
RELATIONAL = (*map(str.lower, (*SCORERS, *RELATIONAL_GNNS)), "pathranking")
OF_EVENTS = ("popularity", "itemknn", "ease", "gf-cf", "bspm")  # models that score the items that a user took
OF_BOTH = "text"  # reads relations where there are some
DEFAULT_MODEL = {"edges": "deepwalk", "triples": "complex", "events": "lightgcn"}
OF_LOGS = ("session_gap", "user_features", "item_features", "social", "item_graph")


@dataclass(frozen=True)
class Data:
    """A graph that was read.

    Attributes:
        graph: all of it.
        reports: what was found in each file.
        published: the split it comes with: of a data set by name that has one, or of files for each part.
    """

    graph: Graph
    reports: tuple[Report, ...]
    published: Split | None = None

    @property
    def kind(self) -> str:
        """A key of DEFAULT_MODEL."""
        if self.graph.relation is not None:
            return "triples"
        return "events" if self.graph.is_bipartite_events else "edges"


def kind_of(options: DataOptions) -> str | None:
    """A key of DEFAULT_MODEL; None for a data set by name or a directory, which must be read to know."""
    if options.edges.startswith(NAMED) or has_graph(options.edges):
        return None
    return "triples" if options.triples else "edges" if options.events is None else "events"


def read_data(options: DataOptions, talk: Talk) -> Data:
    """Read and clean a graph with everything that goes with it, and say what was found.

    Raises:
        ArgumentError: options that do not go together.
        DataError: a file is missing or damaged, or no edge is left.
    """
    data = _named(options) if options.edges.startswith(NAMED) else _from_file(options)
    for report in data.reports:
        talk.say(report)
    if data.graph.num_edges == 0:
        fix = "Self-loops and rows that cannot be used are dropped; see `graphtune inspect`."
        raise DataError(f"{options.edges} must hold an edge between two nodes. Got none after cleaning. {fix}")
    return data


def with_labels(graph: Graph, options: LabelOptions, strict: bool = False) -> tuple[Graph, tuple[Report, ...]]:
    """The graph with the labels of a file, where one is given."""
    if options.labels is None:
        return graph, ()
    id_column, label_column = columns_of(options.label_columns, "--label-columns", ("id", "label"))
    graph, report = read_labels(
        options.labels,
        graph,
        kind=options.label_type,
        id=id_column,
        label=label_column,
        node_kind=options.kind,
        strict=strict,
    )
    return graph, (report,)


def check_pair(model: str, kind: str) -> None:
    """Refuse a model that cannot learn from this kind of data.

    Raises:
        ArgumentError: with the models that can.
    """
    relational = kind == "triples"
    name = model.lower()
    if name in OF_EVENTS and kind != "events":
        fix = "For a file of users and items give --events user,item,time."
        raise bad("--model", "embed", f"one for {kind}, such as {DEFAULT_MODEL[kind]}", model, fix)
    if ":" in name or name == OF_BOTH or (name in RELATIONAL) == relational:
        return
    if relational:
        what = f"one that reads relations ({', '.join(RELATIONAL)}) for triples"
        fix = "To learn the structure alone, read the file as edges: --columns head,tail without --triples."
    else:
        what = "one for graphs without relations, such as " + DEFAULT_MODEL[kind]
        fix = "If the file holds triples (head, relation, tail), add --triples."
    raise bad("--model", "embed", what, model, fix)


def _named(options: DataOptions) -> Data:
    from graphtune.cli.registry import known_dataset
    from graphtune.datasets import load_dataset

    what = "left out for a data set by name"
    refuse(options, what, *OF_READING, "features", "texts", "strict", "on_disk")
    refuse(options.labels, what, "labels", "label_type", "label_columns")
    refuse(options.extras, what)
    loaded = load_dataset(known_dataset(options.edges[len(NAMED) :]))
    return Data(loaded.graph, (loaded.report,), loaded.split)


def _from_file(options: DataOptions) -> Data:
    if options.triples and options.events is not None:
        raise bad("--events", "graphtune", "left out where --triples is given", options.events)
    if options.on_disk is not None and (options.triples or options.events is not None):
        raise bad("--on-disk", "graphtune", "left out for triples and events", options.on_disk)
    if options.extras.implicit is not None and options.weight is None:
        raise bad("--implicit", "graphtune", "given with --weight COLUMN", options.extras.implicit)
    if options.events is None:
        refuse(options.extras, "left out without --events", *OF_LOGS)
    graph, part, report = read_file(options)
    graph, of_extras = add_extras(options.extras, graph, options.strict)
    graph, of_labels = with_labels(graph, options.labels, options.strict)
    reports = [report, *of_extras, *of_labels]
    if options.features is not None:
        graph, report = read_features(options.features, graph, node_kind=options.labels.kind, strict=options.strict)
        reports.append(report)
    if options.texts is not None:
        graph, report = read_texts(options.texts, graph, node_kind=options.labels.kind, strict=options.strict)
        reports.append(report)
    return Data(graph, tuple(reports), None if part is None else given_split(graph, part, "edge"))
