"""What the scripts beside this file share."""

from pathlib import Path

import torch


def _status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def peak_bytes():
    """The most memory that this process has had; getrusage would begin at the size of the process that started it."""
    return _status("VmHWM")


def base_bytes():
    """The memory that this process has before its work: its packages, with those that a first optimiser imports."""
    torch.optim.Adagrad([torch.zeros(1, requires_grad=True)], lr=0.1)
    return _status("VmRSS")
