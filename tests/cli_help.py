"""Small files and models for the tests of the command line, and a way to call it without a process."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from graphtune.cli.app import app

QUICK = ("--dim", "8", "--set", "epochs=1", "--quiet")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of error that there must be."""
        found = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(found) == 1, self.err
        assert "Traceback" not in self.err + self.out
        return found[0]


def run(*args: object, env: dict[str, str] | None = None) -> Outcome:
    """`graphtune ARGS` in this process."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], env=env)
    return Outcome(result.exit_code, result.stdout, result.stderr)


def done(*args: object) -> Outcome:
    """`run` for a command that must succeed."""
    outcome = run(*args)
    assert outcome.code == 0, outcome.err
    assert "error:" not in outcome.err
    return outcome


@contextmanager
def working_in(at: Path) -> Iterator[Path]:
    """`at` as the current directory, and one thread for all: on tiny graphs several only wait for each other."""
    before, threads = Path.cwd(), torch.get_num_threads()
    os.chdir(at)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield at
    torch.set_num_threads(threads)
    os.chdir(before)


def write_files(at: Path) -> None:
    """friends.csv with clubs.csv and ages.csv, a graph of two groups; facts.tsv, triples; log.csv, events."""
    rng = random.Random(0)
    pairs = {(i, j) for i in range(24) for j in range(i) if rng.random() < (0.5 if i // 12 == j // 12 else 0.03)}
    _write(at / "friends.csv", ["source,target,weight", *(f"n{i},n{j},{1 + i % 3}" for i, j in sorted(pairs))])
    _write(at / "clubs.csv", ["id,label", *(f"n{i},{'left' if i < 12 else 'right'}" for i in range(24))])
    _write(at / "ages.csv", ["id,label", *(f"n{i},{20 + i // 12 * 30 + i % 5}" for i in range(24))])
    facts = [f"p{i}\tlives_in\tc{i % 5}" for i in range(30)] + [f"p{i}\tknows\tp{(i + 5) % 30}" for i in range(30)]
    _write(at / "facts.tsv", facts)
    events = [f"{u},{i},{100 * u + i}" for u in range(20) for i in rng.sample(range(15), 6)]
    _write(at / "log.csv", ["user,item,time", *events])


def make_models(at: Path) -> None:
    """Model directories of the files of `write_files`: friends, facts and log, and friends-all without a split."""
    done("embed", at / "friends.csv", "--weight", "weight", "--out", at / "friends", *QUICK)
    done("embed", at / "friends.csv", "--split", "none", "--out", at / "friends-all", *QUICK)
    done("embed", at / "facts.tsv", "--triples", "--out", at / "facts", *QUICK)
    done("embed", at / "log.csv", "--events", "user,item,time", "--model", "bprmf", "--out", at / "log", *QUICK)


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    files = sorted(p for p in directory.rglob("*") if p.is_file())
    return {str(p.relative_to(directory)): p.read_bytes() for p in files}


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
