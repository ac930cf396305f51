"""Low-rank factors of large matrices that are known by their products with dense columns.

Randomised subspaces (Halko et al., 2011; Musco & Musco, 2015), then small dense problems in double precision on one
thread: several only wait for one another there. All random choices come from a seed.

Axes: N rows, n columns, M entries, b columns of a block, m size of a basis, h factors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from graphtune.graph import Graph
from graphtune.kernels.sparse import sparse_product
from graphtune.models.base import ClosedForm, Model
from graphtune.models.chance import generator
from graphtune.models.lookup import Context, Lookup

Product = Callable[[Tensor], Tensor]

SPARE, KRYLOV_SPARE = 0.125, 1.5  # basis vectors beyond the factors asked for, as a share of them
LEAST_SPARE = 16
ROUNDING = 1e-6  # of the longest direction: what is shorter is rounding


@dataclass(frozen=True)
class Factors:
    """A matrix as `(left * values) @ right.T`, the largest magnitudes first.

    Attributes:
        left: [N, h] orthonormal columns.
        values: [h] eigenvalues of a symmetric matrix, else singular values.
        right: [n, h] orthonormal columns; `left` itself for a symmetric matrix.
    """

    left: Tensor
    values: Tensor
    right: Tensor

    def sides(self) -> tuple[Tensor, Tensor]:
        """[N, h] and [n, h] whose product is the matrix, the weight of a factor shared evenly; zero rows are exact."""
        root = self.values.abs().sqrt()
        return _without_rounding(self.left * root), _without_rounding(self.right * (root * self.values.sign()))


def sparse_operator(matrix: sp.csr_array) -> Product:
    """x -> matrix @ x on all threads, the same bits for any number of them."""
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32, copy=False)
    values = np.asarray(matrix.data, dtype=np.float32)

    def multiply(x: Tensor) -> Tensor:
        return torch.from_numpy(sparse_product(indptr, indices, values, x.contiguous().numpy()))

    return multiply


def symmetric_factors(multiply: Product, size: int, rank: int, seed: int = 0, depth: int = 4) -> Factors:
    """The eigenpairs of largest magnitude of a symmetric matrix, by a block Krylov basis.

    Args:
        multiply: x [N, b] -> matrix @ x.
        size: N.
        rank: h; fewer come back where the matrix has fewer.
        seed: of the start.
        depth: blocks in the basis; more are more accurate at the same cost, and worse in equal eigenvalues.
    """
    basis, images = _krylov(multiply, None, size, rank, seed, depth)
    values, vectors = _eigh(basis.T @ images)
    order = np.argsort(-np.abs(values), kind="stable")[:rank]
    order = order[np.abs(values[order]) > ROUNDING * np.abs(values).max(initial=0.0)]
    left = basis @ _float(vectors[:, order])
    return Factors(left, _float(values[order]), left)


def factors(
    multiply: Product, transposed: Product, shape: tuple[int, int], rank: int, seed: int = 0, depth: int = 3
) -> Factors:
    """The largest singular triples of any matrix A, by a block Krylov basis of A A^T.

    Args:
        multiply: x [n, b] -> A @ x.
        transposed: x [N, b] -> A.T @ x.
        shape: (N, n).
        rank: h; fewer come back where the matrix has fewer.
        seed: of the start.
        depth: blocks in the basis.
    """
    basis, images = _krylov(transposed, multiply, shape[0], rank, seed, depth)
    right = orthonormal(images)
    with threadpool_limits(1):
        u, values, vt = np.linalg.svd((right.T @ images).double().numpy(), full_matrices=False)
    kept = slice(0, min(rank, int((values > ROUNDING * values.max(initial=0.0)).sum())))
    return Factors(basis @ _float(vt[kept].T), _float(values[kept]), right @ _float(u[:, kept]))


def top_eigenpairs(
    multiply: Product, size: int, rank: int, seed: int = 0, degrees: tuple[int, ...] = (4, 8, 8)
) -> tuple[Tensor, np.ndarray]:
    """The algebraically largest eigenpairs of a symmetric matrix with eigenvalues in [-1, 1].

    Subspace iteration under Chebyshev filters (Zhou et al., 2006): each holds what lies below the eigenvalue `rank` of
    the round before in [-1, 1] and lifts what lies above. All eigenpairs, exactly, where a basis would have half of
    them or more.

    Args:
        multiply: x [N, b] -> matrix @ x.
        size: N.
        rank: h.
        seed: of the start.
        degrees: of the filters, one a round; more are more accurate.

    Returns:
        [N, h] eigenvectors and [h] float64 eigenvalues in descending order.
    """
    width = _basis_size(size, rank, SPARE)
    if 2 * width >= size:
        values, vectors = _eigh(multiply(torch.eye(size)))
        return _float(vectors[:, ::-1][:, :rank]), values[::-1][:rank]
    basis, bound = orthonormal(torch.randn(size, width, generator=generator(seed))), 0.0
    for degree in degrees:
        basis = orthonormal(_lift(multiply, basis, degree, bound))
        values, vectors = _eigh(basis.T @ multiply(basis))
        basis = basis @ _float(vectors[:, ::-1])
        bound = min(max(bound, float(values[-rank])), 0.9)
    return basis[:, :rank], values[::-1][:rank]


def orthonormal(block: Tensor, *others: Tensor) -> Tensor:
    """An orthonormal basis of what the columns of `block` add to the orthonormal `others`, [N, at most b].

    Twice through the Gram matrix, which on long columns is quicker than QR. Directions that are rounding are left out.
    """
    least = ROUNDING * float(block.norm())
    for _ in range(2):
        for other in others:
            block = block - other @ (other.T @ block)
        values, vectors = _eigh(block.T @ block)
        lengths = np.sqrt(np.maximum(values, 0.0))
        kept = lengths > max(least, 10 * ROUNDING * lengths.max(initial=0.0))
        block = block @ _float(vectors[:, kept] / lengths[kept])
        least = 0.5
    return block


def _krylov(
    first: Product, second: Product | None, size: int, rank: int, seed: int, depth: int
) -> tuple[Tensor, Tensor]:
    """Q [N, m], orthonormal, of powers of second(first(.)) on a random start; and first(Q)."""
    wanted = _basis_size(size, rank, KRYLOV_SPARE)
    width = size if 2 * wanted >= size else -(-wanted // depth)
    block = orthonormal(torch.randn(size, width, generator=generator(seed)))
    basis, images = [block], [first(block)]
    while sum(q.shape[1] for q in basis) < min(wanted, size):
        block = orthonormal(images[-1] if second is None else second(images[-1]), *basis)
        if not block.shape[1]:
            break
        basis.append(block)
        images.append(first(block))
    return torch.cat(basis, dim=1), torch.cat(images, dim=1)


def _lift(multiply: Product, x: Tensor, degree: int, bound: float) -> Tensor:
    """A Chebyshev polynomial of the matrix times x, of [-1, bound] within [-1, 1]; columns of length 1."""
    centre, half = (bound - 1) / 2, (bound + 1) / 2
    before, now = x, (multiply(x) - centre * x) / half
    for _ in range(degree - 1):
        before, now = now, (2 / half) * (multiply(now) - centre * now) - before
    return now / now.norm(dim=0).clamp_min(1e-30)


def _basis_size(size: int, rank: int, spare: float) -> int:
    return min(size, rank + max(LEAST_SPARE, int(spare * rank)))


def _eigh(matrix: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, ascending, and eigenvectors of a small symmetric matrix."""
    dense = matrix.double().numpy()
    with threadpool_limits(1):
        return np.linalg.eigh((dense + dense.T) / 2)


def _without_rounding(side: Tensor) -> Tensor:
    """Rows that are zero but for rounding, set to zero."""
    length = side.norm(dim=1, keepdim=True)
    return side * (length > 10 * ROUNDING * length.max())


def _float(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def quiet(stage: str) -> None:
    """Tells nobody."""


def table_model(recipe: ClosedForm, graph: Graph, seed: int) -> Model:
    """A source-side and a target-side table, to be filled by `put_sides`."""
    return Model(recipe, Lookup(graph.num_nodes, recipe.dim, seed=seed), Context(graph.num_nodes, recipe.dim), graph)


@torch.no_grad()
def put_sides(model: Model, source: Tensor, target: Tensor) -> None:
    """Fill both tables of `table_model`; columns that are missing, of a graph too small for them, are 0."""
    for table, side in zip(model.table_parameters().values(), (source, target)):
        table.zero_()
        table[:, : side.shape[1]] = side.to(table)
