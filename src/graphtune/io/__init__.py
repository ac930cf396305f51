"""Reading graphs and what their nodes have from files and data frames, each with a report of what was found."""

from graphtune.io.attributes import Attributes, read_attributes
from graphtune.io.edges import (
    from_frame,
    read_edges,
    read_event_files,
    read_events,
    read_triple_files,
    read_triples,
)
from graphtune.io.features import read_features
from graphtune.io.labels import read_labels, read_texts
from graphtune.io.lists import read_adjacency_lists
from graphtune.io.side import read_item_graph, read_social

__all__ = [
    "Attributes",
    "from_frame",
    "read_adjacency_lists",
    "read_attributes",
    "read_edges",
    "read_event_files",
    "read_events",
    "read_features",
    "read_item_graph",
    "read_labels",
    "read_social",
    "read_texts",
    "read_triple_files",
    "read_triples",
]
