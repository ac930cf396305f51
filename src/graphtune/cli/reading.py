"""Files of edges, triples and events, as the options say they are to be read."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtune.check import bad
from graphtune.cleaning import summary
from graphtune.cli.extras import cleaning, refuse
from graphtune.cli.options.data import DataOptions
from graphtune.disk import has_graph, load_graph
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.io import read_edges, read_event_files, read_events, read_triple_files, read_triples

OF_FILES = ("triples", "events", "columns", "directed", "weight", "time", "delimiter", "header", "label_attribute")
OF_READING = (*OF_FILES, "valid", "test")
OF_CLEANING = ("implicit", "keep_weight", "k_core", "duplicates", "session_gap")
DELIMITERS = {"\\t": "\t", "tab": "\t", "space": " "}


def read_file(options: DataOptions) -> tuple[Graph, np.ndarray | None, Report]:
    """The graph, the part of each edge [E] where each part has its file, and what was found.

    Raises:
        ArgumentError, DataError: see `graphtune.io`.
    """
    if options.valid is not None or options.test is not None:
        return _parts(options)
    if has_graph(options.edges):
        graph, report = _directory(options)
    elif options.triples:
        graph, report = _triples(options)
    else:
        graph, report = _edges(options) if options.events is None else _events(options)
    return graph, None, report


def columns_of(text: str | None, option: str, roles: tuple[str, ...]) -> tuple[str | None, ...]:
    """The column of each role that a text such as "user,item" names; None for each without a text."""
    if text is None:
        return (None,) * len(roles)
    names = tuple(text.split(","))
    if len(names) != len(roles) or not all(names):
        raise bad(option, "graphtune", f"{len(roles)} columns, {','.join(roles)}", text)
    return names


def _parts(options: DataOptions) -> tuple[Graph, np.ndarray, Report]:
    if options.valid is None or options.test is None:
        given, missing = ("--test", "--valid") if options.valid is None else ("--valid", "--test")
        fix = "Divide a file in two, or let graphtune split all of it."
        raise bad(missing, "graphtune", f"given with {given}", None, fix)
    files = {"train": options.edges, "valid": options.valid, "test": options.test}
    what = "left out where each part has a file of its own, which is taken as it is"
    refuse(options, what, "weight", "time", "directed", "label_attribute", "on_disk")
    refuse(options.extras, what, *OF_CLEANING)
    if options.triples:
        head, relation, tail = columns_of(options.columns, "--columns", ("head", "relation", "tail"))
        return read_triple_files(files, head=head, relation=relation, tail=tail, **_of_text(options))
    if options.events is None:
        raise bad("--valid", "graphtune", "left out without --triples or --events", options.valid)
    user, item, time = _of_events(options)
    if time is not None:
        raise bad("--events", "graphtune", "user,item where each part has a file of its own", options.events)
    return read_event_files(files, user=user, item=item, **_of_text(options))


def _directory(options: DataOptions) -> tuple[Graph, Report]:
    """A graph that `--on-disk` made, or `graphtune.save_graph`."""
    refuse(options, "left out for a graph in a directory, which is read already", *OF_READING, "on_disk")
    refuse(options.extras, "left out for a graph in a directory, which is cleaned already")
    graph = load_graph(options.edges)
    return graph, Report(options.edges).add([], **summary(graph))


def _triples(options: DataOptions) -> tuple[Graph, Report]:
    refuse(options, "left out for triples", "weight", "time", "label_attribute")
    head, relation, tail = columns_of(options.columns, "--columns", ("head", "relation", "tail"))
    return read_triples(
        options.edges,
        head=head,
        relation=relation,
        tail=tail,
        cleaning=cleaning(options.extras),
        **_of_text(options),
    )


def _of_events(options: DataOptions) -> tuple[str | None, ...]:
    """The columns of user, item and time."""
    fix = "Name the columns as --events user,item,time."
    refuse(options, "left out for events", "columns", "time", "label_attribute", fix=fix)
    names = (options.events or "").split(",")
    if len(names) not in (2, 3) or not all(names):
        raise bad("--events", "graphtune", "the columns of user, item and, if wanted, time", options.events)
    return (*names, None)[:3]


def _events(options: DataOptions) -> tuple[Graph, Report]:
    user, item, time = _of_events(options)
    return read_events(
        options.edges,
        user=user,
        item=item,
        time=time,
        weight=options.weight,
        session_gap=options.extras.session_gap,
        cleaning=cleaning(options.extras),
        **_of_text(options),
    )


def _edges(options: DataOptions) -> tuple[Graph, Report]:
    source, target = columns_of(options.columns, "--columns", ("source", "target"))
    return read_edges(
        options.edges,
        directed=options.directed or None,
        source=source,
        target=target,
        weight=options.weight,
        time=options.time,
        label=options.label_attribute,
        cleaning=cleaning(options.extras),
        on_disk=options.on_disk,
        **_of_text(options),
    )


def _of_text(options: DataOptions) -> dict[str, Any]:
    """What every reader takes."""
    delimiter = None if options.delimiter is None else DELIMITERS.get(options.delimiter, options.delimiter)
    return {"delimiter": delimiter, "header": options.header, "strict": options.strict}
