"""CPU-minutes from nothing to a test MRR of .348 on FB15k-237, LibKGE's ComplEx, on one thread; the curve on the way.

ComplEx is trained until its validation MRR is at `--stop-at`; then, and only then, test is looked at, once. Validation
is filtered with train and validation alone, so its MRR is the lower one. `cpu_minutes_to_348` is the time of training
with all its validations, and is there only if test has .348; `cpu_minutes_training` is without the validations. PyKEEN
is not trained so far: `pykeen_cpu_minutes_extrapolated` is its seconds an epoch (full softmax with N3, measured for
some seconds in its fastest batch size, without validations), times as many epochs as ours took.
Peer: benchmarks/peers.sh pykeen.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import graphtune as gt
from graphtune.train.fit import Training, fit
from harness import arguments, finish, one_thread, peer, write_triples
from kg_quality import read_tried, setting

WANTED = 0.348
SETTINGS = {
    "dim": 400,
    "n3": 0.05,
    "relation_weight": 0.2,
    "rounding": 1 / 32,
    "batch_size": 1024,
    "epochs": 20,
    "schedule": "cosine",
    "eval_every": 5,
    "patience": 0,
}
"""Narrow and short, as what counts is time; batches and rounding by validation after ten epochs."""
SIZES = "128,256,512"


class ReachedError(Exception):
    """Validation is where it was to come to."""


@dataclass
class Watch:
    """Validates, notes the curve, and ends the training at a validation MRR.

    Attributes:
        task: on the split.
        stop_at: the validation MRR that is enough.
        every: epochs between validations.
        curve: (epoch, validation MRR, CPU-minutes, those without validations) of each.
        model: the last one seen.
    """

    task: gt.TripleCompletion
    stop_at: float
    every: int
    curve: list[tuple[int, float, float, float]] = field(default_factory=list)
    model: gt.Model | None = None
    begin: float = field(default_factory=time.process_time)
    validating: float = 0.0

    def __call__(self, model: gt.Model) -> dict[str, float]:
        now = time.process_time()
        scores = self.task.validate(model)
        end = time.process_time()
        self.validating += end - now
        epoch, minutes = self.every * (len(self.curve) + 1), (end - self.begin) / 60
        self.curve.append((epoch, scores["mrr"], minutes, minutes - self.validating / 60))
        print(f"epoch {epoch}: validation MRR {scores['mrr']:.4f} after {minutes:.2f} CPU-minutes", flush=True)
        self.model = model
        if scores["mrr"] >= self.stop_at:
            raise ReachedError
        return scores


def train(split: gt.Split, data: str, stop_at: float, changes: dict[str, Any]) -> Watch:
    """Train ComplEx until validation is at `stop_at`, or to the end."""
    recipe, config = setting(data, "complex", changes)
    watch = Watch(gt.TripleCompletion(split), stop_at, config.eval_every)
    sampler, objective = recipe.pretraining(split.train, config)
    training = Training("ComplEx", sampler, objective, watch, "mrr")
    with suppress(ReachedError):
        fitted = fit(recipe.build(split.train, config.seed), training, config, gt.Run(quiet=True))
        watch.model = fitted.model  # of the best epoch
    return watch


def pykeen_minutes(split: gt.Split, epochs: int, dim: int, n3: float, seconds: float) -> float:
    """CPU-minutes that PyKEEN would take for so many epochs."""
    with TemporaryDirectory() as place:
        file = write_triples(split, Path(place) / "triples.npz")
        found = peer("pykeen", "train", file, "complex", dim, "softmax", n3, SIZES, seconds)
    print(
        f"PyKEEN: {found['speed']:,.0f} triples in one direction a CPU-second, batches of {found['size']}", flush=True
    )
    return epochs * 2 * split.train.num_edges / found["speed"] / 60


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--data", help="fb15k-237, or umls with --quick, unless given")
    parser.add_argument("--stop-at", type=float, default=WANTED, help="the validation MRR that ends the training")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE", help="of the recipe or the training")
    parser.add_argument("--peers", nargs="*", default=["pykeen"], choices=["pykeen"])
    args = parser.parse_args()
    data = args.data or ("umls" if args.quick else "fb15k-237")
    split = gt.load_dataset(data).split
    changes = {**SETTINGS, **{name: values[0] for name, values in read_tried(args.set, "complex").items()}}
    if args.quick:
        changes["epochs"] = 3
    torch.set_num_threads(1)
    runs, figures = [], {}
    with one_thread():
        warm = gt.load_dataset("nations").split
        train(warm, "nations", 0.0, {**changes, "epochs": 1})
        for seed in range(1 if args.quick else args.seeds):
            watch = train(split, data, args.stop_at, {**changes, "seed": seed})
            assert watch.model is not None
            test = gt.TripleCompletion(split).evaluate(watch.model.eval())["mrr"]
            epoch, valid, minutes, training = watch.curve[-1]
            runs.append({"test_mrr": test, "valid_mrr": valid, "epochs": epoch, "curve": watch.curve})
            runs[-1] |= {"cpu_minutes": minutes, "cpu_minutes_training": training}
            print(f"seed {seed}: test MRR {test:.4f}, {minutes:.2f} CPU-minutes for {epoch} epochs", flush=True)
    keys = ("test_mrr", "valid_mrr", "epochs", "cpu_minutes", "cpu_minutes_training")
    figures = {key: sum(run[key] for run in runs) / len(runs) for key in keys}
    if min(run["test_mrr"] for run in runs) >= WANTED:
        figures = {"cpu_minutes_to_348": figures["cpu_minutes"], **figures}
    else:
        print(f"A test MRR of {WANTED} was not reached.")
    if args.peers:
        epochs, seconds = round(figures["epochs"]), 0.5 if args.quick else 15.0
        minutes = pykeen_minutes(split, epochs, changes["dim"], changes["n3"], seconds)
        figures["pykeen_cpu_minutes_extrapolated"] = minutes
    finish("kg_time_to_mrr", figures, args, data=data, runs=runs)


if __name__ == "__main__":
    main()
