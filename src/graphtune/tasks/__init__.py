"""Tasks: what a model is trained for and how it is judged, and the two calls that do it."""

from graphtune.tasks.base import Task
from graphtune.tasks.calibration import Reliability, calibrate, can_calibrate, reliability
from graphtune.tasks.communities import CommunityDetection
from graphtune.tasks.links import LinkPrediction
from graphtune.tasks.nodes import NodeClassification, NodeRegression
from graphtune.tasks.ranking import Recommendation
from graphtune.tasks.run import default_task, finetune, pretrain
from graphtune.tasks.shared import Shared
from graphtune.tasks.triples import TripleCompletion
from graphtune.tasks.truth import TripleClassification

__all__ = [
    "CommunityDetection",
    "LinkPrediction",
    "NodeClassification",
    "NodeRegression",
    "Recommendation",
    "Reliability",
    "Shared",
    "Task",
    "TripleClassification",
    "TripleCompletion",
    "calibrate",
    "can_calibrate",
    "default_task",
    "finetune",
    "pretrain",
    "reliability",
]
