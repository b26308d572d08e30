"""State dicts from the variables of released TensorFlow checkpoints: those of CRN and SIMS."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

ENDINGS = {"weights": "0.weight", "LayerNorm/gamma": "1.weight", "LayerNorm/beta": "1.bias", "biases": "bias"}
"""Last part of a variable's name -> last part of an entry's."""
NAME = re.compile(f"((?:.+/)?([^/]+))/({'|'.join(ENDINGS)})")


def from_tensorflow(variables: Mapping) -> dict[str, Tensor]:
    """State dict of a CRN or SIMS network from the variables, by name, of a published TensorFlow checkpoint.

    `tf.train.load_checkpoint(path)` reads them. The optimizer's variables are left out.

    Args:
        variables: name -> array, such as "g_4_conv1/LayerNorm/gamma" -> (1024,); kernels are (3, 3, in, out). The
            layers of SIMS are in scopes, as in "g_encoder_conv1/g_encoder_conv1_2/weights".
    """
    state = {}
    for name, value in variables.items():
        if match := NAME.fullmatch(name):
            path, layer, ending = match.groups()
            linear = f"{path}/biases" in variables  # without a norm
            key = "weight" if linear and ending == "weights" else ENDINGS[ending]
            tensor = torch.as_tensor(value)
            state[f"{layer}.{key}"] = tensor.permute(3, 2, 0, 1).contiguous() if tensor.dim() == 4 else tensor
    if "g_transform_param" in variables:  # (512, 6), at the end of SIMS's transformation network
        state["fc.weight"] = torch.as_tensor(variables["g_transform_param"]).T.contiguous()  # (6, 512)
        state["fc.bias"] = torch.as_tensor(variables["g_b_fc1"])
    return state
