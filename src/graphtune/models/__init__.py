"""Models: encoders, scorers, and the recipes that put them together."""

from graphtune.models.base import Encoder, Head, HeadSpec, Model, Recipe, Scorer
from graphtune.models.bprmf import BPRMF
from graphtune.models.complex import ComplEx
from graphtune.models.deepwalk import DeepWalk
from graphtune.models.distmult import DistMult
from graphtune.models.gnn import GAT, GCN, GraphSAGE
from graphtune.models.lightgcn import LightGCN
from graphtune.models.line import LINE
from graphtune.models.lookup import Context, Dot, Lookup, Projected
from graphtune.models.node2vec import Node2Vec
from graphtune.models.rotate import RotatE
from graphtune.models.transe import TransE

RECIPES: dict[str, type] = {
    "deepwalk": DeepWalk,
    "node2vec": Node2Vec,
    "line": LINE,
    "gcn": GCN,
    "graphsage": GraphSAGE,
    "gat": GAT,
    "complex": ComplEx,
    "distmult": DistMult,
    "transe": TransE,
    "rotate": RotatE,
    "bprmf": BPRMF,
    "lightgcn": LightGCN,
}

__all__ = [
    "BPRMF",
    "GAT",
    "GCN",
    "LINE",
    "RECIPES",
    "ComplEx",
    "Context",
    "DeepWalk",
    "DistMult",
    "Dot",
    "Encoder",
    "GraphSAGE",
    "Head",
    "HeadSpec",
    "LightGCN",
    "Lookup",
    "Model",
    "Node2Vec",
    "Projected",
    "Recipe",
    "RotatE",
    "Scorer",
    "TransE",
]
