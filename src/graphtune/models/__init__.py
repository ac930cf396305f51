"""Models: encoders, scorers, and the recipes that put them together."""

from graphtune.models.base import ClosedForm, Model, ReadsFiles, Recipe
from graphtune.models.bprmf import BPRMF
from graphtune.models.bspm import BSPM
from graphtune.models.calibration import Calibration
from graphtune.models.compgcn import CompGCN
from graphtune.models.completion import Answer, Completion
from graphtune.models.complex import ComplEx
from graphtune.models.conve import ConvE
from graphtune.models.cp import CP
from graphtune.models.deepwalk import DeepWalk
from graphtune.models.distmult import DistMult
from graphtune.models.ease import EASE
from graphtune.models.encoder import Encoder
from graphtune.models.gfcf import GFCF
from graphtune.models.gnn import GAT, GCN, GraphSAGE
from graphtune.models.heads import Head, HeadSpec
from graphtune.models.itemknn import ItemKNN
from graphtune.models.lightgcn import LightGCN
from graphtune.models.line import LINE
from graphtune.models.lookup import Context, Dot, Lookup, Projected
from graphtune.models.netmf import NetMF
from graphtune.models.node2vec import Node2Vec
from graphtune.models.pathranking import PathRanking
from graphtune.models.popularity import Popularity
from graphtune.models.prone import ProNE
from graphtune.models.quate import QuatE
from graphtune.models.rescal import RESCAL
from graphtune.models.rgcn import RGCN
from graphtune.models.rotate import RotatE
from graphtune.models.scorer import Scorer
from graphtune.models.simple import SimplE
from graphtune.models.text import Text
from graphtune.models.transe import TransE
from graphtune.models.tucker import TuckER
from graphtune.models.variants import ENHANCED, enhanced

RECIPES: dict[str, type] = {
    "deepwalk": DeepWalk,
    "node2vec": Node2Vec,
    "line": LINE,
    "netmf": NetMF,
    "prone": ProNE,
    "gcn": GCN,
    "graphsage": GraphSAGE,
    "gat": GAT,
    "complex": ComplEx,
    "distmult": DistMult,
    "transe": TransE,
    "rotate": RotatE,
    "rescal": RESCAL,
    "tucker": TuckER,
    "conve": ConvE,
    "quate": QuatE,
    "cp": CP,
    "simple": SimplE,
    "rgcn": RGCN,
    "compgcn": CompGCN,
    "pathranking": PathRanking,
    "popularity": Popularity,
    "itemknn": ItemKNN,
    "ease": EASE,
    "gf-cf": GFCF,
    "bspm": BSPM,
    "bprmf": BPRMF,
    "lightgcn": LightGCN,
    "text": Text,
}

__all__ = [
    "BPRMF",
    "BSPM",
    "CP",
    "EASE",
    "ENHANCED",
    "GAT",
    "GCN",
    "GFCF",
    "LINE",
    "RECIPES",
    "RESCAL",
    "RGCN",
    "Answer",
    "Calibration",
    "ClosedForm",
    "CompGCN",
    "ComplEx",
    "Completion",
    "Context",
    "ConvE",
    "DeepWalk",
    "DistMult",
    "Dot",
    "Encoder",
    "GraphSAGE",
    "Head",
    "HeadSpec",
    "ItemKNN",
    "LightGCN",
    "Lookup",
    "Model",
    "NetMF",
    "Node2Vec",
    "PathRanking",
    "Popularity",
    "ProNE",
    "Projected",
    "QuatE",
    "ReadsFiles",
    "Recipe",
    "RotatE",
    "Scorer",
    "SimplE",
    "Text",
    "TransE",
    "TuckER",
    "enhanced",
]
