"""Trained models, made to fit what comes after training, and fused."""

from graphtune.adapt.fuse import fuse
from graphtune.adapt.induct import Extended, NewNodes, add_nodes

__all__ = ["Extended", "NewNodes", "add_nodes", "fuse"]
