"""Text encoders: the contract of models, numbers against those of the library itself, LoRA, the command line."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import graphtune
from cli_help import done, run, working_in
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.estimate import Plan, Size, training_memory, training_seconds
from graphtune.estimate.memory import weight_bytes
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.text import Text, TextEncoder
from graphtune.split import split_edges, split_triples
from graphtune.store import load, save
from graphtune.tasks import LinkPrediction, TripleCompletion, finetune, pretrain
from graphtune.testing import (
    CITIES,
    RESIDENTS,
    Communities,
    EncoderContract,
    InverseRelations,
    RecipeContract,
    equal,
    inverse_relations,
    two_cliques,
)
from graphtune.train.fit import Run, Training, fit
from tiny_transformer import WORDS, make

PLACE = make(Path(tempfile.mkdtemp()) / "tiny")
BARE = make(PLACE.parent / "bare", weights=False)
QUIET = Run(quiet=True)
CONFIG = TrainConfig(epochs=40, batch_size=16, lr=3e-3, patience=0)


def fruits_and_fish() -> Graph:
    """Two cliques whose nodes have a colour each and the name of a fruit or of a fish."""
    names = [f"{WORDS[i % 5]} {WORDS[5 + i % 3] if i < 6 else WORDS[8 + i % 4]}" for i in range(12)]
    return two_cliques().replace(texts=tuple(names))


def teardown_module() -> None:
    shutil.rmtree(PLACE.parent)


class TestText(RecipeContract):
    recipe = Text(str(BARE), negatives=8, max_length=6)
    config = CONFIG
    pattern = Communities(fruits_and_fish())

    def test_directory_gives_the_model_back(self, model, tmp_path):
        """But for the path, which is now the directory."""
        loaded = load(save(tmp_path / "model", model))
        assert loaded.recipe == replace(self.recipe, path=str(tmp_path / "model")) and loaded.ids == model.ids
        assert equal(model, loaded) and torch.equal(loaded.embeddings(), model.embeddings())


class TestTextByMeans(TestText):
    recipe = Text(str(BARE), pooling="mean", prefix="red ", negatives=8)


def towns_by_name() -> Graph:
    """People and cities whose names begin alike where they belong together."""
    people = [f"{WORDS[p // RESIDENTS]} {WORDS[5 + p % 7]}" for p in range(CITIES * RESIDENTS)]
    return inverse_relations().replace(texts=(*people, *WORDS[:CITIES]))


class TestTextOfTriples(TestText):
    recipe = Text(str(BARE), negatives=8, max_length=6)
    pattern = InverseRelations(towns_by_name())


class TestTextEncoder(EncoderContract):
    graph = fruits_and_fish()

    def make(self, graph):
        return Text(str(PLACE)).build(graph).encoder


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_embeddings_are_those_of_transformers(pooling):
    """One text at a time, without padding, through the library's own model."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    graph = Graph(np.array([[0], [1]]), NodeIds.range(3), texts=("red apple", "sour green pear plum", "pike"))
    found = Text(str(PLACE), pooling=pooling, prefix="blue ").build(graph).encode()
    tokenizer, bert = Tokenizer.from_file(str(PLACE / "tokenizer.json")), BertModel.from_pretrained(PLACE).eval()
    for row, text in zip(found, graph.texts):
        with torch.no_grad():
            states = bert(torch.tensor([tokenizer.encode(f"blue {text}").ids])).last_hidden_state[0]
        wanted = states[0] if pooling == "cls" else states.mean(0)
        np.testing.assert_allclose(row, wanted / wanted.norm(), atol=1e-5)


def test_texts_are_cut_where_the_transformer_ends():
    graph = Graph(np.array([[0], [1]]), NodeIds.range(2), texts=(" ".join(WORDS), ""))
    encoder = Text(str(PLACE)).build(graph).encoder
    assert isinstance(encoder, TextEncoder) and encoder.length.tolist() == [12, 2]
    assert Text(str(PLACE), max_length=5).build(graph).encoder.length.tolist() == [5, 2]


def test_the_directory_of_a_model_stands_alone(tmp_path):
    place = make(tmp_path / "tiny")
    trained = pretrain(Text(str(place), negatives=8), fruits_and_fish(), replace(CONFIG, epochs=1), run=QUIET).model
    save(tmp_path / "model", trained)
    shutil.rmtree(place)
    again = load(tmp_path / "model")
    assert equal(again, trained) and np.array_equal(again.encode(), trained.encode())
    save(tmp_path / "copy", again)
    shutil.rmtree(tmp_path / "model")
    assert equal(load(tmp_path / "copy"), trained)


def test_without_weights_it_starts_at_random(tmp_path):
    place = str(make(tmp_path / "bare", weights=False))
    one, same, other = (Text(place).build(fruits_and_fish(), seed) for seed in (1, 1, 2))
    assert equal(one, same) and not equal(one, other)


def test_lora_on_a_text_encoder():
    """Only the factors of the matrices that were named learn; what comes out is the sum, in the shape of the start."""
    graph = fruits_and_fish()
    split = split_edges(graph, seed=0)
    model = Text(str(PLACE), negatives=8).build(split.train)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = replace(CONFIG, epochs=5, lora_rank=2, lora_targets="*query,*value")
    tuned = finetune(model, LinkPrediction(split), config, QUIET).model
    after = tuned.state_dict()
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == 4 and all(name.endswith(("query.weight", "value.weight")) for name in changed)


class Breaking:
    """A sampler that ends the run after some batches."""

    def __init__(self, sampler, left):
        self.sampler, self.left, self.num_batches = sampler, left, sampler.num_batches

    def batches(self, epoch, first=0):
        for batch in self.sampler.batches(epoch, first):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield batch


def test_a_run_that_broke_off_ends_alike(tmp_path):
    recipe, graph = Text(str(BARE), negatives=8), fruits_and_fish()
    config = replace(CONFIG, epochs=3, deterministic=True)
    sampler, objective = recipe.pretraining(graph, config)

    def begin(run, sampler):
        return fit(recipe.build(graph), Training("text", sampler, objective), config, run).model

    whole, saved = begin(QUIET, sampler), Run(tmp_path, save_steps=1, quiet=True)
    with pytest.raises(KeyboardInterrupt):
        begin(saved, Breaking(sampler, sampler.num_batches + 1))
    assert equal(begin(replace(saved, resume=True), sampler), whole)


def test_what_it_takes_is_counted():
    """Of the weights all but what a layer norm has; of the rest, more for longer texts and larger batches."""
    recipe, size = Text(str(PLACE)), Size(nodes=100, edges=400, targets=100)
    plan = Plan.of(recipe, CONFIG)
    held = 4 * sum(p.numel() for p in recipe.build(fruits_and_fish()).encoder.parameters())
    assert weight_bytes(plan, size) == pytest.approx(held, rel=0.05)
    longer = Plan.of(replace(recipe, max_length=256), CONFIG)
    assert max(training_memory(longer, size).values()) > max(training_memory(plan, size).values())
    assert training_seconds(longer, size) > training_seconds(plan, size) > 0


def test_entities_are_completed_by_their_names(tmp_path):
    """Answers, fine-tuning and directories are those of triples."""
    graph = towns_by_name()
    split = split_triples(graph, ratios=(8, 1, 1), seed=0)
    model = pretrain(
        Text(str(PLACE), negatives=8, scorer="distmult"), split, replace(CONFIG, epochs=2), run=QUIET
    ).model
    assert model.reads_relations and len(model.complete(head="person0", relation="in", k=3).answers) == 3
    tuned = finetune(
        model, TripleCompletion(split, loss="self-adversarial", negatives=4), replace(CONFIG, epochs=2), QUIET
    )
    assert 0 < TripleCompletion(split).evaluate(tuned.model)["mrr"] <= 1
    assert equal(load(save(tmp_path / "model", tuned.model)), tuned.model)
    with pytest.raises(ArgumentError, match="`scorer` of Text must be"):
        Text(str(PLACE), scorer="dot")


def test_layers_are_named_from_below():
    encoder = Text(str(PLACE)).build(fruits_and_fish()).encoder
    below, *layers = encoder.layer_names
    assert below == "transformer.embeddings"
    assert layers == ["transformer.encoder.layer.0", "transformer.encoder.layer.1"]


def test_no_code_is_run_and_no_pickle_read(tmp_path):
    """A directory that asks for its own code, and has its weights pickled, gives neither."""
    place = make(tmp_path / "tiny")
    torch.save({}, place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()
    config = (place / "config.json").read_text()
    (place / "config.json").write_text(config.replace("{", '{"auto_map": {"AutoModel": "evil.Evil"},', 1))
    (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert equal(*(Text(str(place)).build(fruits_and_fish(), 1) for _ in range(2)))
    assert not (tmp_path / "ran").exists()


def test_bad_texts_and_paths(tmp_path):
    with pytest.raises(ArgumentError, match=r"`graph` of Text.build must be one whose nodes have texts"):
        Text(str(PLACE)).build(two_cliques())
    with pytest.raises(ArgumentError, match=r"`path` of Text must be the directory of a transformer"):
        Text(str(tmp_path)).build(fruits_and_fish())
    with pytest.raises(ArgumentError, match="pooling"):
        Text(str(PLACE), pooling="max")


def test_from_files_on_the_command_line(tmp_path):
    graph = fruits_and_fish()
    with working_in(tmp_path):
        Path("edges.csv").write_text("source,target\n" + "".join(f"n{u},n{v}\n" for u, v in graph.edges.T))
        Path("texts.csv").write_text("id,text\n" + "".join(f"n{i},{text}\n" for i, text in enumerate(graph.texts)))
        words = ("embed", "edges.csv", "--texts", "texts.csv", "--model", "text", "--quiet")
        done(*words, "--set", f"path={PLACE}", "--set", "epochs=2", "--out", "read")
        assert graphtune.load("read").recipe.path == "read"
        assert "n0" not in str(done("neighbors", "read", "n0", "--json").json["neighbors"][0])
        done("finetune", "read", "--task", "link-prediction", "--set", "epochs=1", "--quiet", "--out", "tuned")
        assert "must be the directory of a transformer" in run(*words, "--set", "path=none", "--out", "b").error
        assert "texts" in run("embed", "edges.csv", "--model", "text", "--set", f"path={PLACE}", "--out", "c").error
        Path("facts.csv").write_text("".join(f"n{u},near,n{v}\n" for u, v in graph.edges.T))
        facts = ("embed", "facts.csv", "--triples", "--no-header", *words[2:])
        done(*facts, "--set", f"path={PLACE}", "--set", "epochs=1", "--out", "facts")
        assert done("predict", "facts", "n0", "near", "?", "--json").json["answers"]
