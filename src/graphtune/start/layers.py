"""What the weights of PyG's and DGL's modules are called here.

PyG's `convs.0.lin.weight`, or `conv1.lin.weight`, is `encoder.convolutions.0.lin.weight`; DGL's GraphConv has `weight`
[inputs, outputs], other convolutions other names. The names of a layer follow what its prefix is called, and layers are
in the order of their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from graphtune.check import bad
from graphtune.models.base import Model
from graphtune.models.gnn import GNN

# By our name within a convolution; the module that has them all is the convolution that the model has.
PYG = {
    "lin.weight": "lin.weight",
    "bias": "bias",
    "att_src": "att_src",
    "att_dst": "att_dst",
    "lin_l.weight": "lin_l.weight",
    "lin_l.bias": "lin_l.bias",
    "lin_r.weight": "lin_r.weight",
}
DGL = {
    "lin.weight": "fc.weight",
    "bias": "bias",
    "att_src": "attn_l",
    "att_dst": "attn_r",
    "lin_l.weight": "fc_neigh.weight",
    "lin_l.bias": "fc_self.bias",
    "lin_r.weight": "fc_self.weight",
}
GRAPHCONV = {"lin.weight": "weight", "bias": "bias"}  # DGL's, the weight turned


def convolutions(model: Model, state: Mapping[str, Tensor], who: str) -> dict[str, tuple[tuple[str, ...], Tensor]]:
    """The weights of convolutions in a state: by our full name, the name in the state and the weight as we have it.

    Raises:
        ArgumentError: there are convolutions, but not as many as the model has.
    """
    if not isinstance(model.encoder, GNN):
        return {}
    wanted = [name for name, _ in model.encoder.convolutions[0].named_parameters()]
    for names in (PYG, DGL, GRAPHCONV):
        theirs = {names[name]: name for name in wanted if name in names}
        layers = _layers(state, theirs) if len(theirs) == len(wanted) else []
        if layers:
            break
    else:
        return {}
    depth = len(model.encoder.convolutions)
    if len(layers) != depth:
        raise bad("state", who, f"of {depth} convolutions, as the model", layers)
    found: dict[str, tuple[tuple[str, ...], Tensor]] = {}
    for number, prefix in enumerate(layers):
        for their, our in theirs.items():
            weight = state[prefix + their]
            turned = weight.T if names is GRAPHCONV and our == "lin.weight" else weight
            found[f"encoder.convolutions.{number}.{our}"] = (prefix + their,), turned
    return found


def _layers(state: Mapping[str, Tensor], names: Mapping[str, str]) -> list[str]:
    """The prefixes under which the state has all of the names, in the order of their numbers."""
    one = next(iter(names))
    prefixes = {key.removesuffix(one) for key in state if key == one or key.endswith(f".{one}")}
    whole = [prefix for prefix in prefixes if all(prefix + name in state for name in names)]
    return sorted(whole, key=_natural)


def _natural(prefix: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", prefix)]
