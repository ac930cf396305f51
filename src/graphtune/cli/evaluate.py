"""`graphtune evaluate`: the scores of a saved model on a part of its data."""

from __future__ import annotations

from typing import Any

from graphtune.check import bad, one_of
from graphtune.cli.options.saved import EvaluateOptions
from graphtune.cli.output import check_file_target
from graphtune.cli.settings import Settings, own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines, table
from graphtune.cli.tasks import GIVEN, find_task, make_task
from graphtune.evaluate import Evaluation, write_ranks, write_scores
from graphtune.evaluate.ranks import SIDES
from graphtune.split import TEST, VALID
from graphtune.statistics import Estimate
from graphtune.store import open_directory
from graphtune.tasks import CommunityDetection, Recommendation, TripleClassification, TripleCompletion

PARTS = {"valid": VALID, "test": TEST}
GROUPS = {
    TripleCompletion.name: ("relation", "category", "side", "entities"),
    TripleClassification.name: ("relation", "category"),
    Recommendation.name: ("activity", "period"),
}
SHOWN_GROUPS = 20
SETTINGS = {Recommendation.name: ("k",), CommunityDetection.name: ("k",), TripleClassification.name: ("negatives",)}
"""Those of a task that scores depend on; its others are of training."""


def evaluate(options: EvaluateOptions, talk: Talk) -> dict[str, Any]:
    """Score a saved model on a part of its data."""
    part = PARTS[one_of("--part", "evaluate", options.part, PARTS)]
    task_class = find_task(options.task)
    settings = parse_settings(options.set, "evaluate", {})
    settings.check(task_class, hidden=GIVEN)
    _check_settings(options.task, settings)
    _check_asked(options)
    stored = open_directory(options.directory, own_recipes(options.model))
    task = make_task(task_class, stored, options.directory, options.labels, options.seed, settings, talk)
    asked = (options.side,) if options.task == TripleCompletion.name else ()
    found = task.evaluate(stored.model, part, *asked)
    if options.ranks is not None:
        write_ranks(options.ranks, found.ranks)
    if options.scores is not None:
        write_scores(options.scores, found, stored.model.ids)
    model = type(stored.model.recipe).__name__
    groups = {name: _grouped(found, name) for name in options.groups}
    told = {"task": task.name, "side": options.side if asked else None, "groups": groups}
    files = {"ranks": options.ranks, "scores": options.scores}
    return {"directory": options.directory, "model": model, **found.as_dict(), **told, **files}


def show_evaluation(result: dict[str, Any]) -> None:
    """Metrics with their intervals."""
    rows = [[name, *estimate_cells(m)] for name, m in result["metrics"].items()]
    table(f"{result['model']}: {result['task']}, {result['part']} part", ("metric", "value", "95 % interval"), rows)
    lines(*(f"{count:,} {name}" for name, count in result["counts"].items()))


def show_evaluated(result: dict[str, Any]) -> None:
    """Metrics of all queries, then of each group, and where their ranks are."""
    show_evaluation(result)
    if result["side"] in ("head", "tail"):
        lines(f"Only {result['side']}s were asked.")
    for name, groups in result["groups"].items():
        _show_groups(name, groups)
    if result["ranks"] is not None:
        lines(f"Ranks of the queries saved in {result['ranks']}; `graphtune compare` reads such files.")
    if result["scores"] is not None:
        lines(f"Scores of the users saved in {result['scores']}; `graphtune compare` reads such files.")


def _check_settings(task: str, settings: Settings) -> None:
    """Refuse what scores do not depend on.

    Raises:
        ArgumentError: with what they do.
    """
    of_scores = SETTINGS.get(task, ())
    for name, text in settings.values.items():
        if name not in of_scores:
            fix = f"Scores of {task} depend on {', '.join(of_scores) or 'no setting'}."
            raise bad(f"--set {name}", "evaluate", "left out, as it is of training", text, fix)


def _check_asked(options: EvaluateOptions) -> None:
    """Refuse groups, sides and files that the task does not have.

    Raises:
        ArgumentError: it does not, or a file cannot be written.
    """
    one_of("--side", "evaluate", options.side, SIDES)
    only = (
        ("--side", options.side != "both", TripleCompletion.name),
        ("--ranks", options.ranks is not None, TripleCompletion.name),
        ("--scores", options.scores is not None, Recommendation.name),
    )
    for option, given, task in only:
        if given and options.task != task:
            raise bad(option, "evaluate", f"left out but for --task {task}", options.task)
    known = GROUPS.get(options.task)
    if options.by is not None and known is None:
        raise bad("--by", "evaluate", f"left out but for {' and '.join(GROUPS)}", options.task)
    for name in options.groups:
        one_of("--by", "evaluate", name, known or ())
    for option, file in (("--ranks", options.ranks), ("--scores", options.scores)):
        if file is not None:
            check_file_target(file, "evaluate", options.overwrite, option)


def _grouped(found: Evaluation, name: str) -> list[dict[str, Any]]:
    """Every group with its metrics, the one of most queries first; periods in their order."""
    groups = ((group, of.as_dict()) for group, of in found.by(name).items())
    return [{"group": group, "queries": of["counts"]["queries"], "metrics": of["metrics"]} for group, of in groups]


def _show_groups(name: str, groups: list[dict[str, Any]]) -> None:
    """The largest groups in a table, and how many more there are; the interval is of the first metric."""
    shown, others = groups[:SHOWN_GROUPS], groups[SHOWN_GROUPS:]
    first, *metrics = shown[0]["metrics"] if shown else [""]
    rows = []
    for group in shown:
        cells = {metric: estimate_cells(group["metrics"][metric]) for metric in group["metrics"]}
        rows.append([group["group"], f"{group['queries']:,}", *cells[first], *(cells[m][0] for m in metrics)])
    lines("")
    table(f"By {name}", (name, "queries", first, "95 % interval", *metrics), rows)
    if others:
        queries = sum(group["queries"] for group in others)
        lines(f"{len(others):,} more with {queries:,} queries; --json has all of them.")


def estimate_cells(metric: dict[str, Any]) -> tuple[str, str]:
    """A value and its interval, in the digits that they deserve."""
    value, _, interval = str(Estimate(metric["mean"], metric["low"], metric["high"], metric["n"])).partition(" ")
    return value, interval or "-"
