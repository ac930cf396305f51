"""Recommenders' speed beside their peers: LightGCN, BPR-MF, full ranking, metrics.

What each part measures and against whom stands at the head of its file in benchmarks/rec_parts. All take turns, each in
a process of its own; figures are medians over the turns.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from harness import arguments, finish

PARTS = {
    "lightgcn": ("lightgcn", "figures"),
    "bpr": ("bpr", "figures"),
    "ranking": ("ranking", "ranking_figures"),
    "metrics": ("ranking", "metrics_figures"),
}


def measure(part: str) -> Callable[[int, bool], dict[str, float]]:
    """What gives the figures of a part from the number of turns and whether a small run is enough."""
    module, name = PARTS[part]
    return getattr(import_module(f"rec_parts.{module}"), name)


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--turns", type=int, help="3, or 1 with --quick, unless given")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    args = parser.parse_args()
    figures: dict[str, float] = {}
    for part in args.parts:
        found = measure(part)(args.turns or (1 if args.quick else 3), args.quick)
        print(f"{part}: {found}", flush=True)
        figures |= found
    finish("rec_speed", figures, args)


if __name__ == "__main__":
    main()
