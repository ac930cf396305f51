"""Recipes as tests of many families need them."""

from dataclasses import fields, replace
from typing import Any

from graphtune.cli.data import RELATIONAL
from graphtune.graph import Graph
from graphtune.models import RECIPES
from graphtune.testing import checkerboard, inverse_relations, two_cliques

TRAINED = [name for name, cls in RECIPES.items() if hasattr(cls, "pretraining") and name != "text"]
"""Families that train by their defaults; text encoders, which need a transformer on disk, have tests of their own."""


def graph_of(name: str) -> Graph:
    """A small graph that the family of this name learns from."""
    if name in RELATIONAL:
        return inverse_relations()
    return checkerboard() if name in ("bprmf", "lightgcn") else two_cliques()


def bare(recipe: Any, dim: int) -> Any:
    """The recipe at `dim`, with nothing that differs in training from evaluation: no dropout, no batch norm."""
    names = {f.name for f in fields(recipe)}
    options: dict[str, Any] = {name: 0.0 for name in names if name.endswith("dropout")}
    if "batch_norm" in names:
        options["batch_norm"] = False
    return replace(recipe, dim=dim, **options)
