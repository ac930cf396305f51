"""Every example runs as a user would run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DATA = {"own_scorer": ["nations"]}  # of those that read a public data set, the one to take here
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if path.stem in DATA:
        request.getfixturevalue("data")
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, str(path), *DATA.get(path.stem, [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


def test_there_is_an_example_for_each_kind_of_user() -> None:
    assert {p.stem for p in EXAMPLES} >= {"social_network", "recommender", "knowledge_graph", "own_model", "own_scorer"}
