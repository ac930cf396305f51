"""BSPM (Choi et al., 2023): blur the histories of users, then sharpen them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graphtune.check import one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.factorise import quiet
from graphtune.models.gfcf import SpectralFilter, solve_filter
from graphtune.models.histories import count_items, history_model

SOLVERS = {"euler": (1.0, -1.0), "rk4": (1.0, -1.0, 1 / 2, -1 / 6, 1 / 24)}
"""Coefficients of 1, z, z^2, ... that a step of size h multiplies with for dx/dt = -x P, z = h P."""


@dataclass(frozen=True)
class BSPM:
    """GF-CF's scores, sharpened: what neighbours have in common is taken away again, so that differences stand out.

    Blurring is a step of the heat equation, x P, and an ideal low-pass filter, as in `GFCF`; sharpening solves
    dx/dt = -x P for a time. "early" merges both blurred parts before it is sharpened (the paper's BSPM-EM), "late"
    sharpens the first alone (BSPM-LM). Embeddings are those of `GFCF`.

    Attributes:
        dim, low_pass, user_power, item_power: see `GFCF`; the paper's beta is `low_pass`.
        sharpening: how long; 0 gives GF-CF.
        steps: of the solver in that time.
        solver: "euler" or "rk4".
        merge: "early" or "late".
    """

    dim: int = 448
    low_pass: float = 0.2
    sharpening: float = 2.5
    steps: int = 1
    solver: str = "rk4"
    merge: str = "early"
    user_power: float = 0.5
    item_power: float = 0.5

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, low_pass=0.0, sharpening=0.0, steps=1, user_power=0.0, item_power=0.0)
        one_of("solver", "BSPM", self.solver, tuple(SOLVERS))
        one_of("merge", "BSPM", self.merge, ("early", "late"))

    @property
    def polynomial(self) -> tuple[float, ...]:
        """Coefficients of 1, P, P^2, ... that all steps together multiply with."""
        step = np.array(SOLVERS[self.solver]) * (self.sharpening / self.steps) ** np.arange(len(SOLVERS[self.solver]))
        whole = np.ones(1)
        for _ in range(self.steps if self.sharpening else 0):
            whole = np.convolve(whole, step)
        return tuple(whole.tolist())

    def build(self, graph: Graph, seed: int = 0) -> Model:
        operator = SpectralFilter(count_items(graph, "BSPM"), self.dim, self.polynomial, self.merge == "early")
        return history_model(self, operator, graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Find V; the polynomial is applied to histories when they are scored."""
        solve_filter(model, (self.user_power, self.item_power), self.low_pass, seed, say)
