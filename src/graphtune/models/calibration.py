"""From scores to probabilities: one logistic curve per form of question, in plain numbers.

Axes: n questions, C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FARTHEST = 100.0  # a margin is no larger; a candidate without rivals would have an infinite one


@dataclass(frozen=True)
class Curve:
    """sigmoid(margin * m + score * s + bias) of a candidate's score s and its margin m over its rivals.

    m is the log-odds of the candidate in a softmax over the candidates, s less log sum exp of the rivals' scores. So
    (1, 0, 0) is that softmax, and (0, 1, margin) what losses with a margin train.

    Attributes:
        margin, score: slopes, neither negative, so that a higher score is never less likely.
        bias: intercept.
    """

    margin: float
    score: float
    bias: float

    def chances(self, scores: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Probabilities [n, C] of candidates with `scores` [n, C]; rivals are those that the mask `free` [n, C] has."""
        return self.at(scores, margins(scores, free))

    def at(self, score: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """Probabilities of scores and margins of one shape."""
        logit = self.margin * margin + self.score * score + self.bias
        return 1 / (1 + np.exp(-np.clip(logit, -500, 500)))


@dataclass(frozen=True)
class Calibration:
    """Curves for the three forms of question, by what is missing. Made by `graphtune.calibrate`.

    Attributes:
        head: of (?, r, t).
        relation: of (h, ?, t).
        tail: of (h, r, ?).
        triples: validation triples that they were fitted on.
    """

    head: Curve
    relation: Curve
    tail: Curve
    triples: int

    @classmethod
    def of(cls, written: dict[str, Any] | None) -> Calibration | None:
        """From what `dataclasses.asdict` made of one."""
        if written is None:
            return None
        curves = {missing: Curve(**written[missing]) for missing in ("head", "relation", "tail")}
        return cls(**curves, triples=written["triples"])


def margins(scores: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[n, C] each score less log sum exp of the others, which count by `weight` [n, C] (or a mask), float64.

    Sums without the candidate itself are differences, but for the greatest term, which may be all there is of its row.
    """
    scores = np.asarray(scores, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        held = scores + np.log(weight)
        best, row = held.argmax(axis=1), np.arange(len(held))
        top = held[row, best]
        share = held.copy()
        held[row, best] = -np.inf
        rest = _log_sum(held)
        everyone = np.logaddexp(top, rest)[:, None]
        share = np.exp(np.minimum(share - everyone, 0.0))
        share[row, best] = 0.0
        found = scores - everyone - np.log1p(-share)
        found[row, best] = scores[row, best] - rest
    return np.clip(np.nan_to_num(found, nan=FARTHEST), -FARTHEST, FARTHEST)


def _log_sum(values: np.ndarray) -> np.ndarray:
    """[n] log sum exp of each row; -inf of one that has nothing but -inf."""
    top = values.max(axis=1, initial=-np.inf)
    lift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return lift + np.log(np.exp(values - lift[:, None]).sum(axis=1))
