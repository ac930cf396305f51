"""Samplers: endless-epoch sources of batches, a pure function of (seed, epoch), so that a run can be resumed."""

from graphtune.sampling.base import Sampler
from graphtune.sampling.edges import EdgeSampler
from graphtune.sampling.nodes import NodeSampler
from graphtune.sampling.noise import Negatives, noise_weights
from graphtune.sampling.walks import WalkSampler

__all__ = ["EdgeSampler", "Negatives", "NodeSampler", "Sampler", "WalkSampler", "noise_weights"]
