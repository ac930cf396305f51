"""The model card: what a saved model is, in words and numbers a reader can check."""

from __future__ import annotations

import math
from typing import Any

EMBEDDINGS = (
    "model = graphtune.load(DIRECTORY)",
    "model.encode(ids)            # [n, dim] float32, source side; side='target' for the other",
)
RECOMMENDS = ("graphtune.load(DIRECTORY).recommend(user)  # scores of items; nodes have no embeddings",)
COMPLETES = ("graphtune.load(DIRECTORY).complete(head, relation)  # scores of entities; these have no embeddings",)


def model_card(config: dict[str, Any], metrics: dict[str, Any], run: dict[str, Any], embeds: bool, solved: bool) -> str:
    """Markdown from the records that are saved beside it.

    Args:
        config: the resolved configuration: recipe, training, graph, split.
        metrics: evaluations by name, as `Evaluation.as_dict` gives them.
        run: versions, fingerprint and notes, of which `chosen` says how the model was come by and `start` from where.
        embeds: whether nodes have embeddings.
        solved: whether the model is a closed form, for which no option of the training but the seed matters.
    """
    recipe, graph = config["recipe"], config["graph"]
    chosen, start = run["notes"].get("chosen"), run["notes"].get("start")
    training = config["training"] or {}
    training = {"seed": training["seed"]} if solved and training else training
    asked = EMBEDDINGS if embeds else COMPLETES if graph["relations"] else RECOMMENDS
    lines = [
        f"# {recipe['name']}{' node embeddings' if embeds else ''}",
        "",
        f"{graph['nodes']:,} nodes, {graph['edges']:,} {'directed' if graph['directed'] else 'undirected'} edges"
        + (f", {graph['relations']:,} relations" if graph["relations"] else "")
        + f". Data fingerprint `{run['fingerprint'][:16]}`.",
        "",
        "```python",
        "import graphtune",
        *asked,
        "```",
        "",
        "## Scores",
        "",
        *_score_table(metrics),
        "",
        "## How it was made",
        "",
        *([f"- asked for: {chosen}"] if chosen else []),
        *([f"- start: {start}"] if start else []),
        *_settings("model", recipe["options"]),
        *_settings("training", training),
        *_calibration(config.get("calibration")),
        *_settings("split", config["split"] or {"kind": "none: every edge was learned"}),
        "",
        "Made with " + ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


def fused_card(config: dict[str, Any], metrics: dict[str, Any], run: dict[str, Any]) -> str:
    """Markdown for several models that rank as one; arguments as of `model_card`."""
    options = config["recipe"]["options"]
    rows = [f"| {m['model']} | {m['directory']} | {w:.4g} |" for m, w in zip(config["models"], options["weights"])]
    asked = "complete(head, relation)" if config["graph"]["relations"] else "recommend(user)"
    how = f"1 / ({options['k']:g} + rank)" if options["by"] == "rrf" else "standard scores"
    lines = [
        "# Several models fused to one ranking",
        "",
        f"The sum of {how}, each model with its weight. Data fingerprint `{run['fingerprint'][:16]}`.",
        "",
        *("| model | directory | weight |", "|---|---|---|", *rows),
        "",
        *("```python", "import graphtune", f"graphtune.load(DIRECTORY).{asked}", "```"),
        "",
        *([*_calibration(config["calibration"]), ""] if config["calibration"] else []),
        *("## Scores", "", *_score_table(metrics)),
        "",
        "Made with " + ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


def _score_table(metrics: dict[str, Any]) -> list[str]:
    if not metrics:
        return ["Not evaluated."]
    lines = ["| task | part | metric | value | 95 % interval |", "|---|---|---|---|---|"]
    for name, evaluation in metrics.items():
        for metric, e in evaluation["metrics"].items():
            interval = f"{e['low']:.4f} to {e['high']:.4f}" if math.isfinite(e["low"]) else "-"
            lines.append(f"| {name} | {evaluation['part']} | {metric} | {e['mean']:.4f} | {interval} |")
    return lines


def _calibration(curves: dict[str, Any] | None) -> list[str]:
    return [] if curves is None else [f"- probabilities: fitted on {curves['triples']:,} validation triples"]


def _settings(title: str, options: dict[str, Any]) -> list[str]:
    shown = ", ".join(f"{name}={value}" for name, value in options.items() if value is not None)
    return [f"- {title}: {shown}"]
