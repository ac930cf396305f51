"""Probabilities for the answers of a knowledge-graph model, fitted on validation triples, judged on test triples.

Axes: n questions, C candidates, K of them looked at, P predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphtune.check import bad, integer
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.metrics import brier_score, expected_calibration_error
from graphtune.models.base import Model
from graphtune.models.calibration import Calibration, Curve, margins
from graphtune.models.completion import PLACES, Scores, answering, candidates, column, others
from graphtune.split import TEST, VALID, Split

TRIPLES = 1000  # asked about: plenty for three numbers
FEWEST = 20  # validation triples to fit three numbers on
BEST, DRAWN = 64, 64  # candidates of a question: the best, and some of the others
SHOWN = 10  # answers by which probabilities are judged
SUREST = 0.95  # chance of a hidden answer
BATCH = 256
SOFTMAX = Curve(1.0, 0.0, 0.0)
SIGMOID = Curve(0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Reliability:
    """How far probabilities are from the truth, in one form of question.

    Attributes:
        ece: expected calibration error, 15 bins, over the ten best new candidates of each question, as many as one is
            shown.
        brier: mean squared error over the same.
        ece_all: over all new candidates, nearly all of which are false.
    """

    ece: float
    brier: float
    ece_all: float


@dataclass(frozen=True)
class Looked:
    """Candidates of questions about held-out triples. P of them.

    Attributes:
        score, margin: [P] float64, see `Curve`.
        truth: [P] whether it is the answer.
        weight: [P] how many candidates it stands for.
        place: [P] 0 for the best new candidate of its question, and so on; C for those that are none of the best.
    """

    score: np.ndarray
    margin: np.ndarray
    truth: np.ndarray
    weight: np.ndarray
    place: np.ndarray


def can_calibrate(model: Model, split: Split | None) -> bool:
    """Whether `calibrate` can: a model of triples, a split of them and enough of these in validation."""
    if split is None or split.unit != "edge" or split.graph.relation is None or not split.graph.directed:
        return False
    return model.reads_relations and split.valid.num_edges >= FEWEST


def calibrate(model: Model, split: Split, triples: int = TRIPLES, seed: int = 0) -> Calibration:
    """What turns a model's scores into probabilities: `model.calibration = calibrate(model, split)`.

    Each validation triple asks three questions: its head, its relation and its tail. The candidates are the answer and
    all that is not known in train or validation. A logistic curve (Platt, 1999) of a candidate's margin over its
    rivals and of its score is fitted for each form of question, every candidate counting once; of the worse ones a
    sample counts for all. The margin makes it right for losses with a softmax, to which a constant for each question
    is all the same; the score for losses that take triples one by one. So a probability is the chance that a candidate
    is the answer, of a question that has one answer which is not known yet. Tabacoff and Costabello ("Probability
    Calibration for Knowledge Graph Embedding Models", ICLR 2020) fit the score alone, on corruptions weighted by a
    base rate; here the base rate is that of the questions.

    Among the candidates are answers that the test part hides. Which they are is not looked up. How many there are to
    expect is learned from the other validation answers of a question, hidden in the same way: a candidate counts, as a
    rival and as a false one, with the chance that it is none (as Elkan and Noto, KDD 2008, weigh what is unlabelled).

    Args:
        model: learned from the train part.
        split: of triples, with 20 in validation at least.
        triples: of validation to fit on; so many at random where there are more.
        seed: of the triples and of the sample.

    Raises:
        ArgumentError: no model or split of triples, or too few of them in validation.
        LeakError: the model has learned from validation or test triples.
    """
    integer("triples", "calibrate", triples, FEWEST)
    if not can_calibrate(model, split):
        what = f"of triples, with {FEWEST} in validation at least, and its model one of triples"
        raise bad("split", "calibrate", what, f"one of kind {split.kind!r}")
    refuse_seen(model, split)
    frozen = model.frozen()
    asked = (Questions(frozen, split, VALID, missing, triples, seed) for missing in range(3))
    head, relation, tail = (_fit(look(questions, hidden_answers(questions))) for questions in asked)
    return Calibration(head, relation, tail, min(triples, split.valid.num_edges))


def reliability(model: Model, split: Split, triples: int = TRIPLES, seed: int = 0) -> dict[str, dict[str, Reliability]]:
    """How reliable probabilities are on test triples, whose questions have all other answers filtered.

    Args:
        model: with or without a calibration.
        split: of triples.
        triples: of test to ask about; so many at random where there are more.
        seed: of the triples.

    Returns:
        For "head", "relation" and "tail", what is missing: the `Reliability` of the model "calibrated" (where it is),
        and as it was, by a "softmax" over the candidates and by the "sigmoid" of scores.

    Raises:
        ArgumentError: no model or split of triples, or none in test.
        LeakError: the model has learned from validation or test triples.
    """
    integer("triples", "reliability", triples, 1)
    if not can_calibrate(model, split) or not split.test.num_edges:
        raise bad("split", "reliability", "of triples, and its model one of triples", f"one of kind {split.kind!r}")
    refuse_seen(model, split)
    frozen, found = model.frozen(), {}
    for missing, place in enumerate(PLACES):
        curves = {"softmax": SOFTMAX, "sigmoid": SIGMOID}
        if model.calibration is not None:
            curves = {"calibrated": getattr(model.calibration, place), **curves}
        seen = look(Questions(frozen, split, TEST, missing, triples, seed))
        found[place] = {name: _reliability(seen, curve) for name, curve in curves.items()}
    return found


@dataclass(frozen=True)
class Questions:
    """What triples of a part ask by what is `missing`, a number of PLACES; at most `triples` of them, at random."""

    scores: Scores
    split: Split
    part: int
    missing: int
    triples: int
    seed: int

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Queries [2, n], the scores of their candidates [n, C] and a mask [n, C] of the answer of each."""
        asked = self.split.valid if self.part == VALID else self.split.test
        which = np.random.default_rng([self.seed, self.missing]).permutation(asked.num_edges)[: self.triples]
        for begin in range(0, len(which), BATCH):
            at = which[begin : begin + BATCH]
            query = others(asked, self.missing)[:, at]
            scores = candidates(self.scores, self.missing, query, self.split.graph).astype(np.float64)
            answer = np.zeros(scores.shape, dtype=bool)
            answer[np.arange(len(at)), column(asked, self.missing)[at]] = True
            yield query, scores, answer

    def known(self, graph: Graph, query: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """[n, C] which candidates are answers in `graph`."""
        row, edge = answering(graph, self.missing, query)
        found = np.zeros(scores.shape, dtype=bool)
        found[row, column(graph, self.missing)[edge]] = True
        return found


def look(questions: Questions, hidden: Curve | None = None) -> Looked:
    """The best candidates and some others, beside the answer none that is known up to the part that asks.

    With `hidden`, from `hidden_answers`, candidates count by the chance that they are no answers of the test part.
    """
    split, rng = questions.split, np.random.default_rng(questions.seed)
    more = split.test.num_edges / max(1, split.valid.num_edges - 1)
    found = []
    for query, scores, answer in questions.batches():
        weight = (~questions.known(split.through(questions.part), query, scores)).astype(np.float64)
        if hidden is not None:
            chance = hidden.chances(scores, ~questions.known(split.train, query, scores))
            weight *= 1 - np.clip(more * chance / np.maximum(1 - chance, 1e-9), 0, SUREST)
        weight[answer] = 1
        found.append(_looked(scores, weight, margins(scores, weight), answer, rng))
    return Looked(*(np.concatenate(parts) for parts in zip(*found)))


def hidden_answers(questions: Questions) -> Curve | None:
    """The curve of the chance that a candidate which train does not know is another answer of validation; None where
    there are too few of these."""
    split, rng, found = questions.split, np.random.default_rng(questions.seed), []
    for query, scores, answer in questions.batches():
        free = ~questions.known(split.train, query, scores)
        other = questions.known(split.valid, query, scores) & ~answer & free
        weight = (free & ~answer).astype(np.float64)
        found.append(_looked(scores, weight, margins(scores, free), other, rng))
    seen = Looked(*(np.concatenate(parts) for parts in zip(*found)))
    return _fit(seen) if seen.truth.sum() >= FEWEST else None


def _looked(
    scores: np.ndarray, weight: np.ndarray, margin: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Fields of `Looked` for a batch of questions, all [n, C]: the best candidates, the true ones, and of the rest a
    sample that counts for all."""
    n, width = scores.shape
    best = min(BEST, width)
    held = np.where(weight > 0, scores, -np.inf)
    top = np.argpartition(-held, best - 1, axis=1)[:, :best]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(held, top, 1), axis=1, kind="stable"), axis=1)
    rest = weight > 0
    rest[np.arange(n)[:, None], top] = False
    true = np.nonzero(rest & truth)
    rest &= ~truth
    drawn = np.repeat(np.arange(n), DRAWN), rng.integers(0, width, n * DRAWN)
    drawn = tuple(at[rest[drawn]] for at in drawn)
    share = rest.sum(axis=1) / np.maximum(np.bincount(drawn[0], minlength=n), 1)
    row, at = (np.concatenate(parts) for parts in zip((np.repeat(np.arange(n), best), top.ravel()), true, drawn))
    count, place = np.ones(len(row)), np.full(len(row), width)
    count[n * best + len(true[0]) :] = share[drawn[0]]
    place[: n * best] = np.tile(np.arange(best), n)
    kept = weight[row, at] > 0
    row, at, count, place = row[kept], at[kept], count[kept], place[kept]
    return scores[row, at], margin[row, at], truth[row, at], count * weight[row, at], place


def _fit(seen: Looked) -> Curve:
    """The curve of greatest likelihood; a slope that would be negative is left out."""
    columns, used = np.stack([seen.margin, seen.score], axis=1), [0, 1]
    while used and not seen.truth.all():
        slopes, bias = _logistic(columns[:, used], seen.truth, seen.weight)
        if min(slopes) >= 0:
            found = dict(zip(used, slopes))
            return Curve(found.get(0, 0.0), found.get(1, 0.0), bias)
        used.pop(int(np.argmin(slopes)))
    true, false = seen.weight[seen.truth].sum(), seen.weight[~seen.truth].sum()
    return Curve(0.0, 0.0, float(np.log((true + 1) / (false + 1))))


def _logistic(columns: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> tuple[list[float], float]:
    """Slopes of the columns and the intercept. A weak penalty bounds them where truth is told apart entirely."""
    from sklearn.linear_model import LogisticRegression  # late: it takes longer to import than to fit

    mean, deviation = columns.mean(axis=0), np.maximum(columns.std(axis=0), 1e-12)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", max_iter=100)
    model.fit((columns - mean) / deviation, truth, sample_weight=weight)
    slopes = model.coef_[0] / deviation
    return slopes.tolist(), float(model.intercept_[0] - slopes @ mean)


def _reliability(seen: Looked, curve: Curve) -> Reliability:
    chances, shown = curve.at(seen.score, seen.margin), seen.place < SHOWN
    best = chances[shown], seen.truth[shown]
    return Reliability(
        expected_calibration_error(*best),
        brier_score(*best),
        expected_calibration_error(chances, seen.truth, seen.weight),
    )
