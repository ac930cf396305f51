"""The scorer of examples/own_scorer.py against its formula, and the contracts that every model must meet."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import graphtune as gt
from cli_help import done
from graphtune.testing import InverseRelations, RecipeContract, ScorerContract

PATH = Path(__file__).parent.parent / "examples" / "own_scorer.py"
spec = importlib.util.spec_from_file_location("own_scorer", PATH)
own = importlib.util.module_from_spec(spec)
spec.loader.exec_module(own)


class TestHolEScorer(ScorerContract):
    relations = 2

    def make(self):
        return own.HolEScorer(self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        correlation = [sum(z[h, i] * z[t, (i + k) % self.dim] for i in range(self.dim)) for k in range(self.dim)]
        return self.rows(scorer.relation)[r] @ np.array(correlation)


class TestHolE(RecipeContract):
    recipe = own.HolE(dim=16)
    pattern = InverseRelations()
    config = gt.TrainConfig(epochs=150, batch_size=64, lr=0.1, optimizer="adagrad", n3=0.01, patience=0)


def test_the_command_line_takes_it(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PATH.parent)
    named, out = ("--model", "own_scorer:HolE", "--json"), tmp_path / "hole"
    found = done("embed", "dataset:umls", *named, "--set", "epochs=2", "--quiet", "--out", out).json
    assert found["model"] == "HolE"
    scored = done("evaluate", out, "--task", "triple-completion", *named).json
    assert 0 < scored["metrics"]["mrr"]["mean"] < 1
