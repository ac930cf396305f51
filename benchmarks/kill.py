"""Runs killed by SIGKILL at random moments and at every point of a commit go on to the very same weights.

The parent imports everything and computes nothing; each run is a fork of it that calls the command line, so that a kill
costs a second. A killed command is given again with --resume, and its weights are compared with those of a run that
was left alone. At the points of a commit, which are all calls that change the disk for good, the run replaces a model
that is there: whenever it dies, that model or the new one must load.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._inductor
from numba.core.registry import cpu_target

import graphtune as gt
from graphtune import files
from graphtune.cli.app import app
from graphtune.cli.embed import embed
from graphtune.cli.finetune import finetune
from graphtune.files import read_json
from graphtune.train.checkpoint import Checkpoints
from harness import arguments, finish, typed

POINTS = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir")
DEADLINE = 120.0  # seconds a run may take
SMALL = ("--dim", "8", "--set", "deterministic=true", "--set", "patience=0", "--quiet")
LOADED = (embed, finetune, torch._inductor)  # imported once, so that no fork has to


@dataclass(frozen=True)
class Family:
    """A command of one model family.

    Attributes:
        name: of the family.
        words: of the command, without --out.
        long: settings for a run that takes a second or so.
        short: settings for one of few steps.
    """

    name: str
    words: tuple[str, ...]
    long: tuple[str, ...]
    short: tuple[str, ...] = ("epochs=2",)

    def command(self, settings: tuple[str, ...], *more: str) -> list[str]:
        pairs = [word for pair in settings for word in ("--set", pair)]
        return [*self.words, *pairs, *more]


FRIENDS = ("embed", "friends.csv", *SMALL)
TUNED = ("finetune", "base", "--task", "node-classification", "--labels", "clubs.csv", *SMALL[2:])
EVENTS = ("embed", "log.csv", "--events", "user,item", *SMALL)
FAMILIES = (
    Family("deepwalk", (*FRIENDS, "--model", "deepwalk"), ("epochs=16", "batch_size=64")),
    Family("line", (*FRIENDS, "--model", "line"), ("epochs=30", "batch_size=64")),
    Family("gcn", TUNED, ("epochs=20", "batch_size=16")),
    Family("complex", ("embed", "facts.tsv", "--triples", *SMALL), ("epochs=10", "batch_size=32")),
    Family("lightgcn", (*EVENTS, "--model", "lightgcn"), ("epochs=20", "batch_size=64")),
    Family("bprmf", (*EVENTS, "--model", "bprmf"), ("epochs=30", "batch_size=64")),
)


@dataclass
class Tally:
    """What came of the kills of one kind.

    Attributes:
        tried: how often a run was to be killed; it may end too early.
        kills: how often it was.
        resumed: after which the command with --resume ended well.
        bit_identical: with the weights of a run that was left alone.
        lost_directories: after which neither the model that was there nor the new one could be loaded.
        left_behind: after which files of the killed run were still there in the end.
        from_checkpoint, within_epoch: where the run went on from a checkpoint, and from one within an epoch.
        faults: what went wrong.
    """

    tried: int = 0
    kills: int = 0
    resumed: int = 0
    bit_identical: int = 0
    lost_directories: int = 0
    left_behind: int = 0
    from_checkpoint: int = 0
    within_epoch: int = 0
    faults: list[str] = field(default_factory=list)

    def judge(self, command: list[str], out: Path, whole: str, of: str) -> None:
        """Give a killed command again, and compare what comes of it with the weights `whole`."""
        self.kills += 1
        epoch_part = where(out)
        self.from_checkpoint += epoch_part is not None
        self.within_epoch += bool(epoch_part)
        code = wait(start([*command, "--resume"], out.with_suffix(".log")))
        self.resumed += code == 0
        same = weights(out) == whole
        self.bit_identical += same
        self.left_behind += bool([*out.parent.glob(f".{out.name}.*")] or (out / "checkpoints").exists())
        if code or not same:
            self.faults.append(f"{of}: exit code {code}, weights {'the same' if same else 'others'}")


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--kills", type=int, default=6, help="kills at random moments, a family and seed")
    parser.add_argument("--points", type=int, default=6, help="kills at points of a commit, a family; 0 all, -1 none")
    parser.add_argument("--family", action="append", choices=[f.name for f in FAMILIES], help="only this one")
    args = parser.parse_args()
    kills = 1 if args.quick else args.kills
    families = [family for family in FAMILIES if family.name in (args.family or [family.name])]
    book = Book(args.json)
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        write_data()
        check(wait(start([*FRIENDS, "--model", "gcn", "--split", "none", "--set", "epochs=2", "--out", "base"])))
        prepare(families)
        for family in families:
            if kills:
                at_random(family, kills, args.seeds, book)
            if args.points >= 0 and (not args.quick or family.name == "line"):
                at_points(family, 2 if args.quick else args.points, book)
        os.chdir(here)
    tallies = book.tallies
    names = ("kills", "resumed", "bit_identical", "lost_directories", "left_behind", "from_checkpoint", "within_epoch")
    figures = {name: sum(getattr(tally, name) for tally in tallies.values()) for name in names}
    finish("kill", figures, args, names[:5], **{name: vars(tally) for name, tally in tallies.items()})
    book.close()


class Book:
    """The tallies, on disk after every kill beside the file of --json, so that the same command goes on after a break.

    Args:
        json: the file, or None to keep nothing.
    """

    def __init__(self, json: str | None):
        self.path = None if json is None else Path(json).resolve().with_suffix(".part")
        self.tallies: dict[str, Tally] = {}
        if self.path is not None and self.path.exists():
            begun = read_json(self.path)
            if begun["command"] == typed():
                self.tallies = {name: Tally(**values) for name, values in begun["tallies"].items()}

    def tally(self, name: str) -> Tally:
        return self.tallies.setdefault(name, Tally())

    def keep(self) -> None:
        if self.path is not None:
            values = {name: vars(tally) for name, tally in self.tallies.items()}
            files.commit_json(self.path, {"command": typed(), "tallies": values})

    def close(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def prepare(families: list[Family]) -> None:
    """Import what a run of any family imports, and fill Numba's registries, so that no fork has to."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    for family in families:
        words = family.command(family.short, "--out", f"first-{family.name}")
        check(wait(start(words, imports_to=Path("imports"))))
        for name in Path("imports").read_text().split():
            with suppress(ImportError):
                import_module(name)


def at_random(family: Family, kills: int, seeds: int, book: Book) -> None:
    """Kills at moments drawn from the time that a run left alone takes, from its first file on."""
    tally, command = (
        book.tally(f"{family.name}, at random"),
        family.command(family.long, "--save-every", "0.01", "--out"),
    )
    whole, span = left_alone(command) if tally.kills < kills * seeds else ("", 0.0)
    while tally.kills < kills * seeds:
        tally.tried += 1
        out, moment = (
            Path(f"random-{family.name}-{tally.tried}"),
            random.Random(f"{family.name} {tally.tried}").random(),
        )
        if killed_after(moment * span, [*command, str(out)], out):
            tally.judge([*command, str(out)], out, whole, family.name)
        book.keep()
    print(family.name, "at random:", vars(tally), flush=True)


def at_points(family: Family, kills: int, book: Book) -> None:
    """Kills before the n-th call that changes the disk, for all n, or for `kills` of them at even distances."""
    tally, command = book.tally(f"{family.name}, at points"), family.command(family.short, "--out")
    whole, _ = left_alone(command)
    old, out = Path(f"old-{family.name}"), Path(f"count-{family.name}")
    check(wait(start(family.command(("epochs=1",), "--seed", "1", "--out", str(old)))))
    calls = counted(old, [*command, str(out), "--overwrite"], out)
    chosen = np.linspace(1, calls, kills + 2).round().astype(int)[1:-1] if kills else list(range(1, calls + 1))
    for number in chosen[tally.tried :]:
        book.keep()
        tally.tried += 1
        out = Path(f"points-{family.name}-{number}")
        shutil.copytree(old, out)
        before, words = weights(out), [*command, str(out), "--overwrite"]
        code = wait(start(words, kill_at=int(number)))
        if code != -signal.SIGKILL:
            tally.faults.append(f"{family.name}: call {number} of {calls} was not reached, exit code {code}")
            continue
        if not loads(out) or weights(out) not in (before, whole):
            tally.lost_directories += 1
        tally.judge(words, out, whole, f"{family.name}, call {number} of {calls}")
    book.keep()
    print(family.name, "at points:", vars(tally), flush=True)


def left_alone(command: list[str]) -> tuple[str, float]:
    """The weights of a run that nothing disturbs, and the seconds from its first file to its end."""
    out = Path(f"whole-{time.monotonic_ns()}")
    child, begun = start([*command, str(out)]), 0.0
    while not begun and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        begun = time.monotonic() if (out / "checkpoints").exists() else 0.0
        time.sleep(0.001)
    check(wait(child))
    return weights(out), time.monotonic() - begun


def killed_after(seconds: float, command: list[str], out: Path) -> bool:
    """Run a command and kill it so long after its first file; whether it was still running."""
    child, begun = start(command), None
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if begun is None and (out / "checkpoints").exists():
            begun = time.monotonic()
        if begun is not None and time.monotonic() - begun >= seconds:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.0005)
    return wait(child) == -signal.SIGKILL


def counted(old: Path, command: list[str], out: Path) -> int:
    """How many calls that change the disk a command makes where it replaces the model of the directory `old`."""
    shutil.copytree(old, out)
    check(wait(start(command, count_to=Path("count"))))
    return int(Path("count").read_text())


def start(
    words: list[str],
    log: Path | None = None,
    kill_at: int = 0,
    count_to: Path | None = None,
    imports_to: Path | None = None,
) -> int:
    """The process that runs `graphtune WORDS`, a fork of this one.

    Args:
        words: of the command.
        log: takes what it prints.
        kill_at: the number of the call that changes the disk before which it kills itself; 0 for none.
        count_to: takes the number of those calls.
        imports_to: takes the names of the modules that it has imported in the end.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        printed = os.open(log or "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(printed, 1), os.dup2(printed, 2)
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
        calls = watched(kill_at) if kill_at or count_to else iter((0,))
        code = run(words)
        if count_to is not None:
            count_to.write_text(str(next(calls)))
        if imports_to is not None:
            imports_to.write_text("\n".join(sys.modules))
        os._exit(code)
    finally:
        os._exit(70)


def run(words: list[str]) -> int:
    try:
        app(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def watched(kill_at: int) -> Iterator[int]:
    """Count the calls that change the disk, and kill this process before one; gives the count whenever it is asked."""
    count = [0]

    def wrap(call: Any) -> Any:
        def counting(*args: Any, **options: Any) -> Any:
            count[0] += 1
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return counting

    for name in POINTS:
        setattr(os, name, wrap(getattr(os, name)))
    files._swap = wrap(files._swap)
    return (count[0] for _ in iter(int, 1))


def wait(child: int) -> int:
    """The exit code of a process, or minus the signal that ended it."""
    deadline = time.monotonic() + DEADLINE
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def check(code: int) -> None:
    if code:
        raise SystemExit(f"A run that nobody killed ended with {code}:\n{Path('log').read_text()[-2000:]}")


def where(out: Path) -> float | None:
    """The batch within the epoch at which a run stands by its newest checkpoint; None without one."""
    found = Checkpoints(out / "checkpoints").latest()
    return None if found is None else found.state["place"]["batch"]


def weights(out: Path) -> str:
    path = out / "model.safetensors"
    return sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def loads(out: Path) -> bool:
    """Whether the directory holds a whole model, read in a fork: this process computes nothing."""
    child = os.fork()
    if child:
        return wait(child) == 0
    try:
        gt.load(out)
        os._exit(0)
    finally:
        os._exit(1)


def write_data() -> None:
    """friends.csv with clubs.csv, two groups; facts.tsv, triples; log.csv, events."""
    rng = random.Random(0)
    pairs = [(i, j) for i in range(80) for j in range(i) if rng.random() < (0.2 if i // 40 == j // 40 else 0.02)]
    lines("friends.csv", ["source,target", *(f"n{i},n{j}" for i, j in pairs)])
    lines("clubs.csv", ["id,label", *(f"n{i},{'left' if i < 40 else 'right'}" for i in range(80))])
    facts = [f"p{i}\tlives_in\tc{i % 9}" for i in range(150)] + [f"p{i}\tknows\tp{(i + 9) % 150}" for i in range(150)]
    lines("facts.tsv", facts)
    lines("log.csv", ["user,item", *(f"u{u},i{i}" for u in range(60) for i in rng.sample(range(40), 10))])


def lines(name: str, content: list[str]) -> None:
    Path(name).write_text("\n".join(content) + "\n")


if __name__ == "__main__":
    main()
