"""Graphs that people already have: NetworkX, SciPy, PyTorch Geometric and DGL, there and back.

No converter cleans: a weight that is not finite or an edge given twice comes over as it is, for `clean` to
find.
"""

from graphtune.convert.dglgraph import from_dgl, to_dgl
from graphtune.convert.matrix import from_scipy, to_scipy
from graphtune.convert.nx import from_networkx, to_networkx
from graphtune.convert.pyg import from_pyg, part_from_pyg, to_pyg

__all__ = [
    "from_dgl",
    "from_networkx",
    "from_pyg",
    "from_scipy",
    "part_from_pyg",
    "to_dgl",
    "to_networkx",
    "to_pyg",
    "to_scipy",
]
