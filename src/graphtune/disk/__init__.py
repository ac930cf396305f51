"""Graphs that lie in a directory: their edges and neighbour lists are mapped into memory, not read into it."""

from graphtune.disk.graph import MEMORY, has_graph, load_graph, save_graph

__all__ = ["MEMORY", "has_graph", "load_graph", "save_graph"]
