"""Samplers: a batch is a pure function of (seed, epoch, number), so that a run can go on at any of them."""

from graphtune.sampling.base import Sampler
from graphtune.sampling.edges import EdgeSampler
from graphtune.sampling.mixed import MIXES, MixedSampler, check_each, check_mix
from graphtune.sampling.nodes import NodeSampler
from graphtune.sampling.noise import NOISES, SHARINGS, TRIPLE_NOISES, Negatives, noise_weights
from graphtune.sampling.queries import QuerySampler
from graphtune.sampling.replay import Replay
from graphtune.sampling.visits import VisitSampler
from graphtune.sampling.walks import WalkSampler
from graphtune.sampling.weights import CLASS_WEIGHTS, EDGE_WEIGHTS, class_weights, edge_weights

__all__ = [
    "CLASS_WEIGHTS",
    "EDGE_WEIGHTS",
    "MIXES",
    "NOISES",
    "SHARINGS",
    "TRIPLE_NOISES",
    "EdgeSampler",
    "MixedSampler",
    "Negatives",
    "NodeSampler",
    "QuerySampler",
    "Replay",
    "Sampler",
    "VisitSampler",
    "WalkSampler",
    "check_each",
    "check_mix",
    "class_weights",
    "edge_weights",
    "noise_weights",
]
