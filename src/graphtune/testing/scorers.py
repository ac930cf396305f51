"""What every scorer must do.

Axes: D dim, R relations, n any number of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graphtune.models.scorer import Scorer


class ScorerContract:
    """What every scorer must do. A subclass gives `make` and `oracle`.

    Attributes:
        dim: D.
        relations: R, 0 for a scorer without relations.
    """

    dim: int = 6
    relations: int = 0
    nodes: int = 7

    def make(self) -> Scorer:
        """A scorer over `nodes` nodes of width `dim`."""
        raise NotImplementedError

    def oracle(self, scorer: Any, z: np.ndarray, h: int, r: int, t: int) -> float:
        """The score of one triple, written naively.

        Args:
            scorer: as `make` gave it, its weights drawn anew; read its parameters through `rows`.
            z: [nodes, D] embeddings.
            h, r, t: head, relation (0 where there are none) and tail.
        """
        raise NotImplementedError

    @pytest.fixture
    def scorer(self) -> Scorer:
        """The scorer in float64, with random weights: a start of zeros would hide mistakes."""
        scorer = self.make().double()
        with torch.no_grad():
            for parameter in scorer.parameters():
                parameter.normal_(generator=self.generator())
        return scorer

    @pytest.fixture
    def z(self) -> Tensor:
        return torch.randn(self.nodes, self.dim, dtype=torch.float64, generator=self.generator())

    @pytest.fixture
    def triples(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """Heads, relations (forwards and backwards) and tails, each [20]."""
        heads, tails = torch.randint(self.nodes, (2, 20), generator=self.generator())
        if not self.relations:
            return heads, None, tails
        return heads, torch.randint(2 * self.relations, (20,), generator=self.generator()), tails

    @staticmethod
    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    @staticmethod
    def rows(parameter: Tensor) -> np.ndarray:
        return parameter.detach().numpy()

    def test_agrees_with_the_oracle(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        found = scorer.pair(scorer.query(z[heads], relation), scorer.key(z[tails], tails))
        numbers = relation.tolist() if relation is not None else [0] * len(heads)
        naive = [self.oracle(scorer, z.numpy(), *t) for t in zip(heads.tolist(), numbers, tails.tolist())]
        np.testing.assert_allclose(found.detach().numpy(), naive, rtol=1e-5, atol=1e-5)

    def test_pairs_are_entries_of_cross(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        query = scorer.query(z[heads], relation)
        pairs = scorer.pair(query, scorer.key(z[tails], tails))
        cross = scorer.cross(query, scorer.key(z, None))
        assert cross.shape == (len(heads), self.nodes)
        torch.testing.assert_close(cross[torch.arange(len(heads)), tails].double(), pairs, rtol=1e-4, atol=1e-4)

    def test_pair_broadcasts(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        query, key = scorer.query(z[heads], relation), scorer.key(z[tails], tails)
        every = scorer.pair(query[:, None], key[None])
        assert every.shape == (len(heads), len(tails))
        torch.testing.assert_close(every.diagonal(), scorer.pair(query, key))

    def test_key_of_all_nodes(self, scorer: Scorer, z: Tensor) -> None:
        some = torch.tensor([[4, 0], [1, 4]])
        torch.testing.assert_close(scorer.key(z, None)[some], scorer.key(z[some], some))

    def test_relation_query_scores_every_relation(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        key = scorer.key(z[tails], tails)
        found = scorer.relation_query(z[heads], key)
        if found is None:
            return
        rows = scorer.get_parameter(scorer.relation_names[0])
        naive = [scorer.pair(scorer.query(z[heads], torch.full_like(relation, r)), key) for r in range(len(rows))]
        torch.testing.assert_close(found @ rows.T, torch.stack(naive, 1))

    def test_relations_read_backwards(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples
        tables = [scorer.get_parameter(name).detach() for name in scorer.relation_names]
        mirrored = [back for rows in tables if (back := scorer.backwards(rows[: self.relations])) is not None]
        if not tables or len(mirrored) < len(tables):
            return
        for rows, back in zip(tables, mirrored):
            rows[self.relations :] = back
        there = scorer.pair(scorer.query(z[heads], relation), scorer.key(z[tails], tails))
        back = (relation + self.relations) % (2 * self.relations)
        torch.testing.assert_close(scorer.pair(scorer.query(z[tails], back), scorer.key(z[heads], heads)), there)

    def test_gradient_of_pairs(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, tails = triples

        def score(source: Tensor, target: Tensor, *weights: Tensor) -> Tensor:
            return scorer.pair(scorer.query(source, relation), scorer.key(target, tails))

        inputs = (z[heads].requires_grad_(), z[tails].requires_grad_(), *scorer.parameters())
        assert torch.autograd.gradcheck(score, inputs)

    def test_gradient_of_cross(self, scorer: Scorer, z: Tensor, triples: tuple) -> None:
        heads, relation, _ = triples
        scorer, z = scorer.float(), z.float().requires_grad_()
        weight = torch.randn(len(heads), self.nodes, generator=self.generator())
        query, key = scorer.query(z[heads], relation), scorer.key(z, None)
        inputs = (z, *scorer.parameters())
        naive = torch.autograd.grad(
            (scorer.pair(query[:, None], key[None]) * weight).sum(), inputs, retain_graph=True, allow_unused=True
        )
        found = torch.autograd.grad((scorer.cross(query, key) * weight).sum(), inputs, allow_unused=True)
        for a, b in zip(found, naive):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
