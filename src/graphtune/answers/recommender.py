"""Recommendations for one user, for some, or for all; why they were given; what is alike.

Axes: U sources, T targets, P candidates, k places, n recommendations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graphtune.answers.diversity import POOL, diversified
from graphtune.answers.explain import Explanation, explain
from graphtune.answers.filters import Filter, allowed_targets
from graphtune.answers.progress import Say, to_stderr, with_eta
from graphtune.answers.recommendations import Recommendations, Saved, joined, write_parts
from graphtune.answers.search import SEARCHES, Cells, Exact, Indexed, wants_index
from graphtune.check import integer, number, one_of
from graphtune.graph import Graph
from graphtune.io.attributes import Attributes
from graphtune.models.alike import Units, cosines, most_similar, unit_rows
from graphtune.models.ranked import Ranks, check_rankable, kinds_asked, left_out, sources_of, targets_of

WHO = "Recommender"
AT_ONCE = 4096  # users
CELLS = 1 << 24  # numbers of candidates that are compared at once


class Recommender:
    """Answers from the scores of a model, as they are when it is made.

    Users are the users of a log of events, and items its items; in any other graph without relations both are nodes.

    Args:
        model: whatever has a `graph` and `frozen()` scores: a model, a filter in closed form, several fused.
        known: a graph on the same nodes whose edges are not recommended; the one that was learned from where None,
            which for a split is its train part.
        attributes: what filters may go by, from `graphtune.read_attributes`.
        search: "exact" scores every target. "faiss" asks an index, of embeddings only: some targets are missed, and
            how many is measured beside exact search, and said. "auto" takes it where sources times targets are many
            (`graphtune.answers.search.FAISS_FROM`), and faiss is installed.
        say: takes lines on what lasts more than two seconds, and on an index.

    Raises:
        ArgumentError: the graph has relations, `known` is of other nodes, or there is no such search.

    Example:
        >>> from graphtune.models import BPRMF
        >>> from graphtune.testing import checkerboard
        >>> model = BPRMF(dim=4).build(checkerboard())
        >>> found = Recommender(model).recommend([0, 1], k=3)
        >>> found.table().columns, len(found.of(0))
        (['user', 'item', 'place', 'score'], 1)
    """

    def __init__(
        self,
        model: Ranks,
        known: Graph | None = None,
        attributes: Attributes | None = None,
        search: str = "auto",
        say: Say = to_stderr,
    ):
        one_of("search", WHO, search, SEARCHES)
        check_rankable(model.graph, known, WHO, "a graph with relations")
        self.graph, self.scores = model.graph, model.frozen()
        self.known, self.attributes = known or model.graph, attributes
        self.search, self.say = search, say
        self._cells: Cells | None = None

    def recommend(
        self, users: Any = None, k: int = 10, chosen: Filter | None = None, diversity: float = 0.0
    ) -> Recommendations:
        """The k best items of each user, best first.

        Args:
            users: an id, several, each answered once, or all where None.
            k: places; fewer are filled where no more may be recommended.
            chosen: what may be recommended; all that a user does not have where None.
            diversity: above 0, up to 1, the places are given one by one to items that are good and unlike those
                chosen before (`graphtune.answers.diversity.diversified`), from the 5 k best; alike are items
                of near embeddings, or with common users where there are none.

        Raises:
            ArgumentError: an id, a column or a value is unknown, no item passes, or a number is out of range.
        """
        parts = list(self._parts(users, k, chosen or Filter(), diversity))
        return joined(parts, self.graph)

    def write(
        self,
        path: str | Path,
        users: Any = None,
        k: int = 10,
        chosen: Filter | None = None,
        diversity: float = 0.0,
    ) -> Saved:
        """`recommend` to a .parquet or .csv file with the columns user, item, place, score, users a batch at a time.

        The file is whole or not there.

        Raises:
            ArgumentError: as `recommend`, or the name of the file ends otherwise.
            DataError: the file cannot be written.
        """
        return write_parts(path, self._parts(users, k, chosen or Filter(), diversity), self.graph)

    def explain(self, user: Any, item: Any) -> Explanation:
        """What the user's own items add to the score of an item; see `graphtune.answers.explain.explain`.

        Raises:
            ArgumentError: an id is unknown, or scores are neither products of embeddings nor sums over items.
        """
        kinds = kinds_asked(self.graph)
        source, target = self.graph.ids.index([user], kinds[0]), self.graph.ids.index([item], kinds[1])
        return explain(self.graph, self.scores, int(source[0]), int(target[0]))

    def similar(self, id: Any, k: int = 10, kind: str | None = None) -> list[tuple[Any, float]]:
        """The k users most like a user, or items most like an item, with their cosine, itself left out.

        Args:
            id: of a user or an item.
            k: how many.
            kind: "user" or "item", where the id is of both.
        """
        return most_similar(self.graph, self.scores, id, k, kind, self._units)

    @cached_property
    def _exact(self) -> Exact:
        return Exact(self.graph, self.scores)

    @cached_property
    def _units(self) -> Units:
        return unit_rows(self.graph, self.scores)

    def _parts(self, users: Any, k: int, chosen: Filter, diversity: float) -> Iterator[Recommendations]:
        """Batch by batch; whatever is wrong is found before the first."""
        k = integer("k", "recommend", k, 1)
        number("diversity", "recommend", diversity, 0, 1)
        rows = self._rows(users)
        allowed = allowed_targets(chosen, self.graph, self.attributes)
        places = min(k, len(targets_of(self.graph)))
        pool = min(POOL * k, len(targets_of(self.graph))) if diversity else places
        search = self._search(len(rows), pool, allowed)
        size = min(AT_ONCE, self._compared_at_once(pool)) if diversity else AT_ONCE
        known = None if chosen.keep_seen else self.known

        def part(batch: np.ndarray) -> Recommendations:
            found, scores = search.best(batch, pool, left_out(self.graph, known, batch))
            if diversity:
                order = diversified(scores, cosines(self._units, found), places, diversity)
                taken = np.maximum(order, 0)
                found = np.where(order < 0, -1, np.take_along_axis(found, taken, axis=1))
                scores = np.take_along_axis(scores, taken, axis=1)
            return Recommendations.of_grid(self.graph, batch, found, scores, search.told)

        batches = [rows[i : i + size] for i in range(0, len(rows), size)]
        return map(part, with_eta(batches, "users", self.say))

    def _compared_at_once(self, pool: int) -> int:
        """For how many users so many candidates may be compared with each other at a time."""
        wide = self._units.shape[1] if isinstance(self._units, np.ndarray) else 0
        return max(1, CELLS // (pool * max(pool, wide)))

    def _rows(self, users: Any) -> np.ndarray:
        if users is None:
            return np.array(sources_of(self.graph), dtype=np.int64)
        several = isinstance(users, Iterable) and not isinstance(users, str)
        rows = self.graph.ids.index(users if several else [users], kinds_asked(self.graph)[0])
        return rows[np.sort(np.unique(rows, return_index=True)[1])]

    def _search(self, sources: int, k: int, allowed: np.ndarray | None) -> Exact | Indexed:
        """How to look; cells are made once, when they are first called for, and tried anew for more places."""
        exact = self._exact if allowed is None else Exact(self.graph, self.scores, allowed)
        if not wants_index(self.search, self.graph, self.scores, sources):
            return exact
        if self._cells is None:
            self._cells = Cells(self.graph, self.scores)
        if self._cells.places < k:
            self._cells.try_places(self._exact, k)
            self.say(f"Search by {self._cells.told}")
        return Indexed(self._cells, exact)
