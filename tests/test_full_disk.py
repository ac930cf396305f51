"""A disk that really is full: a small one of its own, which only a namespace of its own sees."""

import subprocess
import sys
from pathlib import Path

import pytest

ON_A_SMALL_DISK = """
import os, subprocess, sys
from pathlib import Path

subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", sys.argv[1]], check=True)
print("mounted", flush=True)
from cli_help import done, run, working_in
from graphtune.store import load, open_directory
from graphtune.testing import equal

WORDS = ("embed", "friends.csv", "--model", "gcn", "--dim", "8", "--set", "hidden=8", "--quiet", "--out", "model")


def fill(free):
    "Leave so many bytes free."
    at = os.statvfs(".")
    Path("filler").write_bytes(b"x" * max(0, at.f_bavail * at.f_bsize - free))


with working_in(Path(sys.argv[1])):
    pairs = [(i, j) for i in range(24) for j in range(i) if i // 12 == j // 12 and (i + j) % 3]
    Path("friends.csv").write_text("source,target\\n" + "".join(f"n{i},n{j}\\n" for i, j in pairs))
    done(*WORDS, "--set", "epochs=2")
    old, kept = load("model"), []
    for free in (0, 32768, 65536):  # room for no checkpoint; for one; for those, but not for the model
        fill(free)
        failed = run(*WORDS, "--set", "epochs=30", "--overwrite", "--save-every", "0.001")
        assert failed.code == 1 and "No space left on device" in failed.error, (free, failed)
        assert equal(old, load("model")), "the finished model is untouched"
        kept.append(len([*Path("model/checkpoints").glob("0*.json")]))
        left = [*Path(".").rglob("*.tmp")]
        assert not left, (free, left)
        Path("filler").unlink()
    assert kept == [0, 1, 2], kept
    done(*WORDS, "--set", "epochs=30", "--overwrite", "--resume")
    assert open_directory("model").record.history[-1]["epoch"] > 2
    assert sorted(os.listdir(".")) == ["friends.csv", "model"]
print("nothing lost", flush=True)
"""


def test_a_full_disk(tmp_path):
    """Whatever there is room for, the command ends with a clear error, the model that was there stays whole, and the
    same command goes on when there is room again."""
    (tmp_path / "disk").mkdir()
    script = [sys.executable, "-c", ON_A_SMALL_DISK, tmp_path / "disk"]
    told = subprocess.run(
        ["unshare", "--map-root-user", "--mount", *script], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    if "mounted" not in told.stdout:
        pytest.skip("this machine gives no disk of one's own")
    assert "nothing lost" in told.stdout, told.stderr[-3000:]
