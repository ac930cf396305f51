"""How a model starts: at random, in closed form, or from what is known of its nodes."""

from graphtune.start.closed import start_from_closed_form, start_from_svd
from graphtune.start.known import start_from, start_from_model
from graphtune.start.randomise import DRAWS, randomise
from graphtune.start.report import StartReport
from graphtune.start.rows import MISSING, RESIZE, SCALES
from graphtune.start.states import SUFFIX, start_from_state

__all__ = [
    "DRAWS",
    "MISSING",
    "RESIZE",
    "SCALES",
    "SUFFIX",
    "StartReport",
    "randomise",
    "start_from",
    "start_from_closed_form",
    "start_from_model",
    "start_from_state",
    "start_from_svd",
]
