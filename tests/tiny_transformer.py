"""A BERT of two layers and a vocabulary of a few words, in the layout that pretrained transformers come in."""

from pathlib import Path

import torch

WORDS = ("red", "green", "blue", "sour", "sweet", "apple", "pear", "plum", "carp", "pike", "perch", "trout")


def make(directory: Path, weights: bool = True) -> Path:
    """Write config.json, tokenizer.json and, where asked, model.safetensors."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    vocabulary = {word: number for number, word in enumerate((*special, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
        initializer_range=0.2,
    )
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    config.save_pretrained(directory)
    if weights:
        torch.manual_seed(0)
        BertModel(config).save_pretrained(directory)
    return directory
