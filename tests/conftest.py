"""Fixtures that every test file may use."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # what the tests compute is small; waiting threads only cost


@pytest.fixture(scope="session")
def data() -> Path:
    """The root of the real data sets; tests that need it are skipped where it is not there."""
    root = os.environ.get("GRAPHTUNE_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("GRAPHTUNE_DATA does not name a directory of data sets")
    return Path(root)
