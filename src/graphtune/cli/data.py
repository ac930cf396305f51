"""From what stands on the command line to a graph, and to its train, validation and test parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from graphtune.check import ArgumentError, DataError, bad, one_of
from graphtune.cleaning import summary
from graphtune.cli.extras import OF_LOGS, ExtraOptions
from graphtune.cli.settings import nearest
from graphtune.cli.talk import Talk
from graphtune.disk import has_graph, load_graph
from graphtune.estimate.relational import RELATIONAL_GNNS
from graphtune.estimate.triples import RELATIONAL as SCORERS
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.io import read_edges, read_events, read_features, read_labels, read_texts, read_triples
from graphtune.split import RATIOS, Split, split_cold, split_edges, split_interactions, split_triples

NAMED = "dataset:"
NO_SPLIT = "none"
RELATIONAL = tuple(map(str.lower, (*SCORERS, *RELATIONAL_GNNS)))
OF_EVENTS = ("popularity", "itemknn", "ease", "gf-cf", "bspm")  # models that score the items that a user took
DEFAULT_MODEL = {"edges": "deepwalk", "triples": "complex", "events": "lightgcn"}
COLD = {
    "cold-users": ("user", "random"),
    "cold-items": ("item", "random"),
    "new-users": ("user", "time"),
    "new-items": ("item", "time"),
}
BY = ("user", "time", "last", *COLD)
DELIMITERS = {"\\t": "\t", "tab": "\t", "space": " "}


@dataclass(frozen=True)
class LabelOptions:
    """Labels of nodes in a file of their own.

    Attributes:
        labels: the file; None for those that the graph has.
        label_type: "class", "multi" (several a node) or "target" (a number).
        label_columns: the columns of the id and of the label, as "id,label"; None for those named so, or the first two.
        kind: the kind of node that the file is about, "user" or "item", where an id may be of both.
    """

    labels: str | None = None
    label_type: str = "class"
    label_columns: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class DataOptions:
    """A graph on the command line.

    Attributes:
        edges: the file, or "dataset:NAME".
        triples: the file holds triples.
        events: the columns of user, item and time of a file of events, as "user,item,time".
        columns: the columns of the two ends ("source,target"), or of a triple ("head,relation,tail").
        directed: edges have a direction.
        weight, time: further columns.
        delimiter: between the columns.
        header: whether the first line names the columns; None finds it out.
        label_attribute: the attribute of nodes that holds their class, in .graphml and .gml.
        labels: labels in a file of their own.
        features: a file of node features.
        strict: refuse data in which anything would be changed.
        on_disk: the directory to keep the graph in, for one that does not fit into memory.
        extras: rules of cleaning, and what belongs to users and items.
        texts: a file of the nodes' texts.
    """

    edges: str
    triples: bool = False
    events: str | None = None
    columns: str | None = None
    directed: bool = False
    weight: str | None = None
    time: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    label_attribute: str | None = None
    labels: LabelOptions = LabelOptions()
    features: str | None = None
    strict: bool = False
    on_disk: str | None = None
    extras: ExtraOptions = field(default_factory=ExtraOptions)
    texts: str | None = None

    @property
    def kind(self) -> str | None:
        """A key of DEFAULT_MODEL; None for a data set by name or a directory, which must be read to know."""
        if self.edges.startswith(NAMED) or has_graph(self.edges):
            return None
        return "triples" if self.triples else "edges" if self.events is None else "events"


@dataclass(frozen=True)
class Data:
    """A graph that was read.

    Attributes:
        graph: all of it.
        reports: what was found in each file.
        published: the split it is published with, for a data set by name that has one.
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
    id_column, label_column = _columns(options.label_columns, "--label-columns", ("id", "label"))
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


def split_data(data: Data, how: str | None, by: str | None, seed: int) -> Split | None:
    """The published split, or one that is made; None for --split none. It has passed the audit.

    Args:
        data: what to divide.
        how: "none", ratios such as "7:2:1", or None for the published split or else 7:2:1.
        by: for events one of BY.
        seed: of what is random.

    Raises:
        ArgumentError: ratios that are none, --by for a graph that is no log of events, too few edges.
        LeakError: a part leaks into another.
    """
    if by is not None and data.kind != "events":
        raise bad("--by", "embed", "left out for data that are no events", by, "Give --events user,item,time.")
    if how == NO_SPLIT or (how is None and data.graph.on_disk):
        if by is not None:
            raise bad(
                "--by", "embed", "left out where every edge is learned", by, "Give ratios, such as --split 7:2:1."
            )
        return None
    if data.graph.on_disk:
        fix = "Parts of a graph would be in memory; to have them, read the file without --on-disk."
        raise bad("--split", "embed", "none for a graph on disk", how, fix)
    ratios = RATIOS if how is None else ratios_of(how)
    if how is None and by is None and data.published is not None:
        split = data.published
    elif data.kind == "events":
        by = one_of("--by", "embed", by or "user", BY)
        if by == "last" and how is not None:
            raise bad("--split", "embed", "left out for --by last, which needs no ratios", how)
        split = _split_events(data.graph, by, ratios, seed)
    elif data.kind == "triples" and data.graph.directed:
        split = split_triples(data.graph, ratios, seed)
    else:
        split = split_edges(data.graph, ratios, seed)
    return split


def _split_events(graph: Graph, by: str, ratios: tuple[float, float, float], seed: int) -> Split:
    if by not in COLD:
        return split_interactions(graph, by, ratios, seed)
    kind, who = COLD[by]
    cold = split_cold(graph, kind, ratios, seed=seed, by=who)
    cold.audit()
    return cold.split


def check_pair(model: str, kind: str) -> None:
    """Refuse a model that cannot learn from this kind of data.

    Raises:
        ArgumentError: with the models that can.
    """
    relational = kind == "triples"
    if model in OF_EVENTS and kind != "events":
        fix = "For a file of users and items give --events user,item,time."
        raise bad("--model", "embed", f"one for {kind}, such as {DEFAULT_MODEL[kind]}", model, fix)
    if ":" in model or (model in RELATIONAL) == relational:
        return
    if relational:
        what = f"one that reads relations ({', '.join(RELATIONAL)}) for triples"
        fix = "To learn the structure alone, read the file as edges: --columns head,tail without --triples."
    else:
        what = "one for graphs without relations, such as " + DEFAULT_MODEL[kind]
        fix = "If the file holds triples (head, relation, tail), add --triples."
    raise bad("--model", "embed", what, model, fix)


def _named(options: DataOptions) -> Data:
    from graphtune.datasets import load_dataset

    for name in ("triples", "events", "columns", "weight", "time", "delimiter", "header"):
        if getattr(options, name) not in (None, False):
            raise bad(f"--{name}", "graphtune", "left out for a data set by name", getattr(options, name))
    options.extras.refuse("left out for a data set by name")
    loaded = load_dataset(known_dataset(options.edges[len(NAMED) :]))
    return Data(loaded.graph, (loaded.report,), loaded.split)


def known_dataset(name: str) -> str:
    """The name as the registry spells it, whatever the case.

    Raises:
        ArgumentError: there is no data set of this name.
    """
    from graphtune.datasets import list_datasets

    names = {known.lower(): known for known in list_datasets()}
    if name.lower() not in names:
        fix = f"{nearest(name.lower(), names)}`graphtune datasets list` says what each is."
        raise bad("NAME", "graphtune", f"one of {', '.join(names.values())}", name, fix)
    return names[name.lower()]


def _from_file(options: DataOptions) -> Data:
    if options.triples and options.events is not None:
        raise bad("--events", "graphtune", "left out where --triples is given", options.events)
    if options.on_disk is not None and (options.triples or options.events is not None):
        raise bad("--on-disk", "graphtune", "left out for triples and events", options.on_disk)
    if options.extras.implicit is not None and options.weight is None:
        raise bad("--implicit", "graphtune", "given with --weight COLUMN", options.extras.implicit)
    if options.events is None:
        options.extras.refuse("left out without --events", *OF_LOGS)
    if has_graph(options.edges):
        graph, report = _directory(options)
    else:
        graph, report = _triples(options) if options.triples else _events_or_edges(options)
    graph, of_extras = options.extras.add_to(graph, options.strict)
    graph, of_labels = with_labels(graph, options.labels, options.strict)
    reports = [report, *of_extras, *of_labels]
    if options.features is not None:
        graph, report = read_features(options.features, graph, node_kind=options.labels.kind, strict=options.strict)
        reports.append(report)
    if options.texts is not None:
        graph, report = read_texts(options.texts, graph, node_kind=options.labels.kind, strict=options.strict)
        reports.append(report)
    return Data(graph, tuple(reports))


def _directory(options: DataOptions) -> tuple[Graph, Report]:
    """A graph that `--on-disk` made, or `graphtune.save_graph`."""
    given = ("triples", "events", "columns", "directed", "weight", "time", "delimiter", "header", "on_disk")
    for name in given:
        if getattr(options, name) not in (None, False):
            what = "left out for a graph in a directory, which is read already"
            raise bad(f"--{name.replace('_', '-')}", "graphtune", what, getattr(options, name))
    options.extras.refuse("left out for a graph in a directory, which is cleaned already")
    graph = load_graph(options.edges)
    return graph, Report(options.edges).add([], **summary(graph))


def _triples(options: DataOptions) -> tuple[Graph, Report]:
    for name in ("weight", "time", "label_attribute"):
        if getattr(options, name) is not None:
            raise bad(f"--{name.replace('_', '-')}", "graphtune", "left out for triples", getattr(options, name))
    head, relation, tail = _columns(options.columns, "--columns", ("head", "relation", "tail"))
    return read_triples(
        options.edges,
        delimiter=_delimiter(options),
        header=options.header,
        head=head,
        relation=relation,
        tail=tail,
        cleaning=options.extras.cleaning(),
        strict=options.strict,
    )


def _events_or_edges(options: DataOptions) -> tuple[Graph, Report]:
    if options.events is None:
        return _edges(options)
    for name in ("columns", "time", "label_attribute"):
        if getattr(options, name) is not None:
            fix = "Name the columns as --events user,item,time."
            raise bad(f"--{name.replace('_', '-')}", "graphtune", "left out for events", getattr(options, name), fix)
    names = options.events.split(",")
    if len(names) not in (2, 3) or not all(names):
        raise bad("--events", "graphtune", "the columns of user, item and, if wanted, time", options.events)
    user, item, time = (*names, None)[:3]
    return read_events(
        options.edges,
        delimiter=_delimiter(options),
        header=options.header,
        user=user,
        item=item,
        time=time,
        weight=options.weight,
        session_gap=options.extras.session_gap,
        cleaning=options.extras.cleaning(),
        strict=options.strict,
    )


def _edges(options: DataOptions) -> tuple[Graph, Report]:
    source, target = _columns(options.columns, "--columns", ("source", "target"))
    return read_edges(
        options.edges,
        directed=options.directed or None,
        delimiter=_delimiter(options),
        header=options.header,
        source=source,
        target=target,
        weight=options.weight,
        time=options.time,
        label=options.label_attribute,
        cleaning=options.extras.cleaning(),
        strict=options.strict,
        on_disk=options.on_disk,
    )


def _columns(text: str | None, option: str, roles: tuple[str, ...]) -> tuple[str | None, ...]:
    if text is None:
        return (None,) * len(roles)
    names = tuple(text.split(","))
    if len(names) != len(roles) or not all(names):
        raise bad(option, "graphtune", f"{len(roles)} columns, {','.join(roles)}", text)
    return names


def _delimiter(options: DataOptions) -> str | None:
    return None if options.delimiter is None else DELIMITERS.get(options.delimiter, options.delimiter)


def ratios_of(text: str) -> tuple[float, float, float]:
    """The ratios of train, validation and test that a text such as "7:2:1" spells.

    Raises:
        ArgumentError: it spells none.
    """
    try:
        train, valid, test = map(float, text.split(":"))
    except ValueError:
        train = valid = test = 0.0
    if min(train, valid, test) <= 0:
        fix = "Training watches the validation part, and scores are of the test part."
        raise bad("--split", "embed", "three numbers above 0, such as 7:2:1, or none", text, fix)
    return train, valid, test


def check_file(option: str, path: str | None) -> None:
    """Refuse a file that is not there before anything is computed.

    Raises:
        ArgumentError: it is missing.
    """
    if path is not None and not Path(path).exists():
        raise ArgumentError(f"`{option}` must name a file. Got {path!r}, which is none.")
