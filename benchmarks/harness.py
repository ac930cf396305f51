"""What every benchmark shares: arguments, the machine, and the last line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("graphtune", "torch", "numpy", "numba", "torch-geometric", "gensim", "scikit-learn")


def arguments(description: str | None, seeds: int = 5) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks take."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small run that shows the benchmark works")
    parser.add_argument("--json", metavar="OUT", help="write figures, machine and versions to this file")
    parser.add_argument("--seeds", type=int, default=seeds, help="number of seeds")
    return parser


def finish(name: str, figures: dict[str, float], args: argparse.Namespace, **details: Any) -> None:
    """Write the results where they were asked for, and print the last line."""
    rounded = {key: round(float(value), 5) for key, value in figures.items()}
    if args.json:
        record = {
            "benchmark": name,
            "figures": rounded,
            "quick": args.quick,
            "seeds": args.seeds,
            "details": details,
            "command": _command(),
            "machine": machine(),
            "date": time.strftime("%Y-%m-%d"),
        }
        Path(args.json).write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({"benchmark": name, "figures": rounded}))


def machine() -> dict[str, Any]:
    """Processor, cores, versions and commit."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: v for name in PACKAGES if (v := _version(name))},
        "commit": _commit(),
    }


def mean_and_spread(values: list[float]) -> str:
    """ "0.812 +- 0.004 (n=10)"."""
    return f"{np.mean(values):.4f} +- {np.std(values):.4f} (n={len(values)})"


def _command() -> str:
    """What was typed, without where the results go."""
    words = sys.argv[1:]
    if "--json" in words:
        at = words.index("--json")
        words = words[:at] + words[at + 2 :]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
