"""What learning takes, before it begins: memory by counting what is held, time by a moment of the real kernel.

Imports no torch.
"""

from graphtune.estimate.memory import embedding_memory, training_memory
from graphtune.estimate.plan import USUAL, Plan, Size
from graphtune.estimate.time import training_seconds

__all__ = ["USUAL", "Plan", "Size", "embedding_memory", "training_memory", "training_seconds"]
