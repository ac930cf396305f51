"""Contract tests that ship with the package: subclass one, and pytest checks a new model, encoder or scorer.

    from graphtune.testing import RecipeContract

    class TestMine(RecipeContract):
        recipe = Mine(dim=8)

It needs pytest, which graphtune does not install.
"""

from graphtune.testing.encoders import EncoderContract
from graphtune.testing.models import ModelContract
from graphtune.testing.patterns import (
    BOARD,
    CITIES,
    COMMUNITY,
    RESIDENTS,
    Checkerboard,
    Communities,
    InverseRelations,
    Pattern,
    checkerboard,
    inverse_relations,
    two_cliques,
)
from graphtune.testing.recipes import QUIET, ClosedFormContract, HistoryContract, RecipeContract, ScoresContract
from graphtune.testing.scorers import ScorerContract
from graphtune.testing.weights import all_scores, equal, query_width, snapshot

__all__ = [
    "BOARD",
    "CITIES",
    "COMMUNITY",
    "QUIET",
    "RESIDENTS",
    "Checkerboard",
    "ClosedFormContract",
    "Communities",
    "EncoderContract",
    "HistoryContract",
    "InverseRelations",
    "ModelContract",
    "Pattern",
    "RecipeContract",
    "ScorerContract",
    "ScoresContract",
    "all_scores",
    "checkerboard",
    "equal",
    "inverse_relations",
    "query_width",
    "snapshot",
    "two_cliques",
]
