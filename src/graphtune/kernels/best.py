"""The best keys of every query by their product, without the array of all scores.

The result is that of `top_k` on the scores of `products`, to the bit and in ties. Scores are first bounded from both
sides by products of whole numbers of 16 bits, which take half the time. With x = s a + e, y = t b + f (s and t scales,
a and b whole, e and f what rounding left) Cauchy and Schwarz give |xy - st ab| <= |x||f| + |e||tb|, to which comes what
float32 itself rounds (Higham, 2002, "Accuracy and stability of numerical algorithms", section 3.1). A query keeps the k
best lower bounds that it has met; what cannot reach the worst of these is left where it is. In the end some k + 5 keys
are left, whose scores are computed in float32.

Keys stand in the order of their length, longest first, and a group of queries ends where |x||y| reaches no floor any
more (Teflioudi et al., 2015, "LEMP"): embeddings of popular items are long, so most keys are seldom looked at.

Each query is worked on by one thread and shares nothing, so results do not depend on the number of threads.

Axes: n queries, N keys, D dim, k places, P panels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from llvmlite import binding
from numba import njit

from graphtune.check import bad, integer
from graphtune.kernels.csr import take_rows
from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.products import KEYS, QUERIES, pack_keys, packed, products
from graphtune.kernels.ranking import check_sets, top_k
from graphtune.kernels.search import search
from graphtune.kernels.short import PANEL, short_keys, short_rows
from graphtune.kernels.vector import PLAIN

GROUPS_A_BLOCK = 16
SHORT = not PLAIN and bool(binding.get_host_cpu_features().get("avx2"))
FEW = 64  # queries for which sorting the keys costs more than it saves
WIDE = 8  # k times this many keys at least
DENSE_SCORES = 1 << 24  # held at once where all scores are computed
LENGTHS = 1e-12, 1e12  # within which the bounds hold; far from what float32 cannot hold
UNIT = 2.0**-24  # relative error of a rounding
SLACK = 1.001  # for the rounding of the bounds


@dataclass(frozen=True, eq=False)
class _Bounds:
    """Of rows in order: what the bounds of their scores are made of, one of each a row.

    Attributes:
        scale: float32, of the whole numbers; the length where there are none.
        length: float64.
        left: float64 length of what rounding left.
        whole: float64 length of the whole numbers.
    """

    scale: np.ndarray
    length: np.ndarray
    left: np.ndarray
    whole: np.ndarray


class Keys:
    """Keys that are ready to be searched.

    Args:
        key: [N, D] float32.
        short: whether to screen by whole numbers of 16 bits; where the processor is good at it unless given.
    """

    def __init__(self, key: np.ndarray, short: bool = SHORT):
        if not isinstance(key, np.ndarray) or key.dtype != np.float32 or key.ndim != 2:
            got = f"{getattr(key, 'dtype', type(key).__name__)} {getattr(key, 'shape', '')}".strip()
            raise bad("key", "Keys", "a NumPy array [N, D] of float32", got)
        self.key, self.short = np.ascontiguousarray(key), short and not PLAIN
        self.width = PANEL if self.short else KEYS

    def best(
        self, query: np.ndarray, k: int, mask_indptr: np.ndarray, mask_indices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best unmasked keys of every query, best first; of equal scores the smaller number goes first.

        Args:
            query: [n, D] float32.
            k: how many keys to return.
            mask_indptr: [n + 1] where the masked keys of each query begin.
            mask_indices: the masked keys.

        Returns:
            [n, k] int64 keys and [n, k] float32 scores; a query with fewer than k unmasked keys is filled up with
            key -1 and score -inf.

        Raises:
            ArgumentError: wrong types, shapes or keys, or a score that is NaN.
        """
        if not isinstance(query, np.ndarray) or query.dtype != np.float32 or query.shape[1:] != self.key.shape[1:]:
            got = f"{getattr(query, 'dtype', type(query).__name__)} {getattr(query, 'shape', '')}".strip()
            raise bad("query", "Keys.best", f"a NumPy array [n, {self.key.shape[1]}] of float32", got)
        k = integer("k", "Keys.best", k, low=1)
        indptr, masked = check_sets("mask", "Keys.best", mask_indptr, mask_indices, len(query), len(self.key))
        columns = np.full((len(query), k), -1, dtype=np.int64)
        best = np.full((len(query), k), -np.inf, dtype=np.float32)
        by_all = np.ones(len(query), dtype=np.bool_)
        if len(query) >= FEW and k * WIDE <= len(self.key) and self._bounded:
            self._search(np.ascontiguousarray(query), indptr, masked, columns, best, by_all)
        self._against_all(query, np.flatnonzero(by_all), indptr, masked, columns, best)
        return columns, best

    def _search(
        self,
        query: np.ndarray,
        indptr: np.ndarray,
        masked: np.ndarray,
        columns: np.ndarray,
        best: np.ndarray,
        by_all: np.ndarray,
    ) -> None:
        """Fill in what can be found by bounds; `by_all` says for which queries it cannot."""
        rows, bounds = _rows_and_bounds(query, self.short)
        of_keys = self._bounds
        margin = np.zeros(len(query))
        reach = bounds.length * (1 + _gamma(query.shape[1]))
        if self.short:
            left = np.max(np.divide(of_keys.left, of_keys.scale, where=of_keys.scale > 0, out=np.zeros(len(self.key))))
            whole = of_keys.whole.max()
            margin = bounds.length * left + bounds.left * whole
            margin += _gamma(query.shape[1]) * bounds.length * (whole + left)
            margin = SLACK * (margin + 8 * UNIT * (bounds.length + bounds.left) * whole)
            reach = (bounds.length + bounds.left) * whole + margin
        fits = _within(bounds.length)
        floor = np.full(-(-len(query) // QUERIES) * QUERIES, np.inf, dtype=np.float32)
        floor[: len(query)][fits] = -np.inf
        groups = len(floor) // QUERIES
        of_query = [_padded(values, len(floor)) for values in (bounds.scale, _up(margin), _up(SLACK * reach))]
        of_key = self._panels, self._scale, self._longest, self._order
        arguments = rows, *of_query, floor, *of_key, query, self.key, indptr, masked, columns, best, by_all
        in_blocks(search, groups, *arguments, self.width, block=GROUPS_A_BLOCK)

    def _against_all(
        self,
        query: np.ndarray,
        rows: np.ndarray,
        indptr: np.ndarray,
        masked: np.ndarray,
        columns: np.ndarray,
        best: np.ndarray,
    ) -> None:
        """Fill in the results of some queries from all of their scores."""
        size = max(1, DENSE_SCORES // max(1, len(self.key)))
        for begin in range(0, len(rows), size):
            some = rows[begin : begin + size]
            scores = products(query[some], self._packed, len(self.key))
            columns[some], best[some] = top_k(scores, columns.shape[1], *take_rows(indptr, masked, some))

    @cached_property
    def _packed(self) -> np.ndarray:
        return pack_keys(self.key)

    @cached_property
    def _order(self) -> np.ndarray:
        """[N] the keys by their length, longest first."""
        return np.argsort(-np.einsum("nd,nd->n", self.key, self.key), kind="stable").astype(np.int64)

    @cached_property
    def _panels_and_scale(self) -> tuple[np.ndarray, np.ndarray]:
        ordered = self.key[self._order]
        if self.short:
            return short_keys(ordered)
        panels = pack_keys(ordered)
        return panels, np.zeros(len(panels) * KEYS, dtype=np.float32)

    @property
    def _panels(self) -> np.ndarray:
        return self._panels_and_scale[0]

    @property
    def _scale(self) -> np.ndarray:
        return self._panels_and_scale[1]

    @cached_property
    def _bounds(self) -> _Bounds:
        whole, scale = np.zeros((0, 0), dtype=np.int16), np.zeros(0, dtype=np.float32)
        if self.short:
            pairs = np.ascontiguousarray(self._panels.transpose(0, 2, 1))  # [P, 16, H]
            whole, scale = pairs.reshape(-1, pairs.shape[2]).view(np.int16), self._scale
        return _bounds_of(self.key[self._order], whole, scale)

    @cached_property
    def _longest(self) -> np.ndarray:
        """[P] at least the scale, or the length, of any key from this panel on."""
        scale = np.zeros(len(self._panels) * self.width, dtype=np.float32)
        scale[: len(self.key)] = self._bounds.scale if self.short else _up(self._bounds.length)
        by_panel = scale.reshape(-1, self.width).max(axis=1)
        return np.ascontiguousarray(np.maximum.accumulate(by_panel[::-1])[::-1])

    @cached_property
    def _bounded(self) -> bool:
        """Whether bounds hold: no key is of a length that they are not made for."""
        return bool(_within(self._bounds.length).all())


def _within(length: np.ndarray) -> np.ndarray:
    return (length == 0) | ((length >= LENGTHS[0]) & (length <= LENGTHS[1]))


def _gamma(dim: int) -> float:
    """Relative to the lengths, how far a product of `dim` numbers in float32 is off."""
    return dim * UNIT / (1 - dim * UNIT)


def _up(values: np.ndarray) -> np.ndarray:
    """float32 that are no smaller."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nextafter(values.astype(np.float32), np.float32(np.inf))


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    out = np.zeros(length, dtype=np.float32)
    out[: min(length, len(values))] = values[:length]
    return out


def _rows_and_bounds(query: np.ndarray, short: bool) -> tuple[np.ndarray, _Bounds]:
    if not short:
        return packed(query, QUERIES), _bounds_of(query, np.zeros((0, 0), np.int16), np.zeros(0, np.float32))
    rows, scale = short_rows(query)
    return rows, _bounds_of(query, rows.view(np.int16), scale)


def _bounds_of(rows: np.ndarray, whole: np.ndarray, scale: np.ndarray) -> _Bounds:
    """Of rows [n, D], their whole numbers [n or more, >= D] and scales; the last two may be empty."""
    length, left, long = np.zeros((3, len(rows)))
    in_blocks(_lengths, len(rows), rows, whole, scale, length, left, long, block=1024)
    return _Bounds(scale[: len(rows)], length, left, long)


@njit(cache=True, nogil=True)
def _lengths(begin, end, rows, whole, scale, length, left, long):
    for n in range(begin, end):
        own, rest, sums = 0.0, 0.0, 0.0
        for d in range(rows.shape[1]):
            x = np.float64(rows[n, d])
            own += x * x
            if len(whole):
                a = np.float64(whole[n, d])
                rest += (x - scale[n] * a) ** 2
                sums += a * a
        length[n], left[n], long[n] = np.sqrt(own), np.sqrt(rest), np.sqrt(sums)
