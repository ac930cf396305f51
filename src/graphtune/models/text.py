"""Texts of nodes through a pretrained transformer, such as BGE (Xiao et al., 2023) or BCEmbedding (Youdao, 2023).

Axes: N nodes, n nodes of a batch, L tokens, D the width of the transformer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import bad, number, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.encoder import Encoder
from graphtune.models.lookup import Dot
from graphtune.models.relational import SCORERS
from graphtune.objectives import SampledSoftmax
from graphtune.sampling import EdgeSampler, Negatives

POOLINGS = ("cls", "mean")
AT_ONCE = 64  # texts that go through the transformer together
TOKENIZER = "tokenizer.json"
CONFIGS = ("transformer.json", "config.json")  # in a model directory of ours, and in the layout of Hugging Face
NEEDED = {"model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}
WEIGHTS = "model.safetensors"
INSTALL = "pip install 'graphtune[text]'"


class TextEncoder(Encoder):
    """The text of each node, read by a transformer; rows have length 1. Equal nodes of a batch are read once.

    Args:
        transformer: gives `last_hidden_state` [n, L, D] of token numbers and their mask.
        tokens: of each node, at least one.
        pooling: "cls" takes the first token, "mean" the mean of all.
        padding: the token that fills up short texts.
    """

    def __init__(self, transformer: Any, tokens: list[list[int]], pooling: str, padding: int):
        super().__init__()
        self.transformer = transformer
        self.num_nodes, self.dim = len(tokens), int(transformer.config.hidden_size)
        self.tokens = [torch.tensor(one) for one in tokens]
        self.length = torch.tensor([len(one) for one in tokens])
        self.pooling, self.padding = pooling, padding

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        chosen = torch.arange(self.num_nodes) if nodes is None else nodes.cpu()
        if not len(chosen):
            return torch.empty(0, self.dim)
        different, place = torch.unique(chosen, return_inverse=True)
        by_length = torch.argsort(self.length[different], stable=True)
        rows = torch.cat([self._read(part) for part in different[by_length].split(AT_ONCE)])
        back = torch.empty_like(by_length)
        back[by_length] = torch.arange(len(by_length))
        return rows[back[place].to(rows.device)]

    def _read(self, nodes: Tensor) -> Tensor:
        """[n, D] of different nodes, in one pass."""
        device = next(self.transformer.parameters()).device
        texts = [self.tokens[node] for node in nodes.tolist()]
        tokens = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=self.padding).to(device)
        mask = torch.arange(tokens.shape[1], device=device) < self.length[nodes].to(device)[:, None]
        states = self.transformer(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        if self.pooling == "cls":
            return F.normalize(states[:, 0].float(), dim=-1)
        states = states.float().masked_fill(~mask[..., None], 0.0)
        return F.normalize(states.sum(1) / mask.sum(1, keepdim=True), dim=-1)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What the transformer is made of, its stack of layers one by one."""
        names: list[str] = []
        for name, part in self.transformer.named_children():
            stack = [inner for inner, module in part.named_modules() if isinstance(module, nn.ModuleList)][:1]
            path = f"transformer.{'.'.join(filter(None, (name, *stack)))}"
            names += [f"{path}.{at}" for at in range(len(part.get_submodule(stack[0])))] if stack else [path]
        return tuple(names)


@dataclass(frozen=True)
class Text:
    """Embeddings of the nodes' texts, trained so that neighbours are near: in each batch the ends of other edges stand
    against an edge's own (InfoNCE: van den Oord et al., 2018). Triples are read both ways under a scorer of relations
    (SimKGC: Wang et al., 2022), so that an entity is ranked by what it is called.

    A model directory holds weights and tokenizer, so it needs `path` no more.

    Attributes:
        path: the directory of a transformer in the layout of Hugging Face: config.json, tokenizer.json, and
            model.safetensors, without which it starts at random. Code that lies there is never run.
        pooling: "cls" (BGE, BCEmbedding) or "mean" (E5, GTE): which is the transformer's own.
        max_length: tokens that are read of a text.
        prefix: put before each text, such as E5's "query: ".
        negatives: targets of a batch that stand against each of its edges.
        temperature: of the softmax over cosines; scores of triples are taken as they are.
        scorer: of triples: "transe", "distmult", "complex" or "rotate".
    """

    path: str
    pooling: str = "cls"
    max_length: int = 128
    prefix: str = ""
    negatives: int = 64
    temperature: float = 0.05
    scorer: str = "transe"

    def __post_init__(self) -> None:
        one_of("pooling", "Text", self.pooling, POOLINGS)
        one_of("scorer", "Text", self.scorer, tuple(SCORERS))
        check_recipe(self, max_length=3, negatives=1)
        number("temperature", "Text", self.temperature, 1e-3)

    @property
    def dim(self) -> int:
        return int(self._config["hidden_size"])

    def files(self) -> dict[str, Path]:
        """What a model directory keeps of the transformer's, by the name that it has there."""
        return {CONFIGS[0]: self.config, TOKENIZER: Path(self.path) / TOKENIZER}

    def build(self, graph: Graph, seed: int = 0) -> Model:
        if graph.texts is None:
            fix = "Read them with read_texts (--texts FILE)."
            raise bad("graph", "Text.build", "one whose nodes have texts", "a graph without texts", fix)
        padding = self._config.get("pad_token_id") or 0
        encoder = TextEncoder(self._transformer(seed), self._tokens(graph.texts), self.pooling, padding)
        triples = graph.relation_ids is not None
        scorer = SCORERS[self.scorer](graph.num_relations, encoder.dim, seed) if triples else Dot()
        return Model(self, encoder, scorer, graph)

    def training(self) -> TrainConfig:
        return TrainConfig(
            epochs=3,
            batch_size=64,
            lr=2e-5,
            weight_decay=0.01,
            schedule="linear",
            warmup=0.1,
            clip_norm=1.0,
            patience=2,
        )

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[EdgeSampler, Any]:
        drawn = Negatives(self.negatives, noise="in-batch", shared=True, unknown=True)
        triples = graph.relation is not None
        sampler = EdgeSampler(graph, config.batch_size, drawn, reciprocal=triples, seed=config.seed)
        return sampler, SampledSoftmax(1.0 if triples else self.temperature)

    @property
    def config(self) -> Path:
        """The file that says what transformer it is."""
        found = next((Path(self.path) / name for name in CONFIGS if (Path(self.path) / name).is_file()), None)
        if found is None or not (Path(self.path) / TOKENIZER).is_file():
            what = f"the directory of a transformer, with config.json and {TOKENIZER}"
            raise bad("path", "Text", what, self.path, "Download one first, such as BAAI/bge-small-en-v1.5.")
        return found

    @property
    def _config(self) -> dict[str, Any]:
        config = json.loads(self.config.read_text())
        if not isinstance(config, dict) or not config.keys() >= NEEDED:
            raise bad("path", "Text", "the directory of a transformer", self.path, f"See {self.config.name}.")
        return config

    def _transformer(self, seed: int) -> Any:
        try:
            from transformers import AutoConfig, AutoModel
            from transformers.utils import logging as transformers_log
        except ImportError:
            raise bad("Text", "graphtune", "installed with what it needs", "no transformers", INSTALL) from None
        transformers_log.disable_progress_bar()
        if (Path(self.path) / WEIGHTS).is_file() and self.config.name == CONFIGS[1]:
            options = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
            found = AutoModel.from_pretrained(self.path, dtype=torch.float32, **options)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                found = AutoModel.from_config(AutoConfig.for_model(**self._config), dtype=torch.float32)
        if hasattr(found, "pooler"):
            found.pooler = None  # it reads the first token through a layer that no loss of ours has
        return found

    def _tokens(self, texts: tuple[str, ...]) -> list[list[int]]:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(Path(self.path) / TOKENIZER))
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(self.max_length, self._longest))
        return [one.ids for one in tokenizer.encode_batch([self.prefix + text for text in texts])]

    @property
    def _longest(self) -> int:
        """Positions that the transformer has for tokens; RoBERTa and its kin count theirs from behind the padding."""
        positions = int(self._config.get("max_position_embeddings", self.max_length))
        kept = int(self._config.get("pad_token_id") or 0) + 1 if "roberta" in self._config["model_type"] else 0
        return positions - kept
