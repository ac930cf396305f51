"""Evaluators: honest scores per query, with intervals. Tasks call them; they work on any model."""

from graphtune.evaluate.communities import evaluate_communities
from graphtune.evaluate.links import evaluate_links
from graphtune.evaluate.nodes import evaluate_classes, evaluate_values
from graphtune.evaluate.operators import LinkProbe, choose_operator, evaluate_probe
from graphtune.evaluate.ranking import evaluate_recommendations
from graphtune.evaluate.result import Evaluation, compare
from graphtune.evaluate.saved import compare_ranks, read_ranks, write_ranks
from graphtune.evaluate.scores import compare_scores, read_scores, write_scores
from graphtune.evaluate.triples import evaluate_triples
from graphtune.evaluate.truth import evaluate_truth

__all__ = [
    "Evaluation",
    "LinkProbe",
    "choose_operator",
    "compare",
    "compare_ranks",
    "compare_scores",
    "evaluate_classes",
    "evaluate_communities",
    "evaluate_links",
    "evaluate_probe",
    "evaluate_recommendations",
    "evaluate_triples",
    "evaluate_truth",
    "evaluate_values",
    "read_ranks",
    "read_scores",
    "write_ranks",
    "write_scores",
]
