"""Trained models, made to fit what comes after training, and fused."""

from graphtune.adapt.fuse import fuse
from graphtune.adapt.induct import Extended, NewNodes, add_nodes
from graphtune.adapt.update import Updated, Updating, update

__all__ = ["Extended", "NewNodes", "Updated", "Updating", "add_nodes", "fuse", "update"]
