"""Questions to a saved model: neighbours, scores, missing parts of triples, labels of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from graphtune.check import bad, integer
from graphtune.cli.options.saved import PredictOptions
from graphtune.cli.settings import own_recipes
from graphtune.cli.talk import lines, table
from graphtune.cli.tasks import whole_graph
from graphtune.evaluate.nodes import head_outputs, head_values
from graphtune.graph import Graph
from graphtune.models import Model
from graphtune.models.completion import Answer
from graphtune.split import Split
from graphtune.store import Stored, open_directory

MISSING = "?"
SHOWN_CLASSES = 3


def neighbors(directory: str, node: str, k: int, kind: str | None, own: str | None) -> dict[str, Any]:
    """The nodes whose embeddings lie nearest."""
    integer("-k", "neighbors", k, 1)
    model = open_directory(directory, own_recipes(own)).model
    found = model.most_similar(node, k, kind)
    return {"id": node, "neighbors": [{"id": i, "cosine": cosine} for i, cosine in found]}


def show_neighbors(result: dict[str, Any]) -> None:
    rows = [[n["id"], f"{n['cosine']:.4f}"] for n in result["neighbors"]]
    table(f"Nearest to {result['id']}", ("id", "cosine"), rows)


def predict(options: PredictOptions) -> dict[str, Any]:
    """Labels of nodes; scores of pairs or triples; the missing part of a triple, by what the names are."""
    integer("-k", "predict", options.k, 1)
    for option, value in (("--task", options.task), ("--kind", options.kind)):
        if value is not None and not options.nodes:
            raise bad(option, "predict", "left out without --nodes", value)
    stored, names = open_directory(options.directory, own_recipes(options.model)), options.names
    asks = len(names) == 3 and list(names).count(MISSING) == 1
    if options.new and (options.nodes or stored.model.graph.relation_ids is None or not asks):
        raise bad("--new", "predict", f"left out but for a triple with a {MISSING}", list(names))
    if options.nodes:
        return _nodes(stored, names, options.task, options.kind, options.directory)
    if stored.model.graph.relation_ids is None:
        return _pairs(stored.model, names)
    return _completion(stored, names, options.k, options.new) if asks else _triples(stored, names)


def show_predictions(result: dict[str, Any]) -> None:
    if "nodes" in result:
        table("", ("id", result["shows"]), [[n["id"], _shown(n)] for n in result["nodes"]])
    elif "answers" in result:
        _show_completion(result)
    else:
        _show_scores(result)


def _show_scores(result: dict[str, Any]) -> None:
    on, found = result.get("calibrated_on"), result["scores"]
    rows = [[" ".join(map(str, s["edge"])), f"{s['score']:.4f}"] for s in found]
    if on is None:
        table("", ("edge", "score"), rows)
        lines("A higher score is likelier; scores are of one model, not probabilities.")
        return
    told = [[*row, *_chance(s, on), s["known"] or ""] for row, s in zip(rows, found)]
    table("", ("edge", "score", "probability", "known in"), told)
    lines(f"Probability of the tail, were it missing; calibrated on {on:,} validation triples.")


def _pairs(model: Model, names: Sequence[str]) -> dict[str, Any]:
    if MISSING in names:
        fix = "`graphtune recommend` gives the best targets of a node."
        raise bad("NAMES", "predict", "pairs of ids in a graph without relations", list(names), fix)
    if not names or len(names) % 2:
        raise bad("NAMES", "predict", "pairs of ids: A B, or A B C D, ...", list(names))
    scores = model.score(names[::2], names[1::2])
    edges = zip(names[::2], names[1::2], scores.tolist())
    return {"scores": [{"edge": [a, b], "score": score} for a, b, score in edges]}


def _triples(stored: Stored, names: Sequence[str]) -> dict[str, Any]:
    if not names or len(names) % 3 or MISSING in names:
        fix = f"One triple may have a {MISSING} for its head, its relation or its tail."
        raise bad("NAMES", "predict", "triples: HEAD RELATION TAIL, in a graph with relations", list(names), fix)
    model, triples = stored.model, list(zip(names[::3], names[1::3], names[2::3]))
    scores = model.score(names[::3], names[2::3], names[1::3])
    found = [{"edge": list(t), "score": score} for t, score in zip(triples, scores.tolist())]
    if model.calibration is None:
        return {"scores": found}
    for one, triple in zip(found, triples):
        answer = _as_answer(model, _known(stored), *triple)
        one |= {"probability": answer.probability, "known": answer.known}
    return {"scores": found, "calibrated_on": model.calibration.triples}


def _as_answer(model: Model, known: Graph | Split, head: str, relation: str, tail: str) -> Answer:
    """The tail among the answers to (head, relation, ?)."""
    row = model.ids.index([tail])
    name = model.ids.values(row)[0]
    answers = model.complete(head, relation, None, model.graph.num_nodes, known).answers
    return next(answer for answer in answers if answer.id == name)


def _known(stored: Stored) -> Graph | Split:
    return stored.model.graph if stored.record.split is None else stored.record.split


def _completion(stored: Stored, names: Sequence[str], k: int, new: bool) -> dict[str, Any]:
    model = stored.model
    head, relation, tail = (None if name == MISSING else name for name in names)
    found = model.complete(head, relation, tail, k, _known(stored), new)
    return {
        "query": list(names),
        "new": new,
        "known": found.known,
        "unseen": list(found.unseen),
        "calibrated_on": None if model.calibration is None else model.calibration.triples,
        "answers": [asdict(answer) for answer in found.answers],
    }


def _show_completion(result: dict[str, Any]) -> None:
    on = result["calibrated_on"]
    rows = [[a["id"], f"{a['score']:.4f}", *_chance(a, on), a["known"] or ""] for a in result["answers"]]
    chance = [] if on is None else ["probability"]
    table(" ".join(result["query"]), ("id", "score", *chance, "known in"), rows)
    if on is None:
        lines("A higher score is likelier; scores are not calibrated to probabilities.")
    else:
        lines(f"Probability of the answer, where one is missing; calibrated on {on:,} validation triples.")
    if result["unseen"]:
        lines(f"In no triple that the model learned from: {', '.join(map(str, result['unseen']))}.")
    lines(f"{result['known']:,} known answers" + (", left out." if result["new"] else "; --new leaves them out."))


def _chance(answer: dict[str, Any], calibrated_on: int | None) -> list[str]:
    """The cell of the probability, where there is such a column."""
    if calibrated_on is None:
        return []
    return ["" if answer["probability"] is None else f"{answer['probability']:.4f}"]


def _nodes(stored: Stored, names: Sequence[str], task: str | None, kind: str | None, directory: str) -> dict[str, Any]:
    model = stored.model
    if not names:
        raise bad("NAMES", "predict --nodes", "one id or more", list(names))
    heads = list(model.heads)
    if not heads:
        fix = "Fine-tune it first: graphtune finetune DIR --task node-classification --labels FILE --out NEW."
        raise bad("DIR", "predict --nodes", "a model that was fine-tuned to nodes", directory, fix)
    head = task or heads[-1]
    if head not in heads:
        raise bad("--task", "predict --nodes", f"one that the model was fine-tuned to, {', '.join(heads)}", task)
    rows = model.ids.index(names, kind)
    if "classes" not in model.outputs[head]:
        values = head_values(model, head)[rows]
        return {"shows": "value", "nodes": [{"id": i, "value": v} for i, v in zip(names, values.tolist())]}
    labels = whole_graph(stored).labels
    several = labels is not None and labels.ndim == 2
    chances = _chances(head_outputs(model, head)[rows], several)
    classes = model.outputs[head]["classes"]
    return {"shows": "classes", "nodes": [_ranked(i, row, classes) for i, row in zip(names, chances)]}


def _chances(outputs: np.ndarray, several: bool) -> np.ndarray:
    """[n, C] probabilities: of each class for itself where a node may have several, else of one among all."""
    if several:
        return 1 / (1 + np.exp(-outputs))
    odds = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _ranked(name: str, chances: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    best = np.argsort(-chances, kind="stable")[:SHOWN_CLASSES]
    return {"id": name, "classes": [{"class": classes[c], "probability": float(chances[c])} for c in best]}


def _shown(node: dict[str, Any]) -> str:
    if "value" in node:
        return f"{node['value']:.4g}"
    return ", ".join(f"{c['class']} {c['probability']:.3f}" for c in node["classes"])
