"""Ids that come part by part, as numbers; the memory is that of the distinct ids."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from graphtune.io.encode import Encoded, id_texts, settle
from graphtune.kernels.numbering import Numbering


class HashCollision(Exception):
    """Two ids have the same hash; another seed tells them apart."""


class FirstSeen:
    """Codes in the order in which a column first holds them."""

    def __init__(self) -> None:
        self._seen = np.zeros(0, dtype=bool)
        self._parts: list[np.ndarray] = []

    def add(self, codes: np.ndarray, known: int) -> None:
        """Note a part of the column; `known` codes have been given so far."""
        grown = np.zeros(known, dtype=bool)
        grown[: len(self._seen)] = self._seen
        new = codes[~grown[codes]]
        new = new[np.sort(np.unique(new, return_index=True)[1])]
        grown[new] = True
        self._seen = grown
        self._parts.append(new)

    def order(self) -> np.ndarray:
        """The codes, earliest first."""
        return np.concatenate([np.empty(0, np.int32), *self._parts])


class IdStream:
    """Codes for the ids of one kind of node: a code for each distinct text, in order of first appearance.

    Ids are told apart by 64 bits of their hash, held against 32 bits of an independent one.

    Args:
        source: the name of the file, for errors.
        seed: of the hashes.
    """

    def __init__(self, source: str, seed: int):
        self.source, self.seed = source, seed
        self._numbering = Numbering()
        self._checks = np.empty(0, dtype=np.uint32)
        self._texts: list[pa.Array] = []
        self._first = FirstSeen(), FirstSeen()

    def codes(self, column: pa.ChunkedArray, end: int) -> np.ndarray:
        """[n] int32 codes of the ids in a part of a column, of sources (`end` 0) or targets (1).

        Raises:
            DataError: the column holds neither text nor whole numbers.
            HashCollision: start anew with another seed.
        """
        text = id_texts(column, self.source)
        series = pl.Series(text)
        check = series.hash(self.seed + 1).to_numpy().astype(np.uint32)
        known = self._numbering.known
        codes = self._numbering.number(series.hash(self.seed).to_numpy())
        new = np.flatnonzero(codes >= known)
        new = new[np.unique(codes[new], return_index=True)[1]]
        self._texts.append(text.take(pa.array(new)).combine_chunks())
        self._checks = np.append(self._checks, check[new])
        if not np.array_equal(self._checks[codes], check):
            raise HashCollision
        self._first[end].add(codes, self._numbering.known)
        return codes

    def settled(self) -> Encoded:
        """The ids, and for each code the position of its id, -1 where it is missing: as if all had come at once."""
        source, target = (first.order() for first in self._first)
        in_source = np.zeros(self._numbering.known, dtype=bool)
        in_source[source] = True
        order = np.concatenate([source, target[~in_source[target]]])
        texts = pa.concat_arrays([pa.array([], pa.string()), *self._texts])
        ids, row, findings = settle(texts.take(pa.array(order)))
        of_code = np.empty(len(order), dtype=np.int64)
        of_code[order] = row
        return Encoded(ids, of_code, findings)
