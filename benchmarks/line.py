"""LINE on BlogCatalog: multi-label F1 of first order, second order and both, beside the original C++ code's.

The C++ rows (20 M samples an order, measured once on another machine): 1st 33.0 / 36.7 / 38.5, 2nd 32.0 / 35.3 / 36.3,
both 34.3 / 38.3 / 39.1 micro-F1 at 10 / 50 / 90 % training nodes.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

import graphtune as gt
from graphtune.metrics import deepwalk_protocol
from harness import arguments, finish

FRACTIONS = (0.1, 0.5, 0.9)


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--epochs", type=int, default=30, help="passes over both directions of every edge")
    args = parser.parse_args()
    graph = gt.load_dataset("blogcatalog").graph
    figures, details = {}, {}
    for order in ("first", "second", "both"):
        recipe = gt.LINE(dim=128, order=order)
        rows = []
        for seed in range(1 if args.quick else args.seeds):
            config = replace(recipe.training(), seed=seed, epochs=1 if args.quick else args.epochs)
            begin = time.perf_counter()
            model = gt.pretrain(recipe, graph, config, run=gt.Run(quiet=True)).model
            took = time.perf_counter() - begin
            scores = deepwalk_protocol(model.encode(), graph.labels, FRACTIONS, 1 if args.quick else 3, seed)
            rows.append([float(scores[f][m].mean()) for m in ("micro_f1", "macro_f1") for f in FRACTIONS])
            print(f"{order} seed {seed}: micro {rows[-1][:3]}, macro {rows[-1][3:]}, {took:.1f} s", flush=True)
        keys = [f"{m}_f1_{int(100 * f)}" for m in ("micro", "macro") for f in FRACTIONS]
        prefix = "" if order == "both" else f"{order}_"
        figures |= {f"{prefix}{key}": value for key, value in zip(keys, np.mean(rows, axis=0))}
        details[order] = rows
    finish("line", figures, args, runs=details)


if __name__ == "__main__":
    main()
