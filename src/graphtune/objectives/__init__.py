"""Objectives: (model, batch) -> an unreduced loss per example and the embedding rows it used.

Weights, reduction and penalties belong to the engine. `score` in the formulas is the model's `query . key`.
"""

from graphtune.objectives.base import Fused, Losses, Objective
from graphtune.objectives.hard import Hardest
from graphtune.objectives.nodes import Classify, Regress
from graphtune.objectives.pairs import BPR, CosineContrast, EdgeProximity
from graphtune.objectives.queries import KvsAll, KvsAllBCE
from graphtune.objectives.several import Several
from graphtune.objectives.softmax import OneVsAll, SampledSoftmax
from graphtune.objectives.triples import SelfAdversarial
from graphtune.objectives.walks import SkipGram

__all__ = [
    "BPR",
    "Classify",
    "CosineContrast",
    "EdgeProximity",
    "Fused",
    "Hardest",
    "KvsAll",
    "KvsAllBCE",
    "Losses",
    "Objective",
    "OneVsAll",
    "Regress",
    "SampledSoftmax",
    "SelfAdversarial",
    "Several",
    "SkipGram",
]
