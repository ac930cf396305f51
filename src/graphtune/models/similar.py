"""The nodes most like each node: by cosine, within its kind. N nodes, F columns, k neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from graphtune.graph import Graph

AT_ONCE = 1 << 24  # cosines held at once


def kinds_of(graph: Graph) -> list[range]:
    """The rows of each kind of node."""
    return [graph.ids.rows(kind) for kind in graph.ids.kinds]


@torch.no_grad()
def similar_nodes(rows: Tensor | np.ndarray | sp.csr_array, k: int, kinds: Sequence[range]) -> Tensor:
    """[N, k] int64, the k other nodes of its kind with the highest cosine to each node, best first.

    -1 stands where there are fewer that have a positive one. Every pair of a kind is compared, once, in blocks: N^2 F
    operations on the device of the rows.

    Args:
        rows: [N, F] that are compared, dense or sparse.
        k: neighbours a node.
        kinds: rows of each kind of node.
    """
    found = torch.full((rows.shape[0], k), -1, dtype=torch.int64)
    for kind in kinds:
        own = _unit(rows[kind.start : kind.stop])
        size = max(1, AT_ONCE // max(1, len(kind)))
        for begin in range(0, len(kind), size):
            best, score = _best(own, begin, begin + size, k)
            best = torch.where(score > 0, best + kind.start, -1).cpu()
            found[kind.start + begin : kind.start + begin + len(best), : best.shape[1]] = best
    return found


def _best(own: Any, begin: int, end: int, k: int) -> tuple[Tensor, Tensor]:
    """Numbers and cosines of the up to k rows nearest to those from `begin` to `end`, each [n, k]."""
    cosine = own[begin:end] @ own.T
    if sp.issparse(cosine):
        cosine = torch.from_numpy(cosine.toarray())
    here = torch.arange(len(cosine), device=cosine.device)
    cosine[here, here + begin] = -1.0
    score, best = cosine.topk(min(k, cosine.shape[1]))
    return best, score


def _unit(rows: Any) -> Any:
    """The rows at length 1; those of zeros stay."""
    if not sp.issparse(rows):
        return torch.nn.functional.normalize(torch.as_tensor(rows).detach().float(), dim=-1)
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return sp.csr_array(sp.diags_array(scale) @ rows, dtype=np.float32)
