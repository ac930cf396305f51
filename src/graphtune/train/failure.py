"""What stops a run."""

from graphtune.check import GraphtuneError


class TrainingError(GraphtuneError, RuntimeError):
    """Training cannot go on."""
