"""What a figure was measured with: the machine, the versions of packages and the commit of graphtune."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import graphtune
from graphtune.kernels.parallel import thread_count

PACKAGES = ("graphtune", "torch", "numpy", "numba", "torch-geometric", "scikit-learn")


def machine(packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """Processor, its vector instructions as torch uses them, cores, threads, versions and commit."""
    return {
        "processor": _processor(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": thread_count(),
        "python": platform.python_version(),
        "versions": {name: v for name in packages if (v := _version(name))},
        "commit": commit(),
    }


def commit() -> str | None:
    """The commit of the source that graphtune runs from, with a + behind it where files differ from it.

    None where graphtune is installed and not run from its repository.
    """
    here = Path(graphtune.__file__).parent
    if _git(here, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head = _git(here, "rev-parse", "--short=9", "HEAD")
    return head if head is None or _git(here, "diff", "--quiet", "HEAD", "--", ".") is not None else f"{head}+"


def peak_resident() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status")  # what getrusage says begins at the size of the process that started this one
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_seconds() -> float:
    """Seconds of processor time of this process, all its threads, and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _git(at: Path, *words: str) -> str | None:
    """What git says there; None where it fails or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(at), *words], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
