"""Graphs that several tests use."""

import numpy as np

from graphtune.graph import Graph
from graphtune.ids import NodeIds


def planted(groups=4, size=40, inside=0.25, outside=0.03, seed=0):
    """Groups whose nodes are joined with chance `inside`, and with those of others with chance `outside`."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    u, v = np.triu_indices(groups * size, 1)
    joined = rng.random(len(u)) < np.where(group[u] == group[v], inside, outside)
    return Graph(np.stack([u, v])[:, joined], NodeIds.range(groups * size), labels=group)
