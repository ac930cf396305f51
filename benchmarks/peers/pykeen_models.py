"""The models that the scripts for PyKEEN beside this file train."""

from pykeen.losses import CrossEntropyLoss, NSSALoss
from pykeen.models import ComplEx, RotatE, TransE


def make(name, dim, loss, n3, factory):
    """A model of `dim` reals an entity; `loss` is "softmax" or the number of negatives of the self-adversarial one."""
    margin = 0.0 if name == "complex" else 9.0
    rest = {
        "triples_factory": factory,
        "random_seed": 0,
        "loss": CrossEntropyLoss() if loss == "softmax" else NSSALoss(margin=margin),
    }
    if name == "complex":
        penalty = {"regularizer_kwargs": {"weight": n3, "p": 3.0}} if n3 else {"regularizer": None}
        return ComplEx(embedding_dim=dim // 2, **penalty, **rest)
    if name == "rotate":
        return RotatE(embedding_dim=dim // 2, **rest)
    return TransE(embedding_dim=dim, scoring_fct_norm=1, **rest)
