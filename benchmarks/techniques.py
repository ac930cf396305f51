"""What each technique of fine-tuning gains: the same runs without it and with it, on real graphs.

For a technique several stories (a model, a task and a graph) and a few strengths are tried on seeds of their own. The
story and the strength with the surest gain on *validation* are taken: mean over these seeds less its standard error, as
a share of the metric without. Both sides are then run on fresh seeds, and the gain on *test* is reported with the 95 %
t-interval of its mean, paired by seed; where 0 lies in it there is no gain. Of techniques that are for memory or speed
the story that loses most on validation is taken: they are to lose nothing.

Runs are kept in the file of --cache: a benchmark that was cut goes on, and what techniques share is run once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from harness import arguments, finish
from stories import OWN, STORIES, run
from technique_list import TECHNIQUES, Technique

SELECTION = (100, 101, 102)


@dataclass(frozen=True)
class Trial:
    """One run: a story with changes and a seed."""

    story: str
    changes: tuple[tuple[str, Any], ...]
    seed: int
    quick: bool = False

    @property
    def key(self) -> str:
        """Equal for the same run, whatever the technique: what the story or the recipe says anyway does not count."""
        story = STORIES[self.story]
        recipe = type(story.recipe).__name__, given(story.recipe)
        text = repr(
            (recipe, story.data, story.task, story.ratios, story.changes, story.before, self.changes, self.seed)
        )
        return hashlib.sha256(f"{text} {self.quick}".encode()).hexdigest()[:24]


def given(recipe: Any) -> dict[str, Any]:
    """The fields that are not at their defaults."""
    plain = vars(type(recipe)())
    return {name: value for name, value in vars(recipe).items() if value != plain[name]}


def trial(story: str, changes: dict[str, Any], seed: int, quick: bool) -> Trial:
    own = {**OWN, **STORIES[story].changes}
    return Trial(story, tuple(sorted((k, v) for k, v in changes.items() if own.get(k) != v)), seed, quick)


class Runs:
    """The results of trials, kept in a file of JSON lines; worker processes have one thread each."""

    def __init__(self, path: str | None, jobs: int):
        self.path = path
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(jobs, context, initializer=torch.set_num_threads, initargs=(1,))
        self.known: dict[str, dict[str, Any]] = {}
        for line in Path(path).read_text().splitlines() if path and Path(path).exists() else ():
            record = json.loads(line)
            self.known[record["key"]] = record["result"]

    def need(self, trials: Sequence[Trial]) -> None:
        """Run what is not known yet."""
        missing = list({t.key: t for t in trials if t.key not in self.known}.values())
        missing.sort(key=lambda t: (t.story, t.seed))
        futures = {self.pool.submit(in_worker, t): t for t in missing}
        for future in as_completed(futures):
            self._keep(futures[future], future.result())

    def values(self, trials: Sequence[Trial], part: str, metric: str) -> np.ndarray:
        """[trials] the metric of a part, "valid" or "test"."""
        return np.array([self.known[t.key][part][metric] for t in trials])

    def _keep(self, done: Trial, result: dict[str, Any]) -> None:
        self.known[done.key] = result
        if self.path:
            record = {"key": done.key, "story": done.story, "changes": dict(done.changes), "seed": done.seed}
            with open(self.path, "a") as file:
                file.write(json.dumps({**record, "result": result}) + "\n")


def in_worker(trial: Trial) -> dict[str, Any]:
    return run(STORIES[trial.story], dict(trial.changes), trial.seed, trial.quick)


def choices(technique: Technique, quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stories with the changes of each arm; the first of each where it is to be quick."""
    for story in technique.stories[:1] if quick else technique.stories:
        for arm in technique.arms[:1] if quick else technique.arms:
            yield story, {**technique.base, **arm}


def measure(technique: Technique, runs: Runs, selection: Sequence[int], seeds: Sequence[int], quick: bool) -> dict:
    """Choose on validation, report on test."""

    def both(story: str, arm: dict[str, Any], seeds: Sequence[int], part: str) -> tuple[np.ndarray, np.ndarray]:
        """[seeds] the metric without the technique and with it."""
        sides = [[trial(story, changes, seed, quick) for seed in seeds] for changes in (technique.base, arm)]
        runs.need([*sides[0], *sides[1]])
        without, with_it = (runs.values(side, part, technique.metric or STORIES[story].metric) for side in sides)
        return without, with_it

    pairs = list(choices(technique, quick))
    runs.need([trial(s, c, seed, quick) for s, arm in pairs for c in (technique.base, arm) for seed in selection])
    tried = [weigh(story, arm, *both(story, arm, selection, "valid")) for story, arm in pairs]
    surest = [t["gain"] - t["error"] for t in tried]
    best = tried[int(np.argmin(surest) if technique.saves else np.argmax(surest))]
    without, with_it = both(best["story"], best["changes"], seeds, "test")
    mean, low, high = interval(with_it - without)
    story = STORIES[best["story"]]
    return {
        "stage": technique.stage,
        "saves": technique.saves,
        "story": best["story"],
        "graph": story.data,
        "model": type(story.recipe).__name__,
        "metric": technique.metric or story.metric,
        "base": technique.base,
        "chosen": {k: v for k, v in best["changes"].items() if technique.base.get(k) != v},
        "without": without.tolist(),
        "with": with_it.tolist(),
        "gain": mean,
        "low": low,
        "high": high,
        "tried": tried,
    }


def weigh(story: str, arm: dict[str, Any], without: np.ndarray, with_it: np.ndarray) -> dict[str, Any]:
    """The gain as a share of the metric without, and its standard error."""
    gain = (with_it - without) / without.mean()
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    return {"story": story, "changes": arm, "gain": float(gain.mean()), "error": float(error)}


def interval(differences: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean with its t-interval; NaN ends with fewer than two."""
    mean = float(differences.mean())
    if len(differences) < 2:
        return mean, float("nan"), float("nan")
    error = float(differences.std(ddof=1)) / np.sqrt(len(differences))
    half = float(stats.t.ppf((1 + confidence) / 2, len(differences) - 1)) * error
    return mean, mean - half, mean + half


def main() -> None:
    args = parsed()
    os.environ["OMP_NUM_THREADS"] = "1"
    runs = Runs(args.cache, args.jobs)
    selection, seeds = (SELECTION[:1], range(2)) if args.quick else (SELECTION, range(args.seeds))
    figures: dict[str, float] = {}
    details: dict[str, Any] = {}
    for key in args.only or list(TECHNIQUES)[: 2 if args.quick else None]:
        found = details[key] = measure(TECHNIQUES[key], runs, selection, seeds, args.quick)
        figures |= {key: found["gain"], f"{key}_low": found["low"], f"{key}_high": found["high"]}
        print(
            f"{key}: {found['metric']} of {found['story']} {np.mean(found['without']):.4f} -> "
            f"{np.mean(found['with']):.4f}, {found['gain']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}] "
            f"with {found['chosen']}",
            flush=True,
        )
    asked = [found for found in details.values() if not found["saves"]]
    figures["techniques"], figures["gains"] = len(asked), sum(found["low"] > 0 for found in asked)
    runs.pool.shutdown()
    finish("techniques", figures, args, ("techniques", "gains"), techniques=details)


def parsed() -> argparse.Namespace:
    parser = arguments(__doc__, seeds=5)
    parser.add_argument("--only", nargs="+", choices=list(TECHNIQUES), metavar="KEY", help="these techniques alone")
    parser.add_argument("--cache", metavar="FILE", help="keep runs here, and do not run those that are here again")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
