"""Which closed form stands for a model that samples, by the size of the graph."""

from __future__ import annotations

from graphtune.graph import Graph
from graphtune.models.base import ClosedForm
from graphtune.models.netmf import MOST_VISITS, NetMF
from graphtune.models.prone import ProNE

# Steps and smoothing were chosen on the labels of one half of the nodes of BlogCatalog, Cora, CiteSeer, LastFM Asia and
# Coauthor CS. Long walks help where edges are few and hurt nowhere, as the matrix is exact; sampled ones are noise.
DENSE = NetMF(window=80, smoothing=4)
SAMPLED = NetMF(smoothing=4, method="sampled")
SPARSE = ProNE()
MOST_EDGES = MOST_VISITS // (2 * SAMPLED.window)  # one walk from either end of each, 5 M

ENHANCED: dict[str, ClosedForm] = {"deepwalk": DENSE, "node2vec": DENSE, "line": SPARSE}


def enhanced(name: str, graph: Graph) -> tuple[ClosedForm, str]:
    """The closed form that stands for a model on a graph, and why that one.

    For DeepWalk and node2vec NetMF with its whole matrix where that can be had (see `NetMF.method_for`: up to 24,000
    nodes), with a sampled one up to five million edges, and ProNE beyond, whose time and memory are linear in the
    edges; for LINE always ProNE.

    Args:
        name: a key of `ENHANCED`.
        graph: to be learned.
    """
    if ENHANCED[name] is not DENSE:
        return ENHANCED[name], "for any graph"
    if DENSE.method_for(graph) != "sampled":
        return DENSE, "its whole matrix"
    if graph.num_edges <= MOST_EDGES:
        return SAMPLED, "sampled, as the whole matrix is too large"
    return SPARSE, f"as there are more than {MOST_EDGES:,} edges"
