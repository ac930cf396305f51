"""`import graphtune` is quick, loads nothing heavy, and has all the names it promises."""

import pkgutil
import subprocess
import sys

import pytest

import graphtune

MEASURE = """
import sys, time
begin = time.perf_counter()
import graphtune
print(time.perf_counter() - begin)
heavy = ("torch", "numba", "torch_geometric", "sklearn", "polars", "matplotlib")
print(*(name for name in heavy if name in sys.modules))
"""


def measure() -> tuple[float, str]:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.splitlines()
    return float(seconds), heavy


def test_import_is_quick_and_light():
    seconds, heavy = measure()
    for _ in range(9):
        if seconds < 0.3:
            break
        seconds, heavy = measure()
    assert seconds < 0.3 and heavy == ""


TRAIN = """
import sys
import graphtune as gt
from graphtune.testing import QUIET, checkerboard
for table_updates in ("dense", "rows"):
    for optimizer in ("adamw", "adagrad", "sgd"):
        config = gt.TrainConfig(epochs=1, batch_size=32, optimizer=optimizer, l2=1e-3, table_updates=table_updates)
        gt.pretrain(gt.BPRMF(dim=4), checkerboard(), config, run=QUIET)
print("torch._dynamo" in sys.modules)
"""


def test_training_does_not_load_torchs_compiler():
    done = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("name", graphtune.__all__)
def test_every_name_is_there(name):
    assert getattr(graphtune, name) is not None


def test_unknown_names_are_no_attributes():
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        graphtune.nothing_of_the_kind  # noqa: B018
    assert set(dir(graphtune)) >= set(graphtune.__all__)


def test_no_module_hides_a_name():
    """A module that is imported becomes an attribute of the package, in place of what has its name."""
    modules = {module.name for module in pkgutil.iter_modules(graphtune.__path__)}
    assert not modules & set(graphtune.__all__)
