"""Training, negatives, filtered evaluation and memory of knowledge-graph models, beside PyKEEN and TorchKGE.

All on one thread with denormals flushed, 200 reals an entity. A speed is triples a CPU-second: training counts a triple
in each of its two directions, with all entities (full softmax) or 256 negatives against it; evaluation ranks head and
tail of each test triple. Ours is an epoch of the whole train part, without validation, and an evaluation of the whole
test part; batches of full softmax are those that `kg_time_to_mrr.py` learns with. The peers take batches of it for some
seconds after a first one, in the fastest of several batch sizes, found beforehand, and PyKEEN without a regulariser,
where ours has N3; `train_ratio_pykeen_n3` is with it in both. Their negatives are each triple's own, ours are shared by
the batch. All take turns, each in a process of its own; ratios are medians over the turns. Memory is the most that a
process has while it trains (full softmax) and evaluates, imported packages included; `memory_ratio_beyond_imports` is
without what it has before. That shared negatives are worth as much is checked on UMLS: `mrr_*` is test MRR after as
many epochs of both, by Adam, its rate chosen on validation. The part "precisions" is of ours alone: full softmax by
scores of 8 bits, of 16, and of float32 with the exact gradient, in several dims.
Peers: benchmarks/peers.sh pykeen, benchmarks/peers.sh torchkge.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import graphtune as gt
from graphtune.cli.machine import peak_resident
from graphtune.kernels import grouped
from harness import arguments, finish, in_new_process, median_ratio, peer, resident, write_triples

DIM, NEGATIVES, SLICE = 200, 256, 1000
BATCH = 1024
MODELS: dict[str, Any] = {"complex": gt.ComplEx, "rotate": gt.RotatE, "transe": gt.TransE}
PEERS_WITH = {"complex": ("pykeen", "torchkge"), "rotate": ("pykeen",), "transe": ("pykeen", "torchkge")}
PARTS = ("softmax", "negatives", "mrr", "precisions")
PRECISIONS, DIMS = ("8_bits", "16_bits", "float32"), (100, 200, 400, 1000)
RATES, EPOCHS = (0.001, 0.01), 20
SOFTMAX_SIZES, NEGATIVES_SIZES, EVALUATION_SIZES = "128,256,512", "16,64,256", "32,128,512"
Found = dict[str, float]


@dataclass(frozen=True)
class Peers:
    """How the peers are asked.

    Attributes:
        triples: the file with the data.
        seconds: CPU-seconds of a measurement of training.
        test: test triples of a measurement of evaluation.
        sizes: the best batch size of each question that was asked before.
    """

    triples: Path
    seconds: float
    test: int
    sizes: dict[tuple[Any, ...], str]

    def train(self, name: str, model: str, *loss: object) -> dict[str, Any]:
        sizes = SOFTMAX_SIZES if loss[0] == "softmax" else NEGATIVES_SIZES
        return self._best(name, "train", sizes, lambda size: (model, DIM, *loss, size, self.seconds))

    def evaluate(self) -> dict[str, Any]:
        return self._best("pykeen", "evaluate", EVALUATION_SIZES, lambda size: (DIM, size, self.test))

    def _best(self, name: str, task: str, sizes: str, words: Callable[[str], Sequence[object]]) -> dict[str, Any]:
        """The measurement with the best batch size, which is found first where it is not known."""
        question = (name, task, *words(""))
        if question not in self.sizes:
            found = peer(name, task, self.triples, *words(sizes))
            self.sizes[question] = found["size"]
            print(f"{name} {task} {' '.join(map(str, question[2:]))}: {found['speeds']}", flush=True)
        return peer(name, task, self.triples, *words(self.sizes[question]))


def ours_softmax(data: str) -> Found:
    """Full softmax and the evaluation, with the memory that both take."""
    warm(gt.ComplEx(dim=DIM))
    base = resident()
    split = gt.load_dataset(data).split
    model, speed = trained(gt.ComplEx(dim=DIM), split.train, batch_size=BATCH)
    begin = time.process_time()
    gt.TripleCompletion(split).evaluate(model)
    took = time.process_time() - begin
    return {"train": speed, "evaluation": split.test.num_edges / took, "memory": peak_resident(), "base": base}


def ours_negatives(data: str, name: str) -> Found:
    recipe = MODELS[name](dim=DIM, loss="self-adversarial", negatives=NEGATIVES)
    warm(recipe)
    return {"ours": trained(recipe, gt.load_dataset(data).split.train)[1]}


def ours_mrr(data: str, name: str, rate: float, epochs: int) -> Found:
    """What shared negatives come to after so many epochs."""
    split = gt.load_dataset(data).split
    recipe = MODELS[name](dim=DIM, loss="self-adversarial", negatives=NEGATIVES)
    config = gt.TrainConfig(epochs=epochs, batch_size=64, lr=rate, optimizer="adamw", eval_every=epochs)
    result = gt.pretrain(recipe, split, config, run=gt.Run(quiet=True))
    return {"valid": result.history[-1]["mrr"], "mrr": gt.TripleCompletion(split).evaluate(result.model)["mrr"]}


def ours_in(data: str, precision: str, dim: int) -> Found:
    """Full softmax in a precision that the processor may not take by itself."""
    grouped.MANY = 0 if precision == "8_bits" else sys.maxsize
    recipe = gt.ComplEx(dim=dim, **({"rounding": 0.0} if precision == "float32" else {}))
    warm(recipe)
    return {"train": trained(recipe, gt.load_dataset(data).split.train, batch_size=BATCH)[1]}


def mrr_of(data: str, name: str, epochs: int, place: Path) -> Found:
    """Test MRR of ours and of PyKEEN's, each with the rate that is best on validation."""
    tried = [in_new_process(ours_mrr, data, name, rate, epochs) for rate in RATES]
    file = write_triples(gt.load_dataset(data).split, place / f"{data}.npz")
    words = (name, DIM, NEGATIVES, 64, epochs, ",".join(map(str, RATES)))
    theirs = peer("pykeen", "quality", file, *words)
    return {"ours": max(tried, key=lambda one: one["valid"])["mrr"], "pykeen": theirs["mrr"]}


def warm(recipe: Any) -> None:
    """A little training and evaluation, so that what is compiled is there."""
    split = gt.load_dataset("nations").split
    gt.TripleCompletion(split).evaluate(trained(recipe, split.train)[0])


def trained(recipe: Any, graph: gt.Graph, **options: int) -> tuple[gt.Model, float]:
    """The model after an epoch, and triples in both directions a CPU-second."""
    begin = time.process_time()
    result = gt.pretrain(recipe, graph, replace(recipe.training(), epochs=1, **options), run=gt.Run(quiet=True))
    return result.model, 2 * graph.num_edges / (time.process_time() - begin)


def softmax_turn(data: str, peers: Peers) -> Found:
    ours = in_new_process(ours_softmax, data)
    n3 = gt.ComplEx(dim=DIM).training().n3
    plain, regular = (peers.train("pykeen", "complex", "softmax", weight) for weight in (0, n3))
    evaluation = peers.evaluate()
    return {
        **ours,
        "pykeen_train": plain["speed"],
        "pykeen_train_n3": regular["speed"],
        "pykeen_evaluation": evaluation["speed"],
        "pykeen_memory": max(plain["peak_bytes"], evaluation["peak_bytes"]),
        "pykeen_base": plain["base_bytes"],
    }


def negatives_turn(data: str, name: str, peers: Peers) -> Found:
    found = in_new_process(ours_negatives, data, name)
    for other in PEERS_WITH[name]:
        words = (NEGATIVES, 0) if other == "pykeen" else (NEGATIVES,)
        found[other] = peers.train(other, name, *words)["speed"]
    return {**found, "fastest": max(found[other] for other in PEERS_WITH[name])}


def beyond(rows: list[Found]) -> list[Found]:
    """Memory less that of the imported packages."""
    return [{"ours": row["memory"] - row["base"], "pykeen": row["pykeen_memory"] - row["pykeen_base"]} for row in rows]


def shown(name: str, turns: list[Found]) -> None:
    told = ", ".join(f"{key} {np.median([turn[key] for turn in turns]):,.0f}" for key in turns[0])
    print(f"{name}: {told}", flush=True)


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--data", help="fb15k-237, or kinship with --quick, unless given")
    parser.add_argument("--turns", type=int, help="3, or 1 with --quick, unless given")
    parser.add_argument("--seconds", type=float, help="CPU-seconds of a peer's measurement")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS), help="for negatives")
    args = parser.parse_args()
    data = args.data or ("kinship" if args.quick else "fb15k-237")
    seconds = args.seconds or (0.5 if args.quick else 15.0)
    figures: dict[str, float] = {}
    details: dict[str, Any] = {"data": data}
    with TemporaryDirectory() as place:
        file = write_triples(gt.load_dataset(data).split, Path(place) / "triples.npz")
        peers = Peers(file, seconds, 128 if args.quick else SLICE, {})
        turns = range(args.turns or (1 if args.quick else 3))
        if "softmax" in args.parts:
            rows = details["softmax"] = [softmax_turn(data, peers) for _ in turns]
            shown("full softmax", rows)
            figures |= {
                "train_ratio_pykeen": median_ratio(rows, "train", "pykeen_train"),
                "train_ratio_pykeen_n3": median_ratio(rows, "train", "pykeen_train_n3"),
                "evaluation_ratio_pykeen": median_ratio(rows, "evaluation", "pykeen_evaluation"),
                "memory_ratio_pykeen": median_ratio(rows, "pykeen_memory", "memory"),
                "memory_ratio_beyond_imports": median_ratio(beyond(rows), "pykeen", "ours"),
                "train_triples_per_cpu_s": float(np.median([row["train"] for row in rows])),
                "evaluation_triples_per_cpu_s": float(np.median([row["evaluation"] for row in rows])),
                "memory_mb": max(row["memory"] for row in rows) / 1e6,
            }
        if "negatives" in args.parts:
            for name in args.models:
                rows = details[name] = [negatives_turn(data, name, peers) for _ in turns]
                shown(f"{name}, {NEGATIVES} negatives", rows)
                figures[f"negatives_ratio_{name}"] = median_ratio(rows, "ours", "fastest")
            figures["negatives_ratio_fastest"] = min(figures[f"negatives_ratio_{name}"] for name in args.models)
        if "mrr" in args.parts:
            small, epochs = ("nations", 1) if args.quick else ("umls", EPOCHS)
            for name in args.models:
                details[f"mrr_{name}"] = mrr_of(small, name, epochs, Path(place))
                print(f"{name}, {NEGATIVES} negatives: test MRR on {small} {details[f'mrr_{name}']}", flush=True)
                figures |= {f"mrr_{name}_{who}": value for who, value in details[f"mrr_{name}"].items()}
        if "precisions" in args.parts:
            for precision in PRECISIONS:
                for dim in DIMS[:1] if args.quick else DIMS:
                    speed = in_new_process(ours_in, data, precision, dim)["train"]
                    print(f"{precision}, dim {dim}: {speed:,.0f} triples a CPU-second", flush=True)
                    figures[f"train_triples_per_cpu_s_{precision}_{dim}"] = speed
        details["batch_sizes"] = {" ".join(map(str, question)): size for question, size in peers.sizes.items()}
    finish("kg_speed", figures, args, **details)


if __name__ == "__main__":
    main()
